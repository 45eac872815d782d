import pytest

from autograder.desk.changed_points import Outdated, apply, preview

EXERCISE = "04_advantages"


def test_whose_marks_change_is_shown_and_then_they_change(desk, question, ids, give):
    for student, shares in (("s001", [1, 1, 0]), ("s002", [1, 0.5, 1]), ("s003", [1, 0, 0])):
        give(ids[student], shares, words="My words.")
    give(ids["s004"], [1, 1, 1], points=5)
    shown = preview(desk, question, 1, 1.0)  # the second one earns 1 instead of 2
    changes = {one["id"]: (one["before"], one["after"]) for one in shown["changes"]}
    assert changes == {ids["s001"]: (4, 3), ids["s002"]: (5, 4.5)}
    assert shown["typed"] == 1
    assert desk.card(question, ids["s001"])["score"] == 4  # shown, not changed

    assert apply(desk, question, 1, 1.0, shown["seen"]) == 2
    question = desk.question(EXERCISE, "essay")
    assert [point.points for point in question.scheme.key_points] == [2, 1, 2]
    card = desk.card(question, ids["s002"])
    assert (card["score"], card["mark"]["given"], card["mark"]["words"]) == (4.5, (1, 0.5, 1), "My words.")
    assert ": 0.5/1" in card["back"]["comment"]
    assert desk.card(question, ids["s004"])["score"] == 5  # typed
    assert desk.card(question, ids["s005"])["waits"]


def test_the_schemes_own_points_come_back(desk, question, ids, give):
    give(ids["s001"], [1, 1, 0])
    apply(desk, question, 0, 1.0, preview(desk, question, 0, 1.0)["seen"])
    question = desk.question(EXERCISE, "essay")
    apply(desk, question, 0, 2.0, preview(desk, question, 0, 2.0)["seen"])
    question = desk.question(EXERCISE, "essay")
    assert [point.points for point in question.scheme.key_points] == [2, 2, 2]
    assert desk.card(question, ids["s001"])["score"] == 4


def test_marks_given_since_are_not_changed_unseen(desk, question, ids, give):
    seen = preview(desk, question, 1, 1.0)["seen"]
    give(ids["s001"], [1, 1, 0])
    with pytest.raises(Outdated):
        apply(desk, question, 1, 1.0, seen)
    assert desk.question(EXERCISE, "essay").scheme.key_points[1].points == 2
    assert desk.card(question, ids["s001"])["score"] == 4


@pytest.mark.parametrize(("place", "points"), [(3, 1), (-1, 1), (0, 0), (0, 7), (0, float("nan"))])
def test_what_cannot_be_is_refused(desk, question, place, points):
    with pytest.raises(ValueError, match="key point"):
        preview(desk, question, place, points)

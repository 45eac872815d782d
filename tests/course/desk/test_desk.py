"""Marks from the desk into nbgrader's gradebook: by who has seen what stands there, and nobody else."""

import json
from dataclasses import replace

import pytest
from essay_class import Made, hand_in_graded

from autograder.desk.desk import READ, WAITS, refused
from autograder.gradebook.essay_marks import Changed, essay_row
from autograder.gradebook.scores import read_scores
from autograder.gradebook.writer import open_gradebook
from autograder.grading.records import _path
from autograder.handing_in.submissions import Submission

EXERCISE = "04_advantages"
pytestmark = pytest.mark.filterwarnings("ignore")


def as_seen(card, **mark):
    return {"digest": card["digest"], "version": card["version"], "mark": mark}


def test_a_mark_is_what_nbgrader_has_of_it(desk, question, ids, give):
    assert desk.all_questions()[0]["waiting"] == 8
    give(ids["s001"], [1, 0.5, 0], remarks=["", "why?"], words="Good.")
    with open_gradebook(desk.course) as opened:
        notebook = opened.gradebook.find_submission_notebook(EXERCISE, EXERCISE, "s001")
        assert notebook.written_score == 3  # 2 + 1
        [comment] = [one.comment for one in notebook.comments if one.comment]
        score = read_scores(opened.gradebook).scores["s001", EXERCISE]
    assert comment.endswith(": 0/2\nGood.")
    assert ": 1/2 why?" in comment
    assert score.is_final
    assert desk.all_questions()[0] | {"mean": 3.0, "waiting": 7} == desk.all_questions()[0]


def test_points_are_read_again_as_they_were_given(desk, question, ids, give):
    saved = give(ids["s001"], [1, 0.5, 0], remarks=["", "why?"], words="Good.")
    assert desk.card(question, ids["s001"])["mark"] == saved["mark"]
    assert saved["mark"]["given"] == (1, 0.5, 0)
    assert give(ids["s001"], [1, 1, 1], points=2.5)["score"] == 2.5
    taken_back = give(ids["s001"])
    assert (taken_back["score"], taken_back["waits"]) == (None, True)


def test_an_undone_mark_leaves_what_was_there(desk, question, ids, give):
    before = desk.card(question, ids["s001"])
    after = give(ids["s001"], [1, 0, 0], words="x")
    desk.save(question, ids["s001"], {"digest": before["digest"], "version": after["version"], "back": before["back"]})
    assert desk.card(question, ids["s001"]) == before


def test_of_two_readers_the_second_is_told_and_overwrites_nothing(desk, question, ids, give):
    seen = desk.card(question, ids["s001"])
    give(ids["s001"], [1, 1, 0], words="First.")
    with pytest.raises(Changed) as caught:
        desk.save(question, ids["s001"], as_seen(seen, given=[0, 0, 0]))
    told = refused(caught.value, question.scheme)
    assert (told["refused"], told["now"]["score"], told["now"]["mark"]["words"]) == ("mark", 4, "First.")
    assert desk.card(question, ids["s001"])["score"] == 4


def test_a_save_whose_answer_was_lost_may_be_sent_again(desk, question, ids):
    seen = desk.card(question, ids["s001"])
    first, second = (desk.save(question, ids["s001"], as_seen(seen, given=[1, 0, 0])) for _ in range(2))
    assert first == second


def test_points_from_the_formgrader_are_not_overwritten_either(desk, question, ids):
    seen = desk.card(question, ids["s001"])
    with open_gradebook(desk.course) as opened:
        grade = opened.gradebook.find_grade("essay", EXERCISE, EXERCISE, "s001")
        grade.manual_score, grade.needs_manual_grade = 5, False
        opened.gradebook.db.commit()
    with pytest.raises(Changed):
        desk.save(question, ids["s001"], as_seen(seen, given=[0, 0, 0]))
    assert desk.card(question, ids["s001"])["mark"]["points"] == 5


def test_a_text_that_was_replaced_gets_no_mark(desk, question, ids):
    seen = desk.card(question, ids["s001"])
    hand_in_graded(desk.course, EXERCISE, {"s001": Made("Quite another text.", "en", 0)})
    with pytest.raises(Changed) as caught:
        desk.save(question, ids["s001"], as_seen(seen, given=[1, 1, 1]))
    assert caught.value.is_text
    now = desk.card(question, ids["s001"])
    assert (now["score"], now["waits"]) == (None, True)
    assert "Quite another text." in now["html"]
    desk.save(question, ids["s001"], as_seen(now, given=[1, 1, 1]))


def test_nor_while_grade_is_at_it(desk, question, ids):
    """The gradebook has the new text before autograded/ has; the record in graded/ is written last."""
    path = desk.course.notebook("autograded", "s001", EXERCISE)
    before = path.read_bytes()
    seen = desk.card(question, ids["s001"])
    hand_in_graded(desk.course, EXERCISE, {"s001": Made("Quite another text.", "en", 0)})
    path.write_bytes(before)
    assert desk.card(question, ids["s001"])["digest"] == seen["digest"]
    with pytest.raises(Changed):
        desk.save(question, ids["s001"], as_seen(seen, given=[1, 1, 1]))


def test_after_nbgraders_own_autograder_autograded_has_the_word(desk, question, ids):
    """It tells our table nothing: table and record are of the same, earlier grading."""
    record = _path(desk.course, Submission("s001", EXERCISE, desk.course.classroom))
    record.parent.mkdir(parents=True)
    result = {"student": "s001", "exercise": EXERCISE, "verdict": "graded", "checks": [], "repairs": [], "flags": []}
    record.write_text(json.dumps({"key": "", "result": result | {"reason": ""}}))
    path = desk.course.notebook("autograded", "s001", EXERCISE)
    text = desk.text(question, next(row for row in desk.rows(question) if row.student == "s001")).source
    path.write_text(path.read_text().replace(json.dumps(text.split("\n")[0])[1:20], "Another beginning: "))
    seen = desk.card(question, ids["s001"])
    assert "Another beginning" in seen["html"]
    assert desk.save(question, ids["s001"], as_seen(seen, given=[1, 0, 0]))["score"] == 2


def test_a_mark_given_before_the_text_was_replaced_waits_to_be_looked_at(desk, question, ids, give):
    give(ids["s001"], [1, 0, 0])
    hand_in_graded(desk.course, EXERCISE, {"s001": Made("Quite another text.", "en", 0)})
    card = desk.card(question, ids["s001"])
    assert (card["again"], card["score"]) == (True, 2)
    confirmed = desk.save(question, ids["s001"], as_seen(card, **card["mark"]))
    assert (confirmed["again"], confirmed["score"]) == (False, 2)


def test_each_question_has_an_order_of_its_own_and_the_same_each_time(desk, question):
    order = [row.student for row in desk.rows(question)]
    assert order == [row.student for row in desk.rows(question)] != sorted(order)
    other = replace(question, essay=replace(question.essay, grade_id="another"))
    assert [row.student for row in desk.rows(other)] != order


def test_an_essay_on_another_readers_screen_is_marked_so(desk, question, ids, give):
    order = [row.id for row in desk.rows(question)]
    give(order[2], [1, 0, 0])
    assert desk.states(question, "one", order[0]) == WAITS * 2 + READ + WAITS * 5
    assert desk.states(question, "other", order[1])[:3] == "owr"


def test_search_finds_words_and_names_only_if_they_are_shown(desk, question, ids):
    hand_in_graded(desk.course, EXERCISE, {"s003": Made("A Zebra crossing.", "en", 0)})
    assert [one["id"] for one in desk.search(question, "zebra", with_names=False)] == [ids["s003"]]
    assert desk.search(question, "s004", with_names=False) == []
    assert [one["id"] for one in desk.search(question, "S004", with_names=True)] == [ids["s004"]]


def test_a_students_script_and_control_characters_are_harmless(desk, question, ids):
    text = "Good. <script>stolen()</script><img src=x onerror=stolen()>\x1b[2J $\\beta$ \u202e"
    hand_in_graded(desk.course, EXERCISE, {"s001": Made(text, "en", 0)})
    html = desk.card(question, ids["s001"])["html"]
    assert "<script" not in html
    assert "onerror" not in html
    assert r"\x1b[2J" in html
    assert r"\u202e" in html
    assert "<math" in html


def test_an_essay_that_is_not_there(desk, question):
    with pytest.raises(KeyError):
        desk.card(question, "0" * 32)
    with pytest.raises(KeyError):
        desk.question(EXERCISE, "nothing")


def test_a_gradebook_that_was_put_back_is_opened_again(desk, question, ids, give):
    file = desk.course.classroom / "gradebook.db"
    copy = file.read_bytes()
    give(ids["s001"], [1, 0, 0])
    file.unlink()
    file.write_bytes(copy)
    assert desk.card(question, ids["s001"])["waits"]
    with open_gradebook(desk.course) as opened:
        assert essay_row(opened.gradebook.db, question.essay, ids["s001"]).score is None

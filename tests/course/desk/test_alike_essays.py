import asyncio

from essay_class import Made, hand_in_graded

from autograder.desk import alike_essays
from autograder.desk.alike_essays import Groups, beside, save_several, written_texts

EXERCISE = "04_advantages"
TEXT = "DPO needs an exponential, the squared loss does not, which matters on a small machine."


def hand_in(desk):
    copies = {"s001": TEXT, "s002": TEXT.replace("small", "weak"), "s003": "YOUR ANSWER HERE · 在此作答"}
    hand_in_graded(desk.course, EXERCISE, {student: Made(text, "en", 0) for student, text in copies.items()})


def test_who_stands_with_whom_and_what_differs(desk, question, ids):
    hand_in(desk)
    written = written_texts(desk, question)
    assert ids["s003"] not in dict(written)  # nothing was written
    found = asyncio.run(Groups().of(written))
    assert found[ids["s001"]] == [ids["s002"]]
    [other] = beside(desk, question, ids["s001"], found[ids["s001"]])
    assert "<del>small</del><ins>weak</ins>" in other["html"]


def test_groups_are_found_once_for_the_same_texts(monkeypatch):
    asked = []

    async def found(texts):
        asked.append(texts)
        return [[0, 1]]

    monkeypatch.setattr(alike_essays, "groups_elsewhere", found)
    groups = Groups()
    for _ in range(2):
        assert asyncio.run(groups.of([("a", "x"), ("b", "y")])) == {"a": ["b"], "b": ["a"]}
    asyncio.run(groups.of([("a", "x"), ("b", "z")]))
    assert asked == [["x", "y"], ["x", "z"]]


def test_several_get_one_mark_but_none_that_somebody_has_changed(desk, question, ids, give):
    hand_in(desk)
    shown = beside(desk, question, ids["s001"], [ids["s002"], ids["s004"]])
    give(ids["s004"], [1, 1, 1])
    several = [{key: one[key] for key in ("id", "digest", "version")} for one in shown]
    done = save_several(desk, question, {"mark": {"given": [1, 0.5, 0], "words": "Same."}, "several": several})
    assert done[0]["score"] == 3
    assert done[1]["refused"] == "mark"
    assert desk.card(question, ids["s004"])["score"] == 6
    back = [{"id": ids["s002"], "digest": shown[0]["digest"], "version": done[0]["version"], "back": shown[0]["back"]}]
    save_several(desk, question, {"several": back})
    assert desk.card(question, ids["s002"])["waits"]


def test_each_gets_the_names_of_key_points_in_its_own_language(desk, question, ids):
    hand_in_graded(desk.course, EXERCISE, {"s001": Made("同样的文字", "zh", 0), "s002": Made("same words", "en", 0)})
    several = [
        {key: card[key] for key in ("id", "digest", "version")}
        for card in (desk.card(question, ids[student]) for student in ("s001", "s002"))
    ]
    done = save_several(desk, question, {"mark": {"given": [1, 0, 0]}, "several": several})
    assert [one["back"]["comment"].split(":")[0] for one in done] == ["- 计算更简单", "- Simpler to compute"]

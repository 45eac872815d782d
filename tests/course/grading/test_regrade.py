"""A check is mended: who would gain, who would lose, and nothing written before it is asked for."""

import pytest
from small_class import ESSAY, LOSS, copied, submit
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course import UserError
from autograder.gradebook.scores import class_scores
from autograder.grading import grade as grading
from autograder.grading.regrade import apply, preview
from autograder.nbgrader_setup import nbgrader_api

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves
CHECK = "batch-loss-value"


def mend(course, exercise, *replacements):
    path = course.solutions / f"{exercise}.ipynb"
    text = path.read_text(encoding="utf-8")
    for old, new in replacements:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def ask_for_the_sum(course):
    """So bob, who gives the sum, is right, and ada, who gives the mean, is wrong."""
    mend(
        course,
        LOSS,
        ("    4.25 / 3,\\n", "    4.25,\\n"),
        ("    2.125,\\n", "    4.25,\\n"),
        ("np.mean((_r - _beta) ** 2),", "np.sum((_r - _beta) ** 2),"),
    )


def files(course):
    """All but the trial's."""
    found = (path for path in course.classroom.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in found if ".regrade" not in path.parts}


def test_the_preview_names_who_gains_and_who_loses_and_writes_nothing(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    ask_for_the_sum(course)
    before = files(course)
    seen = preview(course, LOSS)
    assert [(one.student, one.grade_id, one.before, one.after) for one in seen.changes] == [
        ("ada", CHECK, 1.0, 0.0),
        ("bob", CHECK, 0.0, 1.0),
    ]
    assert seen.changes[1].message == "was: 这是总和；要的是平均值。"  # bob handed in the Chinese notebook
    assert (seen.students, seen.count(1), seen.count(-1), seen.first_time) == (3, 1, 1, 0)  # dee's can't be graded
    assert [fault.student for fault in seen.faults] == ["dee"]
    assert files(course) == before


def test_applying_does_what_was_shown_and_keeps_what_people_gave(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    with nbgrader_api(course).gradebook as gradebook:
        grade = gradebook.find_grade(CHECK, LOSS, LOSS, "bob")
        grade.manual_score, grade.needs_manual_grade = 0.5, False
        gradebook.db.commit()
    ask_for_the_sum(course)
    shown, done = preview(course, LOSS), apply(course, LOSS)
    assert done == shown
    assert [(one.student, one.by_hand) for one in done.changes] == [("ada", False), ("bob", True)]
    assert (done.count(1), done.count(-1)) == (0, 1)
    scores = class_scores(course).scores
    assert (scores["ada", LOSS].points, scores["bob", LOSS].points) == (9, 9.5)
    assert not scores["bob", LOSS].is_final  # the check now says otherwise: a person should look again
    again = preview(course, LOSS)
    assert (again.changes, again.students) == ((), 3)


def test_applying_runs_nothing_that_the_preview_has_run(small_class, tmp_path, monkeypatch):
    course, run = copied(small_class, tmp_path), []
    ask_for_the_sum(course)
    shown = preview(course, LOSS)
    tasks = grading.run_tasks
    monkeypatch.setattr(grading, "run_tasks", lambda keyed, *rest, **more: tasks(run_of(keyed, run), *rest, **more))
    submit(course, "cy", LOSS, course.notebook("submitted", "ada", LOSS).read_text("utf-8"))  # since then
    done = apply(course, LOSS)
    assert run == ["cy"]
    assert [one for one in done.changes if one.student != "cy"] == list(shown.changes)
    assert class_scores(course).scores["cy", LOSS].points == 9
    log, page = (course.classroom / name for name in (f"graded/bob/{LOSS}.log", f"autograded/bob/{LOSS}/{LOSS}.ipynb"))
    assert "Verdict: graded" in log.read_text("utf-8")
    assert '"ename"' not in page.read_text("utf-8")
    assert not (course.classroom / ".regrade" / LOSS).exists()


def run_of(keyed, run):
    for one, task in keyed:
        run.append(one.submission.student)
        yield one, task


def test_what_people_have_read_stays_read_with_their_comments(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    with nbgrader_api(course).gradebook as gradebook:
        for name, points in (("essay", 4.0), ("largest-share-value", 0.5)):
            grade = gradebook.find_grade(name, ESSAY, ESSAY, "ada")
            grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.find_comment("essay", ESSAY, ESSAY, "ada").manual_comment = "Well argued."
        gradebook.db.commit()
    source = course.solutions / f"{ESSAY}.ipynb"
    source.write_text(source.read_text("utf-8") + "\n", encoding="utf-8")
    done = apply(course, ESSAY)
    assert (done.changes, done.students) == ((), 2)
    with nbgrader_api(course).gradebook as gradebook:
        assert gradebook.find_comment("essay", ESSAY, ESSAY, "ada").comment == "Well argued."
    score = class_scores(course).scores["ada", ESSAY]
    assert (score.points, score.is_final) == (13.5, True)  # 9 checks of 1 point, and what was given by hand


def test_the_command_shows_then_writes(small_class, tmp_path, monkeypatch):
    course = copied(small_class, tmp_path)
    ask_for_the_sum(course)
    monkeypatch.chdir(course.root)
    run = CliRunner().invoke(app, ["regrade", LOSS, "--jobs", "1"])
    assert run.exit_code == 0
    assert f"{LOSS}: of 3 graded, 1 unchanged, 1 up, 1 down" in run.output
    assert f"Nothing was written. To write: autograder regrade {LOSS} --apply" in run.output
    assert "dee: not gradable: it is not complete JSON" in run.output


def test_a_check_that_is_broken_itself_is_said_and_not_written(small_class, tmp_path, monkeypatch):
    course = copied(small_class, tmp_path)
    mend(course, LOSS, ("    4.25 / 3,\\n", "    4.25 / '3',\\n"))
    before, raised = files(course), "TypeError: unsupported operand type(s) for /: 'float' and 'str'"
    seen = preview(course, LOSS)
    assert [(one.student, one.grade_id, one.message) for one in seen.changes] == [("ada", CHECK, raised)]
    assert [one.sentence for one in seen.broken] == [f"the check {CHECK} gives nobody a point and stops with {raised}"]
    with pytest.raises(UserError, match=rf"nothing was written: the check {CHECK} .* `autograder benches {LOSS}`"):
        apply(course, LOSS)
    assert files(course) == before
    monkeypatch.chdir(course.root)
    run = CliRunner().invoke(app, ["regrade", LOSS, "--jobs", "1"])
    assert f"Nothing was written: the check {CHECK} gives nobody a point and stops with {raised}" in run.output
    assert "--apply" not in run.output


def test_an_exercise_that_is_not_there_is_one_sentence(small_class):
    with pytest.raises(UserError, match=rf"no exercise is named 99_x; there are {LOSS}, {ESSAY}"):
        preview(small_class, "99_x")

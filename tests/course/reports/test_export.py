"""Points of a class that was really graded, out of the gradebook and read back."""

import csv
import json
import os
import shutil
import subprocess
import sys

import pytest
from openpyxl import Workbook, load_workbook
from project import ROOT
from small_class import ESSAY, LOSS, UNTOUCHED, add_exercise, copied, empty
from typer.testing import CliRunner

from autograder.authoring.release import prepare
from autograder.cli import app
from autograder.course import CLASSROOM_VARIABLE, UserError
from autograder.gradebook.scores import read_scores
from autograder.nbgrader_setup import nbgrader_api
from autograder.reports.export import EXPORTERS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves


@pytest.fixture(scope="module")
def course(small_class, tmp_path_factory):
    """The small class; bob was late, and a person gave him half a point for the sum."""
    late = copied(small_class, tmp_path_factory.mktemp("late"))
    with nbgrader_api(late).gradebook as gradebook:
        gradebook.find_submission_notebook(LOSS, LOSS, "bob").late_submission_penalty = 2.0
        gradebook.find_grade("batch-loss-value", LOSS, LOSS, "bob").manual_score = 0.5
        gradebook.db.commit()
    return late


def exported(course, to, path, **settings):
    with nbgrader_api(course).gradebook as gradebook:
        return EXPORTERS[to](to=str(path), classroom=str(course.classroom), **settings).export(gradebook)


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return {row[next(iter(row))]: row for row in csv.DictReader(file)}


def test_scores_are_what_nbgrader_says(course):
    with nbgrader_api(course).gradebook as gradebook:
        scores = read_scores(gradebook)
        for (student, exercise), score in scores.scores.items():
            theirs = gradebook.find_submission(exercise, student)
            assert score.points == max(0, theirs.score - theirs.late_submission_penalty)
            assert scores.max_points[exercise] == theirs.max_score
            assert score.is_final == (not theirs.needs_manual_grade)
    assert set(scores.scores) == {("ada", LOSS), ("bob", LOSS), ("cy", LOSS), ("ada", ESSAY), ("cy", ESSAY)}


def test_the_csv_comes_back_with_points_zeros_and_gaps(course, tmp_path):
    done = exported(course, "csv", tmp_path / "grades.csv")
    rows = read(tmp_path / "grades.csv")
    assert (rows["ada"]["last name"], rows["ada"]["first name"]) == ("O'Neil, Jr.", '\'=HYPERLINK("http://x")')
    assert [rows["ada"][name] for name in (LOSS, ESSAY, "total", "out of")] == ["10", "10", "20", "26"]
    # bob: 9 of 10, half a point for the sum, 2 off for being late; nothing handed in for the essay
    assert [rows["bob"][name] for name in (LOSS, ESSAY, "total", "late penalty")] == ["7.5", "", "7.5", "2"]
    assert [rows["cy"][name] for name in (LOSS, ESSAY, "total")] == ["0", "0", "0"]
    assert [rows["eve"][name] for name in (LOSS, ESSAY, "total")] == ["", "", ""]
    assert rows["ada"]["remarks"] == f"provisional, waits for a person: {ESSAY}"
    assert rows["eve"]["remarks"] == f"not handed in: {LOSS}, {ESSAY}"
    assert "dee" not in rows  # not a student of the gradebook: no file of theirs could be graded
    assert done.scores == 5
    assert done.notes[0].startswith(f"1 of 5 scores are provisional: essays wait for a person ({ESSAY} 1)")


def test_an_exercise_that_nobody_has_handed_in_is_left_out(course, tmp_path):
    course = copied(course, tmp_path)
    add_exercise(course, UNTOUCHED)
    exported(course, "csv", tmp_path / "grades.csv")
    rows = read(tmp_path / "grades.csv")
    assert rows["ada"]["out of"] == "26"
    assert rows["eve"]["remarks"] == f"not handed in: {LOSS}, {ESSAY}"
    for to in ("csv", "canvas", "moodle"):
        exported(course, to, tmp_path / to)
        assert UNTOUCHED not in (tmp_path / to).read_text(encoding="utf-8")
    exported(course, "csv", tmp_path / "asked.csv", assignment=[UNTOUCHED])
    assert read(tmp_path / "asked.csv")["eve"][UNTOUCHED] == ""


def test_before_anybody_has_handed_in_there_is_one_sentence(tmp_path):
    course = empty(tmp_path, LOSS)
    prepare(course)
    with pytest.raises(UserError, match=r"nobody has handed in anything yet in .*: run `autograder grade DOWNLOADS`"):
        exported(course, "csv", tmp_path / "grades.csv")


def test_only_final_leaves_out_what_waits(course, tmp_path):
    done = exported(course, "csv", tmp_path / "grades.csv", only_final=True)
    rows = read(tmp_path / "grades.csv")
    assert [rows["ada"][name] for name in (LOSS, ESSAY, "total")] == ["10", "", ""]
    assert rows["cy"][ESSAY] == "0"
    assert done.scores == 4


def test_canvas_gets_its_columns_and_nothing_that_it_would_take_for_an_assignment(course, tmp_path):
    exported(course, "canvas", tmp_path / "canvas.csv")
    rows = list(csv.reader((tmp_path / "canvas.csv").open(encoding="utf-8", newline="")))
    assert rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", LOSS, ESSAY, "Final Points"]
    assert rows[1] == ["    Points Possible", "", "", "", "", "10", "16", "(read only)"]
    # an id may be a SIS User ID or a SIS Login ID
    assert ["Zhou, Eve", "77", "eve", "eve", "", "", "", ""] in rows
    assert ['O\'Neil, Jr., =HYPERLINK("http://x")', "", "ada", "ada", "", "10", "10", "20"] in rows


def test_canvas_reads_its_own_file_back(course, tmp_path):
    """What is exported can be filled again, and is the same."""
    exported(course, "canvas", tmp_path / "first.csv")
    exported(course, "canvas", tmp_path / "second.csv", into=str(tmp_path / "first.csv"))
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()


def test_moodle_gets_a_dash_where_nothing_was_handed_in(course, tmp_path):
    exported(course, "moodle", tmp_path / "moodle.csv")
    rows = list(csv.DictReader((tmp_path / "moodle.csv").open(encoding="utf-8", newline="")))
    assert [row[LOSS] for row in rows if row["ID number"] in ("cy", "eve")] == ["0", "-"]


def test_a_moodle_worksheet_needs_one_exercise(course, tmp_path):
    worksheet = tmp_path / "worksheet.csv"
    worksheet.write_text(
        "Identifier,Full name,Email address,Grade,Last modified (grade)\nParticipant 1,Ada,ada@example.org,,-\n"
    )
    with pytest.raises(
        UserError, match=r"worksheet\.csv: a worksheet is of one exercise, and this one doesn't say of which"
    ):
        exported(course, "moodle", tmp_path / "out.csv", into=str(worksheet))
    exported(course, "moodle", tmp_path / "out.csv", into=str(worksheet), assignment=[LOSS])
    assert "Participant 1,Ada,ada@example.org,10,-" in (tmp_path / "out.csv").read_text()


def test_gradescope_gets_a_result_for_each_submission(course, tmp_path):
    exported(course, "gradescope", tmp_path / "results")
    bob = json.loads((tmp_path / "results" / "bob" / LOSS / "results.json").read_text())
    tests = {test["name"]: test for test in bob["tests"]}
    value = "Check: one pair at a time, and beta matters."  # as on the page of feedback
    assert bob["score"] == 7.5
    assert "Late: 2 points off." in bob["output"]
    assert tests[value] == {
        "name": value, "output_format": "text", "visibility": "visible",
        "score": 1.0, "max_score": 1.0, "status": "passed", "output": "",
    }  # fmt: skip
    essay = json.loads((tmp_path / "results" / "ada" / ESSAY / "results.json").read_text())
    waiting = [test for test in essay["tests"] if "score" not in test]
    assert [test["output"] for test in waiting] == ["6 points, which a person gives: not yet read."]
    assert len(list((tmp_path / "results").rglob("results.json"))) == 5


def test_gradescopes_own_file_holds_one_submission(course, tmp_path):
    path = tmp_path / "results.json"
    with pytest.raises(UserError, match="can hold one submission's results, and 5 are to be exported"):
        exported(course, "gradescope", path)
    exported(course, "gradescope", path, student=["bob"], assignment=[LOSS])
    tests = json.loads(path.read_text())["tests"]
    lost = [test for test in tests if test.get("status") != "passed"]
    assert [(test["name"], test["score"], test["output"]) for test in lost] == [
        ("Check: the mean of a batch. More batches when you hand in.", 0.5, "A person gave these points.")
    ]
    assert "status" not in lost[0]  # half a point is neither


@pytest.mark.parametrize("points", [0, 2.5, 6])
@pytest.mark.parametrize("comment", [None, "The second key point is missing."])
def test_gradescope_shows_what_a_person_said_and_no_status(course, tmp_path, points, comment):
    course, path = copied(course, tmp_path), tmp_path / "results.json"
    with nbgrader_api(course).gradebook as gradebook:
        grade = gradebook.find_grade("essay", ESSAY, ESSAY, "ada")
        grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.find_comment("essay", ESSAY, ESSAY, "ada").manual_comment = comment
        gradebook.db.commit()
    exported(course, "gradescope", path, student=["ada"], assignment=[ESSAY])
    assert [test for test in json.loads(path.read_text())["tests"] if test["name"] == "essay"] == [
        {
            "name": "essay", "output_format": "text", "visibility": "visible", "score": points, "max_score": 6,
            "output": comment or "A person gave these points.",
        }
    ]  # fmt: skip


def test_gradescope_gets_passed_and_failed_of_checks_that_are_full_or_zero(course, tmp_path):
    course, path = copied(course, tmp_path), tmp_path / "results.json"
    with nbgrader_api(course).gradebook as gradebook:
        gradebook.find_grade("squared-loss-value", LOSS, LOSS, "cy").auto_score = 0.5  # of a check that gives parts
        gradebook.db.commit()
    exported(course, "gradescope", path, student=["cy"], assignment=[LOSS])
    states = [(test["score"], test.get("status")) for test in json.loads(path.read_text())["tests"]]
    assert set(states) == {(0, "failed"), (0.5, None)}


def test_gradescope_gets_the_id_where_the_classroom_has_no_title(course, tmp_path):
    course = copied(course, tmp_path)
    shutil.rmtree(course.classroom / "release")
    exported(course, "gradescope", tmp_path / "results.json", student=["cy"], assignment=[LOSS])
    names = [test["name"] for test in json.loads((tmp_path / "results.json").read_text())["tests"]]
    assert "squared-loss-value" in names


def test_a_workbook_is_filled_without_saying_what_kind_it_is(course, tmp_path, monkeypatch):
    book = Workbook()
    for row in (["01_simpo_loss"], ["学号", "姓名", "得分 (总:10.0分)"], ["ada", "", None], ["bob", "", "EX"]):
        book.active.append(row)
    book.save(tmp_path / "成绩.xlsx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("autograder.commands.reports.find_course", lambda _: course)
    run = CliRunner().invoke(app, ["export", "--into", "成绩.xlsx"])
    assert run.exit_code == 0, run.output
    assert f"note: 1 cell left, with words in place of points: bob, {LOSS}: EX\n" in run.output
    assert "成绩.filled.xlsx: 1 score; 成绩.xlsx itself is unchanged\n" in run.output
    assert load_workbook(tmp_path / "成绩.filled.xlsx").active["C3"].value == 10
    with pytest.raises(UserError, match="--column, --scale and --keep go with --into FILE"):
        CliRunner().invoke(app, ["export", "--keep"], catch_exceptions=False)


def test_unknown_names_are_one_sentence(course, tmp_path):
    with pytest.raises(UserError, match="no student is named 'mia'; the gradebook has"):
        exported(course, "csv", tmp_path / "x.csv", student=["mia"])
    with pytest.raises(UserError, match="no exercise is named '99_x'"):
        exported(course, "csv", tmp_path / "x.csv", assignment=["99_x"])


def test_nbgraders_own_command_writes_the_same_file(course, tmp_path):
    exported(course, "canvas", tmp_path / "ours.csv")
    command = [sys.executable, "-m", "nbgrader", "export", "--exporter", "autograder.reports.export.CanvasExporter"]
    run = subprocess.run(
        [*command, "--to", str(tmp_path / "theirs.csv")],
        cwd=course.root,
        env={**os.environ, CLASSROOM_VARIABLE: str(course.classroom), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "theirs.csv").read_bytes() == (tmp_path / "ours.csv").read_bytes()
    assert "1 of 5 scores are provisional" in run.stderr


def test_the_command_says_what_it_wrote_and_what_is_provisional(course, tmp_path, monkeypatch):
    monkeypatch.chdir(course.root)
    run = CliRunner().invoke(app, ["export", "--to", "moodle", "--out", str(tmp_path / "m.csv")])
    assert run.exit_code == 0
    assert "note: 1 of 5 scores are provisional" in run.output
    assert "m.csv: 5 scores" in run.output


def test_a_filled_copy_is_named_after_its_file_and_nothing_else_is_touched(course, tmp_path, monkeypatch):
    given = tmp_path / "downloads" / "grading worksheet.csv"
    given.parent.mkdir()
    text = "Identifier,Full name,Email address,Grade\nParticipant 1,Ada,ada@example.org,\n"
    given.write_text(text)
    monkeypatch.chdir(tmp_path)
    where = ["--classroom", str(course.classroom), "--to", "moodle"]
    monkeypatch.setattr("autograder.commands.reports.find_course", lambda _: course)
    assert CliRunner().invoke(app, ["export", *where]).exit_code == 0
    plain = (tmp_path / "grades.moodle.csv").read_bytes()
    run = CliRunner().invoke(app, ["export", *where, "--into", "downloads/grading worksheet.csv", "--exercise", LOSS])
    assert run.exit_code == 0
    assert "grading worksheet.filled.csv: 1 score; downloads/grading worksheet.csv itself is unchanged\n" in run.output
    assert given.read_text() == text
    assert (tmp_path / "grades.moodle.csv").read_bytes() == plain
    assert "Ada,ada@example.org,10" in (tmp_path / "grading worksheet.filled.csv").read_text()

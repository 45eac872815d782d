import subprocess
import sys

import pytest
from one_page import write_feedback
from project import ROOT
from small_class import ESSAY, LOSS, UNTOUCHED, add_exercise, copied, flag
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course import Course
from autograder.nbgrader_setup import nbgrader_api
from autograder.reports.status import Standing, standings, total

pytestmark = pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy warn of themselves


@pytest.mark.slow
def test_each_submission_stands_somewhere(small_class):
    # dee's file is cut off, and dee is no student of the gradebook; ada's essay waits, cy's was left as it was
    assert standings(small_class) == [
        Standing(LOSS, handed_in=4, missing=1, graded=3, not_gradable=1, old_feedback=3),
        Standing(ESSAY, handed_in=2, missing=2, graded=2, essays=1, old_feedback=2),
    ]


@pytest.mark.slow
def test_what_changes_is_seen(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    write_feedback(course, "ada", LOSS)
    path = course.notebook("submitted", "bob", LOSS)
    path.write_text(path.read_text("utf-8") + "\n", encoding="utf-8")
    source = course.solutions / f"{ESSAY}.ipynb"
    source.write_text(source.read_text("utf-8") + "\n", encoding="utf-8")
    loss, essay = standings(course)
    assert (loss.graded, loss.out_of_date, loss.old_feedback) == (2, 1, 1)
    assert (essay.graded, essay.out_of_date, essay.old_feedback) == (0, 2, 0)
    assert total([loss, essay]).out_of_date == 3


@pytest.mark.slow
def test_points_that_a_person_gives_make_the_page_old(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    write_feedback(course, "ada", ESSAY)
    assert standings(course)[1].old_feedback == 1  # cy's
    with nbgrader_api(course).gradebook as gradebook:
        gradebook.find_grade("essay", ESSAY, ESSAY, "ada").manual_score = 3
        gradebook.db.commit()
    assert standings(course)[1].old_feedback == 2


@pytest.mark.slow
def test_flagged_submissions_wait_for_a_person(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    flag(course, "ada", LOSS, "math.isclose had been replaced")
    loss, _ = standings(course)
    assert (loss.graded, loss.out_of_date, loss.flagged) == (3, 0, 1)


def test_the_standing_of_a_class_is_known_without_torch():
    heavy = "{'torch', 'matplotlib'} & set(sys.modules)"
    script = f"import sys, autograder.reports.status, autograder.pages.feedback; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow
def test_the_command_has_a_line_for_each_exercise_and_says_what_to_do(small_class, monkeypatch):
    monkeypatch.chdir(small_class.root)
    run = CliRunner().invoke(app, ["status"])
    assert run.exit_code == 0
    rows = {cells[0]: cells[1:] for line in run.output.splitlines() if (cells := line.split())}
    assert rows[LOSS] == ["4", "1", "3", "1", "·", "3"]
    assert rows[ESSAY] == ["2", "2", "2", "·", "1", "2"]
    assert "1 with an essay to read: autograder essays" in run.output


@pytest.mark.slow
def test_nobody_is_missing_from_an_exercise_that_nobody_has_handed_in(small_class, tmp_path, monkeypatch):
    course = copied(small_class, tmp_path)
    before = total(standings(course))
    add_exercise(course, UNTOUCHED)
    assert standings(course)[1] == Standing(UNTOUCHED)
    assert total(standings(course)) == before
    monkeypatch.chdir(course.root)
    run = CliRunner().invoke(app, ["status"])
    assert [line.split() for line in run.output.splitlines() if UNTOUCHED in line] == [
        [UNTOUCHED, "nobody", "yet", *"·····"]
    ]


@pytest.mark.slow
def test_an_exercise_with_a_score_counts_without_its_files(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    for student in ("ada", "cy"):
        course.notebook("submitted", student, ESSAY).unlink()
    assert (standings(course)[1].handed_in, standings(course)[1].missing) == (0, 4)


def test_an_empty_classroom_gets_no_gradebook(tmp_path):
    lines = standings(Course(ROOT, tmp_path))
    assert total(lines) == Standing("in all")
    assert list(tmp_path.iterdir()) == []

"""Another nbgrader course, nbgrader's own example: graded by the commands of docs/any-course.md, and by stock."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import nbgrader
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from project import ROOT
from samples import drawn

from autograder.course import UserError, find_course
from autograder.grading import anycourse
from autograder.grading.anycourse import grade, prepare
from autograder.results import GRADED, NOT_GRADABLE
from simpo_language.speech import said_again

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves

EXAMPLE = Path(nbgrader.__file__).parent / "docs" / "source" / "user_guide"
CONFIG = 'c = get_config()\nc.IncludeHeaderFooter.header = "source/header.ipynb"\n'
DOCUMENT = (ROOT / "docs" / "any-course.md").read_text(encoding="utf-8")
HONEST = ("bitdiddle", "hacker", "incomplete")
FORGERY = "def squares(n):\n    return [0]\nget_ipython().showtraceback = lambda *arguments, **options: None"


def graded_cell(grade_id, source, points, **roles):
    roles = {"grade": True, "solution": False, "locked": True, "schema_version": 3, "task": False, **roles}
    return new_code_cell(source, metadata={"nbgrader": {"grade_id": grade_id, "points": points, **roles}})


def write_second_assignment(course):
    """One notebook with a data file, a locked helper, hidden tests, a student's class and partial credit."""
    answer = "class Account:\n    ### BEGIN SOLUTION\n    total = 3\n    ### END SOLUTION"
    source = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}})
    source.cells = [
        graded_cell("helper", "numbers = [int(line) for line in open('data.csv')]", 0, grade=False),
        graded_cell("account", answer, 0, grade=False, solution=True, locked=False),
        graded_cell("uses-object", "assert Account().total == sum(numbers)", 2),
        graded_cell("hidden", "### BEGIN HIDDEN TESTS\nassert Account.total == 3\n### END HIDDEN TESTS", 1),
        graded_cell("partial", "0.25 * isinstance(Account(), Account)", 1),
    ]
    (course / "source" / "ps2").mkdir()
    (course / "source" / "ps2" / "data.csv").write_text("1\n2\n")
    nbformat.write(source, course / "source" / "ps2" / "accounts.ipynb")
    for student in HONEST[:2]:
        submitted = nbformat.from_dict(source)
        submitted.cells[1].source = f"class Account:\n    total = {len(student) - 6}"  # 3 for bitdiddle, 0 for hacker
        (course / "submitted" / student / "ps2").mkdir()
        nbformat.write(submitted, course / "submitted" / student / "ps2" / "accounts.ipynb")


def change(path, place, source):
    notebook = nbformat.read(path, 4)
    notebook.cells[place].source = source
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A copy of the example, with students who are less exemplary."""
    course = tmp_path_factory.mktemp("courses") / "my-course"
    shutil.copytree(EXAMPLE / "source", course / "source", ignore=shutil.ignore_patterns("ps1_autotest"))
    shutil.copytree(EXAMPLE / "submitted", course / "submitted")
    (course / "nbgrader_config.py").write_text(CONFIG)
    submitted = course / "submitted"
    for student in ("incomplete", "forger", "broken"):
        shutil.copytree(submitted / "hacker" / "ps1", submitted / student / "ps1")
    (submitted / "incomplete" / "ps1" / "problem2.ipynb").unlink()
    change(submitted / "forger" / "ps1" / "problem1.ipynb", 5, FORGERY)
    (submitted / "broken" / "ps1" / "problem2.ipynb").write_text("{")
    write_second_assignment(course)
    return course


@pytest.fixture(scope="module")
def programs():
    """This environment's programs can be called by name: `autograder`, `nbgrader` and what that calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def graded(example, programs):
    """The course after the commands of the document, and what they printed."""
    commands = re.search(r"```\n(cd my-course.*?)```", DOCUMENT, re.DOTALL)[1]
    assert commands.count("\n") == 4
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    done = subprocess.run(
        ["bash", "-ec", commands], cwd=example.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return example, done.stdout


def records(course):
    """What was recorded of each student's ps1."""
    paths = course.glob("graded/*/ps1.json")
    return {path.parent.name: json.loads(path.read_text("utf-8"))["result"] for path in paths}


def scores(course):
    """Every cell's row in the gradebook: what nbgrader gave, and whether a person must look."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        return {
            (submission.student.id, assignment.name, notebook.name, grade.name): (
                grade.auto_score, grade.max_score, grade.needs_manual_grade,
            )
            for assignment in gradebook.assignments
            for submission in assignment.submissions
            if submission.student.id in HONEST
            for notebook in submission.notebooks
            for grade in notebook.grades
        }  # fmt: skip


@pytest.fixture(scope="module")
def stock(example, tmp_path_factory, programs, everything):
    """Every cell's row in the gradebook of stock nbgrader; in a plain run only one student's, for ps1."""
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    course = tmp_path_factory.mktemp("stock") / "my-course"
    for step in ("source", "submitted"):
        shutil.copytree(example / step, course / step)
    config = Config()
    config.CourseDirectory.root = str(course)
    config.IncludeHeaderFooter.header = "source/header.ipynb"
    config.NbGraderAPI.log_level = "ERROR"
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    for assignment, students in (("ps1", HONEST if everything else drawn(HONEST, 1)), ("ps2", HONEST)):
        assert api.generate_assignment(assignment)["success"]
        for student in students:
            if (course / "submitted" / student / assignment).is_dir():
                assert api.autograde(assignment, student)["success"]
    return scores(course)


def test_every_cell_scores_as_with_stock_nbgrader(graded, stock, everything):
    course, _ = graded
    ours = scores(course)
    assert {cell: ours.get(cell) for cell in stock} == stock
    assert len(ours) == 3 * 9 + 2 * 3  # ps1 has nine graded cells, ps2 three
    assert len(stock) == (len(ours) if everything else 9 + 2 * 3)
    assert stock["bitdiddle", "ps2", "accounts", "uses-object"] == (2, 2, False)
    assert stock["hacker", "ps2", "accounts", "partial"] == (0.25, 1, False)


def test_a_forgery_is_flagged_and_its_score_stays(graded):
    course, printed = graded
    assert "flagged for a person: problem1: shell.showtraceback had been replaced before the test" in printed
    flags = records(course)["forger"]["flags"]
    # where the grader's own tests come is drawn by chance, so one of them may have been the first
    before = r"problem1: shell\.showtraceback had been replaced before the test "
    assert re.match(before + "(correct_squares|that only the grader knows)", flags[0])
    assert "Flagged for a person: shell.showtraceback" in (course / "graded" / "forger" / "ps1.log").read_text("utf-8")
    assert [records(course)[student]["flags"] for student in HONEST] == [[], [], []]


def test_edited_checks_are_repaired_and_listed(graded):
    course, printed = graded
    assert str(said_again(records(course)["bitdiddle"]["repairs"][0])) == (
        "problem1: correct_squares was edited, and says again what it said"
    )
    assert "repaired: problem1: correct_squares was edited" in printed


def test_a_notebook_that_is_missing_counts_nothing_and_a_broken_one_is_not_gradable(graded):
    course, printed = graded
    assert records(course)["incomplete"]["reason"] == "problem2.ipynb was not handed in"
    assert "problem2.ipynb was not handed in" in printed
    broken = records(course)["broken"]
    assert (broken["verdict"], broken["reason"]) == (
        "not gradable", "problem2.ipynb: it is not complete JSON (1 characters; cut off?)",
    )  # fmt: skip


def test_nbgraders_other_steps_go_on(graded):
    course, _ = graded
    assert "bitdiddle" in (course / "grades.csv").read_text()
    assert (course / "feedback" / "bitdiddle" / "ps1" / "problem1.html").is_file()


def test_a_second_run_grades_only_what_changed(graded, tmp_path):
    from autograder.grading.anycourse import grade, prepare

    course = find_course(folder=shutil.copytree(graded[0], tmp_path / "course"), any_course=True)
    assert prepare(course) == []
    change(course.root / "submitted" / "hacker" / "ps2" / "accounts.ipynb", 1, "class Account:\n    total = 3")
    results = [(result, is_new) for result, is_new in grade(course)]
    assert [(result.student, result.exercise, result.points) for result, is_new in results if is_new] == [
        ("hacker", "ps2", 3.25)
    ]
    assert len(results) == 7


def test_a_folder_without_a_course_says_what_is_expected(tmp_path):
    with pytest.raises(UserError, match=r"has neither solutions/ .* nor source/<assignment>/<notebook>.ipynb"):
        find_course(folder=tmp_path, any_course=True)


def test_other_commands_say_that_they_are_not_for_another_course(example):
    with pytest.raises(UserError, match="is another nbgrader course: `autograder grade` works there"):
        find_course(folder=example)


def test_folders_of_other_names_are_refused(example, tmp_path):
    from autograder.grading.anycourse import prepare

    course = shutil.copytree(example, tmp_path / "course", ignore=shutil.ignore_patterns("gradebook.db"))
    (course / "nbgrader_config.py").write_text(CONFIG + 'c.CourseDirectory.submitted_directory = "handed_in"\n')
    with pytest.raises(UserError, match=r"sets CourseDirectory.submitted_directory to 'handed_in'"):
        prepare(find_course(folder=course, any_course=True))


def _unreadable_timestamp(folder):
    (folder / "timestamp.txt").write_text("31 February")
    (folder / "timestamp.unreadable").mkdir()
    (folder / "timestamp.unreadable" / "x").touch()


def _below(name):
    def put(folder):
        (folder / name).mkdir()
        (folder / name / "x").touch()

    return put


def _deep(folder):
    inside = os.open(folder, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("deep" * 20, dir_fd=inside)
        within = os.open("deep" * 20, os.O_RDONLY, dir_fd=inside)
        os.close(inside)
        inside = within
    os.close(inside)


ODD = {  # what lies beside a right notebook, and what is said of it; None: it is graded
    "a-folder-for-a-file": (_below("data.csv"), "data.csv is a folder, and a file of the assignment has that name"),
    "a-file-for-a-folder": (
        lambda folder: (folder / "tables").touch(),
        "tables is a file, and a folder of the assignment has that name",
    ),
    "a-folder-for-the-time": (_below("timestamp.txt"), None),
    "no-time": (_unreadable_timestamp, None),
    "a-time-of-megabytes": (lambda folder: (folder / "timestamp.txt").write_bytes(b"2" * 3_000_000), None),
    "deep": (_deep, "it can't be read (OSError)"),
    "a-pipe": (lambda folder: os.mkfifo(folder / "pipe"), "accounts.ipynb: pipe is neither a file nor a folder"),
    "a-link": (lambda folder: (folder / "x").symlink_to("/etc"), "accounts.ipynb: x is a link; only files are taken"),
    "large": (lambda folder: (folder / "large.bin").write_bytes(bytes(120_000_000)), None),
    "another-notebook": (lambda folder: (folder / "Untitled.ipynb").write_text("{"), None),
    "honest": (lambda folder: None, None),
}


def test_whatever_lies_beside_a_notebook_is_no_fault_of_the_graders(tmp_path):
    course = tmp_path / "course"
    (course / "source").mkdir(parents=True)
    (course / "nbgrader_config.py").write_text("c = get_config()\n")
    for student in HONEST[:2]:
        (course / "submitted" / student).mkdir(parents=True)
    write_second_assignment(course)
    (course / "source" / "ps2" / "tables").mkdir()
    (course / "source" / "ps2" / "tables" / "one.csv").write_text("1")
    for student, (put, _) in ODD.items():
        folder = course / "submitted" / student / "ps2"
        shutil.copytree(course / "submitted" / HONEST[0] / "ps2", folder)
        put(folder)
    found_course = find_course(None, course, any_course=True)
    prepare(found_course)
    results = {result.student: result for result, _ in grade(found_course, jobs=2)}
    for student, (_, words) in ODD.items():
        result = results[student]
        assert (result.verdict, result.reason) == ((NOT_GRADABLE, words) if words else (GRADED, "")), student
        assert result.points == (0 if words else 3.25)
    again = {result.student: is_new for result, is_new in grade(found_course)}
    assert again == {student: student == "deep" for student in results}  # what can't be read is tried again


def test_a_submission_that_takes_too_long_here_is_given_up_and_the_next_is_graded(tmp_path, monkeypatch):
    course = tmp_path / "course"
    (course / "source").mkdir(parents=True)
    (course / "nbgrader_config.py").write_text("c = get_config()\n")
    for student in HONEST[:2]:
        (course / "submitted" / student).mkdir(parents=True)
    write_second_assignment(course)
    found_course = find_course(None, course, any_course=True)
    prepare(found_course)
    read = anycourse.read_content
    slow = (course / "submitted" / HONEST[1] / "ps2" / "accounts.ipynb").read_bytes()

    def read_for_ever(content):
        while content == slow:
            pass
        return read(content)

    monkeypatch.setattr(anycourse, "read_content", read_for_ever)
    monkeypatch.setattr(anycourse, "READ_SECONDS", 0.5)
    results = {result.student: result for result, _ in grade(found_course)}
    assert (results[HONEST[0]].verdict, results[HONEST[1]].verdict) == (GRADED, NOT_GRADABLE)
    assert results[HONEST[1]].reason == "it can't be read (TimeUp)"

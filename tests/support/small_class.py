"""A small class, graded once, for the tests of what comes out: files, pages, tables.

Two exercises; ada is right (and her essay waits), bob gives the sum for the mean, cy hands in what was given
out, dee's file is cut off, eve hands in nothing.
"""

import shutil
import warnings
from dataclasses import replace
from pathlib import Path

from project import ROOT

from autograder.authoring.release import prepare
from autograder.course import Course
from autograder.execution.shared import SHARED
from autograder.gradebook.own_table import keep_written, written_answers
from autograder.gradebook.writer import open_gradebook
from autograder.grading.benches import hand_in, load_bench
from autograder.grading.grade import grade
from autograder.grading.records import key_of, recorded, remember
from autograder.handing_in.submissions import Submission
from autograder.nbgrader_setup import nbgrader_api

LOSS, ESSAY, UNTOUCHED = "01_simpo_loss", "04_advantages", "03_gradient"
ADA = {"first_name": '=HYPERLINK("http://x")', "last_name": "O'Neil, Jr.", "email": "ada@example.org"}


def empty(folder: Path, *exercises: str) -> Course:
    """A copy of the course, with these exercises and no submissions. What is written stays in `folder`."""
    course = Course(folder, folder / "classroom")
    shutil.copytree(ROOT / "notebooks", course.notebooks)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    course.solutions.mkdir()
    course.benches.mkdir(parents=True)
    for exercise in exercises:
        _copy_source(course, exercise)
        shutil.copy(ROOT / "tests" / "benches" / f"{exercise}.toml", course.benches)
    return course


def _copy_source(course: Course, exercise: str) -> None:
    """An exercise's notebook, and its catalogues."""
    shutil.copy(ROOT / "solutions" / f"{exercise}.ipynb", course.solutions)
    for catalogue in (ROOT / "solutions").glob(f"*/{exercise}.po"):
        folder = course.solutions / catalogue.parent.name
        folder.mkdir(exist_ok=True)
        shutil.copy(catalogue, folder)


def make(folder: Path) -> Course:
    """The course with this class's work, graded."""
    course = empty(folder, LOSS, ESSAY)
    answers = {answer.name: answer for answer in load_bench(course, LOSS)}
    right = hand_in(course, LOSS, answers["numpy functions"])
    submit(course, "ada", LOSS, right)
    submit(course, "bob", LOSS, hand_in(course, LOSS, answers["sum for mean"], "zh"))
    submit(course, "cy", LOSS, hand_in(course, LOSS, None))
    submit(course, "dee", LOSS, right[: len(right) // 2])
    submit(course, "ada", ESSAY, hand_in(course, ESSAY, load_bench(course, ESSAY)[0]))
    submit(course, "cy", ESSAY, hand_in(course, ESSAY, None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader and SQLAlchemy warn of themselves
        prepare(course)
        list(grade(course))
        with nbgrader_api(course).gradebook as gradebook:
            gradebook.update_or_create_student("ada", **ADA)
            gradebook.update_or_create_student("eve", first_name="Eve", last_name="Zhou", lms_user_id="77")
    return course


def add_exercise(course: Course, exercise: str) -> None:
    """One that nobody hands in."""
    _copy_source(course, exercise)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader and SQLAlchemy warn of themselves
        prepare(course)


def submit(course: Course, student: str, exercise: str, text: str) -> None:
    path = course.notebook("submitted", student, exercise)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def flag(course: Course, student: str, exercise: str, *flags: str) -> None:
    """Keep of a graded submission what would be kept if its checks had run in the student's process, and this seen."""
    submission = Submission(student, exercise, course.notebook("submitted", student, exercise).parent)
    record = recorded(course, submission, {})
    assert record
    key = key_of(course, submission, submission.notebook.read_bytes(), SHARED)
    remember(course, submission, key, replace(record.result, flags=flags))
    with open_gradebook(course) as opened:
        row = opened.gradebook.find_submission(exercise, student).id
        keep_written(opened.gradebook.db, row, key, written_answers(opened.gradebook.db, row) or {})
        opened.gradebook.db.commit()


def take_back_all_but(course: Course, student: str, exercise: str) -> None:
    """Leave one submission, for tests that grade the class again; the gradebook keeps the points of the others."""
    for path in course.classroom.glob("submitted/*/*"):
        if (path.parent.name, path.name) != (student, exercise):
            shutil.rmtree(path)


def copied(course: Course, folder: Path) -> Course:
    """A copy to change."""
    shutil.copytree(course.root, folder / "course", symlinks=True)
    return Course(folder / "course", folder / "course" / "classroom")

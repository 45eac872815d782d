"""A small class to see the grader at work: submissions made from the bench answers."""

from dataclasses import replace
from itertools import cycle
from pathlib import Path

from autograder.authoring.start import start
from autograder.course import Course, NoCourse, find_course
from autograder.files import write_whole
from autograder.grading.benches import BenchAnswer, hand_in, load_bench

FOLDER = "autograder-demo"
NOTEBOOKS = 18  # about as many are handed in, however many exercises there are
STUDENTS = ("right-in-english", "right-in-chinese", "some-mistakes", "other-mistakes", "untouched", "cut-off-file")


def course_for_demo() -> Course:
    """The course around the working folder; where there is none, this project's, written into a folder here."""
    try:
        return find_course()
    except NoCourse:
        start(Path(FOLDER), teach=True)
        return find_course(folder=Path(FOLDER))


def demo_course(course: Course) -> Course:
    """The same exercises with a classroom of their own, so that a real class is left alone."""
    return replace(course, classroom=course.classroom / "demo")


def write_downloads(course: Course) -> Path:
    """Lay out what a learning management system would give: a flat folder of <student>_<exercise>.ipynb.

    Every student hands in some of the exercises, each in their own way; one file is cut off.
    """
    folder = course.classroom / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    exercises = course.exercises()
    each = max(2, NOTEBOOKS // len(exercises))
    turn = cycle(STUDENTS)
    cut_off = False
    for exercise in exercises:
        for student in [next(turn) for _ in range(min(each, len(STUDENTS)))]:
            text = _submission(course, exercise, student)
            if student == "cut-off-file" and not cut_off:
                text, cut_off = text[: len(text) // 2], True
            write_whole(folder / f"{student}_{exercise}.ipynb", text)
    return folder


def _submission(course: Course, exercise: str, student: str) -> str:
    answers = load_bench(course, exercise)
    right = [answer for answer in answers if answer.is_right]
    wrong = [answer for answer in answers if not answer.is_right]
    chosen: dict[str, BenchAnswer | None] = {
        "right-in-english": right[0],
        "right-in-chinese": right[1],
        "some-mistakes": wrong[0],
        "other-mistakes": _together(wrong[1::3]),
        "untouched": None,
        "cut-off-file": right[-1],
    }
    return hand_in(course, exercise, chosen[student], "zh" if student == "right-in-chinese" else "en")


def _together(answers: list[BenchAnswer]) -> BenchAnswer:
    """Several mistakes by one student: the first answer for each cell."""
    cells: dict[str, str] = {}
    for answer in answers:
        cells = {**answer.cells, **cells}
    return BenchAnswer("several mistakes", is_right=False, cells=cells)

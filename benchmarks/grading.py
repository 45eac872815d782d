"""Grade a class with this grader and with stock nbgrader: how long, and are the scores the same?

    python benchmarks/grading.py --students 6

Both grade the same submissions of all exercises, a mix of right, wrong and untouched ones. Each side's
seconds are from the first submission to the last, sources prepared, processes cold. The last line is JSON.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns

from autograder.benches import cpu_seconds, hand_in, load_bench
from autograder.course import Course, find_course
from autograder.grade import grade
from autograder.release import prepare
from autograder.sources import is_test, read_notebook


def hand_in_class(course: Course, students: int) -> None:
    """One submission by every student for every exercise: right, wrong, untouched, in turn."""
    for exercise in course.exercises():
        bench = load_bench(course, exercise)
        right = cycle(answer for answer in bench if answer.is_right)
        wrong = cycle(answer for answer in bench if not answer.is_right)
        for number in range(students):
            answer = (next(right), next(wrong), None)[number % 3]
            path = course.notebook("submitted", f"s{number:04}", exercise)
            path.parent.mkdir(parents=True)
            path.write_text(hand_in(course, exercise, answer), encoding="utf-8")


def grade_with_stock(course: Course, students: int) -> None:
    """What nbgrader does without this course's settings."""
    from nbgrader.converters import Autograde

    api = course.api()
    for name in ("autograde_preprocessors", "sanitize_preprocessors"):
        api.config.Autograde[name] = Autograde.class_traits()[name].default()
    for exercise in course.exercises():
        for number in range(students):
            outcome = api.autograde(exercise, f"s{number:04}", force=True, create=True)
            if not outcome["success"]:
                print(f"stock nbgrader failed on s{number:04}, {exercise}: {outcome.get('error', '')[-300:]}")


def scores(course: Course, students: int) -> Iterator[tuple[tuple[str, str, str], float | None]]:
    """The automatic score of every check in the gradebook."""
    with course.api().gradebook as gradebook:
        for exercise in course.exercises():
            tests = {cell.metadata.nbgrader.grade_id for cell in filter(is_test, source(course, exercise).cells)}
            for number in range(students):
                submission = gradebook.find_submission_notebook(exercise, exercise, f"s{number:04}")
                for found in submission.grades:
                    if found.name in tests:
                        yield (f"s{number:04}", exercise, found.name), found.auto_score


def source(course: Course, exercise: str):
    return read_notebook(course.solutions / f"{exercise}.ipynb")


def measure(students: int, jobs: int, folder: Path) -> dict[str, float]:
    """Both graders on the same class."""
    ours, stock = (replace(find_course(), classroom=folder / name) for name in ("ours", "stock"))
    for course in (ours, stock):
        hand_in_class(course, students)
        prepare(course)
    start = time.perf_counter()
    verdicts = [result.verdict for result, _ in grade(ours, jobs=jobs)]
    seconds = time.perf_counter() - start
    print(f"ours: {seconds:.1f} s, {len(verdicts)} notebooks, verdicts {sorted(set(verdicts))}")
    start = time.perf_counter()
    grade_with_stock(stock, students)
    seconds_stock = time.perf_counter() - start
    print(f"stock: {seconds_stock:.1f} s")
    expected, found = dict(scores(stock, students)), dict(scores(ours, students))
    different = [key for key in expected | found if expected.get(key) != found.get(key)]
    for key in different:
        print("different:", *key, expected.get(key), found.get(key))
    floor = sum(cpu_seconds(path, folder) for path in sorted(ours.solutions.glob("*.ipynb"))) * students / jobs
    return {
        "ratio": seconds_stock / seconds,
        "seconds": seconds,
        "seconds_stock": seconds_stock,
        "over_floor": seconds / floor,
        "notebooks": len(verdicts),
        "differences": len(different),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # nbgrader and SQLAlchemy warn of themselves
    with TemporaryDirectory() as folder:
        figures = measure(options.students, options.jobs, Path(folder))
    print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()

"""Grade a class with this grader and with stock nbgrader: how long does it take, and are the scores the same?

    python benchmarks/grading.py --students 100 --stock-students 6 --out benchmarks/results/grading.json

Every student hands in all exercises: a right answer, a wrong one or the untouched notebook, in turn. The class
hands in by and by (a quarter, half, all), so that it shows whether a notebook costs more in a larger class.
Stock nbgrader grades the first students' submissions, and each score is compared. Seconds are wall time, from
the first submission to the last, sources prepared, processes cold. The floor is the CPU time of some
students' cells alone, in warm processes without confinement, as many at a time as are graded, divided by the
cores. The last line is JSON.
"""

import argparse
import contextlib
import importlib.metadata
import io
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import cycle, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns

from autograder.nbgrader_patches import leave_out

leave_out()

from autograder.authoring.release import prepare
from autograder.cells import is_test, read_notebook
from autograder.commands.grading import grade_class, write_pages
from autograder.course import Course, find_course
from autograder.grading.benches import cells_cpu_seconds, hand_in, load_bench
from autograder.grading.grade import grade
from autograder.grading.repair import instructors_files, parse_once, restore
from autograder.nbgrader_setup import nbgrader_api

FLOOR_STUDENTS = 12  # four of each kind
LATENCY_EXERCISE = "06_objective"  # as long as most
VERSIONS = ("ipython", "matplotlib", "nbclient", "nbgrader", "numpy", "sqlalchemy", "torch")


def student(number: int) -> str:
    return f"s{number:04}"


def hand_in_class(course: Course, first: int, last: int) -> None:
    """Submissions by the students with these numbers, of all exercises."""
    for exercise in course.exercises():
        bench = load_bench(course, exercise)
        right = cycle([answer for answer in bench if answer.is_right])
        wrong = cycle([answer for answer in bench if not answer.is_right])
        texts: dict[str, str] = {}
        for number in range(last):
            answer = (next(right), next(wrong), None)[number % 3]
            name = answer.name if answer else ""
            if name not in texts:
                texts[name] = hand_in(course, exercise, answer)
            if number >= first:
                path = course.notebook("submitted", student(number), exercise)
                path.parent.mkdir(parents=True)
                path.write_text(texts[name], encoding="utf-8")


def grade_with_stock(course: Course, students: int) -> None:
    """What nbgrader does without this course's settings."""
    from nbgrader.converters import Autograde

    api = nbgrader_api(course)
    for name in ("autograde_preprocessors", "sanitize_preprocessors"):
        api.config.Autograde[name] = Autograde.class_traits()[name].default()
    for exercise in course.exercises():
        for number in range(students):
            outcome = api.autograde(exercise, student(number), force=True, create=True)
            if not outcome["success"]:
                print(f"stock nbgrader failed on {student(number)}, {exercise}: {outcome.get('error', '')[-300:]}")


def scores(course: Course, students: int) -> Iterator[tuple[tuple[str, str, str], float | None]]:
    """The automatic score of every check in the gradebook."""
    with nbgrader_api(course).gradebook as gradebook:
        for exercise in course.exercises():
            cells = filter(is_test, read_notebook(course.solutions / f"{exercise}.ipynb").cells)
            tests = {cell.metadata.nbgrader.grade_id for cell in cells}
            for number in range(students):
                submission = gradebook.find_submission_notebook(exercise, exercise, student(number))
                for found in submission.grades:
                    if found.name in tests:
                        yield (student(number), exercise, found.name), found.auto_score


def grow_and_grade(course: Course, students: int, jobs: int, folder: Path) -> dict[str, Any]:
    """Our grader on a class that hands in by and by."""
    steps: list[dict[str, float]] = []
    verdicts: Counter[str] = Counter()
    seconds, before = 0.0, 0
    prepare(course)
    for size in sorted({max(1, students // 4), max(1, students // 2), students}):
        hand_in_class(course, before, size)
        start = time.perf_counter()
        new = Counter(result.verdict for result, is_new in grade(course, jobs=jobs) if is_new)
        took = time.perf_counter() - start
        seconds, verdicts = seconds + took, verdicts + new
        least = floor(course, range(before, size), jobs, folder)  # now: a processor's speed changes
        steps.append(
            {"students": size, "seconds": took / new.total(), "floor_seconds": least, "parent_mb": resident_mb()}
        )
        before = size
        print(f"ours: {size} students, {took:.1f} s for {new.total()} new notebooks, parent {resident_mb():.0f} MB")
    notebooks = verdicts.total()
    means = {"seconds": seconds / notebooks, "floor_seconds": statistics.mean(step["floor_seconds"] for step in steps)}
    return means | {"notebooks": notebooks, "verdicts": dict(verdicts), "growth": steps}


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def floor(course: Course, students: range, jobs: int, folder: Path) -> float:
    """Seconds a notebook that the cells of some of these students' submissions would take on all cores alone."""
    kinds = 3
    some = random.Random(0).sample(students[::kinds], min(FLOOR_STUDENTS // kinds, len(students[::kinds])))
    numbers = [number for first in some for number in range(first, first + kinds) if number in students]
    notebooks = []
    for exercise in course.exercises():
        source, released = map(parse_once, instructors_files(course.classroom, exercise))
        for number in numbers:
            submitted = read_notebook(course.notebook("submitted", student(number), exercise))
            cells = restore(submitted, source, released)[0].cells
            notebooks.append([cell.source for cell in cells if cell.cell_type == "code"])
    empty = folder / "empty"  # what lies beside the notebooks
    empty.mkdir(exist_ok=True)
    with ThreadPoolExecutor(jobs) as threads:  # as busy as when they are graded; each thread's cells run in a process
        return statistics.mean(threads.map(cells_cpu_seconds, notebooks, repeat(empty))) / jobs


def latency(root: Course, folder: Path, jobs: int) -> dict[str, float]:
    """One student's notebook, from the file to marks and page: with the grader running, and from a cold command."""
    course = replace(root, classroom=folder / "one")
    downloads = folder / "download"
    downloads.mkdir()
    answer = load_bench(course, LATENCY_EXERCISE)[0]
    (downloads / f"ann_{LATENCY_EXERCISE}.ipynb").write_text(hand_in(course, LATENCY_EXERCISE, answer), "utf-8")
    prepare(course)
    warm = []
    for _ in range(4):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            grade_class(course, downloads, True, jobs)
            write_pages(course, force=True)
        warm.append(time.perf_counter() - start)
    program = Path(sys.executable).with_name("autograder")
    command = [program, "grade", downloads, "--force", "--feedback", "--classroom", course.classroom]
    cold = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        cold.append(time.perf_counter() - start)
    return {"warm_seconds": statistics.median(warm[1:]), "cold_seconds": statistics.median(cold)}


def on_a_cluster(root: Course, folder: Path, jobs: int) -> dict[str, float]:
    """Seconds a notebook with workers of our own and with as many on a Dask cluster of this machine, in turn."""
    from distributed import LocalCluster

    course = replace(root, classroom=folder / "cluster")
    hand_in_class(course, 0, 6)
    prepare(course)
    seconds: dict[str, list[float]] = {"jobs": [], "cluster": []}
    with LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None) as cluster:  # type: ignore[no-untyped-call]
        for _ in range(4):
            for name, scheduler in (("jobs", ""), ("cluster", cluster.scheduler_address)):
                start = time.perf_counter()
                notebooks = sum(1 for _ in grade(course, force=True, jobs=jobs, scheduler=scheduler))
                seconds[name].append((time.perf_counter() - start) / notebooks)
    own, dask = (statistics.median(taken[1:]) for taken in seconds.values())  # the first starts the warm processes
    return {"seconds_jobs": own, "seconds_cluster": dask, "cluster_over_jobs": dask / own}


def compare(stock: Course, ours: Course, students: int) -> dict[str, float]:
    """Stock nbgrader on the first students, and where its scores differ."""
    hand_in_class(stock, 0, students)
    prepare(stock)
    start = time.perf_counter()
    grade_with_stock(stock, students)
    seconds = (time.perf_counter() - start) / (students * len(stock.exercises()))
    expected, found = dict(scores(stock, students)), dict(scores(ours, students))
    different = [key for key in expected | found if expected.get(key) != found.get(key)]
    for key in different:
        print("different:", *key, "stock", expected.get(key), "ours", found.get(key))
    return {"seconds_stock": seconds, "stock_students": students, "compared": len(found), "differences": len(different)}


def some_exercises(course: Course, names: list[str], folder: Path) -> Course:
    """The same course with these exercises alone; all if empty."""
    if not names:
        return course
    root = folder / "course"
    (root / "solutions").mkdir(parents=True)
    for name in ("notebooks", "tests", "nbgrader_config.py", *(f"solutions/{name}.ipynb" for name in names)):
        (root / name).symlink_to(course.root / name)
    return Course(root, root / "classroom")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All figures of one run."""
    root = some_exercises(find_course(), options.exercises, folder)
    ours, stock = (replace(root, classroom=folder / name) for name in ("ours", "stock"))
    figures: dict[str, Any] = {"students": options.students, "jobs": options.jobs, "load_before": os.getloadavg()[0]}
    figures |= grow_and_grade(ours, options.students, options.jobs, folder)
    figures["over_floor"] = figures["seconds"] / figures["floor_seconds"]
    figures["minutes_for_10000"] = figures["seconds"] * 10_000 / 60
    figures |= latency(find_course(), folder, options.jobs)
    if options.cluster:
        figures |= on_a_cluster(root, folder, options.jobs)
    if options.stock_students:
        figures |= compare(stock, ours, options.stock_students)
        figures["ratio"] = figures["seconds_stock"] / figures["seconds"]
    return figures | facts()


def facts() -> dict[str, Any]:
    """The machine and the versions. The loop says how fast this processor was, with whom it was shared."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    start, total = time.process_time(), 0
    for number in range(10_000_000):
        total += number
    return {
        "loop_seconds": time.process_time() - start,
        "cpu": model[0].split(":")[1].strip() if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
    }


def rounded(figures: Any) -> Any:
    if isinstance(figures, dict):
        return {name: rounded(figure) for name, figure in figures.items()}
    if isinstance(figures, list):
        return [rounded(figure) for figure in figures]
    return round(figures, 3) if isinstance(figures, float) else figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=6, help="whose submissions our grader grades")
    parser.add_argument("--stock-students", type=int, help="whose stock nbgrader grades, too [default: all]")
    parser.add_argument("--cluster", action="store_true", help="also with the workers of a Dask cluster")
    parser.add_argument("--exercises", nargs="*", default=[], help="[default: all]")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, help="file for the figures")
    options = parser.parse_args()
    if options.stock_students is None:
        options.stock_students = options.students
    warnings.simplefilter("ignore")  # nbgrader and SQLAlchemy warn of themselves
    with TemporaryDirectory() as folder:
        figures = rounded(measure(options, Path(folder)))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

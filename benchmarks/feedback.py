"""Write a class's feedback with this grader and with stock nbgrader: how long does a page take?

    python benchmarks/feedback.py --rounds 3

Both write the same pages, of the demo's class, graded once. They take turns; nbgrader makes the pages of an
exercise in one go, as its command does. Starting and importing is left out on both sides. The last line is
JSON: seconds of the wall and of the processor, each the median of the rounds.
"""

import argparse
import json
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns

from autograder.authoring.release import prepare
from autograder.commands.demo import write_downloads
from autograder.course import Course, find_course
from autograder.grading.grade import grade
from autograder.handing_in.submissions import collect
from autograder.nbgrader_setup import nbgrader_api
from autograder.pages.class_known import graded, read_known
from autograder.pages.feedback import write_pages
from autograder.pages.feedback_list import write_indexes


def graded_class(folder: Path, jobs: int) -> Course:
    """The demo's class, graded, in `folder`."""
    course = replace(find_course(), classroom=folder / "class")
    collect(course, write_downloads(course))
    prepare(course)
    for _ in grade(course, jobs=jobs):
        pass
    return course


def write_ours(course: Course) -> None:
    chosen = graded(course)
    with nbgrader_api(course).gradebook as gradebook:
        known = read_known(course, gradebook)
    pages = [*write_pages(course, known, chosen, force=True)]
    pages += write_indexes(course, known, sorted({student for student, _ in chosen}), force=True)


def write_stock(course: Course) -> None:
    """What nbgrader does without this course's settings."""
    from nbconvert.exporters import HTMLExporter
    from nbgrader.converters import GenerateFeedback

    api = nbgrader_api(course)
    api.config.GenerateFeedback.preprocessors = GenerateFeedback.class_traits()["preprocessors"].default()
    api.config.GenerateFeedback.exporter_class = HTMLExporter
    for exercise in sorted({exercise for _, exercise in graded(course)}):
        outcome = api.generate_feedback(exercise, force=True)
        if not outcome["success"]:
            raise SystemExit(f"stock nbgrader failed on {exercise}: {outcome.get('error', '')[-300:]}")


def timed(write: Callable[[Course], None], course: Course) -> tuple[float, float]:
    """Seconds of the wall and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    write(course)
    return time.perf_counter() - wall, time.process_time() - cpu


def page_sizes(course: Course) -> list[float]:
    """Of each notebook's page, in kB."""
    return [course.notebook("feedback", *key, ".html").stat().st_size / 1000 for key in graded(course)]


def measure(course: Course, rounds: int) -> dict[str, float]:
    """Both, turn by turn; the first turn of each, which compiles templates and imports, does not count."""
    ours, stock, sizes = [], [], {}
    for turn in range(rounds + 1):
        stock.append(timed(write_stock, course))
        sizes["stock"] = page_sizes(course)
        ours.append(timed(write_ours, course))
        sizes["ours"] = page_sizes(course)
        print(f"turn {turn}: ours {ours[-1][0]:.2f} s, stock {stock[-1][0]:.2f} s, {len(sizes['ours'])} pages")
    pages = len(sizes["ours"])
    (wall, cpu), (wall_stock, cpu_stock) = (
        [statistics.median(turn[which] for turn in side[1:]) / pages for which in (0, 1)] for side in (ours, stock)
    )
    return {
        "ratio": wall_stock / wall,
        "ratio_cpu": cpu_stock / cpu,
        "seconds_per_page": wall,
        "seconds_per_page_stock": wall_stock,
        "largest_page_kb": max(sizes["ours"]),
        "largest_page_kb_stock": max(sizes["stock"]),
        "pages": pages,
        "rounds": rounds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, help="Write the figures to this file, too.")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # nbgrader and SQLAlchemy warn of themselves
    with TemporaryDirectory() as folder:
        found = measure(graded_class(Path(folder), options.jobs), options.rounds)
    figures = {name: round(figure, 4) for name, figure in found.items()}
    figures["versions"] = {"python": platform.python_version(), **{n: version(n) for n in ("nbgrader", "nbconvert")}}
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

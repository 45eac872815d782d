"""Every known answer to every exercise, graded here and by stock nbgrader: the same score for every check?

    python benchmarks/differential.py                # all, about a quarter of an hour on one core
    python benchmarks/differential.py 01_simpo_loss  # one exercise

Stock means nbgrader's own Execute step, a Jupyter kernel for each notebook (forked, so that torch is imported
once), and nbgrader's rules for scores; here means `WarmExecute`, and the same rules. Both get the same cells,
the checks from the source among them, with the same random inputs. Writes benchmarks/results/differential.json.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns

import nbformat
from forked_kernels import forked_kernels
from nbgrader.preprocessors import Execute
from nbgrader.utils import determine_grade

from autograder.cells import is_test, read_notebook
from autograder.course import Course, find_course
from autograder.grading.benches import BenchAnswer, hand_in, load_bench
from autograder.grading.execute import WarmExecute

RESULTS = Path(__file__).parent / "results" / "differential.json"
# Messages that differ for a reason: (exercise, answer): why. No score does; docs/security.md lists where the two
# part for what no answer here does.
JUSTIFIED: dict[tuple[str, str], str] = {
    ("05_common_ground", "no copy: the caller's table is trained and returned"): (
        "the message shows a changed table, whose last entry is 0 or -5.6e-17, as torch rounds; the score is the same"
    ),
}

Outcome = dict[str, tuple[float | None, float, list[str]]]  # check: points, of how many, messages


def outcome(course: Course, exercise: str, answer: BenchAnswer | None, step: Any, folder: Path) -> Outcome:
    """What came of each check when `step` ran the notebook in `folder`."""
    notebook = nbformat.reads(hand_in(course, exercise, answer), 4)
    source = {cell.id: cell for cell in read_notebook(course.solutions / f"{exercise}.ipynb").cells}
    for cell in filter(is_test, notebook.cells):
        cell.source = source[cell.id].source.replace("fresh_rng()", "fresh_rng(7)")  # the same inputs twice
    notebook, _ = step.preprocess(notebook, {"metadata": {"path": str(folder)}})
    return {
        cell.id: (*determine_grade(cell), [o.evalue for o in cell.outputs if o.output_type == "error"])
        for cell in filter(is_test, notebook.cells)
    }


def differences(
    course: Course, exercise: str, answer: BenchAnswer | None, folder: Path, kernels: Any
) -> tuple[int, list[str]]:
    """How many checks were compared, and a sentence for each whose score or message differs.

    kernels: the class of stock's kernel manager.
    """
    ours = outcome(course, exercise, answer, WarmExecute(), folder)
    stock = outcome(course, exercise, answer, Execute(timeout=120, kernel_manager_class=kernels), folder)
    name = answer.name if answer else "untouched"
    found = []
    for check in sorted(ours.keys() | stock.keys()):
        here, there = ours.get(check), stock.get(check)
        if here is None or there is None or here[:2] != there[:2]:
            found.append(f"score: {exercise}, {name!r}, {check}: {here} here, {there} in stock nbgrader")
        elif here != there:
            found.append(f"message: {exercise}, {name!r}, {check}: {here[2]} here, {there[2]} in stock nbgrader")
    return len(ours), found


def compare(course: Course, exercise: str, folder: Path, kernels: Any) -> dict[str, Any]:
    """The untouched notebook and every answer of the bench: how many were compared, and what differed."""
    answers = [None, *load_bench(course, exercise)]
    figures: dict[str, Any] = {"answers": len(answers), "checks": 0, "differences": [], "justified": []}
    start = time.perf_counter()
    for answer in answers:
        checks, found = differences(course, exercise, answer, folder, kernels)
        figures["checks"] += checks
        reason = JUSTIFIED.get((exercise, answer.name if answer else "untouched"))
        for difference in found:
            if reason and difference.startswith("message"):
                figures["justified"].append(f"{reason}: {difference}")
            else:
                figures["differences"].append(difference)
    return figures | {"seconds": round(time.perf_counter() - start)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exercises", nargs="*")
    course = find_course()
    exercises = parser.parse_args().exercises or course.exercises()
    warnings.simplefilter("ignore")  # nbgrader and its libraries warn of themselves
    with TemporaryDirectory() as folder, forked_kernels() as kernels:
        for exercise in exercises:
            keep(exercise, compare(course, exercise, Path(folder), kernels))


def keep(exercise: str, figures: dict[str, Any]) -> None:
    """Add an exercise's figures to the file, and print them."""
    stored = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    stored[exercise] = figures
    RESULTS.write_text(json.dumps(dict(sorted(stored.items())), indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(exercise, json.dumps(figures, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()

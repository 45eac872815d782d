"""Whoever wants points without the work gets none, whatever the exercise and wherever its checks run.

The attacks on points of the corpus, in the first answer of a notebook that is otherwise as it was given out. Where
checks run in the student's process what is gained must be flagged. A plain run draws a few exercises and attacks;
`--everything` takes each attack to one exercise; this takes each to all ten, in about ten minutes on a core:

    ATTACKS=all pytest tests/whole/test_attacks_everywhere.py
"""

import os
from itertools import product

import nbformat
import pytest
from attack_corpus import SECRET, attack_cells
from project import ROOT
from samples import drawn

from autograder.cells import is_answer
from autograder.course import Course
from autograder.execution.shared import SEPARATE, SHARED
from autograder.grading.marking import Task, mark
from autograder.results import GRADER_FAULT

COURSE = Course(ROOT, ROOT / "classroom")
ISOLATIONS = (SEPARATE, SHARED)
CELLS = attack_cells("points")
SECONDS = 3  # a cell
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbformat warns of what it mends


def marked(exercise, cell, isolation):
    released = (COURSE.notebooks / f"{exercise}.ipynb").read_bytes()
    source = (COURSE.solutions / f"{exercise}.ipynb").read_bytes()
    notebook = nbformat.reads(released.decode("utf-8"), 4)
    first = next(one for one in notebook.cells if is_answer(one) and one.cell_type == "code")
    first.source = cell.replace("{root}", "/nowhere").replace("{classroom}", "/nowhere")
    submitted = nbformat.writes(notebook).encode("utf-8", "replace")
    task = Task("attacker", exercise, submitted, source, released, isolation=isolation, cell_seconds=SECONDS)
    return mark(task).result


@pytest.fixture(scope="module")
def chosen(everything):
    """Exercises and the attacks that are taken to them."""
    pairs = list(product(COURSE.exercises(), CELLS))
    if os.environ.get("ATTACKS") == "all":
        return pairs
    if everything:
        return [drawn([pair for pair in pairs if pair[1] == name], 1)[0] for name in CELLS]
    return drawn(pairs, 3)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_no_attack_on_points_is_paid(chosen, isolation):
    found = {(exercise, name): marked(exercise, CELLS[name], isolation) for exercise, name in chosen}
    assert {pair: result.reason for pair, result in found.items() if result.verdict == GRADER_FAULT} == {}
    paid = {pair: result for pair, result in found.items() if result.points}
    assert {pair: result for pair, result in paid.items() if not result.flags} == {}
    assert isolation == SHARED or paid == {}
    assert not any(SECRET in check.message for result in found.values() for check in result.checks)

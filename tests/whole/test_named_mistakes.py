"""The mistakes that visible checks name: no two of a check give the same value, and none gives the right one.

Hidden tests go through many inputs, some of which no mistake can be seen with (0 steps, say).
"""

from itertools import combinations

import numpy as np
import pytest
import torch
from project import ROOT

import autograder.checks as checks
from autograder.cells import is_test, read_notebook, regions
from autograder.course import Course
from autograder.student_data.values import difference, without_torch

EXERCISES = Course(ROOT, ROOT / "classroom").exercises()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def numbers(value):
    return np.asarray(without_torch(value), dtype=np.float64)


def alike(one, other, rtol, scale):
    return difference(one, other, rtol, scale) is None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exercise", EXERCISES)
def test_no_two_named_mistakes_are_told_apart_by_luck(exercise, monkeypatch):
    found, seen = [], 0

    def look(actual, expected, *, rtol=1e-6, scale=None, mistakes=None, **_):
        nonlocal seen
        right = checks.numbers(expected) if isinstance(expected, checks.Answer) else numbers(expected)
        named = {sentence: numbers(value) for sentence, value in (mistakes or {}).items()}
        seen += len(named)
        found.extend(
            f"{cell.id}, {actual.label}: right, {name}"
            for name, value in named.items()
            if alike(value, right, rtol, scale)
        )
        found.extend(
            f"{cell.id}, {actual.label}: {one} | {other}"
            for one, other in combinations(named, 2)
            if alike(named[one], named[other], rtol, scale)
        )

    monkeypatch.setattr(checks, "check_close", look)
    names = {}
    for cell in read_notebook(ROOT / "solutions" / f"{exercise}.ipynb").cells:
        if is_test(cell) or (cell.cell_type == "code" and "plots." not in cell.source):
            _, visible, _ = regions(cell.source, "HIDDEN TESTS")
            exec("\n".join(visible), names)
    assert seen > 5
    assert found == []

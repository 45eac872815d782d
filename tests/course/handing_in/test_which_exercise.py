"""An exercise is known by its file's name in any spelling, else by ids, names or texts of its cells."""

import json

import pytest
from project import ROOT

from autograder.course import Course
from autograder.documents.reading import rebuilt
from autograder.handing_in.downloads import known_exercises
from autograder.handing_in.which_exercise import found_in, named_in

EXERCISES = sorted(path.stem for path in (ROOT / "solutions").glob("*.ipynb"))
KNOWN = known_exercises(Course(ROOT, ROOT / "classroom"))


@pytest.mark.parametrize(
    "name",
    [
        "01_simpo_loss.ipynb",
        "Copy of 01_simpo_loss.ipynb",
        "“01_simpo_loss.ipynb”的副本.ipynb",
        "cy_01_simpo_loss - 副本.ipynb",
        "di_01_simpo_loss copy 2.ipynb",
        "ed_01_SIMPO_LOSS.ipynb",
        "01_simpo_loss (1).ipynb",
        "01_simpo_loss-Copy1.ipynb",
        "01-simpo-loss.ipynb.txt",
        "01 simpo loss_final_v2.ipynb",
        "０１_simpo_loss.ipynb",
    ],
)
def test_a_name_in_any_spelling(name):
    assert named_in(name, EXERCISES) == "01_simpo_loss"


@pytest.mark.parametrize(
    "name", ["HW1.ipynb", "101_simpo_loss.ipynb", "01_simpo_lossy.ipynb", "01_simpo_loss+03_gradient"]
)
def test_a_name_that_says_none_or_two(name):
    assert named_in(name, EXERCISES) == ""


def notebook(*names, language=""):
    cells = [
        cell
        for name in names
        for cell in json.loads((ROOT / "notebooks" / language / f"{name}.ipynb").read_text("utf-8"))["cells"]
    ]
    return {"cells": cells}


def lose_ids(cells):
    for cell in cells:
        cell["id"] = None


def lose_metadata(cells):
    for cell in cells:
        cell["metadata"] = {}


def lose_both(cells):
    lose_ids(cells)
    lose_metadata(cells)


@pytest.mark.parametrize("lose", [lambda cells: None, lose_ids, lose_metadata, lose_both])
@pytest.mark.parametrize("language", ["", "zh"])
@pytest.mark.parametrize("name", EXERCISES)
def test_cells_tell_it_whatever_is_lost(name, language, lose):
    stored = notebook(name, language=language)
    lose(stored["cells"])
    assert found_in(rebuilt(stored), KNOWN) == [name]


def test_two_exercises_in_one_notebook_are_two():
    assert found_in(rebuilt(notebook("01_simpo_loss", "03_gradient")), KNOWN) == ["01_simpo_loss", "03_gradient"]


def test_another_courses_notebook_is_none():
    assert found_in(rebuilt({"cells": [{"cell_type": "code", "source": "print(1)"}]}), KNOWN) == []

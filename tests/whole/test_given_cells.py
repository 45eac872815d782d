"""What students are given survives what their functions do to it: a mistake that is mended leaves no trace.

Each function of the solution is made to scribble over all that it is given, after it has done its work. The cells that
were given pass copies, so what they hold stays as it was.
"""

import ast
import contextlib
import io

import numpy as np
import pytest
import torch
from project import ROOT

from autograder.cells import is_answer, is_test, read_notebook
from autograder.course import Course
from autograder.student_data.plain import is_plain
from autograder.student_data.values import copied, unchanged

EXERCISES = Course(ROOT, ROOT / "classroom").exercises()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def scribble(value):
    if isinstance(value, np.ndarray) and value.flags.writeable and value.dtype.kind in "fiu":
        value += 1
    elif isinstance(value, torch.Tensor):
        value.data = value.data.logical_not() if value.dtype == torch.bool else value.data + 1
    elif isinstance(value, list):
        value.reverse()
        value.append(0)
    elif isinstance(value, dict):
        value["scribbled"] = 1


class Scribbler:
    """A function of a student's that works, and changes what it was given."""

    inside = False  # within one of them: what functions of the student's give each other is their own affair

    def __init__(self, function):
        self.function, self.__name__ = function, function.__name__

    def __call__(self, *args, **named):
        if Scribbler.inside:
            return self.function(*args, **named)
        Scribbler.inside = True
        try:
            return self.function(*map(self.own, args), **{name: self.own(arg) for name, arg in named.items()})
        finally:
            Scribbler.inside = False
            for arg in (*args, *named.values()):
                scribble(arg)

    @staticmethod
    def own(arg):
        return arg.clone() if isinstance(arg, torch.Tensor) and arg.requires_grad else copied(arg)


def test_the_scribbler_works_and_scribbles():
    given = np.ones(2)
    assert Scribbler(np.sum)(given) == 2
    assert given.tolist() == [2, 2]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exercise", EXERCISES)
def test_given_cells_pass_copies(exercise):
    solution = {cell.id: cell.source for cell in read_notebook(ROOT / "solutions" / f"{exercise}.ipynb").cells}
    names, found, looked_at = {"__name__": "__main__"}, [], 0
    for cell in read_notebook(ROOT / "notebooks" / f"{exercise}.ipynb").cells:
        if cell.cell_type != "code" or is_test(cell):
            continue
        held = {name: (value, copied(value)) for name, value in names.items() if name[0] != "_" and is_plain(value)}
        with contextlib.redirect_stdout(io.StringIO()):
            exec(solution[cell.id] if is_answer(cell) else cell.source, names)
        if is_answer(cell):
            for node in ast.parse(solution[cell.id]).body:
                if isinstance(node, ast.FunctionDef):
                    names[node.name] = Scribbler(names[node.name])
        else:
            looked_at += len(held)
            found += [f"{cell.id} changes {name}" for name, (value, was) in held.items() if not unchanged(was, value)]
    assert looked_at
    assert found == []

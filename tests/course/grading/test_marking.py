"""What a submission's result says of each check, in the words of the check or of the exception that stopped it."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.execution.shared import RUNNERS
from autograder.grading import marking
from autograder.grading.marking import Task, mark
from autograder.results import GRADER_FAULT, NOT_GRADABLE

ROLE = {"grade": True, "solution": False, "locked": True, "grade_id": "t1", "points": 1, "schema_version": 3}


def marked(cell, test="assert x == 1", **more):
    """What comes of a notebook of one cell of the student's own and one check."""
    check = new_code_cell(test, metadata={"nbgrader": {**ROLE, "cell_type": "code"}})
    given = nbformat.writes(new_notebook(cells=[check])).encode()
    submitted = nbformat.writes(new_notebook(cells=[new_code_cell(cell), check])).encode()
    return mark(Task("student", "exercise", submitted, given, given, **more))


@pytest.mark.parametrize("isolation", RUNNERS)
@pytest.mark.parametrize(
    "shown", ["1000", "inf", "1e999", "1_000", "\u0661\u0660\u0660\u0660", ""]
)  # as numbers, more than the check's point
def test_a_value_that_says_more_than_the_points_is_only_shown(shown, isolation):
    cell = f"class X:\n    def __repr__(self): return {shown!r}\nx = X()"
    done = marked(cell, "x", isolation=isolation)
    assert (done.result.verdict, done.result.points) == ("graded", 1)
    assert any("more than its 1 points" in flag for flag in done.result.flags) == bool(shown)


def test_files_whose_names_are_in_each_others_way_are_left_out():
    beside = (("data/x.csv", b"1"), ("data", b"2"), ("n" * 300, b"3"), ("data/x.csv/y", b"4"), ("z", b"5"))
    done = marked("x = 1\nimport os\nsorted(os.listdir()), os.listdir('data')", beside=beside)
    assert done.result.points == 1
    assert "(['data', 'z'], ['x.csv'])" in done.notebook


def fails_for(content, whole):
    def restore(notebook, *arguments):
        if any(content in cell.source for cell in notebook.cells):
            raise KeyError("out of a student's notebook")
        return whole(notebook, *arguments)

    return restore


@pytest.mark.parametrize(("content", "verdict"), [("x = 1", NOT_GRADABLE), ("assert", GRADER_FAULT)])
def test_what_fails_for_one_notebook_alone_is_its_own(content, verdict, monkeypatch):
    monkeypatch.setattr(marking, "restore", fails_for(content, marking.restore))
    done = marked("x = 1")
    assert (done.result.verdict, done.result.reason) == (verdict, 'KeyError: "out of a student\'s notebook"')

"""What is read of a check that has run: in its own words, or in those of the exception that stopped it."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from autograder.gradebook.outcomes import notebook_checks
from autograder.results import WRONG

ROLE = {"grade": True, "solution": False, "locked": True, "grade_id": "t1", "points": 1, "schema_version": 3}


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("AssertionError", "", "AssertionError"),  # a bare assert
        ("AssertionError", "f(2) is 3", "AssertionError: f(2) is 3"),
        ("CheckFailed", "✗ Check failed: f(2) is 3", "✗ Check failed: f(2) is 3"),
    ],
)
def test_an_exception_without_words_is_its_name_alone(name, words, message):
    output = new_output("error", ename=name, evalue=words, traceback=[])
    cell = new_code_cell("assert f(2) == 4", metadata={"nbgrader": {**ROLE, "cell_type": "code"}}, outputs=[output])
    [check] = notebook_checks(new_notebook(cells=[cell]))
    assert (check.status, check.message) == (WRONG, message)

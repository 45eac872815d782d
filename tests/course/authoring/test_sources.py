import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.authoring.sources import problems

BILINGUAL = "Add two numbers.\n\n<!-- zh -->\n\n把两个数相加。"


def cell(source, grade_id, *, points=None, solution=False):
    role = {"grade": points is not None, "solution": solution, "locked": points is not None, "task": False}
    metadata = {"nbgrader": {**role, "grade_id": grade_id, "schema_version": 3}}
    if points is not None:
        metadata["nbgrader"]["points"] = points
    return new_code_cell(source, metadata=metadata, id=grade_id or "anonymous")


def good_notebook():
    answer = "def add(a, b):\n    ### BEGIN SOLUTION\n    return a + b  # both\n    ### END SOLUTION"
    test = "# More when you hand in.\n### BEGIN HIDDEN TESTS\ncheck_close(call(add, 1, 2), 3)\n### END HIDDEN TESTS"
    return new_notebook(
        cells=[
            new_markdown_cell(BILINGUAL, id="task"),
            cell(answer, "add", solution=True),
            cell(test, "add-value", points=1),
        ]
    )


def found_after(change):
    notebook = copy.deepcopy(good_notebook())
    change(notebook.cells)
    return problems(notebook)


def test_a_good_source_has_no_problems():
    assert problems(good_notebook()) == []


def set_role(cells, position, **role):
    cells[position].metadata.nbgrader.update(role)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cells: set_role(cells, 2, grade_id="add"), "grade_id 'add' is used 2 times"),
        (lambda cells: set_role(cells, 2, grade_id=""), "cell 'add-value': it has no grade_id"),
        (lambda cells: cells[2].metadata.nbgrader.pop("grade_id"), "cell 'add-value': it has no grade_id"),
        (lambda cells: set_role(cells, 2, points=0), "its points are 0; give it points above 0"),
        (lambda cells: cells[2].metadata.nbgrader.pop("points"), "its points are None"),
        (lambda cells: cells[1].update(execution_count=3), "cell 'add': it has outputs"),
        (
            lambda cells: cells[1].outputs.append(nbformat.v4.new_output("stream", text="3")),
            "cell 'add': it has outputs",
        ),
        (
            lambda cells: cells[2].update(source=cells[2].source.split("\n", 1)[1]),
            "cell 'add-value': it would be released empty",
        ),
        (lambda cells: cells[0].update(source="Add two numbers."), "cell 'task': it has 1 halves; expected English"),
        (lambda cells: cells[0].update(source="Add.\n<!-- zh -->\n"), "cell 'task': it has 1 halves"),
        (lambda cells: cells[0].update(source="Add.\n<!-- zh -->\nAdd."), "its Chinese half has no Chinese in it"),
        (
            lambda cells: cells[1].update(source="def add(a, b):\n    return a + b"),
            "cell 'add': it is a solution cell without BEGIN SOLUTION",
        ),
        (lambda cells: set_role(cells, 1, solution=False), "cell 'add': it has a solution but is not a solution cell"),
        (
            lambda cells: cells.append(new_code_cell("def add(a, b):\n    return a + b  # both", id="try")),
            "cell 'add': its solution 'return a + b  # both' is released in 'try'",
        ),
        (
            lambda cells: cells[1].update(source=cells[1].source.replace("    ### END SOLUTION", "")),
            "END SOLUTION is missing",
        ),
        (
            lambda cells: cells[1].update(source=cells[1].source + "\n    ### END SOLUTION"),
            "its markers BEGIN SOLUTION and END SOLUTION don't alternate",
        ),
        (lambda cells: set_role(cells, 2, grade=False), "it has hidden tests but is not a test cell"),
        (lambda cells: cells[2].update(source="check_close(answer('x', x), 3)\nx"), "its last line shows a value"),
        (lambda cells: cells[2].update(source="check_close("), "it is not valid Python"),
    ],
)
def test_a_bad_source_is_refused(change, message):
    found = found_after(change)
    assert any(message in problem for problem in found), found

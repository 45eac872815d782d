import copy
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from project import ROOT

from autograder.authoring.sources import problems
from autograder.cells import edition, language_of, parse_notebook, read_notebook, write_notebook

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


def test_editions_keep_one_half_and_all_code():
    notebook = good_notebook()
    english, chinese = edition(notebook, "en"), edition(notebook, "zh")
    assert english.cells[0].source == "Add two numbers."
    assert chinese.cells[0].source == "把两个数相加。"
    assert english.cells[1:] == chinese.cells[1:] == notebook.cells[1:]
    assert notebook.cells[0].source == BILINGUAL


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is not complete JSON"),
        (b'{"cells": [', "it is not complete JSON"),
        (b"\xff\xfe\x00", "it is not UTF-8 text"),
        (b"[]", "it is not a notebook"),
        (b'{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "it is not a notebook"),
        (b'{"metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "it is not a notebook"),
        (b'{"cells": [], "metadata": [], "nbformat": 4, "nbformat_minor": 5}', "it is not a notebook"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_notebook_is_said_in_a_sentence(tmp_path, content, message):
    path = tmp_path / "broken.ipynb"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_notebook(path)


def test_reading_and_writing_keeps_every_byte():
    for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("notebooks/zh/*.ipynb")]:
        assert write_notebook(read_notebook(path)) == path.read_text(encoding="utf-8"), path


def test_metadata_nested_at_any_depth_is_read_or_refused():
    # nbformat's error quotes what it refuses; where that is nested deeply, showing it exceeds Python's recursion
    # limit, at a depth that depends on how deep the caller is
    notebook = json.loads((ROOT / "notebooks" / "01_simpo_loss.ipynb").read_text("utf-8"))
    before, after = json.dumps({**notebook, "metadata": {"kernelspec": "HERE"}}).split('"HERE"')
    for depth in range(50, 1000, 25):
        with pytest.raises(ValueError, match=r"it is nested too deeply|it is not a notebook: \[\["):
            parse_notebook((before + "[" * depth + "]" * depth + after).encode())


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").rglob("*.ipynb")), ids=lambda path: path.stem)
def test_an_editions_language_is_that_of_its_heading(path):
    assert language_of(read_notebook(path)) == ("zh" if path.parent.name == "zh" else "en")


def test_a_file_of_a_million_objects_is_refused_before_it_is_read():
    with pytest.raises(ValueError, match="more than 300,000 objects or lists"):
        parse_notebook(b'{"cells": [], "metadata": {"x": [' + b"{}," * 300_001 + b"0]}}")
    printed = '\\"[' * 200_000 + "{" * 300_001 + "\\\\"
    parse_notebook(f'{{"cells": [], "metadata": {{"x": "{printed}"}}, "nbformat": 4, "nbformat_minor": 5}}'.encode())
    with pytest.raises(ValueError, match="not complete JSON"):
        parse_notebook(f'{{"cells": [], "metadata": {{"x": "{printed}'.encode())

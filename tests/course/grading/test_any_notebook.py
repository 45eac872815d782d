"""Other courses start and go on: cells without a name, packages that are missing, large files, odd files."""

import copy
import json
import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.course import find_course
from autograder.grading.anycourse import grade, prepare
from autograder.results import DIED, GRADED, GRADER_FAULT, NOT_GRADABLE

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves

LARGE = 30_000_000


def cell(source, grade_id="", points=0, **roles):
    """A cell of nbgrader's; without a name, one that it does not manage."""
    kinds = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3, **roles}
    named = {"grade_id": grade_id, "points": points} if points else {"grade_id": grade_id} if grade_id else {}
    return new_code_cell(source, metadata={"nbgrader": kinds | named})


def source_notebook():
    python = {"name": "python3", "display_name": "", "language": "python"}
    cells = [
        cell("import lost_package_4711"),
        cell("size = len(open('data.bin', 'rb').read())", "set-up", locked=True),
        cell("def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION", "double", solution=True),
        cell("assert double(2) == 4", "double-value", 1, grade=True, locked=True),
        cell(f"assert size == {LARGE}", "data", 1, grade=True, locked=True),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": python})


def right(notebook):
    answered = copy.deepcopy(notebook)
    answered.cells[2].source = "def double(x):\n    return 2 * x"
    return nbformat.writes(answered)


def changed(text, change):
    notebook = json.loads(text)
    change(notebook)
    return json.dumps(notebook).encode()


def each_cell(change):
    return lambda notebook: [change(cell) for cell in notebook["cells"]]


def as_editors_leave_them(text):
    """Files of one right answer; of each, whether it must have its points."""
    lines = text.splitlines(keepends=True)
    answer = next(number for number, line in enumerate(lines) if "return 2 * x" in line)
    conflict = ["<<<<<<< HEAD\n", lines[answer], "=======\n", lines[answer], ">>>>>>> theirs\n"]
    first = {"output_type": "stream", "text": ["hi"]}
    return {
        "bom": (b"\xef\xbb\xbf" + text.encode(), True),
        "utf16": (text.encode("utf-16"), True),
        "conflict": ("".join([*lines[:answer], *conflict, *lines[answer + 1 :]]).encode(), False),
        "trailing": ((text + "}\n]\n").encode(), True),
        "null-id": (changed(text, lambda nb: nb["cells"][0].update(id=None)), True),
        "no-outputs": (changed(text, each_cell(lambda one: one.pop("outputs", None))), True),
        "stream": (changed(text, lambda nb: nb["cells"][2].update(outputs=[first])), True),
        "count": (changed(text, lambda nb: nb["cells"][2].update(execution_count="3")), True),
        "tags": (changed(text, lambda nb: nb["cells"][2]["metadata"].update(tags=["a", "a"])), True),
        "source": (changed(text, lambda nb: nb["cells"].append({"cell_type": "code", "source": None})), True),
        "colab": (changed(text, each_cell(lambda one: one.pop("id"))), True),
        "kernel": (changed(text, lambda nb: nb["metadata"].update(kernelspec={"language": "python"})), True),
        "twice": (changed(text, lambda nb: nb["cells"].append(nb["cells"][3])), True),
        "schema": (changed(text, lambda nb: nb["cells"][3]["metadata"]["nbgrader"].update(schema_version=1)), True),
        "minor": (changed(text, lambda nb: nb.update(nbformat_minor="5")), True),
        "empty": (b"", False),
    }


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("other") / "course"
    notebook = source_notebook()
    (root / "source" / "ps1").mkdir(parents=True)
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    nbformat.write(notebook, root / "source" / "ps1" / "one.ipynb")
    (root / "source" / "ps1" / "data.bin").write_bytes(bytes(LARGE))
    files = as_editors_leave_them(right(notebook))
    for student in ("honest", "link", "pipe", "large", *files):
        folder = root / "submitted" / student / "ps1"
        folder.mkdir(parents=True)
        (folder / "one.ipynb").write_bytes(files.get(student, (right(notebook).encode(),))[0])
    (root / "submitted" / "link" / "ps1" / "x.txt").symlink_to(root / "nbgrader_config.py")
    os.mkfifo(root / "submitted" / "pipe" / "ps1" / "pipe")
    (root / "submitted" / "large" / "ps1" / "mine.bin").write_bytes(bytes(LARGE))
    return find_course(folder=root, any_course=True), files


@pytest.fixture(scope="module")
def notes(course):
    return prepare(course[0])


@pytest.fixture(scope="module")
def results(course, notes):
    return {result.student: result for result, _ in grade(course[0], jobs=2)}


def test_a_package_that_is_missing_is_said_once(notes):
    assert [note for note in notes if "not installed" in note] == [
        "ps1: lost_package_4711 is not installed here, and a notebook imports it"
    ]


def test_a_large_data_file_is_there_and_a_cell_without_a_name_is_none_of_ours(results):
    assert (results["honest"].verdict, results["honest"].points) == (GRADED, 2)
    assert (results["large"].verdict, results["large"].points) == (GRADED, 2)


def test_every_file_has_a_verdict_and_what_holds_a_right_answer_has_its_points(course, results):
    _, files = course
    assert {student: result for student, result in results.items() if result.verdict in (GRADER_FAULT, DIED)} == {}
    points = {student: results[student].points == 2 for student in files}
    assert points == {student: is_right for student, (_, is_right) in files.items()}
    assert "merge conflict markers" in results["conflict"].reason


@pytest.mark.parametrize(("student", "words"), [("link", "x.txt is a link"), ("pipe", "pipe is neither a file")])
def test_what_is_no_file_is_not_gradable(results, student, words):
    assert results[student].verdict == NOT_GRADABLE
    assert words in results[student].reason

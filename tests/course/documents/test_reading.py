"""A student's notebook is read as any editor, merger or mishap may have left it."""

import copy
import difflib
import json

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from project import ROOT

from autograder.cells import is_answer, read_notebook, role
from autograder.course import Course
from autograder.documents.reading import LARGE, read_content
from autograder.grading.benches import hand_in, load_bench
from autograder.grading.repair import restore

COURSE = Course(ROOT, ROOT / "classroom")
EXERCISE = "01_simpo_loss"
SOURCE = read_notebook(COURSE.solutions / f"{EXERCISE}.ipynb")
RELEASED = read_notebook(COURSE.notebooks / f"{EXERCISE}.ipynb")
RIGHT = hand_in(COURSE, EXERCISE, next(answer for answer in load_bench(COURSE, EXERCISE) if answer.is_right))
MARKED = RIGHT.replace(' "loss_by_hand', '\n<<<<<<< HEAD\n "loss_by_hand').replace(
    "squared_loss(3.0", "\n=======\nx(3.0"
)


def changed(change):
    """The right notebook, as bytes, after a change of its JSON."""
    notebook = json.loads(RIGHT)
    change(notebook, {cell["id"]: cell for cell in notebook["cells"]})
    return json.dumps(notebook, ensure_ascii=False).encode("utf-8", "surrogatepass")


def answers(notebook):
    return {role(cell)["grade_id"]: cell.source for cell in notebook.cells if is_answer(cell)}


def restored(content):
    reading = read_content(content)
    notebook, repairs = restore(reading.notebook, SOURCE, RELEASED)
    nbformat.validate(notebook)
    return notebook, [str(words) for words in (*reading.remarks, *repairs)]


ANSWERS = answers(read_notebook(ROOT / "notebooks" / f"{EXERCISE}.ipynb")) | answers(nbformat.reads(RIGHT, 4))


@pytest.mark.parametrize(
    ("encoding", "remark"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "its file was in UTF-16-LE"),
        ("utf-16-le", "its file was in UTF-16-LE"),
        ("utf-16-be", "its file was in UTF-16-BE"),
        ("utf-32", "its file was in UTF-32-LE"),
        ("gb18030", "its file was in GB18030"),
    ],
)
def test_any_encoding_is_read_and_said(encoding, remark):
    text = changed(lambda nb, cells: cells["squared-loss"]["source"].append("\n# 每一对的平方损失")).decode()
    notebook, repairs = restored(text.encode(encoding))
    assert "每一对" in answers(notebook)["squared-loss"]
    assert [words for words in repairs if "UTF" in words or "GB" in words] == (
        [f"{remark}, not in UTF-8"] if remark else []
    )


def test_bytes_that_are_no_text_in_any_encoding_cost_nothing():
    notebook, repairs = restored(RIGHT.encode().replace(b'"title"', b'"title", "x": "\xff\xff"', 1))
    assert answers(notebook) == ANSWERS
    assert repairs == ["its file had bytes that are no UTF-8; they are shown as \ufffd"]


@pytest.mark.parametrize(
    "change",
    [
        lambda nb, cells: nb.update(nbformat_minor=4),
        lambda nb, cells: nb.update(nbformat=5, nbformat_minor=99),
        lambda nb, cells: nb.update(nbformat="4"),
        lambda nb, cells: nb.pop("nbformat"),
        lambda nb, cells: nb.pop("metadata"),
        lambda nb, cells: nb.update(metadata={"kernelspec": {"language": "python"}, "language_info": 3}),
        lambda nb, cells: nb["cells"].append({"cell_type": "code", "id": None, "source": "x = 1"}),
        lambda nb, cells: nb["cells"].append({"cell_type": "code", "id": "a" * 80, "source": ["x", 3]}),
        lambda nb, cells: nb["cells"].append({"cell_type": "code", "id": "", "source": None}),
        lambda nb, cells: nb["cells"].append({"cell_type": "widget", "source": {}}),
        lambda nb, cells: nb["cells"].append("no cell"),
        lambda nb, cells: [cell.pop("outputs", None) for cell in nb["cells"]],
        lambda nb, cells: [cell.pop("execution_count", None) for cell in nb["cells"]],
        lambda nb, cells: [cell.pop("metadata") for cell in nb["cells"] if "nbgrader" not in cell["metadata"]],
        lambda nb, cells: cells["squared-loss"].update(outputs=[{"output_type": "stream", "text": ["hi"]}]),
        lambda nb, cells: cells["squared-loss"].update(outputs=[{"output_type": "display_data", "data": {}}]),
        lambda nb, cells: cells["squared-loss"].update(outputs=[{"output_type": "new", "x": 1}, 3, None]),
        lambda nb, cells: cells["squared-loss"].update(outputs={}, execution_count="3"),
        lambda nb, cells: cells["squared-loss"].update(execution_count=1.5, metadata_=3, slideshow={}),
        lambda nb, cells: cells["squared-loss"]["metadata"].update(collapsed="false", scrolled=3, tags=3, name=[]),
        lambda nb, cells: cells["squared-loss"]["metadata"].update(tags=["raises-exception", "raises-exception", 3]),
        lambda nb, cells: cells["title"].update(outputs=[], execution_count=None, attachments=[]),
        lambda nb, cells: cells["squared-loss"].update(source="".join(cells["squared-loss"]["source"])),
        lambda nb, cells: cells["by-hand"].update(y=float("inf"), z=float("nan")),
    ],
)
def test_what_grading_throws_away_is_no_reason_to_refuse(change):
    notebook, repairs = restored(changed(change))
    assert answers(notebook) == ANSWERS
    assert repairs == []


def test_a_number_of_thousands_of_digits_is_no_reason_to_refuse():
    notebook, repairs = restored(RIGHT.replace('"metadata": {', '"n": ' + "7" * 5000 + ', "metadata": {', 1).encode())
    assert (answers(notebook), repairs) == (ANSWERS, [])


def test_text_behind_the_notebook_is_said():
    notebook, repairs = restored((RIGHT + "}\n]\n}\n").encode())
    assert answers(notebook) == ANSWERS
    assert repairs == ["5 characters stood behind the notebook, and were left out"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (MARKED.encode(), r"merge conflict markers stand in it, from line \d+ on: keep one of the two versions"),
        (RIGHT[:2000].encode(), r"it is not complete JSON \(2000 characters; cut off\?\)"),
        (b"[]", "it holds a list instead of cells"),
        (b'"PK"', "it holds text instead of cells"),
        (b"null", "it holds nothing instead of cells"),
        (b'{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "there are no cells in it"),
        (b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "there are no cells in it"),
        (b'{"metadata": {}, "nbformat": 3, "worksheets": 3}', "there are no cells in it"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"cells":' * 400_000, "more than 300,000 objects or lists"),
    ],
)
def test_what_holds_no_cells_is_said_in_a_sentence(content, message):
    with pytest.raises(ValueError, match=message):
        read_content(content)


def test_lines_of_equals_signs_in_a_text_are_no_conflict():
    with pytest.raises(ValueError, match="not complete JSON"):
        read_content(b'{"cells": [\n=======\n')


def test_an_old_notebook_is_read():
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": []}]}
    old["worksheets"][0]["cells"] = [
        {"cell_type": "heading", "level": 1, "source": "Title", "metadata": {}},
        {"cell_type": "code", "language": "python", "input": "x = 1", "outputs": [], "metadata": {}},
    ]
    cells = read_content(json.dumps(old).encode()).notebook.cells
    assert [(cell.cell_type, cell.source) for cell in cells] == [("markdown", "# Title"), ("code", "x = 1")]


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": "a" * (LARGE + 1)}},
        {"output_type": "display_data", "metadata": {}, "data": {"application/json": [{"": 0}] * 300_001}},
        {"output_type": "stream", "name": "stdout", "text": ["x\n"] * 2_000_000},
    ],
)
def test_large_outputs_are_left_out_before_they_take_memory(output):
    content = changed(lambda nb, cells: cells["squared-loss"].update(outputs=[output], execution_count=3))
    notebook, repairs = restored(content)
    assert answers(notebook) == ANSWERS
    assert repairs == ["its outputs were too large, and were left out"]


def test_what_is_attached_to_a_text_stays_and_what_a_check_said_last():
    picture = {"a.png": {"image/png": "aGVsbG8="}, "bad": 3, "worse": {"nokind": "x"}}

    def change(nb, cells):
        cells["title"]["attachments"] = picture
        cells["squared-loss-value"]["outputs"] = [{"output_type": "error", "ename": "CheckFailed", "evalue": ["no"]}]

    cells = {cell.id: cell for cell in read_content(changed(change)).notebook.cells}
    assert cells["title"].attachments == {"a.png": {"image/png": "aGVsbG8="}}
    assert cells["squared-loss-value"].outputs == [
        {"output_type": "error", "ename": "CheckFailed", "evalue": "no", "traceback": []}
    ]


# Any JSON in the place of any part of a notebook that nbformat still reads

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.just("code")
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner), max_leaves=4
)
KEYS = st.sampled_from(
    ["id", "cell_type", "metadata", "outputs", "source", "attachments", "nbgrader", "tags", "new key"]
)


def parts(tree, path=()):
    """The path of every dict and list within."""
    yield path
    for key, part in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(part, dict | list):
            yield from parts(part, (*path, key))


@st.composite
def mutated(draw):
    """A right notebook with a few parts replaced, taken out or added; and whether an answer's text may have changed."""
    notebook, touched = copy.deepcopy(NOTEBOOK), False
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(sorted(parts(notebook), key=repr)))
        part = notebook
        for key in path:
            part = part[key]
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = (
            draw(st.sampled_from(keys) | KEYS if isinstance(part, dict) else st.sampled_from(keys))
            if keys
            else "new key"
        )
        touched |= (
            not path
            or path[-1] == "cells"
            or key in ("source", "cell_type", "cells", "metadata", "id", "grade_id", "nbgrader")
            or "source" in path
        )
        if isinstance(part, list):
            if keys and draw(st.booleans()):
                part[key] = draw(VALUES)
            else:
                part.append(draw(VALUES))
        elif draw(st.booleans()):
            part[key] = draw(VALUES)
        else:
            part.pop(key, None)
    return notebook, touched


NOTEBOOK = json.loads(RIGHT)


class Found:
    """What `mutated` makes, shown by what differs from a right notebook: hypothesis refuses to print a whole one."""

    def __init__(self, pair):
        self.notebook, self.touched = pair

    def __repr__(self):
        before, now = (json.dumps(one, indent=1).splitlines() for one in (NOTEBOOK, self.notebook))
        return "\n".join(difflib.unified_diff(before, now, lineterm="", n=1))[:20_000]


@pytest.fixture(scope="module")
def cases(everything):
    return 1_500 if everything else 200


def test_whatever_nbformat_reads_is_gradable(cases):
    gradable = 0

    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated().map(Found))
    def run(found):
        nonlocal gradable
        notebook, touched = found.notebook, found.touched
        text = json.dumps(notebook)
        try:
            cells = nbformat.reads(text, 4).cells
        except Exception:  # what Jupyter can't open may be refused
            cells = []
        try:
            repaired, _ = restored(text.encode())
        except ValueError:
            assert not any(isinstance(cell, dict) for cell in cells)
            return
        gradable += 1
        if not touched:
            assert answers(repaired) == ANSWERS

    run()
    assert gradable > cases / 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"\n\n<!DOCTYPE html><html>",
            "it is a web page, not a notebook: the page that shows it was saved; download the file",
        ),
        (b"PK\x03\x04...", "it is a zip file, not a notebook"),
        (b"\x1f\x8b\x08", "it is a gzip file, not a notebook"),
        (b"%PDF-1.7", "it is a PDF file, not a notebook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "it is a file of an old Office, not a notebook"),
    ],
)
def test_another_file_under_a_notebooks_name_is_called_what_it_is(content, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_content(content)


def test_a_notebook_as_a_jupyter_server_sends_it():
    notebook = {"cells": [{"cell_type": "code", "source": "x = 1"}]}
    model = {"name": "a.ipynb", "type": "notebook", "format": "json", "content": notebook}
    assert [cell.source for cell in read_content(json.dumps(model).encode()).notebook.cells] == ["x = 1"]

"""A notebook's file, and its two editions."""

import json

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from project import ROOT

from autograder.cells import edition, language_of, parse_notebook, read_notebook, write_notebook

BILINGUAL = "Add two numbers.\n\n<!-- zh -->\n\n把两个数相加。"


def test_editions_keep_one_half_and_all_code():
    notebook = new_notebook(cells=[new_markdown_cell(BILINGUAL), new_code_cell("1 + 1  # 加")])
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

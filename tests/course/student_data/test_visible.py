"""What a terminal or a browser would obey is shown, wherever a student's words are printed or stand on a page."""

import ast
import io

import pytest
from nbformat.v4 import new_notebook, new_output
from project import ROOT
from rich.console import Console

from autograder.commands import common
from autograder.commands.results import results_table
from autograder.pages.html import render
from autograder.results import GRADED, WRONG, Check, Result
from autograder.student_data.visible import visible

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31mRED \u202egnp.exe\x9b5n\r\u2066"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\x1b[31mRED \u202egnp.exe\x9b5n\r\u2066"


def test_what_would_be_obeyed_is_shown():
    assert visible(HOSTILE) == SHOWN
    assert visible("é 中\t\U0001f600\u200d\r\nnext") == "é 中\t\U0001f600\u200d\r\nnext"
    assert visible("half \ud83d\x00") == r"half \ud83d\x00"


def test_a_command_says_it(capsys):
    common.say(HOSTILE)
    common.say(HOSTILE, error=True)
    assert capsys.readouterr() == (SHOWN + "\n", SHOWN + "\n")


def test_the_table_of_results_shows_it():
    check = Check("dpo-loss", 0, 1, WRONG, f"ValueError: {HOSTILE}")
    result = Result("\x1b[31mada", "01", GRADED, (check,), flags=(HOSTILE,), repairs=(HOSTILE,))
    console = Console(file=io.StringIO(), width=200)
    console.print(results_table([result]))
    text = console.file.getvalue()
    assert text.count(r"\x1b[2J\x1b[31mRED \u202egnp.exe") == 3
    assert r"\x1b[31mada" in text
    assert visible(text) == text


@pytest.mark.parametrize("path", sorted((ROOT / "autograder" / "commands").glob("*.py")), ids=lambda path: path.name)
def test_commands_print_by_nothing_else(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    names = [call.func.id for call in calls if isinstance(call.func, ast.Name)]
    assert names.count("print") == (path.name == "common.py")
    assert "Text" not in names or path.name == "common.py"


def test_pages_show_it():

    page = render("feedback_base", "feedback", is_open=False, language=HOSTILE, key=HOSTILE, student=HOSTILE)
    assert SHOWN in page
    assert visible(page) == page


def test_the_formgraders_page_shows_it(tmp_path):
    from nbformat.v4 import new_code_cell
    from traitlets.config import Config

    from autograder.jupyter.essays import CleanExporter

    cell = new_code_cell(f"# {HOSTILE}", outputs=[new_output("stream", text=HOSTILE)])
    exporter = CleanExporter(config=Config(HTMLExporter={"template_name": "basic"}))
    page, _ = exporter.from_notebook_node(new_notebook(cells=[cell]))
    assert visible(page) == page
    assert r"\u202egnp.exe" in page


class _Words(dict):
    def __missing__(self, name):
        return HOSTILE

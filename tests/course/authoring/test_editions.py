import ast

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from project import ROOT

from autograder.authoring.catalogues import pseudo_catalogue
from autograder.authoring.editions import combined, english_of, in_english, made_of, with_editions
from autograder.cells import EDITIONS, edition, in_language, language_of, read_notebook
from autograder.course import Course

COURSE = Course(ROOT, ROOT / "classroom")
SET_UP = "from autograder.checks import check_close\n"
SOURCE = new_notebook(
    cells=[
        new_markdown_cell("# A title\n\n<!-- zh -->\n\n# 标题", id="title"),
        new_code_cell(SET_UP, id="setup"),
        new_code_cell('check_that(x == 1, f"x is {x}, expected one", hint="Add one.")  # so', id="check"),
        new_code_cell("y = 2", id="code"),
    ]
)
WORDS = {"zh": {"x is {x}, expected one": "x 是 {x}，应为一", "Add one.": "加一。"}}


def test_each_edition_says_what_it_says_in_its_language():
    both = with_editions(SOURCE, WORDS)
    english, chinese = edition(both, "en"), edition(both, "zh")
    assert [cell.source for cell in english.cells] == ["# A title", *(cell.source for cell in SOURCE.cells[1:])]
    assert chinese.cells[0].source == "# 标题"
    assert chinese.cells[2].source == 'check_that(x == 1, f"x 是 {x}，应为一", hint="加一。")  # so'
    assert chinese.cells[3].source == "y = 2"
    assert (language_of(english), language_of(chinese)) == ("en", "zh")
    assert not any(EDITIONS in cell.metadata for cell in (*english.cells, *chinese.cells))


def test_the_set_up_cell_tells_the_checks_their_language():
    both = with_editions(SOURCE, WORDS)
    assert in_language(both, "zh").cells[1].source.endswith('import check_close\n\n_checks.language("zh")')
    assert in_language(both, "en").cells[1].source == SET_UP


def test_choosing_a_language_leaves_the_notebook_as_it_was():
    both = with_editions(SOURCE, WORDS)
    before = both.copy()
    in_language(both, "zh"), edition(both, "zh")
    assert both == before


def test_a_message_is_known_in_english():
    english = english_of(with_editions(SOURCE, WORDS))
    assert english == {"x 是 {x}，应为一": "x is {x}, expected one", "加一。": "Add one."}
    assert in_english("未通过：x 是 3，应为一\n提示：加一。", english) == "未通过：x is 3, expected one\n提示：Add one."
    assert in_english("别的话", english) == "别的话"


@pytest.mark.parametrize("exercise", COURSE.exercises())
def test_no_two_named_mistakes_of_a_check_are_one_in_another_language(exercise):
    for cell in in_language(combined(COURSE, exercise), "zh").cells:
        for node in ast.walk(ast.parse(cell.source if cell.cell_type == "code" else "")):
            keys = [ast.dump(key) for key in node.keys if key] if isinstance(node, ast.Dict) else []
            assert len(set(keys)) == len(keys), cell.id


def test_the_editions_are_made_anew_when_a_source_or_a_catalogue_changes(tmp_path):
    course = Course(tmp_path, tmp_path / "classroom")
    (course.solutions / "zh").mkdir(parents=True)
    seen = set()
    for name, text in (("a.ipynb", "1"), ("a.ipynb", "2"), ("zh/a.po", "1"), ("zh/a.po", "2")):
        (course.solutions / name).write_text(text)
        seen.add(made_of(course, "a"))
    assert len(seen) == 4


@pytest.mark.parametrize("exercise", COURSE.exercises())
def test_a_third_language_needs_a_catalogue_and_nothing_else(exercise):
    source = read_notebook(COURSE.solutions / f"{exercise}.ipynb")
    notebook = edition(with_editions(source, {"xx": pseudo_catalogue(source, "xx")}), "xx")
    assert language_of(notebook) == "xx"
    assert notebook.cells[0].source.startswith("# ⟦Exercise")
    for cell in notebook.cells:
        assert cell.cell_type != "code" or ast.parse(cell.source) is not None

import polib
import pytest
from nbformat import from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from project import ROOT

from autograder.authoring.catalogues import (
    catalogue_file,
    catalogue_problems,
    languages,
    missing_marks,
    pseudo_catalogue,
    read_catalogue,
    updated_catalogue,
)
from autograder.cells import read_notebook
from autograder.course import Course

COURSE = Course(ROOT, ROOT / "classroom")
SOURCE = new_notebook(
    cells=[
        new_markdown_cell("# A title\n\nSome words.\n\n<!-- zh -->\n\n# 标题\n\n一些话。", id="title"),
        new_code_cell('print("so it is")  # as they say\nprint(f"so {x} is")', id="code"),
    ]
)


@pytest.fixture
def path(tmp_path):
    """A complete catalogue of the source above."""
    file = tmp_path / "a.po"
    file.write_text(updated_catalogue(file, SOURCE, "zh"), "utf-8")
    catalogue = polib.pofile(str(file))
    for entry in catalogue:
        entry.msgstr = f"译 {entry.msgid}"
    file.write_text(f"{catalogue}\n", "utf-8")
    return file


def changed(old, new):
    notebook = from_dict(SOURCE)
    for cell in notebook.cells:
        cell.source = cell.source.replace(old, new)
    return notebook


def test_a_complete_catalogue_has_no_problems_and_says_what_to_say(path):
    assert list(catalogue_problems(path, SOURCE, "zh")) == []
    assert read_catalogue(path)["as they say"] == "译 as they say"
    assert updated_catalogue(path, SOURCE, "zh") == path.read_text("utf-8")


def test_chinese_prose_is_the_sources_and_another_languages_the_catalogues(path):
    assert "Some words." not in read_catalogue(path)
    assert 'msgid "Some words."' in updated_catalogue(path.with_name("b.po"), SOURCE, "de")


def test_what_is_missing_changed_left_over_or_has_other_braces_is_named(path):
    new = changed("as they say", "in a word or two")
    assert list(catalogue_problems(path, new, "zh")) == [
        "cell 'code': 'in a word or two' has no translation",
        "'as they say' stands in no cell any more",
    ]
    path.write_text(path.read_text("utf-8").replace("译 so {x} is", "译 so {y} is"), "utf-8")
    (braces,) = catalogue_problems(path, SOURCE, "zh")
    assert "the translation of 'so {x} is' has other braces" in braces


def test_an_update_keeps_translations_and_marks_those_of_changed_texts(path):
    new = changed("as they say", "as they all say")
    path.write_text(updated_catalogue(path, new, "zh"), "utf-8")
    assert list(catalogue_problems(path, new, "zh")) == [
        "cell 'code': 'as they all say' has changed, and its translation not yet"
    ]
    assert read_catalogue(path) == {"so it is": "译 so it is", "so {x} is": "译 so {x} is"}
    path.write_text(updated_catalogue(path, changed("as they say", "quite another text"), "zh"), "utf-8")
    assert '#~ msgid "as they say"' in path.read_text("utf-8")
    path.write_text(updated_catalogue(path, SOURCE, "zh"), "utf-8")
    assert read_catalogue(path)["as they say"] == "译 as they say"


@pytest.mark.parametrize("exercise", COURSE.exercises())
def test_every_text_of_the_course_is_translated(exercise):
    source = read_notebook(COURSE.solutions / f"{exercise}.ipynb")
    for language in languages(COURSE)[1:]:
        path = catalogue_file(COURSE, exercise, language)
        assert list(catalogue_problems(path, source, language)) == []
        assert updated_catalogue(path, source, language) == path.read_text("utf-8")


def test_a_pseudo_language_marks_every_line_and_what_lacks_marks_is_named():
    words = pseudo_catalogue(SOURCE, "xx")
    assert words["# A title"] == "# ⟦A title⟧"
    assert words["so {x} is"] == "⟦so {x} is⟧"
    assert missing_marks("⟦so 3 is⟧\nwhat is this\nx = 3") == ["what is this"]

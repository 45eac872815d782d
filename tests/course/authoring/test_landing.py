import re

import pytest
from project import ROOT

from autograder.authoring.landing import START, card, landings
from autograder.cells import is_test, read_notebook, role
from autograder.course import Course

COURSE = Course(ROOT, ROOT / "classroom")
SOURCES = {name: read_notebook(COURSE.solutions / f"{name}.ipynb") for name in COURSE.exercises()}


@pytest.mark.parametrize(("folder", "language"), [(COURSE.notebooks, "en"), (COURSE.notebooks / "zh", "zh")])
def test_the_page_links_every_exercise_beside_it(folder, language):
    page = landings(SOURCES)[language]
    links = re.findall(r"\]\(([^)]+\.ipynb)\)", page.cells[0].source)
    other, *exercises = links
    assert [link.removesuffix(".ipynb") for link in exercises] == list(SOURCES)
    for link in links:
        assert (folder / link).is_file(), link
    assert (folder / other).resolve() != (folder / f"{START}.ipynb").resolve()


def test_a_row_says_what_the_title_cell_says():
    # from solutions/04_advantages.ipynb, both editions
    row = card("04_advantages", SOURCES["04_advantages"], "en").row()
    assert row.startswith("| 4 | **[Advantages](04_advantages.ipynb)** | <details><summary>name three advantages")
    assert row.endswith("| ●●○○○ | 65 minutes | 10 + 6 for the essay |")
    assert "| 65 分钟 | 10 分，另有论述题 6 分 |" in card("04_advantages", SOURCES["04_advantages"], "zh").row()


def test_the_points_on_the_page_are_those_of_the_checks():
    for name, source in SOURCES.items():
        said = re.match(r"\d+", card(name, source, "en").figures[3])
        assert int(said[0]) == sum(role(cell)["points"] for cell in filter(is_test, source.cells))


def test_a_title_cell_without_its_table_is_named():
    source = read_notebook(COURSE.solutions / "01_simpo_loss.ipynb")
    source.cells[0].source = source.cells[0].source.replace("|---|---|---|---|", "")
    with pytest.raises(ValueError, match=r"cell 'title' \(en\): expected .* a table of difficulty"):
        landings({"01_simpo_loss": source})


def test_the_first_cell_says_what_is_missing(capsys, monkeypatch):
    examine = next(cell.source for cell in landings(SOURCES)["en"].cells if cell.id == "examine")
    exec(examine, {})
    assert capsys.readouterr().out.startswith(("Everything is here: Python 3", "[FAIL]"))
    monkeypatch.setitem(__import__("sys").modules, "autograder.doctor", None)  # as in a kernel without the course
    exec(examine, {})
    out = capsys.readouterr().out
    assert "autograder.doctor is not installed in the Python of this notebook, /" in out
    assert "make lab" in out


def test_the_last_cell_says_how_far_one_is(monkeypatch):
    for language, folder, word in (("en", COURSE.notebooks, "not begun"), ("zh", COURSE.notebooks / "zh", "尚未开始")):
        monkeypatch.chdir(folder)
        names = {}
        exec(
            landings(SOURCES)[language].cells[-1].source.replace("Markdown(progress", "shown = Markdown(progress"),
            names,
        )
        assert names["shown"].data.count(word) == len(SOURCES)

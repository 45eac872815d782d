"""The notebooks against the handout, and what every notebook must have."""

import re

import pytest
from project import ROOT

from autograder.cells import CHINESE_HALF, edition, is_answer, is_test, read_notebook, role
from autograder.course import Course

EXERCISES = Course(ROOT, ROOT / "classroom").exercises()

# What the handout's problem gives and asks, and must therefore stand in the notebook, in both editions.
SQUARED, DPO = r"\mathcal{L}_\text{SimPO} = (r - \beta)^2", r"\mathcal{L}_\text{DPO} = -\log\sigma(r)"
HANDOUT = {
    "01_simpo_loss": ["r(x, y_w, y_l) = 1.5", r"\beta = 1", r"\mathcal{L}_\text{SimPO}", r"\bigr)^2"],
    "02_simpo_vs_dpo": ["r(x, y_w, y_l) = 2.0", r"\beta = 1", r"\mathcal{L}_\text{SimPO}", r"\mathcal{L}_\text{DPO}"],
    "03_gradient": ["r = 1.8", r"\beta = 2", r"\mathcal{L}_\text{SimPO}}{dr}"],
    "04_advantages": ["r(x, y_w, y_l)", SQUARED, DPO, ("three advantages", "三个优势")],
    "05_common_ground": ["SimPO", "DPO", ("three things", "三个共同点"), ("why each of them matters", "为什么重要")],
    "06_objective": [r"\mathcal{L}_\text{SimPO} = \bigl(r(x, y_w, y_l) - \beta\bigr)^2", ("optimise", "优化的目标")],
    "07_adjusting_r": ["$r = 0.5$", r"$\beta = 1$", SQUARED, "y_w", ("adjust $r$", "调整 $r$")],
    "08_when_to_use": [SQUARED, DPO, ("at least two, with reasons", "至少举出两种，并说明理由")],
    "09_choosing_beta": [SQUARED, r"\beta = 5", ("usually 1 or 2", "通常是 1 或 2"), ("adjust $r$", "调整 $r$")],
    "10_graded_preferences": [
        ("several levels of quality", "分成好几个等级"),
        ("extend SimPO's training", "扩展 SimPO 的训练"),
    ],
}


def text(exercise, language):
    notebook = edition(read_notebook(ROOT / "solutions" / f"{exercise}.ipynb"), language)
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("exercise", HANDOUT)
def test_the_handouts_numbers_and_symbols_are_all_there(exercise, language):
    column = ["en", "zh"].index(language)
    wanted = [part if isinstance(part, str) else part[column] for part in HANDOUT[exercise]]
    assert [part for part in wanted if part not in text(exercise, language)] == []


def test_every_exercise_of_the_handout_is_there():
    assert set(HANDOUT) <= set(EXERCISES)


def test_the_handouts_ten_give_a_hundred_automatic_points():
    cells = [cell for name in HANDOUT for cell in read_notebook(ROOT / "notebooks" / f"{name}.ipynb").cells]
    assert sum(role(cell)["points"] for cell in filter(is_test, cells)) == 100


@pytest.mark.parametrize("exercise", EXERCISES)
def test_both_editions_have_the_same_formulas_headings_and_links(exercise):
    english, chinese = text(exercise, "en"), text(exercise, "zh")
    for pattern in (r"https?://[^\s)\">]+", r"^(#+ [\d.]*)", r"<details>", r"```"):
        ours, theirs = (re.findall(pattern, half, re.MULTILINE) for half in (english, chinese))
        assert ours == theirs, pattern


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_notebook_has_its_parts(exercise):
    notebook = read_notebook(ROOT / "solutions" / f"{exercise}.ipynb")
    number = int(exercise[:2])
    english = text(exercise, "en")
    assert english.startswith(f"# Exercise {number} · ")
    assert re.search(r"Difficulty.*Importance.*Time.*Points", english)
    assert "After this exercise you can" in english
    assert number == 1 or "Recall" in english
    assert "redict" in english
    assert "eyond the handout" in english
    assert "<summary>Hint" in english
    assert english.count("<summary>I get") >= 3
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert "compare_prediction(" in code
    assert "plots.show(" in code or "plots.explore(" in code


@pytest.mark.parametrize("exercise", EXERCISES)
def test_headings_and_cards_state_the_points_that_their_checks_give(exercise):
    notebook = edition(read_notebook(ROOT / "solutions" / f"{exercise}.ipynb"), "en")
    stated = sum(int(n) for n in re.findall(r"^## .*· (\d+) points?\b", text(exercise, "en"), re.MULTILINE))
    given = sum(role(cell)["points"] for cell in notebook.cells if role(cell).get("grade"))
    assert stated == given


@pytest.mark.parametrize("exercise", EXERCISES)
def test_collapsed_cells_begin_with_a_line_that_names_them(exercise):
    for cell in read_notebook(ROOT / "solutions" / f"{exercise}.ipynb").cells:
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            assert cell.source.startswith("# "), cell.id
        assert not is_test(cell) or cell.metadata.jupyter.source_hidden, cell.id


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_squared_loss_is_never_called_simpo_loss(exercise):
    for cell in read_notebook(ROOT / "solutions" / f"{exercise}.ipynb").cells:
        for body in re.findall(r"def simpo_loss\w*\(.*?(?=\ndef |\Z)", cell.source, re.DOTALL):
            assert "gamma" in body, cell.id


@pytest.mark.parametrize("exercise", EXERCISES)
def test_essays_have_a_rubric_that_students_do_not_see(exercise):
    cells = read_notebook(ROOT / "solutions" / f"{exercise}.ipynb").cells
    released = read_notebook(ROOT / "notebooks" / f"{exercise}.ipynb").cells
    for position, cell in enumerate(cells):
        if is_answer(cell) and cell.cell_type == "markdown":
            rubric = cells[position - 1]
            assert role(rubric)["locked"], cell.id
            assert all("BEGIN MARK SCHEME" in half for half in CHINESE_HALF.split(rubric.source)), rubric.id
            assert "MARK SCHEME" not in released[position - 1].source
            assert released[position].source == "YOUR ANSWER HERE · 在此作答"

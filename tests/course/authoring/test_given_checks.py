import ast
import re

import numpy as np
import pytest
import torch
from project import ROOT

from autograder.authoring.given_checks import given, given_check
from autograder.cells import is_answer, is_test, read_notebook, regions
from autograder.checks import CheckFailed
from autograder.course import Course
from autograder.messages import PASSED

EXERCISES = Course(ROOT, ROOT / "classroom").exercises()
STUDENTS_OWN = "answer = value = numbers = gradient = call = 7"

BY_HAND = """\
# Check: the number. More when you hand in.
check_close(
    answer("loss", loss),
    0.25,
    hint="Square.",
    mistakes={"Square it.": 0.5, "βeta first.": 1.25},
)
"""


def students_names(**names):
    """A notebook's names after its set-up cell and some answers."""
    found = {}
    exec(given("from autograder.checks import answer, check_choice, check_close"), found)
    return found | names


def released_check(source, answers=frozenset({"loss"}), more=False):
    return given_check(source, source + "### BEGIN HIDDEN TESTS" * more, 1, answers)


def test_a_check_that_passes_says_what_it_is_worth_and_looked_at(capsys):
    names = students_names(loss=0.25)
    exec(released_check(BY_HAND), names)
    exec(released_check(BY_HAND, more=True), names)
    assert capsys.readouterr().out.splitlines() == [
        "Set-up is done.",
        "✓ 1 point: the number",
        "✓ 1 point: the number; more is checked when you hand in",
    ]


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (0.5, "✗ Check failed: loss: it is 0.5, which is not right\n→ Hint: Square it."),
        (np.float32(1.25), "✗ Check failed: loss: it is 1.25, which is not right\n→ Hint: βeta first."),
        (0.3, "✗ Check failed: loss: it is 0.3, which is not right\n→ Hint: Square."),
    ],
)
def test_a_sealed_answer_is_not_told_and_its_mistakes_are_named(loss, said):
    with pytest.raises(CheckFailed) as caught:
        exec(released_check(BY_HAND), students_names(loss=loss))
    assert str(caught.value) == said


def test_a_sealed_choice_knows_the_right_word():
    source = released_check(
        '# Check: it.\ncheck_choice(answer("loss", loss), "dpo", options=("dpo", "squared"), hint="Look.")'
    )
    assert "'dpo'" not in source.replace("options=", "")
    exec(source, students_names(loss="DPO "))
    with pytest.raises(CheckFailed, match="loss is 'squared', which is not right"):
        exec(source, students_names(loss="squared"))


def test_an_answer_whose_cell_has_not_run_is_named():
    with pytest.raises(CheckFailed, match="✗ Check failed: loss is not defined\n→ Hint: Has the cell above run"):
        exec(released_check(BY_HAND), students_names())


def test_a_check_without_a_first_line_is_named_after_what_it_looks_at(capsys):
    exec(released_check('check_close(answer("loss", loss), 0.25)'), students_names(loss=0.25))
    assert capsys.readouterr().out.endswith("✓ 1 point: loss\n")


def test_what_only_grading_checks_stays_as_it_is():
    assert released_check("# Graded when you hand in: more.", more=True) == "# Graded when you hand in: more."


def test_a_name_that_a_cell_gives_a_value_itself_is_its_own():
    source = "def slope(gradient):\n    return gradient\n\n\nprint(slope(answer('x', 1)))"
    assert given(source) == source.replace("answer(", "_checks.answer(")


def called(cell, name):
    """The calls of a function of autograder.checks in a released cell."""
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
            yield node


@pytest.mark.parametrize("exercise", EXERCISES)
def test_no_right_answer_stands_below_its_question(exercise):
    seen = 0
    for cell in filter(is_test, read_notebook(ROOT / "notebooks" / f"{exercise}.ipynb").cells):
        for check in (*called(cell, "check_close"), *called(cell, "check_choice")):
            if re.match(r"_checks\.answer\('(\w+)', \1\)$", ast.unparse(check.args[0])):
                assert ast.unparse(check.args[1]).startswith("_checks.sealed("), cell.id
                seen += 1
    assert seen


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exercise", EXERCISES)
def test_what_students_get_passes_the_solution_whatever_else_they_name(exercise, capsys):
    released = {cell.id: cell for cell in read_notebook(ROOT / "notebooks" / f"{exercise}.ipynb").cells}
    names, visible = {}, 0
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for cell in read_notebook(ROOT / "solutions" / f"{exercise}.ipynb").cells:
        if is_answer(cell) and cell.cell_type == "code":
            exec("\n".join(line for lines in regions(cell.source, "SOLUTION")[1::-1] for line in lines), names)
        elif cell.cell_type == "code" and "plots." not in cell.source:
            exec(released[cell.id].source, names)
            exec(STUDENTS_OWN, names)
            visible += "_checks.passed(" in released[cell.id].source
    torch.set_num_threads(before)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(PASSED) for line in lines) == visible > 4

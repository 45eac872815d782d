import pytest
from nbformat.v4 import new_output
from project import ROOT

from autograder.cells import read_notebook
from autograder.course import Course
from autograder.grading.benches import hand_in, load_bench
from autograder.jupyter.validation import AT_GRADING, lines, report, validate

pytestmark = pytest.mark.filterwarnings("ignore")  # nbgrader and traitlets warn of themselves
EXERCISE = "01_simpo_loss"


@pytest.fixture
def notebook():
    """An exercise as given out, as if it had run without an output."""
    return read_notebook(ROOT / "notebooks" / f"{EXERCISE}.ipynb")


def fail(notebook, cell_id, ename, evalue):
    cell = next(cell for cell in notebook.cells if cell.id == cell_id)
    cell.outputs = [new_output("error", ename=ename, evalue=evalue, traceback=[])]


def test_cells_whose_tests_are_all_hidden_are_not_said_to_pass(notebook):
    by_status = [line.status for line in lines(notebook)]
    assert by_status.count(AT_GRADING) == 3  # properties, inputs and random inputs have hidden tests alone
    assert by_status.count("right") == 7


def test_the_answer_counts_visible_checks_and_claims_no_mark(notebook):
    said = "\n".join(report(notebook))
    assert "<h3>All 7 visible checks pass.</h3>" in said
    assert "3 more run only when your work is graded, so this is not yet your mark." in said


def test_a_failed_check_says_its_sentence_and_students_text_is_no_markup(notebook):
    fail(notebook, "by-hand-value", "CheckFailed", "✗ Check failed: loss_by_hand is '<img src=x>'\n→ Hint: Look.")
    fail(notebook, "squared-loss-value", "NotAttempted", "Not attempted yet: squared_loss.")
    said = "\n".join(report(notebook))
    assert "<h3>5 of 7 visible checks pass.</h3>" in said
    assert (
        "The handout&#x27;s number.<code>✗ Check failed: loss_by_hand is &#x27;&lt;img src=x&gt;&#x27;\n→ Hint:" in said
    )
    assert "One pair at a time, and beta matters.: not attempted yet</li>" in said
    assert "<img" not in said


def test_a_cell_that_stops_is_named_with_its_error(notebook):
    fail(notebook, "squared-loss", "SyntaxError", "invalid syntax")
    said = "\n".join(report(notebook))
    assert "<code>def squared_loss(r, beta):\nSyntaxError: invalid syntax</code>" in said


def test_changed_test_cells_are_counted(notebook):
    assert "given cells" not in "\n".join(report(notebook))
    next(cell for cell in notebook.cells if cell.id == "by-hand-value").source = "pass"
    assert "1 of the given cells are not as they were given out" in "\n".join(report(notebook))


def test_what_is_no_notebook_is_said_in_a_sentence(tmp_path):
    (tmp_path / "cut.ipynb").write_text('{"cells": [')
    assert "cut.ipynb can&#x27;t be run: it is not complete JSON" in validate(tmp_path / "cut.ipynb")


@pytest.mark.slow
def test_a_notebook_that_ends_python_is_said_in_a_sentence_and_a_solved_one_passes_in_chinese(tmp_path):
    course = Course(ROOT, tmp_path)
    right = next(answer for answer in load_bench(course, EXERCISE) if answer.is_right)
    path = tmp_path / "zh.ipynb"
    path.write_text(hand_in(course, EXERCISE, right, "zh"), encoding="utf-8")
    before = path.read_bytes()
    assert "可见的 7 个测试点全部通过。" in validate(path)
    assert path.read_bytes() == before
    path.write_text(path.read_text("utf-8").replace("loss_by_hand = ", "__import__('os')._exit(1) #", 1), "utf-8")
    assert "Python 就结束了" in validate(path)

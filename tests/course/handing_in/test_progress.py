import pytest
from nbformat import v4
from project import ROOT

from autograder.cells import is_test, read_notebook, write_notebook
from autograder.handing_in.progress import progress


@pytest.fixture
def two(tmp_path):
    """A folder with two exercises, untouched."""
    for name in ("01_simpo_loss", "02_simpo_vs_dpo"):
        (tmp_path / f"{name}.ipynb").write_bytes((ROOT / "notebooks" / f"{name}.ipynb").read_bytes())
    (tmp_path / "00_start.ipynb").write_bytes((ROOT / "notebooks" / "00_start.ipynb").read_bytes())
    return tmp_path


def ran(folder, exercise, **outputs):
    """Save an exercise as it is after some of its checks have run. outputs: what each check says."""
    path = folder / f"{exercise}.ipynb"
    notebook = read_notebook(path)
    for cell in notebook.cells:
        if said := outputs.get(cell.id.replace("-", "_")):
            is_right = said.startswith("✓")
            cell.outputs = [
                v4.new_output("stream", text=said)
                if is_right
                else v4.new_output("error", ename="CheckFailed", evalue=said, traceback=[said])
            ]
    path.write_text(write_notebook(notebook), "utf-8")


def test_who_has_not_begun_is_sent_to_the_first_check(two):
    assert progress("en", two).splitlines()[2:] == [
        "| [Exercise 1 · The squared loss](01_simpo_loss.ipynb) | not begun |",
        "| [Exercise 2 · SimPO and DPO](02_simpo_vs_dpo.ipynb) | not begun |",
        "",
        "**Go on** with [Exercise 1 · The squared loss](01_simpo_loss.ipynb), at the check: the handout's number.",
    ]


def test_checks_that_passed_are_counted_and_the_next_one_named(two):
    line = "✓ 1 point: one\n"
    ran(two, "02_simpo_vs_dpo", by_hand_losses=line, larger_loss="✗ Check failed: larger is 'dpo'", dpo_loss_value=line)
    lines = progress("en", two).splitlines()
    assert lines[3] == "| [Exercise 2 · SimPO and DPO](02_simpo_vs_dpo.ipynb) | 2 of 10 |"
    assert lines[5].endswith(
        "(02_simpo_vs_dpo.ipynb), at the check: the example above, and equal rewards. Other rewards when you hand in."
    )
    assert "| 2 / 10 |" in progress("zh", two)


def test_a_finished_exercise_is_marked(two):
    path = two / "01_simpo_loss.ipynb"
    cells = {cell.id.replace("-", "_"): "✓ 1 point: it\n" for cell in read_notebook(path).cells if is_test(cell)}
    ran(two, "01_simpo_loss", **cells)
    (two / "02_simpo_vs_dpo.ipynb").unlink()
    assert "| ✓ 7 of 7 |" in progress("en", two)
    assert progress("en", two).endswith("**All visible checks pass.** More are run when you hand in.")


def test_what_can_not_be_read_is_said(two):
    (two / "02_simpo_vs_dpo.ipynb").write_text("")
    (two / "01_simpo_loss.ipynb").unlink()
    assert progress("en", two).endswith("| can't be read: it is not complete JSON (0 characters; cut off?) |\n\n")
    assert progress("en", two / "elsewhere").startswith("No exercise lies in this folder, /")

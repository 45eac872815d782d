"""A student's first minutes in JupyterLab, in a real browser."""

import shutil

import pytest
from browser import CHROMIUM, jupyterlab, open_notebook, page, run_all
from conftest import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed; try: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore"),
]


def cell(opened, text):
    """The notebook's code cell that contains this text."""
    return opened.locator(".jp-CodeCell", has_text=text).first


def test_a_student_answers_and_sees_the_check_pass(tmp_path):
    shutil.copy(ROOT / "notebooks" / "01_simpo_loss.ipynb", tmp_path)
    with jupyterlab(tmp_path) as address, page(height=6000) as opened:
        open_notebook(opened, address, "01_simpo_loss.ipynb")
        run_all(opened)
        check = cell(opened, "Check: the handout's number")
        assert "Not attempted yet: loss_by_hand" in check.inner_text()
        assert "Traceback" not in opened.locator(".jp-Notebook").inner_text()

        line = cell(opened, "loss_by_hand = ...").locator(".cm-line")
        line.click()
        opened.keyboard.press("Control+A")
        opened.keyboard.type("loss_by_hand = (1.5 - 1) ** 2")
        run_all(opened)
        opened.wait_for_function(
            "() => !document.querySelector('.jp-Notebook').innerText.includes('Not attempted yet: loss_by_hand')"
        )
        assert check.locator(".jp-OutputArea-output").count() == 0
        assert "Not attempted yet: squared_loss" in cell(opened, "Check: one pair at a time").inner_text()


@pytest.mark.parametrize("exercise", ["01_simpo_loss", "02_simpo_vs_dpo", "03_gradient"])
def test_solutions_run_in_jupyterlab_without_an_error(tmp_path, exercise):
    shutil.copy(ROOT / "solutions" / f"{exercise}.ipynb", tmp_path)
    with jupyterlab(tmp_path) as address, page(height=9000) as opened:
        open_notebook(opened, address, f"{exercise}.ipynb")
        run_all(opened)
        notebook = opened.locator(".jp-Notebook")
        assert notebook.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
        assert notebook.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        notebook.locator(".jp-OutputArea-output img").first.wait_for()

"""A student's way through JupyterLab, in a real browser: the list of exercises, an exercise, Validate."""

import re
import shutil

import nbformat
import pytest
from browser import CHROMIUM, WAIT_SECONDS, jupyterlab, launched, open_notebook, run_all, wait_until_ready
from project import ROOT

from autograder.authoring.landing import START
from autograder.cells import is_answer, read_notebook
from autograder.course import Course
from autograder.grading.benches import hand_in, load_bench

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed; try: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore"),
]
EXERCISE = "01_simpo_loss"
TYPED = ("by-hand", "squared-loss")  # answered by keyboard below


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A server on what students get, and in solutions/ on what they may come to; its address."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder, dirs_exist_ok=True)
    shutil.copytree(ROOT / "solutions", folder / "solutions")
    with jupyterlab(folder, f"/lab/tree/{START}.ipynb") as address:
        yield address


@pytest.fixture(scope="module")
def context():
    """A browser in which JupyterLab is loaded once; each test opens a page of its own."""
    with launched() as browser:
        context = browser.new_context(viewport={"width": 1200, "height": 9000})
        context.set_default_timeout(1000 * WAIT_SECONDS)
        yield context


@pytest.fixture
def opened(context):
    page = context.new_page()
    yield page
    page.close()


def cell(opened, text):
    """The shown notebook's code cell that contains this text."""
    return opened.locator(".jp-NotebookPanel:visible .jp-CodeCell", has_text=text).first


def answer(opened, first_line, source):
    """Put in the source of a cell, as from the clipboard."""
    cell(opened, first_line).locator(".cm-line").first.click()
    opened.keyboard.press("Control+A")
    opened.keyboard.insert_text(source)


def answers_not_typed():
    """First line of each remaining cell to answer, as given out, and a right answer to it."""
    course = Course(ROOT, ROOT / "classroom")
    right = next(answer for answer in load_bench(course, EXERCISE) if answer.is_right)
    solved = {cell.id: cell.source for cell in nbformat.reads(hand_in(course, EXERCISE, right), 4).cells}
    given = read_notebook(course.notebooks / f"{EXERCISE}.ipynb").cells
    return [(cell.source.split("\n")[0], solved[cell.id]) for cell in filter(is_answer, given) if cell.id not in TYPED]


def test_a_student_goes_from_the_list_of_exercises_to_a_passed_validation(lab, opened):
    opened.goto(lab)
    wait_until_ready(opened, f"{START}.ipynb")
    examine = cell(opened, "Is everything here that the exercises need?")
    examine.click()
    opened.keyboard.press("Shift+Enter")
    found = examine.locator(".jp-OutputArea-output")
    found.get_by_text(re.compile(r"^(Everything is here: Python 3|\[FAIL\])")).wait_for()
    opened.get_by_role("link", name="The squared loss").click()
    wait_until_ready(opened, f"{EXERCISE}.ipynb")
    run_all(opened)
    check = cell(opened, "Check: the handout's number")
    check.get_by_text("Not attempted yet: loss_by_hand").wait_for()
    assert "Traceback" not in opened.locator(".jp-NotebookPanel:visible").inner_text()

    cell(opened, "loss_by_hand = ...").locator(".cm-line").click()
    opened.keyboard.press("Control+A")
    opened.keyboard.type("loss_by_hand = (1.5 - 1) ** 2")
    opened.keyboard.press("Shift+Enter")
    opened.keyboard.press("Shift+Enter")  # the check, which is the next cell
    check.get_by_text(re.compile("^✓ 1 point: ")).wait_for()

    cell(opened, "def squared_loss").locator(".cm-line", has_text="raise NotAttempted").click()
    opened.keyboard.press("End")
    for _ in "raise NotAttempted":
        opened.keyboard.press("Backspace")
    opened.keyboard.type("return (r - beta) ** 2")
    written = re.compile(r"^    return \(r - beta\) \*\* 2$")
    cell(opened, "def squared_loss").locator(".cm-line", has_text=written).wait_for()
    for first_line, source in answers_not_typed():
        answer(opened, first_line, source)

    opened.locator(".jp-NotebookPanel:visible .validate-button").click()
    said = opened.locator("#validation-message")
    said.wait_for()
    assert said.inner_text().startswith(
        "All 7 visible checks pass.\n\n3 more run only when your work is graded, so this is not yet your mark."
    )


@pytest.fixture(scope="module")
def solved(lab, context):
    """A page on which a solution has run."""
    page = context.new_page()
    open_notebook(page, lab, f"solutions/{EXERCISE}.ipynb")
    run_all(page)
    yield page
    page.close()


def assert_that_all_ran_well(opened):
    notebook = opened.locator(".jp-NotebookPanel:visible .jp-Notebook")
    assert notebook.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert notebook.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    notebook.locator(".jp-OutputArea-output img").first.wait_for()


def test_a_solution_runs_in_jupyterlab_without_an_error(solved):
    assert_that_all_ran_well(solved)


@pytest.mark.thorough("the test above takes 01_simpo_loss's; that the others' cells run is seen without JupyterLab")
@pytest.mark.parametrize("exercise", ["02_simpo_vs_dpo", "03_gradient"])
def test_other_solutions_run_in_jupyterlab_without_an_error(lab, opened, exercise):
    open_notebook(opened, lab, f"solutions/{exercise}.ipynb")
    run_all(opened)
    assert_that_all_ran_well(opened)


def test_a_moved_slider_redraws_its_figure_in_place(solved):
    explored = cell(solved, "plots.explore(")
    figure = explored.locator(".jp-OutputArea-output img")
    figure.wait_for()
    before = figure.get_attribute("src")
    explored.locator(".noUi-handle").focus()
    solved.keyboard.press("ArrowRight")
    solved.wait_for_function(
        "before => ![...document.querySelectorAll('.jp-OutputArea-output img')].some(img => img.src === before)",
        arg=before,
    )
    assert figure.count() == 1
    assert figure.get_attribute("src").startswith("data:image/png;base64,")

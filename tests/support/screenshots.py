"""The README's pictures, made afresh: `make screenshots`."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from browser import jupyterlab, open_notebook, page, run_all
from one_page import write_feedback
from rich.console import Console

from autograder.authoring.landing import START
from autograder.authoring.release import prepare
from autograder.commands.demo import demo_course
from autograder.commands.results import results_table
from autograder.course import CLASSROOM_VARIABLE, Course
from autograder.grading.benches import BenchAnswer, hand_in, load_bench
from autograder.grading.grade import grade
from autograder.grading.records import results
from autograder.reports.report import render

ROOT = Path(__file__).resolve().parent.parent.parent
COURSE = Course(ROOT, ROOT / "classroom")
PICTURES = ROOT / "docs" / "pictures"
EXERCISE, ESSAY = "01_simpo_loss", "04_advantages"

ESSAY_TEXT = """**Cost:** The squared loss needs one subtraction and one multiplication, DPO's an exponential and a \
logarithm. Less computing would matter to anyone with few resources. But in my measurement either loss took 0.5 % of \
a step, so the choice saves next to nothing.

**Steadiness:** its derivative 2(r − β) changes evenly, and training is stable.

**Control:** β is the target of r, so it sets directly how strong the preference becomes. All four descents ended at \
β = 1, while DPO's ended between 2.08 and 20."""


def answer(exercise: str, name: str) -> BenchAnswer:
    """A known answer by its name."""
    return next(answer for answer in load_bench(COURSE, exercise) if answer.name == name)


def student_pictures() -> None:
    """The list of exercises, an exercise with its slider, and Validate on an answer with mistakes."""
    solved = hand_in(COURSE, EXERCISE, answer(EXERCISE, "numbers typed with few digits"))
    wrong = [answer for answer in load_bench(COURSE, EXERCISE) if not answer.is_right]
    mistaken = hand_in(COURSE, EXERCISE, wrong[0])
    with TemporaryDirectory() as folder:
        for path in COURSE.notebooks.glob("*.ipynb"):
            (Path(folder) / path.name).write_bytes(path.read_bytes())
        (Path(folder) / f"{EXERCISE}.ipynb").write_text(solved, encoding="utf-8")
        with jupyterlab(Path(folder)) as address:
            with page(1200, 900) as opened:
                open_notebook(opened, address, f"{START}.ipynb")
                opened.wait_for_timeout(2000)  # formulas
                opened.screenshot(path=PICTURES / "first-page.png")
            with page(1060, 9000) as opened:
                open_notebook(opened, address, f"{EXERCISE}.ipynb")
                run_all(opened)
                opened.locator(".jp-OutputArea-output img").first.wait_for()
                opened.keyboard.press("Control+B")  # hide the list of files
                opened.wait_for_timeout(2000)
                whole = opened.locator(".jp-NotebookPanel:visible .jp-Notebook").bounding_box()
                heads = (opened.locator(".jp-Notebook h2", has_text=number).first for number in ("1.4", "1.5"))
                top, end = (head.bounding_box()["y"] - 10 for head in heads)
                clip = {"x": whole["x"], "y": top, "width": whole["width"], "height": end - top}
                opened.screenshot(path=PICTURES / "notebook.png", clip=clip)
            (Path(folder) / "mistaken.ipynb").write_text(mistaken, encoding="utf-8")
            with page(1000, 900) as opened:
                open_notebook(opened, address, "mistaken.ipynb")
                opened.keyboard.press("Control+B")
                opened.click(".validate-button")
                opened.wait_for_selector("#validation-message")
                opened.wait_for_timeout(500)
                opened.screenshot(path=PICTURES / "validate.png")


def reader_pictures() -> None:
    """An essay beside its mark scheme in the formgrader, and the student's page of feedback, wide and on a phone."""
    with TemporaryDirectory() as folder:
        course = Course(ROOT, Path(folder).resolve() / "class")
        path = course.notebook("submitted", "ada", ESSAY)
        path.parent.mkdir(parents=True)
        right = next(answer for answer in load_bench(COURSE, ESSAY) if answer.is_right)
        written = BenchAnswer("", is_right=True, cells={**right.cells, "essay": ESSAY_TEXT})
        path.write_text(hand_in(COURSE, ESSAY, written), encoding="utf-8")
        prepare(course, [ESSAY])
        list(grade(course))
        settings = {CLASSROOM_VARIABLE: str(course.classroom)}
        with jupyterlab(course.classroom, cwd=ROOT, **settings) as address, page(1300, 900) as opened:
            opened.goto(f"{address}/formgrader/gradebook/{ESSAY}/{ESSAY}")
            opened.get_by_text("Submission #1").click()
            opened.wait_for_function("() => window.formgrader && formgrader.comments && formgrader.comments.loaded")
            for position, clicks in ((0, 1), (1, 2), (2, 1)):
                for _ in range(clicks):
                    opened.locator(".key-point").nth(position).click()
            opened.wait_for_timeout(2500)
            opened.screenshot(path=PICTURES / "essay.png")
        feedback = write_feedback(course, "ada", ESSAY)
        for name, width in (("feedback.png", 1100), ("feedback-phone.png", 390)):
            with page(width, 844) as opened:
                opened.goto(feedback.as_uri())
                opened.wait_for_timeout(2000)
                opened.screenshot(path=PICTURES / name)


def class_pictures() -> None:
    """The table of the demo's class, and the report about it."""
    console = Console(record=True, width=112, file=open("/dev/null", "w"))  # noqa: SIM115
    course = demo_course(COURSE)
    console.print(results_table(results(course)))
    with TemporaryDirectory() as folder, page(1150, 800) as opened:
        svg = Path(folder) / "table.svg"
        console.save_svg(str(svg), title="make demo")
        opened.set_content(svg.read_text(encoding="utf-8"))
        opened.locator("svg").first.screenshot(path=PICTURES / "graded-class.png")
        report = Path(folder) / "report.html"
        report.write_text(render(course), encoding="utf-8")
        opened.set_viewport_size({"width": 1150, "height": 1000})
        opened.goto(report.as_uri())
        opened.screenshot(path=PICTURES / "report.png")


if __name__ == "__main__":
    PICTURES.mkdir(parents=True, exist_ok=True)
    makers = {"student": student_pictures, "reader": reader_pictures, "class": class_pictures}
    for name in sys.argv[1:] or makers:
        makers[name]()

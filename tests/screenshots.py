"""The README's pictures, made afresh: `make screenshots`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from browser import jupyterlab, open_notebook, page, run_all
from rich.console import Console

from autograder.benches import hand_in, load_bench
from autograder.cli_class import results_table
from autograder.course import Course
from autograder.demo import demo_course
from autograder.grade import results

ROOT = Path(__file__).resolve().parent.parent
COURSE = Course(ROOT, ROOT / "classroom")
PICTURES = ROOT / "docs" / "pictures"


def notebook_picture(path: Path) -> None:
    """The squared loss with its slider, as a student sees it."""
    with TemporaryDirectory() as folder:
        answers = {answer.name: answer for answer in load_bench(COURSE, "01_simpo_loss")}
        solved = hand_in(COURSE, "01_simpo_loss", answers["numbers typed with few digits"])
        (Path(folder) / "01_simpo_loss.ipynb").write_text(solved, encoding="utf-8")
        with jupyterlab(Path(folder)) as address, page(1150, 9000) as opened:
            open_notebook(opened, address, "01_simpo_loss.ipynb")
            run_all(opened)
            opened.locator(".jp-OutputArea-output img").first.wait_for()
            opened.keyboard.press("Control+B")  # hide the list of files
            opened.add_style_tag(content=".Toastify { display: none; }")  # the question about Jupyter news
            opened.wait_for_timeout(2000)
            top = opened.locator(".jp-Notebook h2", has_text="1.4").first.bounding_box()["y"] - 10
            opened.screenshot(path=path, clip={"x": 60, "y": top, "width": 1000, "height": 1080})


def class_picture(path: Path) -> None:
    """The table of the demo's class."""
    console = Console(record=True, width=112, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(results_table(results(demo_course(COURSE))))
    with TemporaryDirectory() as folder, page(1150, 800) as opened:
        svg = Path(folder) / "table.svg"
        console.save_svg(str(svg), title="make demo")
        opened.set_content(svg.read_text(encoding="utf-8"))
        opened.locator("svg").first.screenshot(path=path)


if __name__ == "__main__":
    PICTURES.mkdir(parents=True, exist_ok=True)
    notebook_picture(PICTURES / "notebook.png")
    class_picture(PICTURES / "graded-class.png")

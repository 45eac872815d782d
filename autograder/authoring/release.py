"""From solutions/ to what students get: notebooks/ in English and notebooks/zh/ in Chinese, each with a first page.

solutions/ is copied to the classroom's source/, nbgrader clears the solutions, hidden tests and mark
schemes and records the cells in the gradebook, and the result is split into its two editions.
"""

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import ClearSolutions

from autograder.authoring.landing import START, landings
from autograder.authoring.sources import problems
from autograder.cells import LANGUAGES, edition, is_test, read_notebook, role, write_notebook
from autograder.course import Course, UserError
from autograder.database import preparing
from autograder.files import write_whole
from autograder.handing_in.outline import load_outline, outline_of, remembering, write_outline
from autograder.nbgrader_setup import nbgrader_api


class ClearAnswers(ClearSolutions):
    """nbgrader's ClearSolutions, with a stub only where it can be replaced: inside a function.

    At the top level a variable's line `name = ...` stands before the solution and is the stub.
    """

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> Any:
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.cell_type == "code":
            cell.source = re.sub(r"(?m)^# YOUR CODE HERE\nraise NotAttempted$\n?", "", cell.source).rstrip("\n")
        return cell, resources


def release(course: Course, *, only_check: bool = False) -> list[Path]:
    """Write notebooks/ from solutions/; return what was stale (changed, missing or left over).

    With `only_check`, write nothing.

    Raises:
        UserError: A source notebook can't be released; the message names file, cell and mend.
    """
    if only_check:
        with tempfile.TemporaryDirectory() as scratch:
            wanted = generate(replace(course, classroom=Path(scratch)))
    else:
        with preparing(course):
            wanted = generate(course)
    present = {path for folder in ("", "zh") for path in (course.notebooks / folder).glob("*.ipynb")}
    present |= {path for path in (course.outline,) if path.is_file()}
    stale = [path for path, text in wanted.items() if path not in present or path.read_text("utf-8") != text]
    left_over = sorted(present - set(wanted))
    if not only_check:
        for path in stale:
            write_whole(path, wanted[path])
        for path in left_over:
            path.unlink()
    return stale + left_over


def prepare(course: Course, exercises: Sequence[str] = ()) -> None:
    """Bring the classroom's sources and gradebook up to date with solutions/, for grading.

    exercises: those that are needed; all if empty.
    """
    from autograder.gradebook.writer import open_gradebook

    wanted = exercises or course.exercises()
    with preparing(course):
        with open_gradebook(course) as gradebook:
            stale = [one for one in wanted if not (_is_current(course, one) and gradebook.knows(one))]
        if stale or not wanted:
            check_sources(course)
        for exercise in stale:
            _generate_one(course, exercise)


def _is_current(course: Course, exercise: str) -> bool:
    source, released = (course.classroom / step / exercise / f"{exercise}.ipynb" for step in ("source", "release"))
    wanted = (course.solutions / source.name).read_bytes()
    return source.is_file() and source.read_bytes() == wanted and released.is_file()


def generate(course: Course) -> dict[Path, str]:
    """Make the student version of every exercise with nbgrader: the text of each notebook, and of the outline."""
    sources = check_sources(course)
    folders = dict(zip(LANGUAGES, (course.notebooks, course.notebooks / "zh"), strict=True))
    pages = landings(sources)
    wanted = {folder / f"{START}.ipynb": write_notebook(pages[language]) for language, folder in folders.items()}
    outline = {}
    for exercise in sources:
        released = keep_running(_generate_one(course, exercise))
        for language, folder in folders.items():
            wanted[folder / f"{exercise}.ipynb"] = write_notebook(edition(released, language))
        outline[exercise] = outline_of(sources[exercise], released)
    before = load_outline(course.outline) if course.outline.is_file() else {}
    wanted[course.outline] = write_outline(remembering(outline, before))
    return wanted


def _generate_one(course: Course, exercise: str) -> Any:
    """The released notebook, both languages in it. It is written last: without it the work is not done."""
    released = course.classroom / "release" / exercise / f"{exercise}.ipynb"
    released.unlink(missing_ok=True)
    source = course.classroom / "source" / exercise / f"{exercise}.ipynb"
    source.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(course.solutions / source.name, source)
    result = nbgrader_api(course).generate_assignment(exercise)
    if not result["success"]:
        raise UserError(f"nbgrader could not release {exercise}:\n{why_not(result)}")
    return read_notebook(released)


def why_not(outcome: dict[str, Any]) -> str:
    """What nbgrader says of a step that failed.

    Raises:
        KeyboardInterrupt: Ctrl-C stopped it, which nbgrader takes for a failure like any other.
    """
    if str(outcome.get("error", "")).rstrip().endswith("KeyboardInterrupt"):
        raise KeyboardInterrupt
    return str(outcome.get("log") or outcome["error"])


def keep_running(notebook: NotebookNode) -> NotebookNode:
    """Tag the cells so that JupyterLab's Run All goes on after a check that fails, and shows all of them."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and (is_test(cell) or not role(cell).get("locked")):
            cell.metadata["tags"] = ["raises-exception"]
    return notebook


def check_sources(course: Course) -> dict[str, NotebookNode]:
    """The source of each exercise, or UserError with every reason why they can't be released."""
    exercises = course.exercises()
    if not exercises:
        raise UserError(f"{course.solutions} holds no notebooks; expected NN_name.ipynb")
    found, sources = [], {}
    for exercise in exercises:
        path = course.solutions / f"{exercise}.ipynb"
        try:
            sources[exercise] = read_notebook(path)
            found += [f"solutions/{path.name}, {problem}" for problem in problems(sources[exercise])]
            landings({exercise: sources[exercise]})
        except ValueError as error:
            found.append(f"solutions/{path.name}: {error}")
    if found:
        raise UserError("\n".join(found))
    return sources

"""From solutions/ to what students get: notebooks/ in English and notebooks/zh/ in Chinese, each with a first page.

solutions/ is copied to the classroom's source/, nbgrader clears the solutions, hidden tests and mark
schemes and records the cells in the gradebook, and the result is split into its two editions.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import ClearMarkScheme, ClearSolutions

from autograder.authoring.catalogues import languages
from autograder.authoring.editions import EachEdition, combined, labels_of, made_of
from autograder.authoring.landing import START, landings
from autograder.authoring.sources import problems
from autograder.cells import MADE_OF, edition, is_test, read_notebook, role, write_notebook
from autograder.course import Course, UserError
from autograder.database import preparing
from autograder.files import raise_if_full, write_whole
from autograder.gradebook.changed_cells import change_cells
from autograder.gradebook.writer import has_gradebook, open_gradebook
from autograder.handing_in.outline import Expected, load_outline, outline_of, remembering, write_outline
from autograder.nbgrader_setup import nbgrader_api
from simpo_language.speech import _


class ClearAnswers(EachEdition, ClearSolutions):
    """nbgrader's ClearSolutions, with a stub only where it can be replaced: inside a function.

    At the top level a variable's line `name = ...` stands before the solution and is the stub.
    """

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> Any:
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.cell_type == "code":
            cell.source = re.sub(r"(?m)^# YOUR CODE HERE\nraise NotAttempted$\n?", "", cell.source).rstrip("\n")
        return cell, resources


class ClearSchemes(EachEdition, ClearMarkScheme):
    """nbgrader's ClearMarkScheme."""


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
    present = {path for pattern in ("*.ipynb", "*/*.ipynb") for path in course.notebooks.glob(pattern)}
    present |= {path for path in (course.outline, course.labels) if path.is_file()}
    stale = [path for path, text in wanted.items() if path not in present or path.read_text("utf-8") != text]
    left_over = sorted(present - set(wanted))
    if not only_check:
        for path in stale:
            write_whole(path, wanted[path])
        for path in left_over:
            path.unlink()
    return stale + left_over


def prepare(course: Course, exercises: Sequence[str] = (), *, dropping: bool = False) -> None:
    """Bring the classroom's sources and gradebook up to date with solutions/, for grading.

    exercises: those that are needed; all if empty. dropping: see `changed_cells`.

    Raises:
        UserError: A source can't be released, or people's marks would go with the cells that it has dropped.
    """
    wanted = exercises or course.exercises()
    with preparing(course):
        with open_gradebook(course) as gradebook:
            stale = [one for one in wanted if not (_is_current(course, one) and gradebook.knows(one))]
        if stale or not wanted:
            check_sources(course)
        for exercise in stale:
            _generate_one(course, exercise, dropping=dropping)


def _is_current(course: Course, exercise: str) -> bool:
    source, released = (course.classroom / step / exercise / f"{exercise}.ipynb" for step in ("source", "release"))
    if not (source.is_file() and released.is_file()):
        return False
    known = json.loads(source.read_bytes())["metadata"].get(MADE_OF)
    return known == made_of(course, exercise) and released.stat().st_mtime_ns >= source.stat().st_mtime_ns


def generate(course: Course) -> dict[Path, str]:
    """Make the student version of every exercise with nbgrader: the text of each notebook, and of the outline."""
    sources = check_sources(course)
    folders = {language: course.notebooks / ("" if language == "en" else language) for language in languages(course)}
    pages = landings(sources)
    wanted = {folders[language] / f"{START}.ipynb": write_notebook(page) for language, page in pages.items()}
    outline: dict[str, list[Expected]] = {}
    labels: dict[str, str] = {}
    for exercise in sources:
        released = keep_running(_generate_one(course, exercise))
        for language, folder in folders.items():
            wanted[folder / f"{exercise}.ipynb"] = write_notebook(edition(released, language))
        outline[exercise] = outline_of(sources[exercise], released)
        labels |= labels_of(released)
    before = load_outline(course.outline) if course.outline.is_file() else {}
    wanted[course.outline] = write_outline(remembering(outline, before))
    if labels:
        wanted[course.labels] = json.dumps(labels, ensure_ascii=False, indent=0, sort_keys=True) + "\n"
    return wanted


def _generate_one(course: Course, exercise: str, *, dropping: bool = False) -> NotebookNode:
    """The released notebook, both languages in it. It is written last: till then the one before stands."""
    source = course.classroom / "source" / exercise / f"{exercise}.ipynb"
    wanted = course.solutions / source.name
    if has_gradebook(course):
        with open_gradebook(course) as gradebook:
            before = read_notebook(source) if source.is_file() else None
            change_cells(gradebook, exercise, before, read_notebook(wanted), dropping=dropping)
    write_whole(source, write_notebook(combined(course, exercise)))
    nbgrader, fresh = nbgrader_api(course), course.classroom / ".release"
    nbgrader.coursedir.release_directory = fresh.name
    try:
        result = nbgrader.generate_assignment(exercise)
        if not result["success"]:
            raise UserError(
                _("nbgrader could not release {exercise}:\n{why_not}").format(
                    exercise=exercise, why_not=why_not(result)
                )
            )
        return _publish(fresh / exercise, course.classroom / "release" / exercise)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _publish(fresh: Path, released: Path) -> NotebookNode:
    """Put an exercise's files where students' copies come from, the notebook last, and return that."""
    notebook = fresh / f"{fresh.name}.ipynb"
    files = {path.relative_to(fresh): path for path in fresh.rglob("*") if path.is_file() and path != notebook}
    for name, path in files.items():
        write_whole(released / name, path.read_bytes())
    for path in released.rglob("*"):
        if path.is_file() and path.relative_to(released) not in files and path.name != notebook.name:
            path.unlink()
    write_whole(released / notebook.name, notebook.read_bytes())
    return read_notebook(notebook)


def why_not(outcome: dict[str, Any]) -> str:
    """What nbgrader says of a step that failed.

    Raises:
        KeyboardInterrupt: Ctrl-C stopped it, which nbgrader takes for a failure like any other.
        OSError: A disk is full.
    """
    words = str(outcome.get("error", ""))
    if words.rstrip().endswith("KeyboardInterrupt"):
        raise KeyboardInterrupt
    raise_if_full(f"{words}\n{outcome.get('log', '')}")
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
        raise UserError(_("{solutions} holds no notebooks; expected NN_name.ipynb").format(solutions=course.solutions))
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

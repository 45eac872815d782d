"""Assignments of another nbgrader course: released by nbgrader, and read as it has released them.

Checks and locked cells have the text that `nbgrader generate_assignment` put into the gradebook, as with stock
nbgrader.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nbformat.notebooknode import NotebookNode, from_dict

from autograder.authoring.packages import missing_packages
from autograder.authoring.release import why_not
from autograder.cells import is_answer, read_notebook, role
from autograder.course import Course, UserError
from autograder.nbgrader_setup import nbgrader_api


@dataclass(frozen=True)
class Assigned:
    """A notebook of an assignment: what students were given, and the same with the author's checks."""

    released: NotebookNode
    source: NotebookNode


def release_missing(course: Course, exercises: Iterable[str]) -> list[str]:
    """Have nbgrader release those of the assignments that aren't in the gradebook. Returns what was done or is odd.

    Raises:
        UserError: nbgrader can't release an assignment, or it can't be graded here.
    """
    _check_layout(course)
    api, notes = nbgrader_api(course), []
    for exercise in exercises:
        sources = sorted(course.classroom.glob(f"source/{exercise}/*.ipynb"))
        released = [course.classroom / "release" / exercise / path.name for path in sources]
        with api.gradebook as gradebook:
            assignments = {assignment.name: assignment for assignment in gradebook.assignments}
            known = [notebook.name for notebook in getattr(assignments.get(exercise), "notebooks", ())]
        if not known or not all(path.is_file() for path in released if path.stem in known):
            outcome = api.generate_assignment(exercise, force=True, create=True)
            if not outcome["success"]:
                raise UserError(f"nbgrader can't release {exercise}, so it can't be graded:\n{why_not(outcome)}")
            notes.append(f"{exercise}: released by nbgrader (release/ or the gradebook did not have it)")
        for source, path in zip(sources, released, strict=True):
            if path.is_file() and source.stat().st_mtime > path.stat().st_mtime:
                notes.append(
                    f"{exercise}: source/{exercise}/{source.name} is newer than what was released; for its checks to "
                    f"count, run `nbgrader generate_assignment {exercise} --force`"
                )
        notes += [f"{exercise}: {words}" for words in missing_packages(sources)]
    return notes


def _check_layout(course: Course) -> None:
    folders = nbgrader_api(course).coursedir
    expected = {"root": str(course.classroom), "directory_structure": "{nbgrader_step}/{student_id}/{assignment_id}"}
    expected |= {f"{step}_directory": step for step in ("source", "release", "submitted", "autograded")}
    for name, value in expected.items():
        if getattr(folders, name) != value:
            raise UserError(
                f"nbgrader_config.py sets CourseDirectory.{name} to {getattr(folders, name)!r}; "
                f"this grader works where it is {value!r}"
            )


def assigned(api: Any, course: Course, exercise: str) -> dict[str, Assigned]:
    """The notebooks of an assignment, by name."""
    found = {}
    with api.gradebook as gradebook:
        for notebook in gradebook.find_assignment(exercise).notebooks:
            released = read_notebook(course.classroom / "release" / exercise / f"{notebook.name}.ipynb")
            language = str(released.metadata.get("kernelspec", {}).get("language", "python"))
            if language.lower() not in ("python", "python3"):
                raise UserError(f"{exercise}/{notebook.name}.ipynb is in {language}; this grader runs Python")
            texts = {cell.name: cell.source for cell in notebook.source_cells}
            source = from_dict(released)
            for cell in source.cells:
                if not is_answer(cell) and role(cell):
                    cell.source = texts.get(str(role(cell).get("grade_id")), cell.source)
            found[notebook.name] = Assigned(released, source)
    return found

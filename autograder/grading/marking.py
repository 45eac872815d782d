"""One submission marked: restored, run, scored by nbgrader's rules. All but the gradebook, so workers do it.

What a worker gets and gives is plain data without paths: it may be on another machine.
"""

import contextlib
import functools
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode

from autograder.cells import answers_of, language_of, parse_notebook
from autograder.documents.reading import read_content
from autograder.execution.data_files import put
from autograder.execution.shared import RUNNERS, SEPARATE
from autograder.gradebook.outcomes import notebook_checks
from autograder.grading.execute import fill, steps_of
from autograder.grading.repair import parse_once, restore, set_aside
from autograder.results import GRADER_FAULT, NOT_GRADABLE, Marked, Result
from simpo_language.speech import Said, sentence_of, speaking

CELL_SECONDS = 5  # of a cell's own time (see `patience`); of all known right answers none takes a tenth of it
REASON = 300  # characters of why there are no points


@dataclass(frozen=True)
class Task:
    """A submission, and all that is needed to mark it."""

    student: str
    exercise: str
    submitted: bytes
    source: bytes  # the instructor's notebook
    released: bytes  # what students were given
    beside: tuple[tuple[str, bytes], ...] = ()  # files beside the notebook: relative name, content
    aside: tuple[str, ...] = ()  # names beside the notebook that are a module's
    refused: str | Said = ""  # why the file was not even read
    given_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # see `repair.given_out`
    cell_seconds: float = CELL_SECONDS  # that one cell may take, of its own time
    isolation: str = SEPARATE  # where checks run (see `shared`)


def mark(task: Task) -> Marked:
    """Mark a submission. Whatever goes wrong is a verdict and no exception."""
    result = Result(task.student, task.exercise, NOT_GRADABLE)
    if task.refused:
        return without_points(result, task.refused)
    try:
        return _mark(task)
    except Exception as error:  # nbgrader's, or our own
        words = f"{type(error).__name__}: {error}"[:REASON]
        if isinstance(error, OSError) or not _can_be_marked(task):
            result = replace(result, verdict=GRADER_FAULT)
        return without_points(result, words, traceback.format_exc())


def _can_be_marked(task: Task) -> bool:
    """Whether it can where nothing is a student's: the notebook as it was given out. Then what went wrong is theirs."""
    try:
        return not _mark(replace(task, submitted=task.released, beside=(), aside=())).result.reason
    except Exception:
        return False


def _mark(task: Task) -> Marked:
    try:
        submitted = read_content(task.submitted)
        source, released = map(parse_once, (task.source, task.released))
        notebook, repairs = restore(submitted.notebook, source, released, task.given_out)
        repairs[:0] = submitted.remarks
        set_aside(notebook, repairs, task.aside)
    except ValueError as error:
        return without_points(Result(task.student, task.exercise, NOT_GRADABLE), sentence_of(error))
    return _run_and_score(task, notebook, repairs)


def without_points(result: Result, reason: str | Said, log: str = "") -> Marked:
    """A submission that has no points, and why."""
    return Marked(Result(result.student, result.exercise, result.verdict, reason=reason), log=log or f"{reason}\n")


def _run_and_score(task: Task, notebook: NotebookNode, repairs: list[Said]) -> Marked:
    from nbgrader.preprocessors import LimitOutput  # of nbgrader's steps between running and saving the one at work
    from nbgrader.utils import compute_checksum, is_locked

    for cell in filter(is_locked, notebook.cells):
        cell.metadata.nbgrader["checksum"] = compute_checksum(cell)  # as OverwriteCells has it from the gradebook
    with _laid_out(task.beside) as folders, speaking(language_of(notebook)):
        executed = RUNNERS[task.isolation](steps_of(notebook), folders, task.cell_seconds)
        if executed.fault:
            return without_points(Result(task.student, task.exercise, executed.verdict), executed.fault)
        flags = fill(notebook, executed)
        notebook = LimitOutput().preprocess(notebook, {})[0]
        checks = notebook_checks(notebook)
    scores, comments = _nbgraders_marks(notebook)
    log = [f"Repaired: {repair}" for repair in repairs] + [f"Flagged for a person: {flag}" for flag in flags]
    log += [f"Verdict: {executed.verdict}", ""]
    return Marked(
        Result(task.student, task.exercise, executed.verdict, checks, "", tuple(repairs), flags),
        str(nbformat.writes(notebook, version=4)) + "\n",
        scores,
        comments,
        answers_of(notebook),
        "\n".join(log),
    )


def marked_before(result: Result, autograded: str) -> Marked:
    """What came of a submission, out of its autograded notebook: nothing is run. Raises ValueError."""
    notebook = parse_notebook(autograded.encode())
    scores, comments = _nbgraders_marks(notebook)
    return Marked(result, autograded, scores, comments, answers_of(notebook))


@contextlib.contextmanager
def _laid_out(files: Iterable[tuple[str, bytes]]) -> Iterator[list[Path]]:
    """A folder with these files, if there are any."""
    with contextlib.ExitStack() as ending:
        folders: list[Path] = []
        for name, content in files:
            if not folders:
                folders.append(Path(ending.enter_context(TemporaryDirectory(prefix=f"notebook-{os.getpid()}-"))))
            put(folders[0] / name, functools.partial(_write_bytes, content=content))
        yield folders


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _nbgraders_marks(notebook: NotebookNode) -> tuple[dict[str, float | None], dict[str, str | None]]:
    """The scores and comments that nbgrader would save: its own step, saving into two tables of ours."""
    from nbgrader.preprocessors import SaveAutoGrades

    grades: dict[str, Any] = {}
    comments: dict[str, Any] = {}
    save = SaveAutoGrades()
    save.notebook_id = save.assignment_id = save.student_id = ""
    save.gradebook = SimpleNamespace(
        find_grade=lambda name, *_: grades.setdefault(name, SimpleNamespace(manual_score=None)),
        find_comment=lambda name, *_: comments.setdefault(name, SimpleNamespace()),
        db=SimpleNamespace(commit=lambda: None),
    )
    for number, cell in enumerate(notebook.cells):
        save.preprocess_cell(cell, {}, number)
    return (
        {name: grade.auto_score for name, grade in grades.items()},
        {name: comment.auto_comment for name, comment in comments.items()},
    )

"""What in a student's notebook would lose points, as far as it can be told without running it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nbformat.notebooknode import NotebookNode

from autograder.handing_in.outline import ANSWER, CHECK, ESSAY, Expected, digest
from autograder.handing_in.written import syntax_error, written_names
from autograder.messages import read
from simpo_language.speech import _


@dataclass(frozen=True)
class Finding:
    """One sentence to the student."""

    words: str
    costs: bool = False  # points, for sure


def examine(notebook: NotebookNode, expected: Sequence[Expected]) -> Iterator[Finding]:
    """What is missing, changed or not written yet in a notebook that can be read."""
    bound = [written_names(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    written = {name for names in bound if names is not None for name in names}
    for wanted in expected:
        cell = _the_cell(notebook, wanted.id)
        if wanted.role == ANSWER:
            yield from _answer(wanted, cell, written)
        elif wanted.role == ESSAY:
            if cell is None or not cell.source.strip() or digest(cell.source) in wanted.texts:
                gone = _("the essay {id} ({points:g} points) is gone; write it into a fresh copy")
                sentence = gone if cell is None else _("the essay {id} ({points:g} points) is not written yet")
                yield Finding(sentence.format(id=wanted.id, points=wanted.points), costs=True)
        elif cell is None:
            yield Finding(
                _("the cell {id} is gone; grading puts it back, but you don't see what it says").format(id=wanted.id)
            )
        elif digest(cell.source) not in wanted.texts:
            yield Finding(_("the cell {id} is not as you got it; grading uses the original").format(id=wanted.id))
        elif wanted.role == CHECK and (words := _failure(cell)):
            yield Finding(_("the check {id} failed when you last ran it: {words}").format(id=wanted.id, words=words))


def _answer(wanted: Expected, cell: NotebookNode | None, written: set[str]) -> Iterator[Finding]:
    """What is wrong with an answer of code. `written`: the names that any cell of the notebook gives a value."""
    lacking = [name for name in wanted.names if name not in written]
    names = ", ".join(lacking)
    if cell is None:
        gone = _("the answer {id} is gone, and {names} with it") if lacking else _("the answer {id} is gone")
        mend = _("undo the deletion (Edit > Undo Delete Cell), or copy the cell from a fresh copy of the notebook")
        yield Finding(f"{gone.format(id=wanted.id, names=names)}; {mend}", bool(lacking))
    elif written_names(cell.source) is None:
        yield Finding(
            _("the answer {id} is not valid Python: {error}").format(id=wanted.id, error=syntax_error(cell.source)),
            bool(lacking),
        )
    elif lacking:
        yield Finding(_("the answer {id} is not written yet: {names}").format(id=wanted.id, names=names), costs=True)
    elif digest(cell.source) in wanted.texts and not wanted.names:
        yield Finding(_("{id} is not filled in; no check reads it").format(id=wanted.id))
    elif "raise NotAttempted" in cell.source and digest(cell.source) not in wanted.texts:
        yield Finding(_("the answer {id} still says `raise NotAttempted`: is it finished?").format(id=wanted.id))


def _the_cell(notebook: NotebookNode, name: str) -> NotebookNode | None:
    """A cell by its id, or by nbgrader's name for it, where a tool has renewed the ids."""
    for cell in notebook.cells:
        if cell.get("id") == name:
            return cell
    for cell in notebook.cells:
        nbgrader: Any = cell.metadata.get("nbgrader")
        if isinstance(nbgrader, dict) and nbgrader.get("grade_id") == name:
            return cell
    return None


def _failure(cell: NotebookNode) -> str:
    """The first line of what a check said; empty if it passed, was not run, or its answer is not there."""
    for output in cell.get("outputs", []):
        if output.output_type == "error" and output.ename != "NotAttempted":
            return read(output.evalue.strip() or output.ename).sentence
    return ""

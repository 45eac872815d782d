"""Which exercise a notebook is: by its file's name, or else by the cells in it."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from nbformat.notebooknode import NotebookNode

from autograder.cells import role


@dataclass(frozen=True)
class Marks:
    """By what an exercise's notebook is known, the surest first: each a set of which more than half must be there."""

    ids: frozenset[str]
    grade_ids: frozenset[str]
    texts: tuple[frozenset[str], ...]  # of code that students don't change, in each language


def marks_of(given_out: NotebookNode, *editions: NotebookNode) -> Marks:
    """By what a notebook that students were given is known. editions: the same in other languages."""
    return Marks(
        frozenset(cell.id for cell in given_out.cells if "id" in cell),
        frozenset(role(cell)["grade_id"] for cell in given_out.cells if role(cell)),
        tuple(map(_given_texts, (given_out, *editions))),
    )


def _given_texts(given_out: NotebookNode) -> frozenset[str]:
    given = [cell for cell in given_out.cells if cell.cell_type == "code" and role(cell).get("locked")]
    return frozenset(_squeezed(cell.source) for cell in given if "HIDDEN TESTS" not in cell.source)


def named_in(name: str, exercises: Collection[str]) -> str:
    """The exercise that a file's name says, in any case and spelling, with whatever stands around it; or nothing.

    >>> named_in("Copy of 01_SIMPO loss (2).ipynb", ["01_simpo_loss", "02_simpo_vs_dpo"])
    '01_simpo_loss'
    """
    words = f" {_words(name)} "
    found = [exercise for exercise in exercises if f" {_words(exercise)} " in words]
    return found[0] if len(found) == 1 else ""


def found_in(notebook: NotebookNode, known: Mapping[str, Marks]) -> list[str]:
    """The exercises whose cells stand in a notebook: one, or two that were put together; none if it is another's."""
    cells = notebook.cells
    grade_ids = (cell.metadata.get("nbgrader", {}).get("grade_id") for cell in cells)
    ids = {cell.get("id") for cell in cells}
    names = {name for name in grade_ids if isinstance(name, str)}
    texts = {_squeezed(cell.source) for cell in cells}
    by_text = [name for name, marks in known.items() if any(_has_most(texts, given) for given in marks.texts)]
    for found in (
        [name for name, marks in known.items() if _has_most(ids, marks.ids)],
        [name for name, marks in known.items() if _has_most(names, marks.grade_ids)],
        by_text,
    ):
        if len(found) > 1:  # names such as "setup" stand in several exercises
            return [name for name in found if name in by_text] or found
        if found:
            return found
    return []


def _has_most(there: Collection[str | None], wanted: frozenset[str]) -> bool:
    return 2 * len(wanted & set(there)) > len(wanted)


def _words(name: str) -> str:
    """A name's Latin words and numbers, without case and what stands between them."""
    return " ".join(re.findall(r"[0-9a-z]+", unicodedata.normalize("NFKC", name).casefold()))


def _squeezed(text: str) -> str:
    """A text without blanks, which editors change."""
    return "".join(text.split())

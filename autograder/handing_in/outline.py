"""What each notebook must hold to be graded, without its solutions: what `autograder pack` compares with.

outline.json is made by `autograder release` and comes with the package, so that it is there where students
work and no instructor's file is.
"""

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nbformat.notebooknode import NotebookNode

from autograder.cells import EDITIONS, is_answer, is_test, role
from autograder.handing_in.written import bound

FILE = Path(__file__).with_name("outline.json")
ANSWER, ESSAY, CHECK, SETUP = "answer", "essay", "check", "setup"


@dataclass(frozen=True)
class Expected:
    """A cell that a notebook must hold."""

    id: str
    role: str  # one of those above
    points: float
    text: str  # `digest` of what it said when it was given out, in English
    names: tuple[str, ...] = ()  # an answer's names that checks read
    others: tuple[str, ...] = ()  # the same as `text` of its other languages
    earlier: tuple[str, ...] = ()  # the same of every version that was given out before

    @property
    def texts(self) -> tuple[str, ...]:
        """The digests of all that it ever said when it was given out: what differs from them is a student's edit."""
        return (self.text, *self.others, *self.earlier)


def load_outline(file: Path = FILE) -> dict[str, list[Expected]]:
    """The cells of each exercise's notebook, in order."""
    stored = json.loads(file.read_text(encoding="utf-8"))
    return {exercise: [_expected(cell) for cell in cells] for exercise, cells in stored.items()}


def _expected(stored: Mapping[str, Any]) -> Expected:
    lists = {name: tuple(stored.get(name, ())) for name in ("names", "others", "earlier")}
    return Expected(**{**stored, **lists})


def remembering(
    outline: Mapping[str, list[Expected]], before: Mapping[str, list[Expected]]
) -> dict[str, list[Expected]]:
    """A new outline that knows, too, what the one before it said, and all those before."""
    found = {}
    for exercise, cells in outline.items():
        old = {cell.id: cell.texts for cell in before.get(exercise, ())}
        found[exercise] = [
            replace(cell, earlier=tuple(text for text in old.get(cell.id, ()) if text not in cell.texts))
            for cell in cells
        ]
    return found


def write_outline(outline: Mapping[str, list[Expected]]) -> str:
    """The text of outline.json: a cell a line, so that a change shows."""
    exercises = []
    for exercise, cells in outline.items():
        lines = ",\n".join(f"  {json.dumps(asdict(cell))}" for cell in cells)
        exercises.append(f" {json.dumps(exercise)}: [\n{lines}\n ]")
    return "{\n" + ",\n".join(exercises) + "\n}\n"


def outline_of(source: NotebookNode, released: NotebookNode) -> list[Expected]:
    """The cells that a released notebook must hold. Prose is not among them: it stands in two languages."""
    solutions = {cell.id: cell for cell in source.cells}
    read = {name for cell in filter(is_test, source.cells) for name in _read(cell.source)}
    expected = []
    for cell in released.cells:
        kind = _kind(cell)
        if kind:
            names = bound(ast.parse(solutions[cell.id].source)) & read if kind == ANSWER else set()
            points = float(role(cell).get("points", 0))
            others = tuple(map(digest, cell.metadata.get(EDITIONS, {}).values()))
            expected.append(Expected(cell.id, kind, points, digest(cell.source), tuple(sorted(names)), others))
    return expected


def digest(text: str) -> str:
    """A short name of a text, blanks around it aside."""
    return hashlib.sha256(text.strip().encode()).hexdigest()[:16]


def _kind(cell: NotebookNode) -> str:
    if is_answer(cell):
        return ANSWER if cell.cell_type == "code" else ESSAY
    if cell.cell_type != "code" or not role(cell):
        return ""
    return CHECK if is_test(cell) else SETUP


def _read(source: str) -> set[str]:
    """The names that a check reads and does not give a value itself."""
    tree = ast.parse(source)
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return read - bound(tree)

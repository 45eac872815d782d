"""An exercise's cells in the gradebook, changed after it was handed in.

nbgrader makes an exercise's rows anew while nobody has handed it in, and refuses other cells afterwards. Here cells
are added, dropped and renamed with the rows of everybody's submission, in one transaction.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nbformat.notebooknode import NotebookNode

from autograder.cells import role
from autograder.course import UserError
from autograder.gradebook.writer import Writer
from simpo_language.speech import _

Cells = Mapping[str, NotebookNode]  # by grade_id


@dataclass(frozen=True)
class Mark:
    """What a person gave for a cell: points, extra credit or a comment."""

    student: str
    grade_id: str
    words: str


def change_cells(
    opened: Writer, exercise: str, before: NotebookNode | None, after: NotebookNode, *, dropping: bool = False
) -> None:
    """Give the gradebook the cells of a changed source, if somebody has handed the exercise in.

    A cell that only has another grade_id keeps everybody's points. Points that people gave stay; where they are now
    out of another number, they wait to be looked at again.

    Call it while `preparing` the gradebook.

    before: the source that the gradebook's cells are of; None: it is not known, so that no cell is known as renamed.
    dropping: whether marks of people may go with their cells.

    Raises:
        UserError: Marks of people would go; the message says whose, and how to let them go.
    """
    opened.transaction(lambda: _change(opened.gradebook, exercise, before, after, dropping), is_preparing=True)


def _change(gradebook: Any, exercise: str, before: NotebookNode | None, after: NotebookNode, dropping: bool) -> str:
    from nbgrader.api import MissingEntry

    try:
        notebook = gradebook.find_notebook(exercise, exercise)
    except MissingEntry:
        return ""
    if not notebook.submissions:
        return ""
    database = gradebook.db
    for old, new in renamed(before, after).items():
        for row in [row for rows in _rows(notebook).values() for row in rows if row.name == old]:
            row.name = new
    database.flush()
    kinds, wanted = _kinds(), _named(after)
    gone = [
        (kind, row)
        for kind, rows in _rows(notebook).items()
        for row in rows
        if row.name not in wanted or not kinds[kind](wanted[row.name])
    ]
    if (lost := [mark for _, row in gone for mark in _marks(row)]) and not dropping:
        raise UserError(_refusal(exercise, lost))
    for _place, row in gone:
        _drop(database, row)
    database.flush()
    database.expire(notebook)
    for kind, rows in _rows(notebook).items():
        known = {row.name: row for row in rows}
        for grade_id, cell in wanted.items():
            if kinds[kind](cell) and grade_id not in known:
                _add(database, notebook, kind, grade_id, cell)
            elif kinds[kind](cell) and kind in ("grade", "task"):
                _look_again(known[grade_id], float(cell.metadata.nbgrader["points"]))
    return ""


def renamed(before: NotebookNode | None, after: NotebookNode) -> dict[str, str]:
    """The cells that only have another grade_id: old, new. Told by role and text, where these are one cell's alone."""
    olds, news = _named(before), _named(after)
    gone = {name: _looks(cell) for name, cell in olds.items() if name not in news}
    new = {name: _looks(cell) for name, cell in news.items() if name not in olds}
    counts = Counter(gone.values()), Counter(new.values())
    by_looks = {looks: name for name, looks in new.items()}
    return {name: by_looks[looks] for name, looks in gone.items() if counts[0][looks] == counts[1][looks] == 1}


def _looks(cell: NotebookNode) -> tuple[object, ...]:
    its = role(cell)
    return (cell.cell_type, *(bool(its.get(key)) for key in ("grade", "solution", "task", "locked")), cell.source)


def _named(notebook: NotebookNode | None) -> Cells:
    """The cells that nbgrader keeps."""
    cells = notebook.cells if notebook else []
    return {role(cell)["grade_id"]: cell for cell in cells if any(its(cell) for its in _kinds().values())}


def _kinds() -> dict[str, Callable[[NotebookNode], bool]]:
    """What nbgrader keeps of an exercise, and which cells it keeps it of."""
    from nbgrader.utils import is_grade, is_locked, is_solution, is_task

    def is_source(cell: NotebookNode) -> bool:
        return bool(is_grade(cell) or is_solution(cell) or is_locked(cell) or is_task(cell))

    return {"grade": is_grade, "solution": is_solution, "task": is_task, "source": is_source}


def _rows(notebook: Any) -> dict[str, list[Any]]:
    return {
        "grade": list(notebook.grade_cells),
        "solution": list(notebook.solution_cells),
        "task": list(notebook.task_cells),
        "source": list(notebook.source_cells),
    }


def _marks(row: Any) -> list[Mark]:
    """What people gave for a cell."""
    found = []
    for grade in getattr(row, "grades", ()):
        if grade.manual_score is not None or grade.extra_credit:
            points = (grade.manual_score or 0.0) + (grade.extra_credit or 0.0)
            found.append(Mark(grade.student.id, row.name, f"{points:g}"))
    for comment in getattr(row, "comments", ()):
        if comment.manual_comment:
            found.append(Mark(comment.student.id, row.name, "a comment"))
    return found


def _refusal(exercise: str, lost: list[Mark]) -> str:
    by_cell: dict[str, list[str]] = {}
    for mark in sorted(lost, key=lambda mark: (mark.grade_id, mark.student)):
        by_cell.setdefault(mark.grade_id, []).append(f"{mark.student} {mark.words}")
    cells = "; ".join(f"{grade_id}: {', '.join(words)}" for grade_id, words in by_cell.items())
    return _(
        "solutions/{exercise}.ipynb has dropped cells for which people gave marks, and these "
        "would go with them ({cells}). Put the cells back, or look with `autograder regrade "
        "{exercise}` and let the marks go with --apply"
    ).format(exercise=exercise, cells=cells)


def _drop(database: Any, row: Any) -> None:
    for kept in [*getattr(row, "grades", ()), *getattr(row, "comments", ())]:
        database.delete(kept)
    database.delete(row)


def _add(database: Any, notebook: Any, kind: str, grade_id: str, cell: NotebookNode) -> None:
    """A cell, with a row for each submission. What nbgrader takes of its text it fills in itself."""
    from nbgrader import api

    fields: dict[str, Any] = {"name": grade_id, "notebook": notebook}
    if kind in ("grade", "task"):
        fields |= {"max_score": float(cell.metadata.nbgrader["points"]), "cell_type": cell.cell_type}
    if kind == "source":
        fields |= {"cell_type": cell.cell_type}
    tables = {
        "grade": api.GradeCell,
        "solution": api.SolutionCell,
        "task": api.TaskCell,
        "source": api.SourceCell,
    }
    row = tables[kind](**fields)
    database.add(row)
    for submission in notebook.submissions:
        if kind in ("grade", "task"):  # grading says whether it waits for a person
            database.add(api.Grade(cell=row, notebook=submission, needs_manual_grade=False))
        if kind in ("solution", "task"):
            database.add(api.Comment(cell=row, notebook=submission))


def _look_again(row: Any, points: float) -> None:
    """Have people look again at what they gave out of another number of points."""
    if row.max_score != points:
        for grade in row.grades:
            grade.needs_manual_grade |= grade.manual_score is not None

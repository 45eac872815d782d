"""The gradebook's rows of essays: read by few queries, and changed only by who has seen what stands there now."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from autograder.gradebook.writer import Writer


@dataclass(frozen=True)
class Essay:
    """An essay question of an exercise, as the gradebook knows it."""

    exercise: str
    grade_id: str
    max_points: float
    cell: str  # the id of nbgrader's graded cell


@dataclass(frozen=True)
class EssayRow:
    """One student's essay in the gradebook."""

    id: str  # nbgrader's, of the submitted notebook
    submission: str  # nbgrader's, of the submission
    student: str
    score: float | None  # a person's points; None: nobody has given any
    automatic: float | None  # what nbgrader gave by itself: 0 to an untouched answer, None to one that is to be read
    points: float  # what counts now, with extra credit
    waits: bool  # for a person to read it, or to look again
    comment: str = ""  # a person's; empty as well where it was not asked for

    @property
    def version(self) -> str:
        """Another for every change of what people gave: by it, whoever saves proves to have seen this."""
        parts = repr((self.score, self.points, self.waits, self.comment))
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Changed(Exception):
    """What was to be saved is about something that stands there no more. Nothing was saved."""

    def __init__(self, row: EssayRow, *, is_text: bool) -> None:
        super().__init__("the text has changed" if is_text else "the mark has changed")
        self.row = row  # as it is now
        self.is_text = is_text  # the student's text was replaced; else somebody else gave points or a comment


def essays(database: Any) -> list[Essay]:
    """The essay questions of all exercises, in order."""
    from nbgrader.api import Assignment, GradeCell, Notebook
    from sqlalchemy import select

    query = (
        select(Assignment.name, GradeCell.name, GradeCell.max_score, GradeCell.id)
        .select_from(GradeCell)
        .join(Notebook, GradeCell.notebook_id == Notebook.id)
        .join(Assignment, Notebook.assignment_id == Assignment.id)
        .where(GradeCell.cell_type == "markdown", Notebook.name == Assignment.name)
        .order_by(Assignment.name, GradeCell.name)
    )
    return [
        Essay(exercise, grade_id, float(points), cell) for exercise, grade_id, points, cell in database.execute(query)
    ]


def essay_rows(database: Any, essay: Essay, *only: str, comments: bool = False) -> list[EssayRow]:
    """Every student's essay. One query, or two with comments.

    only: ids of submitted notebooks; all without.
    """
    from nbgrader.api import Grade, SubmittedAssignment, SubmittedNotebook
    from sqlalchemy import select

    query = (
        select(
            SubmittedNotebook.id,
            SubmittedAssignment.id,
            SubmittedAssignment.student_id,
            Grade.manual_score,
            Grade.auto_score,
            Grade.score,
            Grade.needs_manual_grade,
        )
        .select_from(Grade)
        .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .where(Grade.cell_id == essay.cell)
    )
    if only:
        query = query.where(Grade.notebook_id.in_(only))
    said = dict(_comments(database, essay, *only)) if comments else {}
    return [
        EssayRow(row[0], row[1], row[2], row[3], row[4], float(row[5]), bool(row[6]), said.get(row[0]) or "")
        for row in database.execute(query)
    ]


def waiting(database: Any, essay: Essay) -> dict[str, bool]:
    """Which essays wait, by submitted notebook. One query of one table."""
    from nbgrader.api import Grade
    from sqlalchemy import select

    query = select(Grade.notebook_id, Grade.needs_manual_grade).where(Grade.cell_id == essay.cell)
    return {notebook: bool(waits) for notebook, waits in database.execute(query)}


def essay_row(database: Any, essay: Essay, notebook: str) -> EssayRow:
    """One student's essay, with its comment. Raises KeyError if there is none."""
    rows = essay_rows(database, essay, notebook, comments=True)
    if not rows:
        raise KeyError(notebook)
    return rows[0]


def save_mark(
    opened: Writer, essay: Essay, wanted: EssayRow, version: str, is_same_text: Callable[[EssayRow], bool]
) -> EssayRow:
    """Write a person's points and comment, if what they have seen is what stands there; return what stands there now.

    What stands there already is as good as written: a page that never got its answer asks again.

    wanted: the row with the score, comment and waits to write.
    version: of the row that was shown.
    is_same_text: whether the text that was shown is still the student's; asked while nobody can grade it anew.

    Raises:
        Changed: It is not; nothing was written.
        KeyError: There is no such essay.
        UserError: The gradebook can't be written.
    """

    def work() -> str:
        database = opened.gradebook.db
        opened.lock(wanted.student)
        now = essay_row(database, essay, wanted.id)
        if not is_same_text(now):
            raise Changed(now, is_text=True)
        if (now.score, now.comment, now.waits) == (wanted.score, wanted.comment, wanted.waits):
            return ""
        if now.version != version:
            raise Changed(now, is_text=False)
        write_mark(database, essay, wanted)
        return ""

    opened.transaction(work)
    return essay_row(opened.gradebook.db, essay, wanted.id)


def write_mark(database: Any, essay: Essay, row: EssayRow) -> None:
    """Write a row's score, comment and waiting, in the transaction of whoever calls."""
    from nbgrader.api import Comment, Grade
    from sqlalchemy import select, update

    quiet = {"synchronize_session": False}
    where = (Grade.cell_id == essay.cell, Grade.notebook_id == row.id)
    grade = update(Grade).where(*where).values(manual_score=row.score, needs_manual_grade=row.waits)
    database.execute(grade, execution_options=quiet)
    its = (Comment.cell_id.in_(select(_answer_cell(essay))), Comment.notebook_id == row.id)
    comment = update(Comment).where(*its).values(manual_comment=row.comment or None)
    database.execute(comment, execution_options=quiet)


def _comments(database: Any, essay: Essay, *only: str) -> Iterator[tuple[str, str | None]]:
    """What people wrote of the essays, by submitted notebook."""
    from nbgrader.api import Comment
    from sqlalchemy import select

    query = select(Comment.notebook_id, Comment.manual_comment).where(Comment.cell_id.in_(select(_answer_cell(essay))))
    if only:
        query = query.where(Comment.notebook_id.in_(only))
    yield from database.execute(query)


def _answer_cell(essay: Essay) -> Any:
    """The id of the cell that comments belong to: nbgrader has an essay's cell twice, for its points and its answer."""
    from nbgrader.api import BaseCell, GradeCell, SolutionCell
    from sqlalchemy import select
    from sqlalchemy.orm import aliased

    graded = aliased(GradeCell)
    return (
        select(SolutionCell.id)
        .join(graded, graded.notebook_id == SolutionCell.notebook_id)
        .where(graded.id == essay.cell, BaseCell.name == graded.name)
        .subquery()
    )

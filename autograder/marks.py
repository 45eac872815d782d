"""What the gradebook says of each submission: points of checks and of people, comments, late penalties."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mark:
    """One graded cell."""

    points: float  # what counts: a person's points before a check's, with extra credit
    max_points: float
    by_hand: bool = False  # a person gave the points
    to_read: bool = False  # a person has yet to look, for the first time or again


@dataclass(frozen=True)
class Marks:
    """One submission."""

    cells: Mapping[str, Mark]  # by grade_id
    comments: Mapping[str, str]  # what people wrote, by the grade_id of the answer
    late_penalty: float = 0.0

    @property
    def points(self) -> float:
        """What counts in the end, as nbgrader exports it: never below 0."""
        return max(0.0, sum(mark.points for mark in self.cells.values()) - self.late_penalty)

    @property
    def max_points(self) -> float:
        return sum(mark.max_points for mark in self.cells.values())

    @property
    def unread(self) -> float:
        """The points of what nobody has read yet."""
        return sum(mark.max_points for mark in self.cells.values() if mark.to_read and not mark.by_hand)


def read_marks(gradebook: Any) -> dict[tuple[str, str], Marks]:
    """The marks of every submission, by student and exercise. `gradebook` is nbgrader's, open."""
    from nbgrader.api import Assignment, BaseCell, Comment, Grade, SubmittedAssignment, SubmittedNotebook
    from sqlalchemy import select

    def rows(*columns: Any, of: Any) -> Any:
        query = select(SubmittedAssignment.student_id, Assignment.name, *columns)
        joined = query.select_from(SubmittedAssignment).join(Assignment).join(SubmittedNotebook)
        if of is not None:
            joined = joined.join(of, of.notebook_id == SubmittedNotebook.id).join(BaseCell, BaseCell.id == of.cell_id)
        return gradebook.db.execute(joined)

    cells: dict[tuple[str, str], dict[str, Mark]] = defaultdict(dict)
    of_grades = (BaseCell.name, Grade.score, Grade.max_score, Grade.manual_score, Grade.needs_manual_grade)
    for student, exercise, name, score, max_score, manual, to_read in rows(*of_grades, of=Grade):
        cells[student, exercise][name] = Mark(float(score), float(max_score), manual is not None, bool(to_read))
    comments: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for student, exercise, name, words in rows(BaseCell.name, Comment.manual_comment, of=Comment):
        if words and words.strip():
            comments[student, exercise][name] = words
    return {
        (student, exercise): Marks(cells[student, exercise], comments[student, exercise], float(penalty or 0))
        for student, exercise, penalty in rows(SubmittedNotebook.late_submission_penalty, of=None)
    }

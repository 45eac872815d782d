"""What a page of feedback shows of the gradebook: a submission's score, and what people wrote of it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder.gradebook.scores import ClassScores, GradedCell, Score


@dataclass(frozen=True)
class Marks:
    """One submission."""

    score: Score = Score(())  # noqa: RUF009 (frozen)
    comments: Mapping[str, str] = field(default_factory=dict)  # by the grade_id of the answer
    name: str = ""  # the student's, if the gradebook knows it

    @property
    def cells(self) -> dict[str, GradedCell]:
        """The graded cells by their grade_id."""
        return {cell.grade_id: cell for cell in self.score.cells}

    @property
    def points(self) -> float:
        return self.score.points

    @property
    def max_points(self) -> float:
        return sum(cell.max_points for cell in self.score.cells)

    @property
    def late_penalty(self) -> float:
        return self.score.penalty

    @property
    def unread(self) -> float:
        """The points of what nobody has read yet."""
        return sum(cell.max_points for cell in self.score.cells if cell.waits and not cell.by_hand)


def read_marks(gradebook: Any, scores: ClassScores) -> dict[tuple[str, str], Marks]:
    """The marks of every submission, by student and exercise.

    gradebook: nbgrader's, open. scores: read from it.
    """
    from nbgrader.api import Assignment, BaseCell, Comment, SubmittedAssignment, SubmittedNotebook
    from sqlalchemy import select

    query = (
        select(SubmittedAssignment.student_id, Assignment.name, BaseCell.name, Comment.manual_comment)
        .select_from(Comment)
        .join(SubmittedNotebook, Comment.notebook_id == SubmittedNotebook.id)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .join(BaseCell, Comment.cell_id == BaseCell.id)
    )
    comments: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for student, exercise, grade_id, words in gradebook.db.execute(query):
        if words and words.strip():
            comments[student, exercise][grade_id] = words
    names = {student.id: student.name for student in scores.students}
    return {
        (student, exercise): Marks(score, comments.get((student, exercise), {}), names.get(student, ""))
        for (student, exercise), score in scores.scores.items()
    }

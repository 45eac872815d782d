"""What the gradebook holds: each student's points in each exercise, those given by people included."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from autograder.course import Course
from autograder.gradebook.writer import has_gradebook, open_gradebook
from autograder.student_data.names import full_name, in_order


@dataclass(frozen=True)
class Student:
    """A student as the gradebook knows them; what it does not know is empty."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_id: str = ""  # the learning management system's own number

    @property
    def name(self) -> str:
        return full_name(self.first_name, self.last_name)


@dataclass(frozen=True)
class GradedCell:
    """One graded cell of one submission: a check or an essay."""

    grade_id: str
    points: float  # a person's, if given; with extra credit
    max_points: float
    by_hand: bool  # a person gave the points
    waits: bool  # for a person to read it, or to look again after it was graded anew
    is_essay: bool


@dataclass(frozen=True)
class Score:
    """What one student's submission for one exercise has earned."""

    cells: tuple[GradedCell, ...]
    penalty: float = 0.0  # for being late, in points

    @property
    def points(self) -> float:
        """With the penalty, as nbgrader reckons: never below 0."""
        return max(0.0, sum(cell.points for cell in self.cells) - self.penalty)

    @property
    def waiting(self) -> float:
        """The points that a person has still to give or to confirm."""
        return sum(cell.max_points for cell in self.cells if cell.waits)

    @property
    def is_final(self) -> bool:
        return not any(cell.waits for cell in self.cells)


@dataclass(frozen=True)
class ClassScores:
    """A whole class. Who has handed in nothing for an exercise has no score in it, which is not 0."""

    students: tuple[Student, ...]
    max_points: dict[str, float]  # exercise: points that can be had, essay included
    scores: dict[tuple[str, str], Score]  # student's id, exercise

    @property
    def exercises(self) -> list[str]:
        return list(self.max_points)

    def of(self, student: str) -> dict[str, Score]:
        """A student's score in each exercise that they handed in."""
        return {name: self.scores[student, name] for name in self.exercises if (student, name) in self.scores}

    def begun(self, submitted: Collection[str]) -> list[str]:
        """The exercises that at least one student has handed in. submitted: those of the classroom's submissions."""
        scored = {name for _, name in self.scores}
        return [name for name in self.exercises if name in scored or name in submitted]

    def only(self, exercises: Collection[str]) -> "ClassScores":
        """The same class with these exercises alone."""
        maxima = {name: points for name, points in self.max_points.items() if name in exercises}
        return replace(
            self, max_points=maxima, scores={key: score for key, score in self.scores.items() if key[1] in maxima}
        )

    def waiting(self, exercise: str) -> int:
        """How many submissions of an exercise wait for a person."""
        return sum(not score.is_final for (_, name), score in self.scores.items() if name == exercise)

    def waiting_for(self, exercise: str, *, essays: bool) -> int:
        """In how many of them an essay waits, or else a check that a person gave points for."""
        its = (score.cells for (_, name), score in self.scores.items() if name == exercise)
        return sum(any(cell.waits and cell.is_essay == essays for cell in cells) for cells in its)


def read_scores(gradebook: Any) -> ClassScores:
    """Everything that exports and reports need, in four queries, whatever the size of the class.

    gradebook: an open `nbgrader.api.Gradebook`.
    """
    students = sorted(
        (
            Student(
                row.id, *(str(field or "") for field in (row.first_name, row.last_name, row.email, row.lms_user_id))
            )
            for row in gradebook.students
        ),
        key=lambda student: (*in_order(student.first_name, student.last_name), student.id),
    )
    max_points = {row.name: float(row.max_score) for row in sorted(gradebook.assignments, key=lambda row: row.name)}
    penalties = _penalties(gradebook)
    cells = _cells(gradebook)
    scores = {key: Score(tuple(cells.get(key, ())), penalty) for key, penalty in penalties.items()}
    return ClassScores(tuple(students), max_points, scores)


def names(course: Course) -> dict[str, str]:
    """The students' names, by id, where the gradebook knows them. Makes none."""
    if not has_gradebook(course):
        return {}
    with open_gradebook(course) as opened:
        found = (Student(row.id, row.first_name or "", row.last_name or "") for row in opened.gradebook.students)
        return {student.id: student.name for student in found if student.name}


def essays_waiting(course: Course) -> set[tuple[str, str]]:
    """Student and exercise of each submission in which an essay waits for a person. Makes no gradebook."""
    from nbgrader.api import Assignment, Grade, SubmittedAssignment, SubmittedNotebook

    if not has_gradebook(course):
        return set()
    with open_gradebook(course) as opened:
        rows = (
            opened.gradebook.db.query(SubmittedAssignment.student_id, Assignment.name)
            .select_from(Grade)
            .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
            .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
            .filter(Grade.needs_manual_grade, Grade.cell_type != "code")
            .distinct()
        )
        return {(student, exercise) for student, exercise in rows}


def _penalties(gradebook: Any) -> dict[tuple[str, str], float]:
    """For each submission, by student and exercise, its late penalty in points."""
    from nbgrader.api import Assignment, SubmittedAssignment, SubmittedNotebook

    found: dict[tuple[str, str], float] = defaultdict(float)
    rows = (
        gradebook.db.query(SubmittedAssignment.student_id, Assignment.name, SubmittedNotebook.late_submission_penalty)
        .select_from(SubmittedNotebook)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
    )
    for student, exercise, penalty in rows:
        found[student, exercise] += penalty or 0.0
    return found


def _cells(gradebook: Any) -> dict[tuple[str, str], list[GradedCell]]:
    """The graded cells of each submission, by student and exercise."""
    from nbgrader.api import Assignment, BaseCell, Grade, SubmittedAssignment, SubmittedNotebook

    found: dict[tuple[str, str], list[GradedCell]] = defaultdict(list)
    rows = (
        gradebook.db.query(
            SubmittedAssignment.student_id,
            Assignment.name,
            BaseCell.name,
            Grade.score,
            Grade.max_score,
            Grade.manual_score,
            Grade.needs_manual_grade,
            Grade.cell_type,
        )
        .select_from(Grade)
        .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .join(BaseCell, Grade.cell_id == BaseCell.id)
    )
    for student, exercise, grade_id, points, max_points, manual, waits, cell_type in rows:
        cell = GradedCell(
            grade_id,
            points=float(points),
            max_points=float(max_points),
            by_hand=manual is not None,
            waits=bool(waits),
            is_essay=cell_type != "code",
        )
        found[student, exercise].append(cell)
    return found


def class_scores(course: Course) -> ClassScores:
    """The gradebook's scores; empty if there is no gradebook yet. Makes none."""
    if not has_gradebook(course):
        return ClassScores((), {}, {})
    with open_gradebook(course) as opened:
        return read_scores(opened.gradebook)

"""When each exercise is due: nbgrader's due dates, which its late penalties go by."""

import warnings
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from autograder.course import Course, UserError
from autograder.submissions import Submission


def read_time(words: str) -> datetime:
    """A time as people type it, 2026-12-01 23:59 or with an offset from UTC; without one, this computer's zone.

    Raises:
        UserError: It is not such a time.
    """
    try:
        return datetime.fromisoformat(words).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UserError(
            f"{words!r} is no time; expected one such as 2026-12-01 23:59 or 2026-12-01T23:59+08:00"
        ) from None


def check_exercise(course: Course, exercise: str) -> None:
    """Raise UserError if there is no such exercise."""
    if exercise not in course.exercises():
        raise UserError(f"no exercise is named {exercise}; there are {', '.join(course.exercises())}")


def set_due(course: Course, exercise: str, time: datetime | None) -> None:
    """Set when an exercise is due; None: never. Raises UserError if there is no such exercise."""
    check_exercise(course, exercise)
    with warnings.catch_warnings(), course.api().gradebook as gradebook:
        warnings.simplefilter("ignore")  # SQLAlchemy 2.1 warns of how nbgrader 0.9.6 adds rows; they are added
        gradebook.update_or_create_assignment(exercise, duedate=time and time.replace(tzinfo=None))


def due_times(course: Course) -> dict[str, datetime]:
    """The exercises that have a due time, and when, in UTC."""
    with course.api().gradebook as gradebook:
        return {
            assignment.name: assignment.duedate.replace(tzinfo=UTC)
            for assignment in gradebook.assignments
            if assignment.duedate is not None
        }


def late(course: Course, taken: Iterable[Submission]) -> list[tuple[Submission, timedelta]]:
    """The submissions that came after their due time, and by how much."""
    due = due_times(course)
    return [
        (submission, submission.time - due[submission.exercise])
        for submission in taken
        if submission.time and submission.exercise in due and submission.time > due[submission.exercise]
    ]

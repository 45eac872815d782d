"""When each exercise is due: nbgrader's due dates, which its late penalties go by."""

import contextlib
import re
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from autograder.course import Course, UserError
from autograder.gradebook.extensions import read_extensions, write_extensions
from autograder.gradebook.writer import open_gradebook
from autograder.handing_in.roster import load
from autograder.handing_in.submissions import Submission
from autograder.nbgrader_setup import nbgrader_api
from simpo_language.speech import _


def read_time(words: str) -> datetime:
    """A time as people type it, 2026-12-01 23:59 or with an offset from UTC; without one, this computer's zone.

    A day without a time is meant to its end.

    Raises:
        UserError: It is not such a time.
    """
    try:
        said = datetime.fromisoformat(re.sub(r"\s+(?=[+-]\d\d:?\d\d$)", "", words.strip()))
        is_day = re.fullmatch(r"\s*\d{4}-?\d\d-?\d\d\s*", words)
        return (said.replace(hour=23, minute=59, second=59) if is_day else said).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UserError(
            _("{words!r} is no time; expected one such as 2026-12-01 23:59 or 2026-12-01T23:59+08:00").format(
                words=words
            )
        ) from None


def check_exercise(course: Course, exercise: str) -> None:
    """Raise UserError if there is no such exercise."""
    if exercise not in course.exercises():
        raise UserError(
            _("no exercise is named {exercise}; there are {names}").format(
                exercise=exercise, names=", ".join(course.exercises())
            )
        )


def set_due(course: Course, exercise: str, time: datetime | None) -> None:
    """Set when an exercise is due; None: never, and extensions of it end. Late penalties are reckoned anew.

    Raises:
        UserError: There is no such exercise.
    """
    check_exercise(course, exercise)
    with warnings.catch_warnings(), nbgrader_api(course).gradebook as gradebook:
        warnings.simplefilter("ignore")  # SQLAlchemy 2.1 warns of how nbgrader 0.9.6 adds rows; they are added
        gradebook.update_or_create_assignment(exercise, duedate=time and time.replace(tzinfo=None))
    if time is None:
        write_extensions(course, {key: until for key, until in read_extensions(course).items() if key[1] != exercise})
    _apply(course, exercise)


def extend(course: Course, exercise: str, student: str, time: datetime | None) -> None:
    """Set until when one student may hand an exercise in; None: as all others. Their late penalty is reckoned anew.

    Raises:
        UserError: There is no such student or exercise, the exercise has no due time, or it is later than this.
    """
    check_exercise(course, exercise)
    check_student(course, student)
    due = due_times(course).get(exercise)
    if time and due is None:
        raise UserError(
            _(
                "{exercise} has no due time, so there is nothing to extend; first: autograder due {exercise} TIME"
            ).format(exercise=exercise)
        )
    if time and due and time <= due:
        raise UserError(
            _(
                "{time:%Y-%m-%d %H:%M} is no extension: {exercise} is due at {due:%Y-%m-%d %H:%M} for all; "
                "give a later time"
            ).format(time=time.astimezone(), exercise=exercise, due=due.astimezone())
        )
    extensions = read_extensions(course)
    extensions.pop((student, exercise), None)
    write_extensions(course, {**extensions, (student, exercise): time} if time else extensions)
    if time is None:
        _end_extension(course, exercise, student)
    _apply(course, exercise)


def check_student(course: Course, student: str) -> None:
    """Raise UserError if nobody in the class has this id."""
    with nbgrader_api(course).gradebook as gradebook:
        known = {row.id for row in gradebook.students}
    known |= {person.id for person in load(course)} | {path.name for path in course.classroom.glob("submitted/*")}
    if student not in known:
        raise UserError(
            _(
                "nobody in the class has the id {student!r}; expected one of {value} or of who has "
                "handed in: autograder roster FILE adds students"
            ).format(student=student, value=course.classroom / "roster.csv")
        )


def _end_extension(course: Course, exercise: str, student: str) -> None:
    from nbgrader.api import MissingEntry

    with nbgrader_api(course).gradebook as gradebook, contextlib.suppress(MissingEntry):  # nothing handed in yet
        gradebook.grant_extension(exercise, student)


def _apply(course: Course, exercise: str) -> None:
    with open_gradebook(course) as gradebook:
        if gradebook.knows(exercise):
            gradebook.apply_due(exercise)


def due_times(course: Course) -> dict[str, datetime]:
    """The exercises that have a due time, and when, in UTC."""
    with nbgrader_api(course).gradebook as gradebook:
        return {
            assignment.name: assignment.duedate.replace(tzinfo=UTC)
            for assignment in gradebook.assignments
            if assignment.duedate is not None
        }


def last_times(course: Course) -> dict[str, datetime]:
    """The exercises that have a due time, and until when anybody may hand them in, extensions included, in UTC."""
    times = due_times(course)
    for (_student, exercise), until in read_extensions(course).items():
        if exercise in times:
            times[exercise] = max(times[exercise], until)
    return times


def late(course: Course, taken: Iterable[Submission]) -> list[tuple[Submission, timedelta]]:
    """The submissions that came after their due time, the student's own if there is one, and by how much."""
    due, extensions = due_times(course), read_extensions(course)
    found = []
    for one in taken:
        if one.time and one.exercise in due:
            until = max(due[one.exercise], extensions.get((one.student, one.exercise), due[one.exercise]))
            if one.time > until:
                found.append((one, one.time - until))
    return found

"""Grade an exercise again after its checks were changed; first show whose points that would change.

The preview grades copies of the submissions by the changed source, in a trial classroom with a gradebook of its own
inside the class's, so it takes the very steps that grading takes and writes nothing of the class's. The trial stays
until its results are applied: what it has graded is not graded again.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from autograder.authoring.release import prepare
from autograder.cells import read_notebook, role
from autograder.course import Course, UserError
from autograder.database import alone
from autograder.execution.shared import SEPARATE
from autograder.gradebook.changed_cells import renamed
from autograder.gradebook.scores import GradedCell, class_scores
from autograder.gradebook.writer import keys_written
from autograder.grading.broken_checks import BrokenCheck, broken_checks
from autograder.grading.grade import grade
from autograder.grading.records import recall, recorded
from autograder.handing_in.submissions import Submission, is_refused, submitted
from autograder.messages import read
from autograder.results import Check, Result
from simpo_language.speech import _


@dataclass(frozen=True)
class Change:
    """One graded cell of one student that has other points by the new source, or those of a person out of others."""

    student: str
    grade_id: str
    before: float | None  # None: the check is new
    after: float | None  # None: the check is gone
    message: str  # what the student would be told, or was told before
    by_hand: bool = False  # a person gave the points, and they stay

    @property
    def gain(self) -> float:
        return 0.0 if self.by_hand else (self.after or 0.0) - (self.before or 0.0)


@dataclass(frozen=True)
class Regrading:
    """What grading an exercise again changes, or has changed."""

    exercise: str
    changes: tuple[Change, ...]
    students: int  # compared: graded before and now
    first_time: int  # submissions that had not been graded before
    faults: tuple[Result, ...]  # submissions that could not be graded this time
    broken: tuple[BrokenCheck, ...] = ()  # those that take somebody's points

    def count(self, sign: int) -> int:
        """How many students' points go up (1) or down (-1); the rest stay."""
        gains: dict[str, float] = {}
        for change in self.changes:
            gains[change.student] = gains.get(change.student, 0.0) + change.gain
        return sum(sign * gain > 1e-9 for gain in gains.values())

    @property
    def refusal(self) -> str:
        """Why the new points should not be written, and what to do; empty if nothing is against it."""
        if not self.broken:
            return ""
        found = "; ".join(check.sentence for check in self.broken)
        return _(
            "nothing was written: {found}. Mend it in solutions/{exercise}.ipynb, prove it with "
            "`autograder benches {exercise}`, and look again with `autograder regrade {exercise}`"
        ).format(found=found, exercise=self.exercise)


def preview(course: Course, exercise: str, jobs: int = 1) -> Regrading:
    """What would change; the class's files and gradebook stay as they are.

    Raises:
        UserError: There is no such exercise, its source can't be released, or nothing was handed in.
    """
    found, trial = _handed_in(course, exercise), _trial(course, exercise)
    written = keys_written(course)
    known = {one: recorded(course, one, written, SEPARATE) for one in found}
    with alone(trial):
        shutil.rmtree(trial.classroom / "submitted", ignore_errors=True)
        for submission in [one for one, record in known.items() if not (record and record.is_current)]:
            _copy(submission, trial)
    prepare(trial, [exercise])
    after = [result for result, _ in grade(trial, jobs=jobs, exercises=[exercise])]
    return _compare(exercise, _known(course, exercise, found), after)


def apply(course: Course, exercise: str, jobs: int = 1) -> Regrading:
    """Grade the exercise again into the gradebook. Points and comments by people stay; what was read stays read.

    Those of a check that was dropped go with it.

    Raises:
        UserError: As `preview`; or a check seems to be broken, and nothing was written.
    """
    if refusal := preview(course, exercise, jobs).refusal:
        raise UserError(refusal)
    found, trial = _handed_in(course, exercise), _trial(course, exercise)
    known = _known(course, exercise, found)
    prepare(course, [exercise], dropping=True)
    after = [result for result, _ in grade(course, jobs=jobs, exercises=[exercise], marked_in=trial)]
    shutil.rmtree(trial.classroom, ignore_errors=True)
    return _compare(exercise, known, after)


def _trial(course: Course, exercise: str) -> Course:
    return replace(course, classroom=course.classroom / ".regrade" / exercise)


def _copy(submission: Submission, trial: Course) -> None:
    copy = trial.notebook("submitted", submission.student, submission.exercise).parent
    try:
        shutil.copytree(submission.folder, copy, symlinks=True)
    except OSError:
        if not is_refused(submission.notebook):
            raise
        shutil.rmtree(copy, ignore_errors=True)  # a pipe, say: no check would be run


def _handed_in(course: Course, exercise: str) -> list[Submission]:
    if exercise not in course.exercises():
        raise UserError(
            _("no exercise is named {exercise}; there are {names}").format(
                exercise=exercise, names=", ".join(course.exercises())
            )
        )
    found = [submission for submission in submitted(course) if submission.exercise == exercise]
    if not found:
        raise UserError(
            _("nobody has handed in {exercise} in {value}").format(
                exercise=exercise, value=course.classroom / "submitted"
            )
        )
    return found


@dataclass(frozen=True)
class _Known:
    """What is known of an exercise's submissions before, its cells by the names that they have now."""

    results: dict[str, Result]  # by student
    by_hand: dict[str, dict[str, GradedCell]]  # by student and cell: what people gave
    points: dict[str, float]  # of each graded cell, by the present source


def _known(course: Course, exercise: str, found: Iterable[Submission]) -> _Known:
    before, after = course.classroom / "source" / exercise / f"{exercise}.ipynb", course.solutions / f"{exercise}.ipynb"
    source = read_notebook(after)
    names = renamed(read_notebook(before), source) if before.is_file() else {}
    records = {submission.student: recall(course, submission) for submission in found}
    scores = class_scores(course).scores
    by_hand = {
        student: {
            names.get(cell.grade_id, cell.grade_id): cell for cell in scores[student, exercise].cells if cell.by_hand
        }
        for student in records
        if (student, exercise) in scores
    }
    return _Known(
        {student: _by_names(record[1], names) for student, record in records.items() if record},
        by_hand,
        {role(cell)["grade_id"]: float(role(cell)["points"]) for cell in source.cells if role(cell).get("grade")},
    )


def _by_names(result: Result, names: Mapping[str, str]) -> Result:
    checks = tuple(replace(check, grade_id=names.get(check.grade_id, check.grade_id)) for check in result.checks)
    return replace(result, checks=checks)


def _compare(exercise: str, known: _Known, after: list[Result]) -> Regrading:
    new = {result.student: result for result in after}
    before = {student for student, result in known.results.items() if result.checks}
    unchanged = before - set(new)  # nothing had changed, so nothing was graded
    graded = {student for student, result in new.items() if result.checks}
    changes: list[Change] = []
    for student, result in sorted(new.items()):
        if student in known.results and result.checks:
            changes += _changes(known, student, result)
    lost = {change.grade_id for change in changes if not change.after}
    return Regrading(
        exercise,
        tuple(changes),
        students=len(unchanged) + len(graded & before),
        first_time=len(graded - set(known.results)),
        faults=tuple(result for result in new.values() if not result.checks),
        broken=tuple(one for one in broken_checks(new[student] for student in sorted(graded)) if one.grade_id in lost),
    )


def _changes(known: _Known, student: str, result: Result) -> Iterator[Change]:
    """The cells of one student that give other points than before, or those of people out of another number."""
    old = {check.grade_id: check for check in known.results[student].checks}
    new = {check.grade_id: check for check in result.checks}
    people = known.by_hand.get(student, {})
    for grade_id in dict.fromkeys([*new, *old, *people]):
        before, after, given = old.get(grade_id), new.get(grade_id), people.get(grade_id)
        points = known.points.get(grade_id)
        if given and points is None:
            yield Change(student, grade_id, given.points, None, "the points that a person gave go with the cell")
        elif given and points != given.max_points:
            words = _("out of {points:g} instead of {max_points:g}: to be looked at again").format(
                points=points, max_points=given.max_points
            )
            yield Change(student, grade_id, given.points, given.points, words, by_hand=True)
        elif (before and before.points) != (after and after.points):
            yield Change(
                student,
                grade_id,
                before.points if before else None,
                after.points if after else None,
                _what_is_said(before, after),
                by_hand=given is not None,
            )


def _what_is_said(before: Check | None, after: Check | None) -> str:
    if after and after.message:
        return _words(after.message)
    return _("was: {words}").format(words=_words(before.message)) if before and before.message else ""


def _words(text: str) -> str:
    """The mistake that a message names or, where it names none, the exception that stopped the check."""
    message = read(text)
    stopped = message.sentence if message.stopped_by else ""
    return message.mistake or stopped or _("another value, which no hint names")

"""Grade an exercise again after its checks were mended; first show whose points that would change.

The preview grades copies of the submissions by the changed source, in a scratch classroom with a gradebook
of its own, so it takes the very steps that grading takes and writes nothing of the class's.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from autograder.authoring.release import prepare
from autograder.course import Course, UserError
from autograder.execution.shared import SEPARATE
from autograder.gradebook.scores import ClassScores, class_scores
from autograder.gradebook.writer import keys_written
from autograder.grading.grade import grade
from autograder.grading.records import recall, recorded
from autograder.handing_in.submissions import Submission, is_refused, submitted
from autograder.messages import UNNAMED, read
from autograder.results import Check, Result


@dataclass(frozen=True)
class Change:
    """One check of one student that has other points by the new source."""

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
    broken: tuple[str, ...] = ()  # checks that seem to be wrong themselves, a sentence each

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
        return (
            f"nothing was written: {'; '.join(self.broken)}. Mend it in solutions/{self.exercise}.ipynb, prove it with "
            f"`autograder benches {self.exercise}`, and look again with `autograder regrade {self.exercise}`"
        )


def preview(course: Course, exercise: str, jobs: int = 1) -> Regrading:
    """What would change; the class's files and gradebook stay as they are.

    Raises:
        UserError: There is no such exercise, its source can't be released, or nothing was handed in.
    """
    found = _handed_in(course, exercise)
    with TemporaryDirectory() as scratch:
        trial = replace(course, classroom=Path(scratch))
        written = keys_written(course)
        known = {one: recorded(course, one, written, SEPARATE) for one in found}
        due = [one for one, record in known.items() if not (record and record.is_current)]
        for submission in due:
            copy = trial.notebook("submitted", submission.student, exercise).parent
            try:
                shutil.copytree(submission.folder, copy, symlinks=True)
            except OSError:
                if not is_refused(submission.notebook):
                    raise
                shutil.rmtree(copy, ignore_errors=True)  # a pipe, say: no check would be run
        prepare(trial, [exercise])
        after = [result for result, _ in grade(trial, jobs=jobs, exercises=[exercise])]
    return _compare(exercise, class_scores(course), _known(course, found), after)


def apply(course: Course, exercise: str, jobs: int = 1) -> Regrading:
    """Grade the exercise again into the gradebook. Points and comments by people stay; what was read stays read.

    Raises:
        UserError: As `preview`; or a check seems to be broken, and nothing was written.
    """
    if refusal := preview(course, exercise, jobs).refusal:
        raise UserError(refusal)
    found = _handed_in(course, exercise)
    scores, known = class_scores(course), _known(course, found)
    prepare(course, [exercise])
    after = [result for result, _ in grade(course, jobs=jobs, exercises=[exercise])]
    return _compare(exercise, scores, known, after)


def _handed_in(course: Course, exercise: str) -> list[Submission]:
    if exercise not in course.exercises():
        raise UserError(f"no exercise is named {exercise}; there are {', '.join(course.exercises())}")
    found = [submission for submission in submitted(course) if submission.exercise == exercise]
    if not found:
        raise UserError(f"nobody has handed in {exercise} in {course.classroom / 'submitted'}")
    return found


def _known(course: Course, found: Iterable[Submission]) -> dict[str, Result]:
    """The recorded results, by student."""
    records = {submission.student: recall(course, submission) for submission in found}
    return {student: record[1] for student, record in records.items() if record}


def _compare(exercise: str, scores: ClassScores, known: dict[str, Result], after: list[Result]) -> Regrading:
    new = {result.student: result for result in after}
    before = {student for student, result in known.items() if result.checks}
    unchanged = before - set(new)  # nothing had changed, so nothing was graded
    graded = {student for student, result in new.items() if result.checks}
    changes: list[Change] = []
    for student, result in sorted(new.items()):
        if student in known and result.checks:
            score = scores.scores.get((student, exercise))
            by_hand = {cell.grade_id for cell in score.cells if cell.by_hand} if score else set()
            changes += _changes(student, known[student], result, by_hand)
    return Regrading(
        exercise,
        tuple(changes),
        students=len(unchanged) + len(graded & before),
        first_time=len(graded - set(known)),
        faults=tuple(result for result in new.values() if not result.checks),
        broken=tuple(_broken(changes, [new[student] for student in sorted(graded)])),
    )


def _broken(changes: list[Change], graded: list[Result]) -> Iterable[str]:
    """The checks that take everybody's points by one and the same exception, which is no check's sentence."""
    found: dict[str, list[Check]] = {}
    for result in graded:
        for check in result.checks:
            found.setdefault(check.grade_id, []).append(check)
    lost = {change.grade_id for change in changes if not change.after}
    for grade_id in (name for name in found if name in lost):
        stopped = [message for check in found[grade_id] if (message := read(check.message)).stopped_by]
        if len({message.stopped_by for message in stopped}) == 1 and not any(c.points for c in found[grade_id]):
            yield f"the check {grade_id} gives nobody a point and stops with {stopped[0].sentence}"


def _words(text: str) -> str:
    """The mistake that a message names or, where it names none, the exception that stopped the check."""
    message = read(text)
    return message.sentence if message.mistake == UNNAMED and message.stopped_by else message.mistake


def _changes(student: str, known: Result, result: Result, by_hand: set[str]) -> Iterable[Change]:
    """The checks of one student that give other points than before."""
    old = {check.grade_id: check for check in known.checks}
    new = {check.grade_id: check for check in result.checks}
    for grade_id in dict.fromkeys([*new, *old]):
        before, after = old.get(grade_id), new.get(grade_id)
        if (before and before.points) == (after and after.points):
            continue
        message = _words(after.message) if after and after.message else ""
        if not message and before and before.message:
            message = f"was: {_words(before.message)}"
        yield Change(
            student,
            grade_id,
            before.points if before else None,
            after.points if after else None,
            message,
            grade_id in by_hand,
        )

"""Where a class stands: what is handed in, graded, out of date, and what waits for a person."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from autograder.course import Course
from autograder.gradebook.marks import Marks, read_marks
from autograder.gradebook.own_table import written_keys
from autograder.gradebook.scores import ClassScores, read_scores
from autograder.gradebook.writer import has_gradebook, open_gradebook
from autograder.grading.records import Record, recorded
from autograder.handing_in.other_files import other_files
from autograder.handing_in.submissions import Submission, submitted
from autograder.results import GRADED, NOT_GRADABLE


@dataclass(frozen=True)
class Standing:
    """How many submissions for an exercise stand where. Of a sum, `exercise` says of what."""

    exercise: str
    handed_in: int = 0
    missing: int = 0  # students of the gradebook who have handed in nothing; 0 if nobody has handed in
    other_files: int = 0  # handed in, but no notebook or none that could be taken
    graded: int = 0  # the current submission, by the current source
    to_grade: int = 0  # never graded yet
    out_of_date: int = 0  # the submission, the source or the grader has changed since, or the gradebook lost it
    not_gradable: int = 0
    stopped: int = 0  # graded, but not to the end: out of time, memory, room for output, or dead
    flagged: int = 0  # with signs of forgery, for a person to look at
    essays: int = 0  # submissions with an essay that waits for a person
    appeals: int = 0  # submissions with a check that a person gave points for, and that comes out otherwise now
    old_feedback: int = 0  # graded, and the page is missing or shows what is no longer so

    @property
    def is_begun(self) -> bool:
        """Whether at least one student has handed in, or has a score."""
        return bool(self.handed_in or self.missing or self.other_files)


def standings(course: Course) -> list[Standing]:
    """Where each exercise stands."""
    scores, marks = ClassScores((), {}, {}), dict[tuple[str, str], Marks]()
    written: dict[tuple[str, str], str] = {}
    if has_gradebook(course):
        with open_gradebook(course) as opened:
            scores = read_scores(opened.gradebook)
            marks = read_marks(opened.gradebook, scores)
            written = written_keys(opened.gradebook)
    by_exercise: dict[str, list[Submission]] = {name: [] for name in course.exercises()}
    for submission in submitted(course):
        by_exercise[submission.exercise].append(submission)
    records = {
        name: {submission.student: recorded(course, submission, written) for submission in found}
        for name, found in by_exercise.items()
    }
    others: dict[str, set[str]] = {name: set() for name in records}
    for student, exercise in other_files(course.classroom):
        others.get(exercise, set()).add(student)
    return [_standing(course, scores, marks, name, found, others[name]) for name, found in records.items()]


def total(lines: list[Standing]) -> Standing:
    """The sum of all exercises."""
    counts = [field.name for field in fields(Standing)[1:]]
    return Standing("in all", **{name: sum(getattr(line, name) for line in lines) for name in counts})


def _standing(
    course: Course,
    scores: ClassScores,
    marks: Mapping[tuple[str, str], Marks],
    exercise: str,
    records: Mapping[str, Record | None],
    others: Collection[str],
) -> Standing:
    from autograder.pages.feedback import is_stale

    current = {student: record.result for student, record in records.items() if record and record.is_current}
    graded = {student: result for student, result in current.items() if result.checks}
    never = sum(record is None for record in records.values())
    is_begun = bool(records or others) or exercise in scores.begun(())  # the gradebook need not know it yet
    return Standing(
        exercise,
        handed_in=len(records),
        missing=sum(is_begun and student.id not in {*records, *others} for student in scores.students),
        other_files=len(others),
        graded=len(graded),
        to_grade=never,
        out_of_date=len(records) - never - len(current),
        not_gradable=sum(result.verdict == NOT_GRADABLE for result in current.values()),
        stopped=sum(result.verdict != GRADED for result in graded.values()),
        flagged=sum(bool(result.flags) for result in graded.values()),
        essays=scores.waiting_for(exercise, essays=True),
        appeals=scores.waiting_for(exercise, essays=False),
        old_feedback=sum(is_stale(course, marks, student, exercise) for student in graded),
    )

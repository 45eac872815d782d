"""Grade a class: each submission once, by nbgrader, into the gradebook.

nbgrader does the grading with the preprocessors that `course.configure` lists. What came of each
submission is kept beside the gradebook in graded/<student>/<exercise>.json, with a key made of all that
the result depends on, so that a second run grades only what has changed.
"""

import functools
import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nbformat.notebooknode import NotebookNode

from autograder.course import Course, UserError
from autograder.execute import READY, key_of, steps_of
from autograder.notebook import CELL_SECONDS, Step, refusal, run_steps
from autograder.repair import NOTES, instructors_notebooks, restore
from autograder.sandbox import NoConfinement
from autograder.session import GRADED as GRADED
from autograder.sources import is_test, read_notebook
from autograder.submissions import Submission, read_submission, submitted
from autograder.workers import run_notebooks

GRADER = "2"  # raise it when the same submission and source may get another result
# GRADED and the verdicts of `session` come with points; the file is NOT_GRADABLE; a GRADER_FAULT is tried again
NOT_GRADABLE, GRADER_FAULT = "not gradable", "grader fault"
RIGHT, WRONG, NOT_ATTEMPTED = "right", "wrong", "not attempted"


@dataclass(frozen=True)
class Check:
    """What came of one graded code cell."""

    grade_id: str
    points: float
    max_points: float
    status: str  # RIGHT, WRONG or NOT_ATTEMPTED
    message: str  # what the student is told; empty if right


@dataclass(frozen=True)
class Result:
    """What came of one submission. Essays are not in it: people grade those in the gradebook."""

    student: str
    exercise: str
    verdict: str  # one of those above
    checks: tuple[Check, ...] = ()
    reason: str = ""  # why it was not graded
    repairs: tuple[str, ...] = ()  # what was not as it was given out, and is again

    @property
    def points(self) -> float:
        return sum(check.points for check in self.checks)

    @property
    def max_points(self) -> float:
        return sum(check.max_points for check in self.checks)


@dataclass(frozen=True)
class Record:
    """What was kept of a submission's grading."""

    result: Result
    is_current: bool  # neither the submission nor the source nor the grader has changed since


def grade(
    course: Course,
    *,
    force: bool = False,
    jobs: int = 1,
    cell_seconds: float = CELL_SECONDS,
    exercises: Sequence[str] = (),
) -> Iterator[tuple[Result, bool]]:
    """Grade every submission in the classroom; yield each result, and whether it is new.

    Workers run the notebooks; this process alone writes. What was graded before comes first.
    A submission that can't be graded gets a verdict and stops nobody else's.

    jobs: how many workers. cell_seconds: wall time that one cell may take. exercises: all if empty.

    Raises:
        UserError: Students' code can't be confined here.
    """
    due = []
    for submission in submitted(course):
        if exercises and submission.exercise not in exercises:
            continue
        known = None if force else recorded(course, submission)
        if known and known.is_current:
            yield known.result, False
        else:
            due.append(submission)
    if due:
        api = course.api()
        run = functools.partial(run_steps, seconds=cell_seconds)
        refused: list[tuple[Submission, Result]] = []
        done = run_notebooks(_tasks(course, due, refused), min(jobs, len(due)), run)
        for submission, result in _all_results(course, api, done, refused):
            if result.verdict != GRADER_FAULT:
                _remember(_record(course, submission), _key(course, submission), result)
            yield result, True


def _all_results(
    course: Course, api: Any, done: Iterator[Any], refused: list[tuple[Submission, Result]]
) -> Iterator[tuple[Submission, Result]]:
    """The result of each submission, as they are done."""
    for (submission, key), executed in done:
        if executed.fault.startswith(NoConfinement.__name__):
            raise UserError(refusal(executed.fault))
        if executed.fault:
            yield submission, Result(submission.student, submission.exercise, GRADER_FAULT, reason=executed.fault)
        else:
            READY[key] = executed
            yield submission, _grade_one(course, api, submission)
        while refused:
            yield refused.pop()
    yield from refused


def _tasks(
    course: Course, due: list[Submission], refused: list[tuple[Submission, Result]]
) -> Iterator[tuple[tuple[Submission, str], list[Step], list[Path]]]:
    """What the workers are to run; submissions that are not gradable are put on the list `refused`."""
    for submission in due:
        student, exercise = submission.student, submission.exercise
        try:
            repaired, _ = restore(read_submission(submission.path), *instructors_notebooks(course.classroom, exercise))
        except ValueError as error:
            refused.append((submission, Result(student, exercise, NOT_GRADABLE, reason=str(error))))
            continue
        steps = steps_of(repaired)
        yield (submission, key_of(steps)), steps, [submission.path.parent, course.classroom / "source" / exercise]


def results(course: Course) -> list[Result]:
    """The results of every submission graded so far, as they were recorded."""
    found = []
    for submission in submitted(course):
        result = _recall(_record(course, submission), None)
        if result is not None:
            found.append(result)
    return found


def recorded(course: Course, submission: Submission) -> Record | None:
    """What is known of a submission, and whether it would be graded again now; None: it never was."""
    path = _record(course, submission)
    result = _recall(path, None)
    if result is None:
        return None
    page = course.notebook("autograded", submission.student, submission.exercise)
    is_whole = result.verdict == NOT_GRADABLE or page.is_file()
    return Record(result, is_whole and _recall(path, _key(course, submission)) is not None)


def _grade_one(course: Course, api: Any, submission: Submission) -> Result:
    student, exercise = submission.student, submission.exercise
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy 2.1 warns of how nbgrader 0.9.6 adds rows; they are added
        outcome = api.autograde(exercise, student, force=True, create=True)
    log = course.classroom / "graded" / student / f"{exercise}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(str(outcome.get("log", "")) + str(outcome.get("error", "")), encoding="utf-8")
    if not outcome["success"]:
        return Result(student, exercise, GRADER_FAULT, reason=f"nbgrader stopped; its words are in {log}")
    graded = read_notebook(course.notebook("autograded", student, exercise))
    notes = graded.metadata.get(NOTES, {})
    checks, repairs = notebook_checks(graded), tuple(notes.get("repairs", ()))
    return Result(student, exercise, notes.get("verdict", GRADED), checks, repairs=repairs)


def notebook_checks(autograded: NotebookNode) -> tuple[Check, ...]:
    """What came of each graded code cell of an autograded notebook, by nbgrader's own rules."""
    from nbgrader.utils import determine_grade

    checks = []
    for cell in filter(is_test, autograded.cells):
        points, max_points = determine_grade(cell)
        status, message = _read_outputs(cell.outputs)
        if points == max_points:
            status, message = RIGHT, ""
        checks.append(Check(cell.metadata.nbgrader.grade_id, float(points or 0), float(max_points), status, message))
    return tuple(checks)


def _read_outputs(outputs: list[Any]) -> tuple[str, str]:
    for output in outputs:
        if output.output_type == "error" and output.ename in ("CheckFailed", "NotAttempted"):
            return (NOT_ATTEMPTED if output.ename == "NotAttempted" else WRONG), output.evalue
        if output.output_type == "error":
            return WRONG, f"{output.ename}: {output.evalue}"
        if output.output_type == "stream" and output.name == "stderr":
            return WRONG, f"The cell wrote to stderr: {output.text.strip()[:200]}"
    return WRONG, ""


def _record(course: Course, submission: Submission) -> Path:
    return course.classroom / "graded" / submission.student / f"{submission.exercise}.json"


def _key(course: Course, submission: Submission) -> str:
    source = course.solutions / f"{submission.exercise}.ipynb"
    parts = (submission.path.read_bytes(), source.read_bytes(), GRADER.encode())
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _recall(record: Path, key: str | None) -> Result | None:
    """The recorded result, if there is one and it was made under this key (None: any key)."""
    try:
        stored = json.loads(record.read_text(encoding="utf-8"))
        if key is not None and stored["key"] != key:
            return None
        result = stored["result"]
        checks = tuple(Check(**check) for check in result["checks"])
        return Result(**{**result, "checks": checks, "repairs": tuple(result["repairs"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(record: Path, key: str, result: Result) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    partial = record.with_suffix(".part")
    partial.write_text(json.dumps({"key": key, "result": asdict(result)}, indent=1, ensure_ascii=False), "utf-8")
    os.replace(partial, record)

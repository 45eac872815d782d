"""Grade any nbgrader course: source/<assignment>/<notebook>.ipynb, submitted/<student>/<assignment>/, gradebook.db.

An assignment may have several notebooks and files beside them. The course's own nbgrader_config.py holds;
nbgrader does the grading, with this grader's repairs and execution (`nbgrader_setup.configure_grading`).
"""

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat

from autograder.authoring.other_course import Assigned, assigned, release_missing
from autograder.authoring.release import why_not
from autograder.cells import read_notebook
from autograder.course import Course, UserError
from autograder.documents.reading import read_content
from autograder.execution.data_files import digest_of
from autograder.execution.run import CELL_SECONDS, Executed, Step, refusal
from autograder.execution.shared import RUNNERS, SHARED
from autograder.files import no_room, write_whole
from autograder.gradebook.outcomes import notebook_checks
from autograder.grading.execute import READY, steps_of
from autograder.grading.execute import key_of as key_of_steps
from autograder.grading.marking import REASON
from autograder.grading.records import grader, log_path, recall, remember
from autograder.grading.repair import NOTES, restore
from autograder.grading.workers import Unanswered, run_tasks
from autograder.handing_in.lms_files import TIMESTAMP
from autograder.handing_in.people import ID_RULE, STUDENT
from autograder.handing_in.submissions import Submission, read_submission, set_unreadable_aside
from autograder.nbgrader_patches import ignore_by_name
from autograder.nbgrader_setup import nbgrader_api
from autograder.results import GRADED, GRADER_FAULT, NOT_ATTEMPTED, NOT_CONFINED, NOT_GRADABLE, Check, Result
from autograder.student_data.time_limit import TimeUp, limited
from autograder.student_data.visible import visible
from simpo_language.speech import Said, _, said, said_again

ISOLATION = SHARED  # tests of other courses need the student's own process
READ_SECONDS, WRITE_SECONDS = 60, 120  # for what is done here with a submission, before it runs and after
NOT_HANDED_IN = "This notebook was not handed in."


@dataclass(frozen=True)
class Execution:
    """A notebook that a worker is to run."""

    steps: list[Step]
    beside: tuple[Path, ...]  # folders whose files are there; the last one's prevail
    isolation: str
    cell_seconds: float


@dataclass
class Unfinished:
    """A submission that is to be graded, its notebooks that have yet to run, and what came of the others."""

    submission: Submission
    key: str
    waiting: int
    executed: dict[str, Executed] = field(default_factory=dict)
    fault: str = ""
    refused: bool = False  # the fault is the submission's own


def submissions(course: Course) -> list[Submission]:
    """Every submission."""
    found = []
    for exercise in course.exercises():
        folders = sorted(course.classroom.glob(f"submitted/*/{exercise}"))
        found += [Submission(path.parent.name, exercise, path) for path in folders if path.is_dir()]
    return found


def prepare(course: Course) -> list[str]:
    """Have nbgrader release what has submissions and isn't in the gradebook. Returns what was done or is odd.

    Raises:
        UserError: nbgrader can't release an assignment, or it can't be graded here.
    """
    return release_missing(course, sorted({submission.exercise for submission in submissions(course)}))


def grade(
    course: Course,
    *,
    force: bool = False,
    jobs: int = 1,
    isolation: str = ISOLATION,
    scheduler: str = "",
    cell_seconds: float = CELL_SECONDS,
) -> Iterator[tuple[Result, bool]]:
    """Grade every submission; yield each result, and whether it is new. As `engines.Engine` says."""
    if scheduler:
        raise UserError(
            _("{root} is another nbgrader course: --scheduler is for this project's course alone").format(
                root=course.root
            )
        )
    api = nbgrader_api(course)
    ignore_by_name()
    api.config.WarmExecute.isolation = isolation
    given = {exercise: assigned(api, course, exercise) for exercise in {one.exercise for one in submissions(course)}}
    tasks: list[tuple[Unfinished, Execution]] = []
    for submission in submissions(course):
        source = course.classroom / "source" / submission.exercise
        key, known = "", None
        try:
            with limited(READ_SECONDS):
                set_unreadable_aside(submission.folder / TIMESTAMP)  # before the key, which it changes
                key = _key(course, submission, given[submission.exercise], isolation)
                known = None if force else _current(course, submission, key)
                steps = [] if known else list(_steps(submission, source, given[submission.exercise]))
        except (Exception, TimeUp) as error:  # whatever it is, what was handed in is the cause
            yield _refused(course, submission, key, error), True
            continue
        if known:
            yield known, False
            continue
        due = Unfinished(submission, key, len(steps))
        tasks += [(due, Execution(one, (submission.folder, source), isolation, cell_seconds)) for one in steps]
    for due in _executed(tasks, jobs):
        yield _finished(course, api, due, given[due.submission.exercise]), True


def _refused(course: Course, submission: Submission, key: str, error: BaseException) -> Result:
    """What to say of a submission that can't be read. key: if it has one."""
    words = (
        str(error)
        if isinstance(error, ValueError)
        else _("it can't be read ({name})").format(name=type(error).__name__)
    )
    result = Result(submission.student, submission.exercise, NOT_GRADABLE, reason=words)
    if key:
        remember(course, submission, key, result)
    return result


def _finished(course: Course, api: Any, due: Unfinished, given: dict[str, Assigned]) -> Result:
    """Grade a submission whose notebooks have run, and keep what came of it."""
    try:
        result = _result(course, api, due, given)
    except Exception as error:  # of this submission; the next one may be in order
        if no_room(error):
            raise
        words = f"{type(error).__name__}: {error}"[:REASON]
        result = Result(due.submission.student, due.submission.exercise, GRADER_FAULT, reason=words)
    if result.verdict != GRADER_FAULT:
        remember(course, due.submission, due.key, result)
    return result


def _executed(tasks: list[tuple[Unfinished, Execution]], jobs: int) -> Iterator[Unfinished]:
    """Submissions, each when all its notebooks have run."""
    keyed = (((due, key_of_steps(task.steps)), task) for due, task in tasks)
    for (due, key), executed in run_tasks(keyed, min(jobs, len(tasks)), run, hurry=len(tasks) <= jobs) if tasks else ():
        if isinstance(executed, Unanswered):
            due.refused |= executed is Unanswered.LATE
            due.fault = due.fault or executed.value
        elif executed.verdict == NOT_CONFINED:
            raise UserError(refusal(executed.fault))
        elif executed.fault:
            due.fault = due.fault or executed.fault
        else:
            due.executed[key] = executed
        due.waiting -= 1
        if due.waiting == 0:
            yield due


def _current(course: Course, submission: Submission, key: str) -> Result | None:
    """The result that a submission has, if it is still so."""
    known = recall(course, submission)
    folder = course.classroom / "autograded" / submission.student / submission.exercise
    if known and known[0] == key and (known[1].verdict == NOT_GRADABLE or folder.is_dir()):
        return known[1]
    return None


def run(task: Execution) -> Executed:
    """What a worker does."""
    return RUNNERS[task.isolation](task.steps, task.beside, task.cell_seconds)


def _refuse_clashes(folder: Path, source: Path) -> None:
    """Raise ValueError if nbgrader could not put the assignment's files beside a submission's."""
    for path in _files(source):
        within = path.relative_to(source)
        if (folder / within).is_dir():
            raise ValueError(
                _("{within} is a folder, and a file of the assignment has that name").format(within=within)
            )
        for parent in within.parents[:-1]:
            if (folder / parent).is_file():
                raise ValueError(
                    _("{parent} is a file, and a folder of the assignment has that name").format(parent=parent)
                )


def _steps(submission: Submission, source: Path, given: dict[str, Assigned]) -> Iterator[list[Step]]:
    """What the workers are to run. Raises ValueError, with a sentence, if the submission can't be graded.

    source: the folder of the assignment.
    """
    if not STUDENT.fullmatch(submission.student):
        raise ValueError(_("the student's id {id_rule}").format(id_rule=_(ID_RULE)))
    handed_in = {name: path for name in given if (path := submission.folder / f"{name}.ipynb").exists()}
    if not handed_in:
        expected = " or ".join(f"{name}.ipynb" for name in sorted(given))
        raise ValueError(_("it holds no notebook of the assignment; expected {expected}").format(expected=expected))
    _refuse_clashes(submission.folder, source)
    for name, path in handed_in.items():
        try:
            notebook = read_content(read_submission(path)).notebook
            yield steps_of(restore(notebook, given[name].source, given[name].released)[0])
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from None


def _result(course: Course, api: Any, one: Unfinished, given: dict[str, Assigned]) -> Result:
    """Grade a submission whose notebooks have run, and gather what came of them."""
    student, exercise = one.submission.student, one.submission.exercise
    result = Result(student, exercise, GRADED)
    if one.fault:
        return replace(result, verdict=NOT_GRADABLE if one.refused else GRADER_FAULT, reason=one.fault)
    READY.clear()  # two students may have handed in the same, beside different files
    READY.update(one.executed)
    outcome: dict[str, Any] = {}
    with warnings.catch_warnings(), suppress(TimeUp), limited(WRITE_SECONDS) as limit:
        warnings.simplefilter("ignore")  # SQLAlchemy 2.1 warns of how nbgrader 0.9.6 adds rows; they are added
        outcome = api.autograde(exercise, student, force=True, create=True)
    if limit.is_over:
        words = _("nbgrader took more than {write_seconds} seconds to write it down, and was stopped").format(
            write_seconds=WRITE_SECONDS
        )
        return replace(result, verdict=NOT_GRADABLE, reason=words)
    log = log_path(course, one.submission)
    write_whole(log, visible(str(outcome.get("log", "")) + str(outcome.get("error", ""))))
    if not outcome["success"]:
        why_not(outcome)  # Ctrl-C is no fault
        return replace(
            result, verdict=GRADER_FAULT, reason=_("nbgrader stopped; its words are in {log}").format(log=log)
        )
    for name in sorted(given):
        path = course.classroom / "autograded" / student / exercise / f"{name}.ipynb"
        before = f"{name}: " if len(given) > 1 else ""
        if not path.is_file():
            missing = (replace(check, grade_id=before + check.grade_id) for check in _not_handed_in(given[name]))
            result = replace(
                result, checks=(*result.checks, *missing), reason=_("{name}.ipynb was not handed in").format(name=name)
            )
            continue
        graded = read_notebook(path)
        notes = graded.metadata.get(NOTES, {})
        result = replace(
            result,
            verdict=notes.get("verdict", GRADED) if result.verdict == GRADED else result.verdict,
            checks=result.checks + tuple(replace(c, grade_id=before + c.grade_id) for c in notebook_checks(graded)),
            repairs=result.repairs + tuple(_of(before, words) for words in notes.get("repairs", ())),
            flags=result.flags + tuple(before + words for words in notes.get("flags", ())),
        )
    return result


def _of(before: str, stored: Any) -> str | Said:
    """A sentence about one of several notebooks. before: which one's it is."""
    sentence = said_again(stored)
    return said("{notebook}{sentence}", notebook=before, sentence=sentence) if before else sentence


def _not_handed_in(given: Assigned) -> Iterator[Check]:
    checks = notebook_checks(given.source)
    yield from (replace(check, points=0.0, status=NOT_ATTEMPTED, message=NOT_HANDED_IN) for check in checks)


def _files(folder: Path) -> list[Path]:
    """What lies beside the notebooks of a folder."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".ipynb"]


def _key(course: Course, submission: Submission, given: dict[str, Assigned], isolation: str) -> str:
    """The same if what the result depends on is the same."""
    digest = hashlib.sha256(f"{grader()} {isolation}".encode())
    handed_in = [path for path in sorted(submission.folder.rglob("*")) if path.is_file()]
    for path in [*handed_in, *_files(course.classroom / "source" / submission.exercise)]:
        digest.update(hashlib.sha256(os.fsencode(path.name)).digest() + digest_of(path))
    for name in sorted(given):
        text = nbformat.writes(given[name].source, version=nbformat.NO_CONVERT)
        digest.update(hashlib.sha256(name.encode() + text.encode()).digest())
    return digest.hexdigest()

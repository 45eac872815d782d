"""Grade a class: each submission once, into the gradebook.

Workers mark the submissions (see `marking`); this process alone writes. The record of a submission is written
last: without it the submission is not done, and the next run grades it.
"""

import functools
import os
import re
import shutil
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from autograder.authoring.release import prepare as prepare_release
from autograder.course import Course, UserError
from autograder.database import alone
from autograder.execution.data_files import BESIDE_BYTES, files_beside, put, shadows
from autograder.execution.run import refusal
from autograder.execution.shared import SEPARATE
from autograder.files import no_room, write_whole
from autograder.gradebook.writer import NotInGradebook, Writer, keys_written, open_gradebook
from autograder.grading.cluster import mark_on_cluster
from autograder.grading.marking import CELL_SECONDS, Task, mark, marked_before, without_points
from autograder.grading.records import Record, key_of, log_path, recall, recorded, remember
from autograder.grading.repair import given_out, instructors_files
from autograder.grading.workers import Unanswered, run_tasks
from autograder.handing_in.submissions import Submission, content_of, read_submission, submitted
from autograder.results import GRADER_FAULT, NOT_CONFINED, NOT_GRADABLE, Marked, Result
from autograder.student_data.visible import visible
from simpo_language.speech import Said, _, sentence_of

PARTIAL = re.compile(r"\..*\.part")  # what `write_whole` calls a file that is not yet whole


@dataclass(frozen=True)
class Keyed:
    """A submission on its way, and the key under which its result will be kept."""

    submission: Submission
    key: str


ISOLATION = SEPARATE


def prepare(course: Course) -> list[str]:
    """Release what has changed in solutions/ since. Nothing about it is odd."""
    prepare_release(course)
    return []


def submissions(course: Course) -> list[Submission]:
    """Every submission."""
    return submitted(course)


def grade(
    course: Course,
    *,
    force: bool = False,
    jobs: int = 1,
    cell_seconds: float = CELL_SECONDS,
    exercises: Sequence[str] = (),
    isolation: str = ISOLATION,
    scheduler: str = "",
    marked_in: Course | None = None,
) -> Iterator[tuple[Result, bool]]:
    """Grade every submission in the classroom; yield each result, and whether it is new.

    Workers mark the submissions; this process alone writes. What was graded before comes first.
    A submission that can't be graded gets a verdict and stops nobody else's.

    jobs: how many workers. cell_seconds: that one cell may take, of its own time. exercises: all if empty.
    isolation: where checks run (see `shared`).
    scheduler: address of a Dask scheduler, whose workers mark the submissions instead.
    marked_in: a classroom in which some of the submissions, as they are, have been marked: that is taken over.

    Raises:
        UserError: Students' code can't be confined here.
    """
    written = keys_written(course)
    due, lost = [], []
    for submission in submitted(course):
        if exercises and submission.exercise not in exercises:
            continue
        known = None if force else recorded(course, submission, written, isolation)
        if known and known.is_current:
            yield known.result, False
        elif known and known.is_same:
            lost.append((submission, known))
        else:
            due.append(submission)
    for submission, known in lost:
        if _write_again(course, submission, known):
            yield known.result, True
        else:
            due.append(submission)
    # the key before the task: a file that is written over in between is graded once more, and not forgotten
    keyed = [Keyed(one, key_of(course, one, content_of(one.notebook), isolation)) for one in due]
    ready = {one: None for one in keyed if marked_in and _is_marked(marked_in, one)}  # in order
    rest = [one for one in keyed if one not in ready]
    done: list[Iterator[tuple[Keyed, Marked | Unanswered]]] = [_taken_over(marked_in, ready)] if marked_in else []
    if rest:
        tasks = (
            (one, replace(_task(course, one.submission), cell_seconds=cell_seconds, isolation=isolation))
            for one in rest
        )
        jobs = min(jobs, len(rest))
        done += [
            mark_on_cluster(tasks, scheduler) if scheduler else run_tasks(tasks, jobs, mark, hurry=len(rest) <= jobs)
        ]
    if due:
        yield from ((result, True) for result in _kept(course, chain.from_iterable(done)))


def _kept(course: Course, done: Iterable[tuple[Keyed, Marked | Unanswered]]) -> Iterator[Result]:
    """The result of each submission, as they are done and kept."""
    with open_gradebook(course) as gradebook:
        for one, marked in done:
            if isinstance(marked, Unanswered):
                verdict = NOT_GRADABLE if marked is Unanswered.LATE else GRADER_FAULT
                marked = without_points(Result(one.submission.student, one.submission.exercise, verdict), marked.value)
            if marked.result.verdict == NOT_CONFINED:
                raise UserError(refusal(str(marked.result.reason)))
            with alone(course):  # another run may be grading this class
                result = _keep(course, gradebook, one, marked)
            yield result


def _is_marked(there: Course, one: Keyed) -> bool:
    """Whether another classroom has a result of this very submission, by this very source."""
    known = recall(there, one.submission)
    page = there.notebook("autograded", one.submission.student, one.submission.exercise)
    return known is not None and known[0] == one.key and (known[1].verdict == NOT_GRADABLE or page.is_file())


def _taken_over(there: Course, ready: Iterable[Keyed]) -> Iterator[tuple[Keyed, Marked]]:
    """What came of submissions in another classroom."""
    for one in ready:
        submission = one.submission
        if known := recall(there, submission):
            log = log_path(there, submission).read_text(encoding="utf-8")
            page = there.notebook("autograded", submission.student, submission.exercise)
            refused = known[1].verdict == NOT_GRADABLE
            marked = Marked(known[1]) if refused else marked_before(known[1], page.read_text(encoding="utf-8"))
            yield one, replace(marked, log=log)


def _write_again(course: Course, submission: Submission, known: Record) -> bool:
    """Write what the gradebook has lost, out of the autograded notebook; whether that was possible."""
    page = course.notebook("autograded", submission.student, submission.exercise)
    try:
        marked = marked_before(known.result, page.read_text(encoding="utf-8"))
        with alone(course), open_gradebook(course) as gradebook:
            gradebook.write(marked, _handed_in(gradebook, submission), known.key)
    except (ValueError, NotInGradebook):
        return False
    return True


def _handed_in(gradebook: Writer, submission: Submission) -> Any:
    return gradebook.folders.get_existing_timestamp(str(submission.folder))


def _task(course: Course, submission: Submission) -> Task:
    """What a worker needs to mark a submission."""
    theirs, ours = submission.folder, course.classroom / "source" / submission.exercise
    given = {str(path.relative_to(ours)): path.read_bytes() for path in files_beside(ours)}
    content = b""
    refused: str | Said = ""
    beside: dict[str, bytes] = {}
    aside: list[str] = []
    try:
        content = read_submission(submission.notebook)
        aside = shadows(submission.folder)
        beside = {str(path.relative_to(theirs)): path.read_bytes() for path in files_beside(theirs)}
    except ValueError as error:
        refused = sentence_of(error)
    except (OSError, RecursionError) as error:
        refused = _("it, or what lies beside it, can't be read ({name}); when it can, grade with --force").format(
            name=type(error).__name__
        )
    source, released = instructors_files(course.classroom, submission.exercise)
    return Task(
        submission.student,
        submission.exercise,
        content,
        source,
        released,
        beside=tuple((given | {name: content for name, content in beside.items() if name not in given}).items()),
        aside=tuple(aside),
        refused=refused,
        given_out=given_out(course.outline, submission.exercise),
    )


def _keep(course: Course, gradebook: Writer, one: Keyed, marked: Marked) -> Result:
    """Write what came of a submission: gradebook, autograded/, log and, last, the record."""
    submission, said = one.submission, ""
    if marked.notebook:
        try:
            said = gradebook.write(marked, _handed_in(gradebook, submission), one.key)
            _publish(course, gradebook, submission, marked.notebook)
        except UserError:
            raise
        except Exception as error:  # of this submission's rows; the next one's may be in order
            if no_room(error):
                raise
            words = f"{type(error).__name__}: {error}"
            marked = without_points(replace(marked.result, verdict=GRADER_FAULT), words, traceback.format_exc())
    log = log_path(course, submission)
    write_whole(log, visible(marked.log + said))
    if marked.result.verdict != GRADER_FAULT:
        remember(course, submission, one.key, marked.result)
    return marked.result


def _copy_to_read(source: Path, target: Path) -> None:
    shutil.copy(source, target)
    target.chmod(0o444)


def _publish(course: Course, gradebook: Writer, submission: Submission, text: str) -> None:
    """Put the autograded notebook where nbgrader puts it, with what lay beside it; the notebook last."""
    from nbgrader.utils import ignore_patterns, rmtree

    page = course.notebook("autograded", submission.student, submission.exercise)
    if page.parent.exists():
        rmtree(str(page.parent))
    page.parent.mkdir(parents=True)
    ignored = ignore_patterns([*gradebook.folders.ignore, "*.ipynb"])
    for folder in (course.classroom / "source" / submission.exercise, submission.folder):
        for place, folders, files in os.walk(folder):
            left_out = set(ignored(place, [*folders, *files]))
            folders[:] = [name for name in folders if name not in left_out]
            for name in set(files) - left_out:
                path = Path(place, name)
                within = path.relative_to(folder)
                if path.stat().st_size <= BESIDE_BYTES and not PARTIAL.fullmatch(within.parts[0]):
                    put(page.parent / within, functools.partial(_copy_to_read, path))
    write_whole(page, text, mode=0o444)

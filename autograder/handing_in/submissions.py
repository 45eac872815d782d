"""The classroom's submitted/ folder: filled from what an instructor downloads, and read for grading.

What can't be placed is listed and left; the rest is taken. Whose a file is, `downloads` and `people` say.
"""

import contextlib
import itertools
import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from autograder.cells import write_notebook
from autograder.course import Course
from autograder.documents.reading import read_content
from autograder.files import write_whole
from autograder.handing_in.archives import NOTEBOOK_BYTES, STUDENT_BYTES, File, Left, gather
from autograder.handing_in.downloads import NO_WORKSHEET, Found, check_readable, identify, whose
from autograder.handing_in.lms_files import TIMESTAMP, read_timestamp, write_timestamp
from autograder.handing_in.other_files import OtherFile, keep_other_files
from autograder.handing_in.people import People
from autograder.handing_in.received import keep_received
from autograder.handing_in.roster import load
from autograder.handing_in.unplaced import keep_unplaced
from simpo_language.speech import _

BESIDE = 10_000  # files and folders beside a notebook; of more not even the names are looked at
UPLOADS = "uploads.json"  # in the classroom: Canvas gives no times, but the numbers of its uploads rise


@dataclass(frozen=True)
class Submission:
    """One student's work for one exercise, in the classroom."""

    student: str
    exercise: str
    folder: Path
    time: datetime | None = None  # when it was handed in, in UTC, and who says so
    time_from: str = ""
    marked_late: bool = False  # by Canvas, which gives no time

    @property
    def notebook(self) -> Path:
        """The exercise's own. (In other courses an assignment may have several, of any name.)"""
        return self.folder / f"{self.exercise}.ipynb"


def collect(course: Course, downloads: Path) -> tuple[list[Submission], list[Left]]:
    """Copy the submissions found in `downloads` to the classroom; return what was taken and what was left.

    Nothing in `downloads` is changed. A file that is already in the classroom with the same bytes stays.

    Raises:
        UserError: `downloads` is neither a folder nor a zip file, or it or the roster can't be read.
    """
    with TemporaryDirectory() as scratch:
        people = People(load(course))
        files, left = gather(downloads, Path(scratch))
        found, unknown = identify(course, people, files)
        placed, unplaced = _place(found)
        owned = _keep_others(course, people, files, left + unknown, placed)
        nobodys = [one for one in left + unknown + unplaced if one.name not in owned and one.reason != NO_WORKSHEET]
        keep_unplaced(course.classroom, downloads, nobodys)
        taken, uploads, named = [], _read_uploads(course), dict[tuple[str, str], str]()
        left += unknown + unplaced
        for (student, exercise), candidates in placed.items():
            best = max(candidates, key=_rank) if len(candidates) > 1 else candidates[0]
            for other in (other for other in candidates if other is not best):
                left.append(Left(str(other.file.name), _why_not(other, best)))
            submission = _submission(course, student, exercise, best)
            if reason := _better_there(submission, best, uploads.get(f"{student}/{exercise}", 0)):
                left.append(Left(str(best.file.name), reason))
            else:
                _copy(best.file.path, submission)
                taken.append(submission)
                named |= {(student, exercise): best.origin.named} if best.origin.named else {}
                uploads |= {f"{student}/{exercise}": best.origin.upload} if best.origin.upload else {}
        if uploads != _read_uploads(course):
            write_whole(course.classroom / UPLOADS, json.dumps(uploads, indent=1, ensure_ascii=False) + "\n")
        keep_received(course.classroom, named)
    return taken, left


def submitted(course: Course) -> list[Submission]:
    """Every submission in the classroom, in order of exercise and student."""
    found = []
    for exercise in course.exercises():
        for path in sorted(course.classroom.glob(f"submitted/*/{exercise}/{exercise}.ipynb")):
            found.append(Submission(path.parent.parent.name, exercise, path.parent))
    return found


def read_submission(path: Path) -> bytes:
    """What a submission in the classroom holds. Raises ValueError, with a sentence, if it can't be graded.

    A timestamp that can't be read is set aside, because nbgrader would stop there.
    """
    for number, beside in enumerate(itertools.chain([path.parent], path.parent.rglob("*"))):
        if number > BESIDE:
            raise ValueError(_("more than {beside:,} files and folders lie beside it").format(beside=BESIDE))
        name = beside.name.encode("utf-8", "replace").decode()  # what is no UTF-8 can't be written down
        if beside.is_symlink():
            raise ValueError(_("{name} is a link; only files are taken").format(name=name))
        if not (beside.is_file() or beside.is_dir()):
            raise ValueError(_("{name} is neither a file nor a folder").format(name=name))
    if not path.is_file():
        raise ValueError(_("{name} is a folder; expected a notebook").format(name=path.name))
    if path.stat().st_size > STUDENT_BYTES:
        raise ValueError(
            _("it has {st_size:,} bytes; expected at most {student_bytes:,}").format(
                st_size=path.stat().st_size, student_bytes=STUDENT_BYTES
            )
        )
    set_unreadable_aside(path.with_name(TIMESTAMP))
    return _handy(path)


def set_unreadable_aside(timestamp: Path) -> None:
    """Let a time of submission that can't be read stand for none."""
    try:
        if timestamp.exists():
            read_timestamp(timestamp)
    except ValueError:
        free = (timestamp.with_suffix(f".unreadable{number or ''}") for number in itertools.count())
        os.replace(timestamp, next(path for path in free if not path.exists()))


def _handy(path: Path) -> bytes:
    """What a notebook's file holds; without its outputs if it is large. Raises ValueError if it can't be read then."""
    content = path.read_bytes()
    if len(content) <= NOTEBOOK_BYTES:
        return content
    lean = write_notebook(read_content(content).notebook).encode()
    if len(lean) > NOTEBOOK_BYTES:
        raise ValueError(
            _("it has {count:,} bytes without its outputs; expected at most {notebook_bytes:,}").format(
                count=len(lean), notebook_bytes=NOTEBOOK_BYTES
            )
        )
    return lean


def is_refused(path: Path) -> bool:
    """Whether a submission can't be graded, whatever is in its notebook."""
    try:
        read_submission(path)
    except ValueError:
        return True
    return False


def content_of(path: Path) -> bytes:
    """What the notebook of a submission holds; nothing if it is no file that can be graded."""
    try:
        is_taken = path.is_file() and not path.is_symlink() and path.stat().st_size <= STUDENT_BYTES
        return path.read_bytes() if is_taken else b""
    except OSError:
        return b""


def _place(found: Iterable[Found]) -> tuple[dict[tuple[str, str], list[Found]], list[Left]]:
    """The notebooks by student and exercise, and those that may be of two students of one name."""
    placed: dict[tuple[str, str], list[Found]] = defaultdict(list)
    left = []
    for one in found:
        placed[one.student, one.exercise].append(one)
    for key, candidates in list(placed.items()):
        senders = [one.origin.sender for one in candidates]
        if len({sender.ticket for sender in senders if not (sender.id or sender.email or sender.is_anonymous)}) > 1:
            reason = _("unknown student: several are called {name}; put Moodle's grading worksheet beside it").format(
                name=senders[0].name
            )
            left += [Left(str(one.file.name), reason) for one in placed.pop(key)]
    return placed, left


def _keep_others(
    course: Course, people: People, files: Sequence[File], left: Sequence[Left], placed: Collection[tuple[str, str]]
) -> set[str]:
    """Keep whose the files are that can't be taken; return the names of these.

    placed: the notebooks of the same download.

    A file whose name says no exercise is for that of the notebooks which came with it, if they are all for one.
    """
    exercises = {exercise for _, exercise in placed}
    only = exercises.pop() if len(exercises) == 1 else ""
    found, owned = [], set()
    for one, origin, exercise in whose(course, files, left) if left else ():
        with contextlib.suppress(ValueError):  # nobody's
            student = people.find(origin.sender)
            found.append(OtherFile(student, exercise or only, PurePosixPath(one.name).name, one.reason))
            owned.add(one.name)
    keep_other_files(course.classroom, found, placed)
    return owned


def _rank(found: Found) -> tuple[bool, float, int, bool, int]:
    """Of several notebooks for one exercise the highest is taken: one that can be graded, the last by the LMS, or else
    the one named right, and of those the one in the fewest folders and archives."""
    time, depth = found.origin.time, len(found.file.name.parts)
    return not found.damage, time.timestamp() if time else 0.0, found.origin.upload, found.named_right, -depth


def _why_not(other: Found, best: Found) -> str:
    if other.damage and not best.damage:
        return other.damage
    later = _rank(other)[:3] < _rank(best)[:3]
    how = _("handed in later") if later else _("nothing says which is later")
    return _("duplicate: {name} is by the same student for the same exercise, and was taken ({how})").format(
        name=best.file.name, how=how
    )


def _submission(course: Course, student: str, exercise: str, found: Found) -> Submission:
    folder = course.notebook("submitted", student, exercise).parent
    origin = found.origin
    return Submission(student, exercise, folder, origin.time, origin.time_from, origin.marked_late)


def _read_uploads(course: Course) -> dict[str, int]:
    """Canvas's number of the upload that is in the classroom, by student and exercise."""
    try:
        stored = json.loads((course.classroom / UPLOADS).read_text(encoding="utf-8"))
        return {key: int(number) for key, number in stored.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _better_there(submission: Submission, found: Found, upload: int) -> str:
    """Why the classroom's own notebook stays; empty if the new one is to be taken. upload: Canvas's number of it."""
    if not found.is_there and found.damage and submission.notebook.is_file():
        with contextlib.suppress(ValueError):  # it is damaged, too
            check_readable(submission.notebook)
            return _("{damage}; the classroom's notebook stays").format(damage=found.damage)
    if submission.notebook.is_file() and 0 < found.origin.upload < upload:
        return _("older: the classroom has a later upload, Canvas's number {upload}").format(upload=upload)
    try:
        there = read_timestamp(submission.folder / TIMESTAMP)
    except (OSError, ValueError):
        return ""
    if there and submission.time and there > submission.time:
        return _("older: the classroom has a later one, handed in at {there:%Y-%m-%d %H:%M} UTC").format(there=there)
    return ""


def _copy(source: Path, submission: Submission) -> None:
    """Write the notebook and its time to the classroom, where they differ from what is there."""
    target, timestamp = submission.notebook, submission.folder / TIMESTAMP
    content = _handy(source)
    if not (target.is_file() and target.read_bytes() == content):
        timestamp.unlink(missing_ok=True)  # it was another notebook's
        write_whole(target, content)
    if submission.time:
        write_timestamp(timestamp, submission.time)

"""Feedback as Moodle and Canvas take it back: a zip file for each of their assignments, one file for each student.

Moodle's "Upload multiple feedback files in a zip" finds a participant by the number in a folder's name, `Full
name_4711_assignsubmission_file_`, whatever lies in it; a file of the same name replaces the one that is there.
Canvas's "Upload submissions" finds a submission by the numbers of the user and of the uploaded file in a file's
name, as in the download, and shows the file under the name of what the student had uploaded.

Sources: https://github.com/moodle/moodle (mod/assign/feedback/file/importziplib.php) and
https://github.com/instructure/canvas-lms (app/models/abstract_assignment.rb, infer_comment_context_from_filename)
"""

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autograder.course import Course, UserError
from autograder.documents.columns import ANONYMOUS, FULL_NAMES, IDENTIFIERS, PARTICIPANT
from autograder.documents.tables import first_of, read_sheets
from autograder.files import write_whole
from autograder.handing_in.received import Received, from_canvas, from_moodle
from simpo_language.speech import _

Key = tuple[str, str]  # student, exercise
MOODLE, CANVAS = "moodle", "canvas"
SYSTEMS = (MOODLE, CANVAS)
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f&<>\"`|':\\/]+")  # what Moodle takes out of file names


@dataclass
class Parcel:
    """One zip file: what goes into one assignment of the system."""

    exercises: list[str] = field(default_factory=list)
    files: dict[str, tuple[str, list[str]]] = field(default_factory=dict)  # name, no suffix: student, exercises
    shared: list[str] = field(default_factory=list)  # members of groups, who are shown another member's file


def received(course: Course, system: str) -> dict[Key, Received]:
    """How the system named what it gave out, as the classroom remembers it."""
    return from_moodle(course.classroom) if system == MOODLE else from_canvas(course.classroom)


def from_worksheet(path: Path, keys: Collection[Key], find: Callable[[Mapping[str, str]], str]) -> dict[Key, Received]:
    """How Moodle names the participants of one assignment, by its grading worksheet.

    keys: the submissions that are in that assignment. find: whose a row is; nothing if it is nobody's.

    Raises:
        UserError: It is no such worksheet.
    """
    rows = [row for sheet in read_sheets(path) for _, row in sheet.rows]
    found: dict[Key, Received] = {}
    for row in rows:
        if match := PARTICIPANT.fullmatch(first_of(row, IDENTIFIERS)):
            name = _NOT_IN_NAMES.sub("", first_of(row, FULL_NAMES) or ANONYMOUS[0]).replace("_", " ").strip()
            one = Received(f"{name}_{match['number']}_assignsubmission_file", match["number"])
            student = find(row)
            found |= {key: one for key in keys if key[0] == student}
    if not any(PARTICIPANT.fullmatch(first_of(row, IDENTIFIERS)) for row in rows):
        raise UserError(
            _(
                "{path} is no grading worksheet of Moodle's: no row says Participant 123 (参与者123) under "
                "Identifier (识别码)"
            ).format(path=path)
        )
    return found


def parcels(named: Mapping[Key, Received], system: str) -> list[Parcel]:
    """The zip files to make, one for each assignment there: what one upload held, belongs to one of them."""
    uploads: dict[str, set[str]] = defaultdict(set)
    for (_student, exercise), one in named.items():
        uploads[one.prefix].add(exercise)
    made = []
    for exercises in _joined(uploads.values()):
        parcel = Parcel(sorted(exercises))
        for (student, exercise), one in sorted(named.items()):
            if exercise not in exercises:
                continue
            name = f"{one.prefix}_/feedback" if system == MOODLE else f"{one.prefix}_{one.file}"
            owner, its = parcel.files.setdefault(name, (student, []))
            if owner != student:
                parcel.shared += [student] if student not in parcel.shared else []
            else:
                its.append(exercise)
        made.append(parcel)
    return sorted(made, key=lambda parcel: parcel.exercises)


def path_of(parcel: Parcel, system: str, folder: Path, *, is_only: bool) -> Path:
    """Where a parcel goes."""
    first, more = parcel.exercises[0], len(parcel.exercises) - 1
    what = "" if is_only else f".{first}" + (f"-and-{more}-more" if more else "")
    return folder / f"feedback.{system}{what}.zip"


def write_parcel(
    parcel: Parcel, path: Path, content: Callable[[str, Collection[str]], bytes], suffix: str
) -> Iterator[str]:
    """Write a zip file, and yield each student whose file is made. It is written when the last one has been.

    content: what is in the file of a student, of these exercises. suffix: of its name, such as ".html".
    """
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, (student, exercises) in parcel.files.items():
            opened.writestr(f"{name}{suffix}", content(student, exercises))
            yield student
    write_whole(path, stored.getvalue())


def _joined(sets: Iterable[Collection[str]]) -> list[set[str]]:
    """Sets that share a member made one."""
    found: list[set[str]] = []
    for one in sets:
        touched = [other for other in found if other & set(one)]
        found = [other for other in found if other not in touched] + [set(one).union(*touched)]
    return found

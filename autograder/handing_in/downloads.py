"""What the names in a download say: whose a notebook is, and for which exercise.

Moodle, Canvas, Gradescope, nbgrader, packs of this course and plain folders are told apart by the names
themselves, so that several kinds may lie in one folder. docs/handing-in.md says where each format is defined.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autograder.cells import read_notebook
from autograder.course import Course
from autograder.handing_in.archives import NOT_A_NOTEBOOK, STUDENT_BYTES, File, Left
from autograder.handing_in.lms_files import TIMESTAMP, LmsFiles, Origin, read_lms_files
from autograder.handing_in.reading import read_student_notebook
from autograder.handing_in.roster import Sender

COPY = re.compile(r"( ?\(\d+\)|[ -]*[Cc]opy\d*|-\d+)+$")  # what browsers, Jupyter and Canvas add to a name
MOODLE = re.compile(r"(?P<name>.+?)(_(?P<ticket>\d+))?_assignsubmission_(file|onlinetext)(_(?P<file>.*))?")
# three digits at least in an upload's number: a student's 2026_10_graded_preferences.ipynb is not from Canvas
CANVAS = re.compile(r"(?P<name>\w+?)(?P<late>_LATE)?_(?P<user>\d+)_(?P<upload>\d{3,})_(?P<file>.+\.(ipynb|zip))")
NO_WORKSHEET = "no notebook, and not Moodle's grading worksheet; a list of students goes to `autograder roster`"
CANVAS_ANONYMOUS = re.compile(r"(LATE_)?anon_[A-Za-z0-9]+_\d+_.+")


@dataclass(frozen=True)
class Found:
    """A notebook in a download."""

    file: File
    origin: Origin
    exercise: str
    named_right: bool  # neither a copy, nor known by its cells alone
    damage: str = ""  # why it can't be graded; its name says what it was to be


def identify(course: Course, files: Sequence[File]) -> tuple[list[Found], list[Left]]:
    """Whose each notebook is, and for which exercise; what can't be told is left."""
    beside, exercises = read_lms_files(files), course.exercises()
    found, left = [], list(beside.left)
    for file in files:
        if file.name in beside.read:
            continue
        try:
            if file.name.suffix.lower() != ".ipynb":
                is_list = file.name.suffix.lower() == ".csv" and len(file.name.parts) == 1
                raise ValueError(NO_WORKSHEET if is_list else NOT_A_NOTEBOOK)
            origins, rest = _origins(file.name, beside, exercises)
            damage = _damage(file.path)
            exercise, named_right = _exercise(course, rest, file.path, damage)
            found += [Found(file, origin, exercise, named_right, damage) for origin in origins]
        except ValueError as error:
            left.append(Left(str(file.name), str(error)))
    return found, left


class TooLarge(ValueError):
    """A file with more bytes than a notebook may have."""


def check_readable(path: Path) -> None:
    """Raise ValueError, with a sentence, if the file can't be graded."""
    size = path.stat().st_size
    if size > STUDENT_BYTES:
        raise TooLarge(f"unreadable: {size:,} bytes; expected at most {STUDENT_BYTES:,}")
    try:
        read_student_notebook(path)
    except ValueError as error:
        raise ValueError(f"unreadable: {error}") from None
    except OSError as error:
        raise ValueError(f"unreadable: {error.strerror}") from None


def _damage(path: Path) -> str:
    """Why a file that can be copied can't be graded; empty if it can."""
    try:
        check_readable(path)
    except TooLarge:
        raise
    except ValueError as error:
        return str(error)
    return ""


def _origins(name: PurePosixPath, beside: LmsFiles, exercises: Sequence[str]) -> tuple[list[Origin], str]:
    """Who handed a notebook in (Gradescope: each of a group), and its name without what the LMS added.

    The outermost folder or file that a system named decides: what is inside it, a student may have named.
    """
    for folder in (*reversed(name.parents), name):
        rest = "" if folder == name else name.name
        if match := MOODLE.fullmatch(folder.name):
            ticket = match["ticket"] or ""
            origin = beside.participants.get(ticket) or Origin(Sender(name=match["name"], ticket=ticket))
            return [origin], rest or match["file"] or name.name
        if CANVAS_ANONYMOUS.fullmatch(folder.name):
            raise ValueError("unknown student: Canvas made it anonymous; switch that off and download it again")
        if match := CANVAS.fullmatch(folder.name):
            sender = Sender(name=match["name"], lms_user_id=match["user"])
            origin = Origin(sender, upload=int(match["upload"]), marked_late=bool(match["late"]))
            return [origin], rest or match["file"]
        if folder in beside.folders:
            return beside.folders[folder], name.name
        if folder in beside.packs and folder == name.parent:
            if not beside.packs[folder].sender.id:
                raise ValueError("unknown student: a pack from outside an LMS needs `autograder pack --student ID`")
            return [beside.packs[folder]], name.name
        is_exercise = len(folder.parts) > 1 and folder.name in exercises
        if is_exercise and (folder == name.parent or folder in beside.exercises):
            time = beside.times.get(folder)
            return [Origin(Sender(id=folder.parts[-2]), time, TIMESTAMP if time else "")], name.name
    return _flat(name, exercises)


def _flat(name: PurePosixPath, exercises: Sequence[str]) -> tuple[list[Origin], str]:
    """The same of <student>_<exercise>.ipynb."""
    stem = COPY.sub("", name.stem)
    for exercise in exercises:
        if stem.endswith(f"_{exercise}"):
            student = stem.removesuffix(f"_{exercise}")
            return [Origin(Sender(id=student))], name.name[len(student) + 1 :]
    raise ValueError(
        "unknown: expected <student>_<exercise>.ipynb or <student>/<exercise>/<exercise>.ipynb, such as "
        f"student_{exercises[0]}.ipynb, or what Moodle, Canvas or Gradescope gives out"
    )


def _exercise(course: Course, name: str, path: Path, damage: str) -> tuple[str, bool]:
    """The exercise that a notebook is, by its name or by the ids of its cells; and whether it is named right."""
    stem = COPY.sub("", PurePosixPath(name).stem)
    for exercise in course.exercises():
        if stem == exercise or stem.endswith(f"_{exercise}"):
            return exercise, name == f"{exercise}.ipynb"
    if damage:
        raise ValueError(damage)
    ids = {cell.get("id") for cell in read_student_notebook(path).notebook.cells}
    for exercise in course.exercises():
        known = _cell_ids(course.solutions / f"{exercise}.ipynb")
        if len(ids & known) > len(known) / 2:
            return exercise, False
    raise ValueError("unknown: it is no notebook of this course, neither by its name nor by its cells")


@functools.lru_cache(maxsize=64)
def _cell_ids(path: Path) -> set[str]:
    return {cell.get("id") for cell in read_notebook(path).cells}

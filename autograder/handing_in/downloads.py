"""What the names in a download say: whose a notebook is, and for which exercise.

Moodle, Canvas, Gradescope, Blackboard, nbgrader, packs of this course and plain folders are told apart by the names
themselves, so that several kinds may lie in one folder. docs/handing-in.md says where each format is defined.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from nbformat.notebooknode import NotebookNode

from autograder.cells import read_notebook
from autograder.course import Course
from autograder.documents.columns import ANONYMOUS
from autograder.documents.reading import read_student_notebook
from autograder.handing_in.archives import NOT_A_NOTEBOOK, STUDENT_BYTES, File, Left
from autograder.handing_in.lms_files import TABLES, TIMESTAMP, LmsFiles, Origin, read_lms_files
from autograder.handing_in.people import People, Sender, plain_name, same_name
from autograder.handing_in.which_exercise import Marks, found_in, marks_of, named_in
from simpo_language.speech import _

COPY = re.compile(r"( ?\(\d+\)|[ -]*([Cc]opy|副本) ?\d*|-\d+)+$")  # what browsers, Jupyter, Canvas, Windows add
MOODLE = re.compile(r"(?P<name>.+?)(_(?P<ticket>\d+))?_assignsubmission_(file|onlinetext)(_(?P<file>.*))?")
# three digits at least in an upload's number: a student's 2026_10_graded_preferences.ipynb is not from Canvas
CANVAS = re.compile(r"(?P<name>\w+?)(?P<late>_LATE)?_(?P<user>\d+)_(?P<upload>\d{3,})_(?P<file>.+\.(ipynb|zip))")
NO_WORKSHEET = "no notebook, and not Moodle's grading worksheet; a list of students goes to `autograder roster`"
CANVAS_ANONYMOUS = re.compile(r"(LATE_)?anon_[A-Za-z0-9]+_\d+_.+")
BLACKBOARD = re.compile(r".+?_(?P<user>[^_]+)_attempt_(?P<time>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)(_(?P<file>.+)|\.txt)")
NOTEBOOK = re.compile(r"\.ipynb(\.(txt|json))?$", re.IGNORECASE)  # browsers add a suffix to what they take for text


@dataclass(frozen=True)
class Found:
    """A notebook in a download."""

    file: File
    student: str
    origin: Origin
    exercise: str
    named_right: bool  # neither a copy, nor known by its cells alone
    read_damage: str | None  # None: not read, because the classroom has the same bytes

    @property
    def is_there(self) -> bool:
        """Whether the classroom has the same bytes of the same student for the same exercise."""
        return self.read_damage is None

    @property
    def damage(self) -> str:
        """Why it can't be graded, though its name says what it was to be; empty if it can."""
        return _read(self.file.path)[1] if self.read_damage is None else self.read_damage


def identify(course: Course, people: People, files: Sequence[File]) -> tuple[list[Found], list[Left]]:
    """Whose each notebook is, and for which exercise; what can't be told is left."""
    beside, known = read_lms_files(files), known_exercises(course)
    found, left = [], list(beside.left)
    for file in files:
        name = file.name.name
        side_file = BLACKBOARD.fullmatch(name) and name.endswith(".txt") and not NOTEBOOK.search(name)
        if file.name in beside.read or side_file:
            continue
        try:
            if not (NOTEBOOK.search(name) or (named_in(name, known) and _holds_cells(file.path))):
                is_list = file.name.suffix.lower() in TABLES and len(file.name.parts) == 1
                raise ValueError(NO_WORKSHEET if is_list else NOT_A_NOTEBOOK)
            origins, rest = _origins(file.name, beside, list(known))
            its, reasons = _identified(course, people, file, origins, rest, known)
            found += its
            left += [Left(str(file.name), reason) for reason in reasons]
        except ValueError as error:
            left.append(Left(str(file.name), str(error)))
    return found, left


def _holds_cells(path: Path) -> bool:
    """Whether a file of another kind by its name begins as a notebook does: browsers give them names of their own."""
    if path.suffix.lower() not in (".json", ".txt", ""):
        return False
    with path.open("rb") as file:
        begin = file.read(10_000)
    return begin.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") and (b'"cells"' in begin or b'"nbformat"' in begin)


def _identified(
    course: Course, people: People, file: File, origins: Sequence[Origin], rest: str, known: Mapping[str, Marks]
) -> tuple[list[Found], list[str]]:
    """A notebook, once for each who handed it in, and what is to be said of it. rest: its name without the LMS's part.

    Raises:
        ValueError: It is of no exercise; with a sentence.
    """
    students, reasons = {}, []
    for origin in origins:
        try:
            students[people.find(origin.sender)] = origin
        except ValueError as error:
            reasons.append(str(error))
    damage: str | None = None
    exercise = _in_classroom(course, file.path, list(students), named_in(rest, known))
    if not exercise:
        notebook, damage = _read(file.path)
        exercise, note = _exercise(rest, notebook, damage, known)
        reasons += [note] if note else []
    named_right = rest == f"{exercise}.ipynb"
    return [Found(file, who, origin, exercise, named_right, damage) for who, origin in students.items()], reasons


def _in_classroom(course: Course, path: Path, students: Sequence[str], named: str) -> str:
    """The exercise for which the classroom has the same bytes of all these students; nothing if there is none.

    So a class that is downloaded again is not read again. named: the exercise that the file's name says, if any.
    """
    for exercise in [named] if named else course.exercises():
        there = [course.notebook("submitted", student, exercise) for student in students]
        if there and all(_is_same(path, one) for one in there):
            return exercise
    return ""


def _is_same(path: Path, other: Path) -> bool:
    return other.is_file() and other.stat().st_size == path.stat().st_size and other.read_bytes() == path.read_bytes()


def whose(course: Course, files: Sequence[File], left: Sequence[Left]) -> Iterator[tuple[Left, Origin, str]]:
    """Whose the files are that were left, as far as their names say, and for which exercise; empty if they don't."""
    beside, known = read_lms_files(files), list(course.exercises())
    for one in left:
        try:
            origins, rest = _origins(PurePosixPath(one.name).with_suffix(".ipynb"), beside, known)
        except ValueError:
            continue
        yield from ((one, origin, named_in(rest, known)) for origin in origins)


def known_exercises(course: Course) -> dict[str, Marks]:
    """By what the notebook of each exercise is known: what students were given or, before a release, its source."""
    names = {name: f"{name}.ipynb" for name in course.exercises()}
    given = {name: course.notebooks / file for name, file in names.items()}
    return {
        name: _marks(path, *sorted(course.notebooks.glob(f"*/{names[name]}")))
        if path.is_file()
        else _marks(course.solutions / names[name])
        for name, path in given.items()
    }


@functools.lru_cache(maxsize=64)
def _marks(*editions: Path) -> Marks:
    return marks_of(*map(read_notebook, editions))


class TooLarge(ValueError):
    """A file with more bytes than a notebook may have."""


def check_readable(path: Path) -> None:
    """Raise ValueError, with a sentence, if the file can't be graded."""
    _readable(path)


def _readable(path: Path) -> NotebookNode:
    size = path.stat().st_size
    if size > STUDENT_BYTES:
        raise TooLarge(
            _("unreadable: {size:,} bytes; expected at most {student_bytes:,}").format(
                size=size, student_bytes=STUDENT_BYTES
            )
        )
    try:
        return read_student_notebook(path).notebook
    except ValueError as error:
        raise ValueError(_("unreadable: {error}").format(error=error)) from None
    except OSError as error:
        raise ValueError(_("unreadable: {strerror}").format(strerror=error.strerror)) from None


def _read(path: Path) -> tuple[NotebookNode | None, str]:
    """A notebook, or why it can't be graded, where the file can be copied all the same."""
    try:
        return _readable(path), ""
    except TooLarge:
        raise
    except ValueError as error:
        return None, str(error)


def _origins(name: PurePosixPath, beside: LmsFiles, exercises: Sequence[str]) -> tuple[list[Origin], str]:
    """Who handed a notebook in (each of a group), and its name without what the LMS added.

    The outermost folder or file that a system named decides: what is inside it, a student may have named.
    """
    for folder in (*reversed(name.parents), name):
        rest = "" if folder == name else name.name
        if match := MOODLE.fullmatch(folder.name):
            return _moodle(match, beside, folder.name), rest or match["file"] or name.name
        if CANVAS_ANONYMOUS.fullmatch(folder.name):
            raise ValueError(_("unknown student: Canvas made it anonymous; switch that off and download it again"))
        if match := CANVAS.fullmatch(folder.name):
            sender = Sender(name=match["name"], lms_user_id=match["user"])
            late = bool(match["late"])
            origin = Origin(sender, upload=int(match["upload"]), marked_late=late, named=folder.name)
            return _members(match["name"], origin, beside) or [origin], rest or match["file"]
        if match := BLACKBOARD.fullmatch(folder.name):
            tried = datetime.strptime(match["time"], "%Y-%m-%d-%H-%M-%S").astimezone(UTC)
            return [Origin(Sender(id=match["user"]), tried, "Blackboard")], rest or match["file"] or name.name
        if folder in beside.folders:
            return beside.folders[folder], name.name
        if folder in beside.packs and folder == name.parent:
            if not beside.packs[folder].sender.id:
                raise ValueError(_("unknown student: a pack from outside an LMS needs `autograder pack --student ID`"))
            return [beside.packs[folder]], name.name
        is_exercise = len(folder.parts) > 1 and folder.name in exercises
        is_whole = folder == name.parent and not _flat_student(name.name, exercises)
        if is_exercise and (folder in beside.exercises or is_whole):
            time = beside.times.get(folder)
            return [Origin(Sender(id=folder.parts[-2]), time, TIMESTAMP if time else "")], name.name
    return _by_name(name, beside, exercises)


def _moodle(match: re.Match[str], beside: LmsFiles, named: str) -> list[Origin]:
    """A participant, by number and name; a group's members: Moodle numbers groups and participants alike.

    named: what Moodle called it, by which it knows a participant again, and no member of a group.
    """
    name, ticket = match["name"], match["ticket"] or ""
    said = beside.participants.get(ticket)
    called, _underscore, number = name.partition("_")
    if called in ANONYMOUS and bool(ticket) != bool(number):
        ticket = ticket or number
        said = beside.participants.get(ticket)
        origin = said if said and (said.sender.id or said.sender.name) else None
        anonymous = Sender(ticket=ticket, is_anonymous=True)
        found = origin or Origin(anonymous, *((said.time, said.time_from) if said else ()))
        return [replace(found, named=named)]
    if said and (not said.sender.name or same_name(said.sender.name, name)):
        return [replace(said, named=named)]
    origin = Origin(Sender(name=name, ticket=ticket))
    if members := _members(name, origin, beside):
        return members
    if said:
        raise ValueError(
            _(
                "unknown student: Moodle's worksheet calls participant {ticket} {name}, not {name2}. If "
                "{name2} is a group, say who is in it: put groups.csv with the columns group,student "
                "beside the download"
            ).format(ticket=ticket, name=said.sender.name, name2=name)
        )
    return [replace(origin, named=named)]


def _members(group: str, origin: Origin, beside: LmsFiles) -> list[Origin]:
    """The same origin for each student of a group; none if groups.csv knows no such group."""
    return [replace(origin, sender=Sender(id=student)) for student in beside.groups.get(plain_name(group), ())]


def _flat_student(name: str, exercises: Sequence[str]) -> str:
    """The student of <student>_<exercise>.ipynb; empty if the name says none."""
    stem = COPY.sub("", NOTEBOOK.sub("", name))
    for exercise in exercises:
        if stem.casefold().endswith(f"_{exercise}".casefold()):
            return stem[: -len(exercise) - 1]
    exercise = named_in(name, exercises)
    before = re.split(rf"_{re.escape(exercise)}(?![0-9a-z])", stem, maxsplit=1, flags=re.IGNORECASE) if exercise else []
    return before[0] if len(before) == 2 else ""


def _by_name(name: PurePosixPath, beside: LmsFiles, exercises: Sequence[str]) -> tuple[list[Origin], str]:
    """Where no system's form tells: <student>_<exercise>.ipynb, or whoever stands in the names, by the roster."""
    student = _flat_student(name.name, exercises)
    rest = name.name[len(student) + 1 :] if student else name.name
    origin = Origin(Sender(id=student, path=str(name)))
    return _members(student, origin, beside) or [origin], rest


def _exercise(name: str, notebook: NotebookNode | None, damage: str, known: Mapping[str, Marks]) -> tuple[str, str]:
    """The exercise that a notebook is, by its name or else by its cells; and what is odd about that, if anything.

    Raises:
        ValueError: It is none of them; with a sentence.
    """
    named = named_in(name, known)
    if notebook is None:
        if named:
            return named, ""
        raise ValueError(damage)
    found = found_in(notebook, known)
    if named and found and named not in found:
        sentence = _("taken for {exercise}, as it is named; but its cells are those of {others}")
        return named, sentence.format(exercise=named, others=_(" and ").join(found))
    if named:
        others = [other for other in found if other != named]
        sentence = _("taken; its cells of {others} count only in a file of their own")
        return named, sentence.format(others=_(" and ").join(others)) if others else ""
    if len(found) == 1:
        return found[0], ""
    if found:
        raise ValueError(
            _("unknown: it holds the cells of {found}; hand in a notebook for each").format(
                found=_(" and ").join(found)
            )
        )
    raise ValueError(_("unknown: it is no notebook of this course, neither by its name nor by its cells"))

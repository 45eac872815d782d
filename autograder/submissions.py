"""From what an instructor downloads to the classroom's submitted/ folder.

Two layouts, in a folder or a zip file: nbgrader's `<student>/<exercise>/<exercise>.ipynb`, and the flat
`<student>_<exercise>.ipynb` that learning management systems make. What can't be placed is listed and left.
"""

import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from autograder.course import Course, UserError
from autograder.sources import read_notebook

STUDENT = re.compile(r"\w[\w.@+-]*")  # safe in paths and in nbgrader's globs
COPY = re.compile(r"( ?\(\d+\)|[ -]*[Cc]opy\d*|-\d+)+$")  # what browsers and Jupyter add to a name
NOTEBOOK_BYTES = 20_000_000  # a notebook of this course takes 50 kB, with figures 500 kB
ARCHIVE_BYTES = 2_000_000_000
BESIDE = {"timestamp.txt"}  # files that nbgrader puts beside a notebook


@dataclass(frozen=True)
class Left:
    """A file that was not taken, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Submission:
    """One student's notebook for one exercise, where it was found."""

    student: str
    exercise: str
    path: Path


def collect(course: Course, downloads: Path) -> tuple[list[Submission], list[Left]]:
    """Copy the submissions found in `downloads` to the classroom; return what was taken and what was left.

    Nothing in `downloads` is changed. A file that is already in the classroom with the same bytes stays.

    Raises:
        UserError: `downloads` is neither a folder nor a zip file, or the zip file can't be read.
    """
    with _opened(downloads) as (folder, left):
        taken: dict[tuple[str, str], Submission] = {}
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_dir() or path.name in BESIDE or _is_litter(path.relative_to(folder)):
                continue
            found = _place(course, path, folder)
            if isinstance(found, str):
                left.append(Left(name, found))
            elif (first := taken.setdefault((found.student, found.exercise), found)) is not found:
                other = first.path.relative_to(folder)
                left.append(
                    Left(name, f"duplicate: {other} is by the same student for the same exercise, and was taken")
                )
        for submission in taken.values():
            _copy(submission, course)
    return list(taken.values()), left


def submitted(course: Course) -> list[Submission]:
    """Every submission in the classroom, in order of exercise and student."""
    found = []
    for exercise in course.exercises():
        for path in sorted(course.classroom.glob(f"submitted/*/{exercise}/{exercise}.ipynb")):
            found.append(Submission(path.parent.parent.name, exercise, path))
    return found


def _place(course: Course, path: Path, folder: Path) -> Submission | str:
    """Whose notebook this is and for which exercise, or why it can't be told."""
    exercises = course.exercises()
    if path.is_symlink():
        return "a link; only files are taken"
    if path.suffix != ".ipynb":
        return "unknown: not a notebook"
    parts = path.relative_to(folder).parts
    stem = COPY.sub("", path.stem)
    student, exercise = "", ""
    if len(parts) >= 3 and parts[-2] in exercises:
        student, exercise = parts[-3], parts[-2] if stem == parts[-2] else _exercise_by_cells(course, path)
    else:
        for name in exercises:
            if stem.endswith(f"_{name}"):
                student, exercise = stem.removesuffix(f"_{name}"), name
    if not exercise:
        return "unknown: expected <student>_<exercise>.ipynb or <student>/<exercise>/<exercise>.ipynb, such as " + (
            f"student_{exercises[0]}.ipynb"
        )
    if not STUDENT.fullmatch(student):
        return f"unknown student: {student!r} must be letters, digits and . @ + - _ and begin with a letter or digit"
    return _readable(path) or Submission(student, exercise, path)


def _exercise_by_cells(course: Course, path: Path) -> str:
    """The exercise that a notebook is, whatever its name, by the ids of its cells; empty if it can't be told."""
    if _readable(path):
        return ""
    ids = {cell.get("id") for cell in read_notebook(path).cells}
    for exercise in course.exercises():
        known = {cell.get("id") for cell in read_notebook(course.solutions / f"{exercise}.ipynb").cells}
        if len(ids & known) > len(known) / 2:
            return exercise
    return ""


def read_submission(path: Path) -> bytes:
    """What a submission in the classroom holds. Raises ValueError, with a sentence, if it can't be graded.

    A timestamp that can't be read is set aside, because nbgrader would stop there.
    """
    links = [link.name for link in (path.parent, *path.parent.rglob("*")) if link.is_symlink()]
    if links:
        raise ValueError(f"{links[0]} is a link; only files are taken")
    if path.stat().st_size > NOTEBOOK_BYTES:
        raise ValueError(f"it has {path.stat().st_size:,} bytes; expected at most {NOTEBOOK_BYTES:,}")
    timestamp = path.with_name("timestamp.txt")
    if timestamp.is_file() and not _is_time(timestamp):
        os.replace(timestamp, timestamp.with_suffix(".unreadable"))
    return path.read_bytes()


def _is_time(path: Path) -> bool:
    from nbgrader.utils import parse_utc

    try:
        words = path.read_text(encoding="utf-8").strip()
        return not words or parse_utc(words) is not None
    except (ValueError, OverflowError, AttributeError, TypeError):
        return False


def _readable(path: Path) -> str:
    """Why the file can't be graded; empty if it can."""
    size = path.stat().st_size
    if size > NOTEBOOK_BYTES:
        return f"unreadable: {size:,} bytes; expected at most {NOTEBOOK_BYTES:,}"
    try:
        read_notebook(path)
    except ValueError as error:
        return f"unreadable: {error}"
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return ""


def _copy(submission: Submission, course: Course) -> None:
    target = course.notebook("submitted", submission.student, submission.exercise)
    target.parent.mkdir(parents=True, exist_ok=True)
    for source in (submission.path, *(submission.path.with_name(name) for name in BESIDE)):
        copy = target.with_name(source.name) if source.name in BESIDE else target
        if source.is_file() and not (copy.is_file() and copy.read_bytes() == source.read_bytes()):
            partial = copy.with_name(copy.name + ".part")
            shutil.copyfile(source, partial)
            os.replace(partial, copy)


def _is_litter(path: Path) -> bool:
    """Files that operating systems and Jupyter leave about."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


@contextmanager
def _opened(downloads: Path) -> Iterator[tuple[Path, list[Left]]]:
    """The folder to look in (a zip file is unpacked to a scratch folder), and what was left in the zip file."""
    if downloads.is_dir():
        yield downloads, []
    elif zipfile.is_zipfile(downloads):
        with TemporaryDirectory() as scratch:
            yield Path(scratch), _unpack(downloads, Path(scratch))
    elif downloads.exists():
        raise UserError(f"{downloads} is neither a folder nor a complete zip file")
    else:
        raise UserError(f"{downloads} does not exist; give the folder or zip file of the submissions")


def _unpack(archive: Path, folder: Path) -> list[Left]:
    left = []
    total = 0
    try:
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                path = PurePosixPath(info.filename)
                total += info.file_size
                if info.is_dir():
                    continue
                if path.is_absolute() or ".." in path.parts or stat.S_ISLNK(info.external_attr >> 16):
                    left.append(Left(info.filename, "refused: it points outside the archive"))
                elif info.file_size > NOTEBOOK_BYTES:
                    left.append(Left(info.filename, f"unreadable: {info.file_size:,} bytes unpacked"))
                elif total > ARCHIVE_BYTES:
                    raise UserError(f"{archive} unpacks to more than {ARCHIVE_BYTES:,} bytes; split it")
                else:
                    opened.extract(info, folder)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise UserError(f"{archive} can't be unpacked: {error}; download it again") from None
    return left

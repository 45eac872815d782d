"""On a machine that students and teachers share: what solves an exercise is readable by who teaches alone."""

import os
from collections.abc import Iterator
from pathlib import Path

from autograder.authoring.start import SHARE, course_files
from autograder.course import UserError

SOLVING = ("losses", "logps", "ranking")  # modules of simpo_core that students write themselves
SOURCES = ("solutions", "tests")  # of the course's files


def withhold(group: str) -> list[Path]:
    """Let only a group, and the files' owner, read the modules and sources that solve exercises; return them.

    Raises:
        UserError: There is no such group, the files aren't the caller's, or this is a clone.
    """
    origin = course_files()
    if not origin.as_posix().endswith(SHARE.as_posix()):
        raise UserError(
            f"this runs from a clone, {origin}: keep that from students by `chmod 700`, and install without -e"
        )
    package = Path(__file__).resolve().parents[2] / "simpo_core"
    return keep_from_others(package, origin, _number(group))


def keep_from_others(package: Path, origin: Path, group: int) -> list[Path]:
    """Do it. package: the folder of simpo_core; origin: the course's files."""
    found = sorted({*_modules(package), *(path for name in SOURCES for path in (origin / name).rglob("*"))})
    for path in [*(origin / name for name in SOURCES), *found]:
        try:
            os.chown(path, -1, group)
            path.chmod(0o750 if path.is_dir() else 0o640)
        except PermissionError as error:
            raise UserError(f"{path}: {error.strerror}. Run this as whoever installed the package") from None
    return [path for path in found if path.is_file()]


def _modules(package: Path) -> Iterator[Path]:
    for name in SOLVING:
        yield package / f"{name}.py"
        yield from (package / "__pycache__").glob(f"{name}.*.pyc")


def _number(group: str) -> int:
    try:
        import grp
    except ImportError:
        raise UserError("groups of users that may read a file are there on Linux and macOS alone") from None
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise UserError(
            f"there is no group {group!r} on this machine: make one of who teaches, and of the grader"
        ) from None

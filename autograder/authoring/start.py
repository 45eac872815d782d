"""A course in a folder of one's own: the notebooks to work in, or all that is needed to teach with them.

The files come from the clone that this is installed from, or from the installed package, which has them beside it.
"""

import site
import sys
from collections.abc import Iterator
from pathlib import Path

from autograder.course import CONFIG, UserError
from simpo_language.speech import _

SHARE = Path("share", "simpo-practice")  # where a wheel's files are put: see pyproject.toml
FOR_STUDENTS = {"notebooks": ".", "runs": "runs"}  # what of the course goes where in the new folder
FOR_TEACHERS = {name: name for name in ("notebooks", "solutions", "tests/benches", "runs", CONFIG)}
KINDS = {".ipynb", ".toml", ".py"}


def start(folder: Path, *, teach: bool = False) -> tuple[list[Path], list[Path]]:
    """Write the course into a folder; what is there already stays as it is.

    teach: with the sources, which hold the solutions, and nbgrader's settings.

    Returns:
        The files that were written, and those that were there and say something else.

    Raises:
        UserError: The course's files were not installed, or were taken away from whoever asks.
    """
    wanted = dict(_files(course_files(), FOR_TEACHERS if teach else FOR_STUDENTS))
    written, kept = [], []
    for name, source in sorted(wanted.items()):
        target = folder / name
        try:
            content = source.read_bytes()
        except PermissionError:
            raise UserError(
                _("{source} is kept from you on this machine: --teach is for who teaches").format(source=source)
            ) from None
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            written.append(target)
        elif target.read_bytes() != content:
            kept.append(target)
    return written, kept


def course_files() -> Path:
    """The folder that holds notebooks/, solutions/, tests/benches/, runs/ and nbgrader's settings."""
    package = Path(__file__).resolve().parents[1]
    if (package.parent / "solutions").is_dir() and (package.parent / "pyproject.toml").is_file():  # a clone
        return package.parent
    for place in (package.parent, Path(sys.prefix), Path(site.getuserbase()), *package.parents[2:5]):
        if (place / SHARE / "notebooks").is_dir():
            return place / SHARE
    raise UserError(
        _(
            "the course's files are not here: share/simpo-practice was not installed with the "
            "package. Install it anew, or work in a clone of the repository"
        )
    )


def _files(origin: Path, parts: dict[str, str]) -> Iterator[tuple[Path, Path]]:
    """The name of each file in the new folder, and where it is now."""
    for part, place in parts.items():
        found = origin / part
        for path in [found] if found.is_file() else found.rglob("*"):
            if path.suffix in KINDS and path.is_file() and ".ipynb_checkpoints" not in path.parts:
                yield Path(place) / path.relative_to(found) if found.is_dir() else Path(place), path

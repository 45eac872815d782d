"""The zip file that Gradescope takes as an autograder: this course's grader, and one exercise.

Gradescope unpacks it into /autograder/source, runs setup.sh once and run_autograder for every submission.

Source: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

import io
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from autograder.cells import LANGUAGES, is_answer, is_test, read_notebook, role
from autograder.course import CONFIG, Course, UserError
from autograder.files import write_whole
from autograder.returns.gradescope_run import SETTINGS, write_settings

TEMPLATES = Path(__file__).with_name("templates")
SCRIPTS = ("setup.sh", "run_autograder")
PACKAGES = ("autograder", "simpo_core", "simpo_language")
BESIDE = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", CONFIG)
VISIBILITIES = ("after_published", "after_due_date", "visible", "hidden")


def write_zip(course: Course, exercise: str, path: Path, *, hidden: str = VISIBILITIES[0]) -> None:
    """Write an exercise's autograder. hidden: when students see the tests that their notebook does not show.

    Raises:
        UserError: This is no clone, or has no such exercise.
    """
    if exercise not in course.exercises():
        raise UserError(f"no exercise is named {exercise!r}; there are {', '.join(course.exercises())}")
    if hidden not in VISIBILITIES:
        raise UserError(f"--hidden is {hidden!r}: it must be one of {', '.join(VISIBILITIES)}")
    if not (course.root / "pyproject.toml").is_file():
        raise UserError(f"{course.root} is no clone of the repository, whose grader Gradescope installs: work in one")
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in SCRIPTS:
            script = zipfile.ZipInfo(name)
            script.external_attr = (stat.S_IFREG | 0o755) << 16
            script.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(script, (TEMPLATES / name).read_bytes())
        archive.writestr(SETTINGS, write_settings(exercise, hidden))
        for file in _project(course, exercise):
            archive.write(file, f"project/{file.relative_to(course.root).as_posix()}")
    write_whole(path, stored.getvalue())


def points(course: Course, exercise: str) -> tuple[float, float]:
    """What the checks of an exercise can give, and what a person gives for essays."""
    cells = read_notebook(course.solutions / f"{exercise}.ipynb").cells
    automatic = sum(float(role(cell)["points"]) for cell in cells if is_test(cell))
    essays = sum(float(role(cell)["points"]) for cell in cells if is_answer(cell) and role(cell).get("grade"))
    return automatic, essays


def _project(course: Course, exercise: str) -> Iterator[Path]:
    """The files of the clone that grade one exercise, no other's solutions among them."""
    yield from (course.root / name for name in BESIDE if (course.root / name).is_file())
    for package in PACKAGES:
        for path in sorted((course.root / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                yield path
    notebooks = [course.solutions, course.notebooks, *(course.notebooks / language for language in LANGUAGES[1:])]
    yield from (folder / f"{exercise}.ipynb" for folder in notebooks)
    yield from sorted((course.root / "runs").glob("*.toml"))
    yield course.benches / f"{exercise}.toml"

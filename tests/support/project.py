"""Where this project is, and a course made of a part of it."""

from pathlib import Path

from autograder.course import Course

ROOT = Path(__file__).resolve().parent.parent.parent


def small_course(folder: Path, *exercises: str) -> Course:
    """A course of these exercises alone, for commands run in this folder."""
    (folder / "solutions").mkdir(parents=True)
    for name in ("notebooks", "tests", "nbgrader_config.py", *(f"solutions/{each}.ipynb" for each in exercises)):
        (folder / name).symlink_to(ROOT / name)
    return Course(folder, folder / "classroom")

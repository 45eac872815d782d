"""Where a course lives, and how nbgrader is set up for it."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLASSROOM_VARIABLE = "AUTOGRADER_CLASSROOM"  # tells nbgrader_config.py which classroom a command works on
UNSAFE_VARIABLE = "AUTOGRADER_UNSAFE"  # set: students' code runs unconfined where it can't be confined
STUDENT_MODULES = ("simpo_core.plots", "simpo_core.toy")  # what notebooks import; the rest holds solutions
ESSAY_PLACEHOLDER = "YOUR ANSWER HERE · 在此作答"


class UserError(Exception):
    """Something that the person at the keyboard can mend: one line, no traceback."""


@dataclass(frozen=True)
class Course:
    """A course's folders.

    root: the repository, with solutions/ and notebooks/.
    classroom: nbgrader's course folder, made at run time: source, submitted, autograded, feedback, gradebook.
    """

    root: Path
    classroom: Path

    @property
    def solutions(self) -> Path:
        return self.root / "solutions"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def outline(self) -> Path:
        return self.root / "autograder" / "outline.json"  # in the package: `autograder pack` needs it

    @property
    def benches(self) -> Path:
        return self.root / "tests" / "benches"

    def exercises(self) -> list[str]:
        """The names of the exercises, in order."""
        return sorted(path.stem for path in self.solutions.glob("*.ipynb"))

    def notebook(self, step: str, student: str, exercise: str, suffix: str = ".ipynb") -> Path:
        """A student's notebook at one of nbgrader's steps: submitted, autograded or feedback."""
        return self.classroom / step / student / exercise / (exercise + suffix)

    def api(self) -> Any:
        """nbgrader's Python interface to this course."""
        import logging

        from nbgrader.apps import NbGraderAPI

        folders = self.folders()
        _keep_engines()
        api = NbGraderAPI(folders, config=folders.config)
        api.log.handlers = [logging.NullHandler()]  # its lines come back with each result
        api.log.propagate = False
        return api

    def folders(self) -> Any:
        """nbgrader's CourseDirectory: where this course's files and its gradebook are; `config` is its settings."""
        from nbgrader.coursedir import CourseDirectory
        from traitlets.config import Config

        self.classroom.mkdir(parents=True, exist_ok=True)
        config = Config()
        configure(config, self.classroom)
        _environment_on_path()
        _ask_alembic_here()
        return CourseDirectory(config=config)


def find_course(classroom: Path | None = None) -> Course:
    """The course around the working folder; its classroom is `classroom/` unless another is given."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "solutions").is_dir() and (folder / "nbgrader_config.py").is_file():
            return Course(folder, (classroom or folder / "classroom").resolve())
    raise UserError(
        f"no course here: {here} and the folders above have no solutions/ with nbgrader_config.py beside it"
    )


def configure(config: Any, classroom: Path) -> None:
    """Set nbgrader up for this course. `config` is traitlets' configuration object."""
    from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
    from nbgrader.preprocessors import GetGrades

    config.CourseDirectory.root = str(classroom)
    config.CourseDirectory.course_id = "simpo_practice"
    config.GenerateAssignment.preprocessors = _release_preprocessors()
    config.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotAttempted"}
    config.ClearSolutions.text_stub = ESSAY_PLACEHOLDER
    config.ClearMarkScheme.enforce_metadata = False  # a rubric stands in a locked cell, beside the answer
    config.Autograde.sanitize_preprocessors = _sanitize_preprocessors()
    config.RestoreCells.course = str(classroom)
    config.Autograde.autograde_preprocessors = _autograde_preprocessors()
    config.ExchangeFactory.release_assignment = "autograder.exchange.ReleaseEdition"
    config.GenerateFeedback.preprocessors = [GetGrades, "autograder.feedback.ExplainChecks", CSSHTMLHeaderPreprocessor]


def _release_preprocessors() -> list[Any]:
    """nbgrader's own steps, with this course's way of clearing solutions."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.preprocessors import ClearSolutions

    steps = GenerateAssignment.class_traits()["preprocessors"].default()
    return ["autograder.release.ClearAnswers" if step is ClearSolutions else step for step in steps]


def _sanitize_preprocessors() -> list[Any]:
    """This course's way of undoing what happened to a notebook's cells; then nbgrader's own checks."""
    from nbgrader.preprocessors import CheckCellMetadata, OverwriteCells

    return ["autograder.repair.RestoreCells", OverwriteCells, CheckCellMetadata]


def _autograde_preprocessors() -> list[Any]:
    """nbgrader's own steps, with this course's way of running a notebook."""
    from nbgrader.converters import Autograde
    from nbgrader.preprocessors import Execute

    steps = Autograde.class_traits()["autograde_preprocessors"].default()
    return ["autograder.execute.WarmExecute" if step is Execute else step for step in steps]


def _keep_engines() -> None:
    """nbgrader makes a new database engine for every question; with one engine SQL is compiled once."""
    import nbgrader.api

    if not hasattr(nbgrader.api.create_engine, "cache_info"):
        nbgrader.api.create_engine = functools.cache(nbgrader.api.create_engine)


def _ask_alembic_here() -> None:
    """For a new gradebook nbgrader starts a program that says which version its tables have: seconds for a word."""
    import nbgrader.api

    def newest() -> str:
        from alembic.script import ScriptDirectory

        return str(ScriptDirectory(str(Path(nbgrader.api.__file__).with_name("alembic"))).get_current_head())

    nbgrader.api.get_alembic_version = newest


def _environment_on_path() -> None:
    """nbgrader calls the program `alembic` by name: find this environment's, activated or not."""
    import sys

    programs = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "")
    if programs not in path.split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + path

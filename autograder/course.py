"""Where a course lives, and how nbgrader is set up for it."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG = "nbgrader_config.py"
CLASSROOM_VARIABLE = "AUTOGRADER_CLASSROOM"  # tells nbgrader_config.py which classroom a command works on
DATABASE_FILE = "gradebook.url"  # in the classroom, if the gradebook is not: where it is
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

    Any other nbgrader course (see `anycourse`) is one folder: its root is its classroom.
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
    def is_any(self) -> bool:
        """Whether this is some nbgrader course, without solutions/ and releases of its own."""
        return self.root == self.classroom

    @property
    def benches(self) -> Path:
        return self.root / "tests" / "benches"

    def exercises(self) -> list[str]:
        """The names of the exercises, in order; nbgrader calls them assignments."""
        if self.is_any:
            return sorted({path.parent.name for path in self.classroom.glob("source/*/*.ipynb")})
        return sorted(path.stem for path in self.solutions.glob("*.ipynb"))

    def notebook(self, step: str, student: str, exercise: str, suffix: str = ".ipynb") -> Path:
        """A student's notebook at one of nbgrader's steps: submitted, autograded or feedback."""
        return self.classroom / step / student / exercise / (exercise + suffix)

    def database(self) -> str | None:
        """The URL of the gradebook's database; None if it is the classroom's gradebook.db."""
        file = self.classroom / DATABASE_FILE
        return file.read_text(encoding="utf-8").strip() if file.is_file() else None

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

        self.classroom.mkdir(parents=True, exist_ok=True)
        config = own_settings(self.root)
        if self.is_any:
            configure_grading(config, config.CourseDirectory.root)
        else:
            configure(config, self)
        _environment_on_path()
        _ask_alembic_here()
        if url := self.database():
            from autograder.database import check_database

            check_database(url)
        return CourseDirectory(config=config)


def find_course(classroom: Path | None = None, folder: Path | None = None, *, any_course: bool = False) -> Course:
    """The course in `folder`, or around the working folder; its classroom is `classroom/` unless another is given.

    any_course: any nbgrader course will do.

    Raises:
        UserError: There is none.
    """
    here = Path.cwd() if folder is None else folder.resolve()
    around = (here, *here.parents) if folder is None else (here,)
    for place in around:
        if (place / "solutions").is_dir() and (place / CONFIG).is_file():
            return Course(place, (classroom or place / "classroom").resolve())
    for place in around:
        if any(place.glob("source/*/*.ipynb")):
            if any_course:
                return Course(place, place)
            raise UserError(
                f"{place} is another nbgrader course: `autograder grade` works there; for the rest use nbgrader"
            )
    where = f"{here} has" if folder else f"{here} and the folders above have"
    raise UserError(
        f"no course here: {where} neither solutions/ with {CONFIG} beside it nor source/<assignment>/<notebook>.ipynb"
    )


def own_settings(root: Path) -> Any:
    """What a course's own nbgrader_config.py says, as traitlets' configuration object.

    Raises:
        UserError: It can't be run.
    """
    from traitlets.config import Config, PyFileConfigLoader

    config = Config()
    if (root / CONFIG).is_file():
        try:
            config = PyFileConfigLoader(CONFIG, str(root)).load_config()
        except Exception as error:
            raise UserError(f"{root / CONFIG} can't be run: {type(error).__name__}: {error}") from None
    if "root" not in config.CourseDirectory:
        config.CourseDirectory.root = str(root)
    return config


def configure_grading(config: Any, root: str) -> None:
    """Have nbgrader grade with this grader's two steps, and leave all else as the course has it."""
    from nbgrader.converters import Autograde

    steps = Autograde.class_traits()
    for name, change in (("sanitize_preprocessors", _with_repairs), ("autograde_preprocessors", _with_warm_execution)):
        default = steps[name].default()
        config.Autograde[name] = change(list(config.Autograde.get(name, default)))
    config.RestoreCells.released = os.path.join(root, "release", "{assignment}", "{notebook}.ipynb")


def configure(config: Any, course: Course) -> None:
    """Set nbgrader up for this course. `config` is traitlets' configuration object."""
    config.CourseDirectory.root = str(course.classroom)
    config.CourseDirectory.course_id = "simpo_practice"
    config.CourseDirectory.db_url = course.database() or f"sqlite:///{course.classroom / 'gradebook.db'}"
    config.GenerateAssignment.preprocessors = _release_preprocessors()
    config.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotAttempted"}
    config.ClearSolutions.text_stub = ESSAY_PLACEHOLDER
    config.ClearMarkScheme.enforce_metadata = False  # a rubric stands in a locked cell, beside the answer
    config.Autograde.sanitize_preprocessors = _sanitize_preprocessors()
    config.RestoreCells.course = str(course.classroom)
    config.Autograde.autograde_preprocessors = _autograde_preprocessors()
    config.ExchangeFactory.release_assignment = "autograder.exchange.ReleaseEdition"
    config.GenerateFeedback.preprocessors = []
    config.GenerateFeedback.exporter_class = "autograder.exporter.FeedbackExporter"
    config.FeedbackExporter.repository, config.FeedbackExporter.classroom = str(course.root), str(course.classroom)


def _release_preprocessors() -> list[Any]:
    """nbgrader's own steps, with this course's way of clearing solutions."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.preprocessors import ClearSolutions

    steps = GenerateAssignment.class_traits()["preprocessors"].default()
    return ["autograder.release.ClearAnswers" if step is ClearSolutions else step for step in steps]


def _sanitize_preprocessors() -> list[Any]:
    """This course's way of undoing what happened to a notebook's cells; then nbgrader's own checks."""
    from nbgrader.preprocessors import CheckCellMetadata, OverwriteCells

    return _with_repairs([OverwriteCells, CheckCellMetadata])


def _autograde_preprocessors() -> list[Any]:
    """nbgrader's own steps, with this course's way of running a notebook."""
    from nbgrader.converters import Autograde

    return _with_warm_execution(Autograde.class_traits()["autograde_preprocessors"].default())


def _with_repairs(steps: list[Any]) -> list[Any]:
    return ["autograder.repair.RestoreCells", *steps]


def _with_warm_execution(steps: list[Any]) -> list[Any]:
    from nbgrader.preprocessors import Execute

    return [
        "autograder.execute.WarmExecute" if step is Execute or str(step).endswith(".Execute") else step
        for step in steps
    ]


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

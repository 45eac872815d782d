"""How nbgrader is set up for a course: its folders, its steps, its gradebook."""

import os
from pathlib import Path
from typing import Any

from autograder.course import CONFIG, ESSAY_PLACEHOLDER, Course, UserError
from autograder.database import check_database
from autograder.nbgrader_patches import ask_alembic_here, environment_on_path, keep_engines, tell_once
from simpo_language.speech import _

ANY_NOTEBOOK = "autograder.grading.any_notebook.AnyNotebookExporter"


def nbgrader_api(course: Course) -> Any:
    """nbgrader's Python interface to this course."""
    import logging

    from nbgrader.apps import NbGraderAPI

    found = nbgrader_folders(course)
    keep_engines()
    tell_once()
    api = NbGraderAPI(found, config=found.config)
    api.log.handlers = [logging.NullHandler()]  # its lines come back with each result
    api.log.propagate = False
    return api


def nbgrader_folders(course: Course) -> Any:
    """nbgrader's CourseDirectory: where this course's files and its gradebook are; `config` is its settings."""
    from nbgrader.coursedir import CourseDirectory

    course.classroom.mkdir(parents=True, exist_ok=True)
    config = own_settings(course.root)
    if course.is_any:
        configure_grading(config, config.CourseDirectory.root)
    else:
        configure(config, course)
    environment_on_path()
    ask_alembic_here()
    if url := course.database():
        check_database(url)
    return CourseDirectory(config=config)


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
            raise UserError(
                _("{value} can't be run: {name}: {error}").format(
                    value=root / CONFIG, name=type(error).__name__, error=error
                )
            ) from None
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
    config.Autograde.exporter_class = ANY_NOTEBOOK
    config.RestoreCells.released = os.path.join(root, "release", "{assignment}", "{notebook}.ipynb")


def configure(config: Any, course: Course) -> None:
    """Set nbgrader up for this course. `config` is traitlets' configuration object."""
    config.CourseDirectory.root = str(course.classroom)
    config.CourseDirectory.course_id = "simpo_practice"
    config.CourseDirectory.db_url = course.database() or f"sqlite:///{course.classroom / 'gradebook.db'}"
    config.GenerateAssignment.preprocessors = _release_preprocessors()
    config.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotAttempted"}
    config.ClearSolutions.text_stub = ESSAY_PLACEHOLDER
    config.ClearSchemes.enforce_metadata = False  # a rubric stands in a locked cell, beside the answer
    config.Autograde.exporter_class = ANY_NOTEBOOK
    config.Autograde.sanitize_preprocessors = _sanitize_preprocessors()
    config.RestoreCells.course = str(course.classroom)
    config.RestoreCells.outline = str(course.outline)
    config.Autograde.autograde_preprocessors = _autograde_preprocessors()
    config.ExchangeFactory.release_assignment = "autograder.jupyter.exchange.ReleaseEdition"
    config.GenerateFeedback.preprocessors = []
    config.GenerateFeedback.exporter_class = "autograder.jupyter.exporter.FeedbackExporter"
    config.FeedbackExporter.repository, config.FeedbackExporter.classroom = str(course.root), str(course.classroom)


def _release_preprocessors() -> list[Any]:
    """nbgrader's own steps, with this course's way of clearing solutions, and of giving out checks."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, ClearSolutions

    ours: dict[Any, Any] = {
        ClearSolutions: "autograder.authoring.release.ClearAnswers",
        ClearHiddenTests: "autograder.authoring.given_checks.GiveChecks",
        ClearMarkScheme: "autograder.authoring.release.ClearSchemes",
    }
    return [ours.get(step, step) for step in GenerateAssignment.class_traits()["preprocessors"].default()]


def _sanitize_preprocessors() -> list[Any]:
    """This course's way of undoing what happened to a notebook's cells; then nbgrader's own checks."""
    from nbgrader.preprocessors import CheckCellMetadata

    return _with_repairs(["autograder.grading.repair.OverwriteEdition", CheckCellMetadata])


def _autograde_preprocessors() -> list[Any]:
    """nbgrader's own steps, with this course's way of running a notebook."""
    from nbgrader.converters import Autograde

    return _with_warm_execution(Autograde.class_traits()["autograde_preprocessors"].default())


def _with_repairs(steps: list[Any]) -> list[Any]:
    return ["autograder.grading.repair.RestoreCells", *steps]


def _with_warm_execution(steps: list[Any]) -> list[Any]:
    from nbgrader.preprocessors import Execute

    return [
        "autograder.grading.execute.WarmExecute" if step is Execute or str(step).endswith(".Execute") else step
        for step in steps
    ]

"""The formgrader's lists as this course wants them: how many submissions wait for a person, full names, and no warning
of an exchange folder where the course has none.

Pages and addresses stay nbgrader's; templates/formgrader/ adds to its templates what is ours.
"""

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader
from nbgrader.server_extensions.formgrader.handlers import (
    GradebookAssignmentsHandler,
    GradebookNotebookSubmissionsHandler,
    ManageAssignmentsHandler,
    ManageStudentsHandler,
    ManageSubmissionsHandler,
)
from sqlalchemy import func, select

TEMPLATES = Path(__file__).with_name("templates") / "formgrader"
OURS = "autograder_lists"  # in the server's settings


class Ours:
    """Mixed in: a page by our template, which extends nbgrader's of the same name."""

    def render(self, name: str, **shown: Any) -> str:
        settings = self.settings  # type: ignore[attr-defined]
        if OURS not in settings:
            theirs = settings["nbgrader_jinja2_env"]
            settings[OURS] = theirs.overlay(loader=ChoiceLoader([FileSystemLoader(TEMPLATES), theirs.loader]))
        page: str = settings[OURS].get_template(f"ours_{name}").render(**shown)
        return page


class ExercisesHandler(Ours, GradebookAssignmentsHandler):
    """The exercises under Manual Grading, with how many submissions of each wait."""

    def render(self, name: str, **shown: Any) -> str:
        self.gradebook.db.rollback()  # nothing is remembered from an earlier request
        return super().render(name, waiting=waiting(self.gradebook.db), **shown)


class SubmissionsHandler(Ours, GradebookNotebookSubmissionsHandler):
    """The submissions of an exercise, for who grades by hand."""


class HandedInHandler(Ours, ManageSubmissionsHandler):
    """The submissions of an exercise, for who has them graded."""


class StudentsHandler(Ours, ManageStudentsHandler):
    """The students."""


class ManageHandler(ManageAssignmentsHandler):
    """The exercises; without a warning of an exchange folder that nobody has asked for."""

    def render(self, name: str, **shown: Any) -> str:
        is_wanted = "root" in self.api.config.Exchange
        page: str = super().render(
            name, **{**shown, "exchange_missing": bool(shown.get("exchange_missing")) and is_wanted}
        )
        return page


def waiting(database: Any) -> dict[str, int]:
    """How many submissions of each exercise wait for a person, where any does."""
    from nbgrader.api import Assignment, Grade, SubmittedAssignment, SubmittedNotebook

    query = (
        select(Assignment.name, func.count(SubmittedAssignment.id.distinct()))
        .select_from(Grade)
        .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .where(Grade.needs_manual_grade)
        .group_by(Assignment.name)
    )
    return dict(database.execute(query).tuples().all())


def handlers() -> list[tuple[Any, ...]]:
    """The addresses, without the server's own beginning."""
    return [
        (r"/formgrader/manage_assignments/?", ManageHandler),
        (r"/formgrader/manage_submissions/([^/]+)/?", HandedInHandler),
        (r"/formgrader/manage_students/?", StudentsHandler),
        (r"/formgrader/gradebook/?", ExercisesHandler),
        (r"/formgrader/gradebook/([^/]+)/([^/]+)/?", SubmissionsHandler),
    ]

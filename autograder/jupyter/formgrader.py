"""nbgrader's formgrader as this course wants it: quick in any class, and no mark for a text that nobody read.

Its pages and addresses stay nbgrader's. These handlers answer at some of them, and do what nbgrader's do.
"""

import os
from types import SimpleNamespace
from typing import Any

from nbgrader.api import MissingEntry
from nbgrader.server_extensions.formgrader.apihandlers import (
    CommentCollectionHandler,
    CommentHandler,
    GradeCollectionHandler,
    GradeHandler,
)
from nbgrader.server_extensions.formgrader.handlers import SubmissionHandler, SubmissionNavigationHandler
from sqlalchemy import select
from tornado.web import HTTPError

from autograder.desk.handlers import served_course
from autograder.desk.texts import Texts, digest_of_all
from autograder.gradebook.key_points import changed_points, key_points_table
from autograder.gradebook.own_table import written_table
from autograder.gradebook.writer import Writer
from autograder.jupyter.essays import exporter
from simpo_language.speech import N_, _

READ = "X-Autograder-Read"  # what a page says it has shown: a digest of the student's texts
UNREAD = N_(
    "The student's work was graded anew while you had this page open, and nothing was saved: it would count for a text "
    "that nobody read. Load the page again."
)


class Fresh:
    """Mixed in: nothing of the gradebook is remembered from an earlier request; somebody else may have changed it."""

    def prepare(self) -> Any:
        self.gradebook.db.rollback()  # type: ignore[attr-defined]
        self.gradebook.db.expire_all()  # type: ignore[attr-defined]
        return super().prepare()  # type: ignore[misc]


class EssayHandler(Fresh, SubmissionHandler):
    """A submission, for a person who grades its essays."""

    @property
    def exporter(self) -> Any:
        try:
            exercise = self.gradebook.find_submission_notebook_by_id(self.path_args[0]).assignment.assignment.name
        except MissingEntry:
            exercise = ""
        return exporter(super().exporter.config, _changed_points(self.gradebook.db, exercise))

    @property
    def api(self) -> Any:
        """What nbgrader's handler asks of it: places of a notebook's submissions, without loading every one."""

        def indices(assignment: str, notebook: str) -> dict[str, int]:
            found = submission_ids(self.gradebook.db, self.coursedir, assignment, notebook)
            return {one: place for place, one in enumerate(found)}

        return SimpleNamespace(get_notebook_submission_indices=indices)


class NavigationHandler(Fresh, SubmissionNavigationHandler):
    """Which submission is next."""

    def _get_submission_ids(self, assignment_id: str, notebook_id: str) -> list[str]:
        return submission_ids(self.gradebook.db, self.coursedir, assignment_id, notebook_id)

    def _get_incorrect_submission_ids(self, assignment_id: str, notebook_id: str, submission: Any) -> list[str]:
        found = submission_ids(self.gradebook.db, self.coursedir, assignment_id, notebook_id)
        failed = _with_failed_tests(self.gradebook.db, assignment_id, notebook_id) | {submission.id}
        return [one for one in found if one in failed]


class GradesHandler(Fresh, GradeCollectionHandler):
    """The points of a submission."""


class CommentsHandler(Fresh, CommentCollectionHandler):
    """The comments of a submission."""


class ReadFirst(Fresh):
    """Mixed in: what is saved is about a text that was shown."""

    def put(self, row_id: str) -> Any:
        try:
            row = self._row(row_id)
        except MissingEntry:
            raise HTTPError(404) from None
        if self.request.headers.get(READ) != self._digest(row):  # type: ignore[attr-defined]
            self.gradebook.db.rollback()  # type: ignore[attr-defined]
            self.set_status(409)  # type: ignore[attr-defined]
            self.finish(_(UNREAD))  # type: ignore[attr-defined]
            return None
        return super().put(row_id)  # type: ignore[misc]

    def _row(self, row_id: str) -> Any:
        raise NotImplementedError

    def _digest(self, row: Any) -> str:
        """Of what stands there now. Nobody can grade it anew until the mark is written."""
        gradebook = self.gradebook  # type: ignore[attr-defined]
        submission, student = row.notebook.assignment, row.notebook.student.id
        texts = _texts(self.settings)  # type: ignore[attr-defined]
        written_table().create(gradebook.db.connection(), checkfirst=True)
        opened = Writer(gradebook, self.coursedir, texts.course, {})  # type: ignore[attr-defined]
        opened.lock(student)
        return digest_of_all(texts.answers_now(gradebook.db, submission.id, student, submission.assignment.name))


class ReadGradeHandler(ReadFirst, GradeHandler):
    """A person's points."""

    def _row(self, row_id: str) -> Any:
        return self.gradebook.find_grade_by_id(row_id)


class ReadCommentHandler(ReadFirst, CommentHandler):
    """A person's comment."""

    def _row(self, row_id: str) -> Any:
        return self.gradebook.find_comment_by_id(row_id)


def submission_ids(database: Any, coursedir: Any, assignment: str, notebook: str) -> list[str]:
    """The submissions of a notebook that the formgrader can show, in its order. One query.

    nbgrader loads every submission with its student, one by one, each time that a page is shown.
    """
    from nbgrader.api import Assignment, Notebook, SubmittedAssignment, SubmittedNotebook

    query = (
        select(SubmittedNotebook.id, SubmittedAssignment.student_id)
        .select_from(SubmittedNotebook)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .join(Notebook, SubmittedNotebook.notebook_id == Notebook.id)
        .where(Assignment.name == assignment, Notebook.name == notebook)
    )

    def is_there(student: str) -> bool:
        folder = coursedir.format_path(coursedir.autograded_directory, student, assignment)
        return os.path.exists(os.path.join(os.path.abspath(folder), f"{notebook}.ipynb"))

    return sorted(one for one, student in database.execute(query) if is_there(student))


def _with_failed_tests(database: Any, assignment: str, notebook: str) -> set[str]:
    """The submissions of a notebook in which a check gave less than all its points."""
    from nbgrader.api import Assignment, Grade, GradeCell, Notebook

    query = (
        select(Grade.notebook_id)
        .join(GradeCell, Grade.cell_id == GradeCell.id)
        .join(Notebook, GradeCell.notebook_id == Notebook.id)
        .join(Assignment, Notebook.assignment_id == Assignment.id)
        .where(Assignment.name == assignment, Notebook.name == notebook)
        .where(GradeCell.cell_type == "code", Grade.auto_score < GradeCell.max_score)
    )
    return set(database.scalars(query))


def _changed_points(database: Any, exercise: str) -> dict[str, dict[int, tuple[float, float]]]:
    """Key points of an exercise's essays that earn other points, by grade_id and place."""
    key_points_table().create(database.connection(), checkfirst=True)
    return changed_points(database, exercise)


def _texts(settings: dict[str, Any]) -> Texts:
    """What students wrote, as the server's course has it."""
    if "autograder_texts" not in settings:
        settings["autograder_texts"] = Texts(served_course(settings))
    found: Texts = settings["autograder_texts"]
    return found


def handlers() -> list[tuple[Any, ...]]:
    """The addresses, without the server's own beginning."""
    action = r"(?P<action>next_incorrect|prev_incorrect|next|prev)"
    return [
        (r"/formgrader/submissions/([^/]+)/?", EssayHandler),
        (rf"/formgrader/submissions/(?P<submission_id>[^/]+)/{action}/?", NavigationHandler),
        (r"/formgrader/api/grades", GradesHandler),
        (r"/formgrader/api/comments", CommentsHandler),
        (r"/formgrader/api/grade/([^/]+)", ReadGradeHandler),
        (r"/formgrader/api/comment/([^/]+)", ReadCommentHandler),
    ]

"""nbgrader's way to a page of feedback: `nbgrader generate_feedback` and the formgrader's button write ours."""

import functools
from pathlib import Path
from typing import Any

from nbconvert.exporters import Exporter
from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook
from traitlets import Bool, Unicode, default

from autograder.course import Course
from autograder.pages.class_known import Known, read_known
from autograder.pages.feedback import page_html, page_key
from autograder.pages.feedback_list import write_indexes


class FeedbackExporter(Exporter):
    """Makes the page of one graded notebook, and its student's list of exercises."""

    output_mimetype = "text/html"
    repository = Unicode("", help="The folder with solutions/").tag(config=True)
    classroom = Unicode("", help="nbgrader's course folder").tag(config=True)
    has_list = Bool(True, help="Whether students get the list of their exercises, too, which pages link to").tag(
        config=True
    )

    @default("file_extension")
    def _html(self) -> str:
        return ".html"

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kw: Any) -> tuple[str, Any]:
        _, resources = super().from_notebook_node(nb, resources, **kw)
        student, exercise = resources["nbgrader"]["student"], resources["nbgrader"]["assignment"]
        course, known = self._course(), self._standing(resources["nbgrader"]["db_url"])
        key = page_key(course, known.marks, student, exercise, has_list=self.has_list)
        html = page_html(course, known, student, exercise, key, has_list=self.has_list)
        for _ in write_indexes(course, known, [student]):
            pass
        return html, resources

    def _course(self) -> Course:
        return Course(Path(self.repository), Path(self.classroom))

    @functools.cache  # noqa: B019  (an exporter lives as long as one run of nbgrader)
    def _standing(self, db_url: str) -> Known:
        with Gradebook(db_url, self.parent.coursedir.course_id) as gradebook:
            return read_known(self._course(), gradebook)

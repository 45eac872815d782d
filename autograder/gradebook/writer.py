"""The gradebook, kept open for writing: one transaction a submission, and what nbgrader would have written.

nbgrader's own way commits each row by itself and builds its SQL anew for every question. Here its tables are
written by few statements. tests/course/gradebook/test_writer.py holds both against each other, table by table.
"""

import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder.cells import answers_of, read_notebook
from autograder.course import Course, UserError
from autograder.database import share_exercises
from autograder.gradebook.extensions import Extensions, read_extensions
from autograder.gradebook.own_table import keep_written, written_answers, written_keys, written_table
from autograder.nbgrader_setup import nbgrader_folders
from autograder.results import Marked
from simpo_language.speech import _

ATTEMPTS = 6  # somebody else may be writing: each is a new transaction, after a longer wait
WAIT_SECONDS = 0.05


class NotInGradebook(Exception):
    """The gradebook does not know an exercise, or knows it with other cells."""


@dataclass(frozen=True)
class AssignmentRows:
    """Where the rows of an exercise's submissions belong."""

    assignment: str  # its id, as all that follows
    notebooks: Mapping[str, str]  # of each notebook, by name
    graded: Mapping[str, tuple[str, str]]  # of each graded cell: name, notebook
    commented: Mapping[str, tuple[str, str]]  # of each cell with room for a comment


class Writer:
    """Writes what came of submissions. One transaction each: it is written whole, or not at all."""

    def __init__(self, gradebook: Any, folders: Any, course: Course, extensions: Extensions) -> None:
        self.gradebook = gradebook  # nbgrader's, open
        self.folders = folders  # the course's; their config says what being late costs
        self.course = course
        self.extensions = extensions
        self._layouts: dict[str, AssignmentRows] = {}

    def knows(self, exercise: str) -> bool:
        """Whether an exercise is in the gradebook."""
        try:
            self._layout(exercise)
        except NotInGradebook:
            return False
        return True

    def write(self, marked: Marked, handed_in: datetime | None, key: str = "") -> str:
        """Write a submission's scores and comments, and return what the log should say.

        What people gave (points, extra credit, comments) stays. A cell with a person's points is marked for them to
        look at again only if the answer, or what the check gives for it, has changed.

        handed_in: in UTC; None: it is not known, and what the gradebook knows of it stays.
        key: of the record that is kept of this grading.

        Raises:
            UserError: The gradebook can't be written.
            NotInGradebook: It has no row for a cell.
        """
        return self.transaction(lambda: self._write(marked, handed_in, key))

    def apply_due(self, exercise: str) -> None:
        """Reckon the extensions and late penalties of an exercise's submissions anew, after due times have changed.

        Raises:
            UserError: The gradebook can't be written.
        """
        self.transaction(lambda: self._apply_due(exercise))

    def _apply_due(self, exercise: str) -> str:
        from nbgrader.api import SubmittedAssignment
        from sqlalchemy import select

        found = select(SubmittedAssignment).filter_by(assignment_id=self._layout(exercise).assignment)
        for submission in self.gradebook.db.scalars(found.order_by(SubmittedAssignment.student_id)).all():
            self.lock(submission.student_id)
            self._extend(submission)
            for notebook in submission.notebooks:
                self._assign_penalty(submission, notebook)
        return ""

    def transaction(self, work: Callable[[], str], *, is_preparing: bool = False) -> str:
        """What `work` says, which changes the gradebook whole or not at all; tried again if somebody else writes.

        is_preparing: whoever asks is the one who is `preparing` the gradebook, and would wait for itself.

        Raises:
            UserError: The gradebook can't be written.
        """
        from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

        database, failure = self.gradebook.db, None
        for attempt in range(ATTEMPTS):
            try:
                if not is_preparing:
                    share_exercises(database)
                said = work()
                database.commit()
                return said
            # a row or our table is there already; it is locked; it has changed
            except (IntegrityError, OperationalError, ProgrammingError) as error:
                failure = error
            finally:
                database.rollback()  # what was not committed
                database.expunge_all()
            self._layouts.clear()
            time.sleep(WAIT_SECONDS * 2**attempt * (0.5 + random.random()))
        url = self.gradebook.engine.url.render_as_string(hide_password=True)
        raise UserError(
            _("the gradebook {url} can't be written: {value}").format(url=url, value=str(failure).splitlines()[0])
        ) from failure

    def _write(self, marked: Marked, handed_in: datetime | None, key: str) -> str:
        from nbgrader.api import Comment, Grade, SubmittedNotebook
        from sqlalchemy import select, update

        database, result = self.gradebook.db, marked.result
        if result.exercise not in self._layouts:
            self._layouts[result.exercise] = self._layout(result.exercise)
        layout = self._layouts[result.exercise]
        written_table().create(database.connection(), checkfirst=True)
        self.lock(result.student)
        submission = self._submission(layout, result.student)
        before = self.answers_before(submission.id, result.student, result.exercise)
        if handed_in is not None:
            submission.timestamp = handed_in
        self._extend(submission)
        notebook = database.scalars(
            select(SubmittedNotebook).filter_by(
                assignment_id=submission.id, notebook_id=layout.notebooks[result.exercise]
            )
        ).one()
        grades = [
            {
                "id": row.id,
                "auto_score": score,
                "needs_manual_grade": _waits(row, score, before.get(name) == marked.answers.get(name)),
            }
            for name, row, score in self._rows(Grade, notebook.id, layout.graded, marked.scores)
        ]
        comments = [
            {"id": row.id, "auto_comment": words}
            for _, row, words in self._rows(Comment, notebook.id, layout.commented, marked.comments)
        ]
        for table, rows in ((Grade, grades), (Comment, comments)):
            if rows:
                database.execute(update(table), rows)
        keep_written(database, submission.id, key, marked.answers)
        return self._assign_penalty(submission, notebook)

    def lock(self, student: str) -> None:
        """Let nobody else write the student's rows until the transaction ends; make the student's own if need be."""
        from nbgrader.api import Student
        from sqlalchemy import update

        quiet = {"synchronize_session": False}
        same = update(Student).where(Student.id == student).values(id=student)
        if not self.gradebook.db.execute(same, execution_options=quiet).rowcount:
            self.gradebook.db.add(Student(id=student))
            self.gradebook.db.flush()

    def _submission(self, layout: AssignmentRows, student: str) -> Any:
        """The row of the student's submission; if it is new, with a row for each notebook, grade and comment."""
        from nbgrader.api import Comment, Grade, SubmittedAssignment, SubmittedNotebook
        from sqlalchemy import insert, select

        database = self.gradebook.db
        wanted = {"assignment_id": layout.assignment, "student_id": student}
        submission = database.scalars(select(SubmittedAssignment).filter_by(**wanted)).one_or_none()
        if submission is not None:
            return submission
        submission = SubmittedAssignment(**wanted)
        database.add(submission)
        database.flush()
        notebooks = {each: SubmittedNotebook(notebook_id=each, assignment_id=submission.id)
                     for each in layout.notebooks.values()}  # fmt: skip
        database.add_all(notebooks.values())
        database.flush()
        for table, cells in ((Grade, layout.graded), (Comment, layout.commented)):
            rows = [{"cell_id": cell, "notebook_id": notebooks[where].id} for cell, (_, where) in cells.items()]
            if rows:
                database.execute(insert(table), rows)
        return submission

    def answers_before(self, submission: str, student: str, exercise: str) -> dict[str, str]:
        """The digests of the answers that the gradebook's points are of."""
        kept = written_answers(self.gradebook.db, submission)
        if kept is not None:
            return kept
        try:  # nbgrader's own autograder gave them
            return answers_of(read_notebook(self.course.notebook("autograded", student, exercise)))
        except (OSError, ValueError):
            return {}

    def _extend(self, submission: Any) -> None:
        """Give nbgrader the student's extension. Without a due time nbgrader can't have one."""
        due = submission.assignment.duedate
        if due is None:
            submission.extension = None
        elif until := self.extensions.get((submission.student_id, submission.assignment.name)):
            longer = until.astimezone(UTC).replace(tzinfo=None) - due
            submission.extension = longer if longer.total_seconds() > 0 else None

    def _rows(
        self, table: Any, notebook: str, cells: Mapping[str, tuple[str, str]], wanted: Mapping[str, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        """The rows of a submitted notebook's cells, each with its name and what is wanted for it."""
        from sqlalchemy import select

        people = ("auto_score", "manual_score", "needs_manual_grade")  # a comment has none of these
        columns = [table.id, table.cell_id, *(getattr(table, name) for name in people if hasattr(table, name))]
        # By cell as well: nbgrader's index is of the two together; by notebook alone the whole table would be read.
        its = (table.cell_id.in_(cells), table.notebook_id == notebook)
        rows = self.gradebook.db.execute(select(*columns).where(*its).with_for_update())
        found = {cells[row.cell_id][0]: row for row in rows}
        if missing := wanted.keys() - found.keys():
            raise NotInGradebook(f"the gradebook has no {table.__tablename__} for {', '.join(sorted(missing))}")
        for name, content in wanted.items():
            yield name, found[name], content

    def _assign_penalty(self, submission: Any, notebook: Any) -> str:
        """What nbgrader's AssignLatePenalties does, with its plugin and its limits."""
        notebook.late_submission_penalty = None
        seconds = submission.total_seconds_late
        if seconds <= 0:
            return ""
        from nbgrader.preprocessors import AssignLatePenalties

        self.gradebook.db.flush()
        step = AssignLatePenalties(config=self.folders.config)
        step.init_plugin()
        penalty = step.plugin_inst.late_submission_penalty(submission.student_id, notebook.score, seconds)
        if penalty is not None:
            notebook.late_submission_penalty = step._check_late_penalty(notebook, penalty)
        return f"{seconds:.0f} seconds late; penalty: {notebook.late_submission_penalty or 0:g}\n"

    def _layout(self, exercise: str) -> AssignmentRows:
        from nbgrader.api import GradeCell, MissingEntry, SolutionCell, TaskCell

        try:
            assignment = self.gradebook.find_assignment(exercise)
            self.gradebook.find_notebook(exercise, exercise)
        except MissingEntry as error:
            raise NotInGradebook(str(error)) from None
        cells = [(cell, notebook.id) for notebook in assignment.notebooks for cell in notebook._base_cells]
        return AssignmentRows(
            assignment.id,
            {notebook.name: notebook.id for notebook in assignment.notebooks},
            {cell.id: (cell.name, where) for cell, where in cells if isinstance(cell, (GradeCell, TaskCell))},
            {cell.id: (cell.name, where) for cell, where in cells if isinstance(cell, (SolutionCell, TaskCell))},
        )


def _waits(row: Any, score: float | None, same_answer: bool) -> bool:
    """Whether a cell waits for a person: nobody has given points yet, or what they were given for has changed."""
    if row.manual_score is None:
        return score is None
    return bool(row.needs_manual_grade or not same_answer or row.auto_score != score)


def has_gradebook(course: Course) -> bool:
    """Whether there is a gradebook. (One on a server is there; nbgrader's own is a file.)"""
    url: str = nbgrader_folders(course).db_url
    return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).is_file()


def keys_written(course: Course) -> dict[tuple[str, str], str]:
    """The keys of what the gradebook holds, by student and exercise; makes no gradebook."""
    if not has_gradebook(course):
        return {}
    with open_gradebook(course) as opened:
        return written_keys(opened.gradebook)


@contextmanager
def open_gradebook(course: Course) -> Iterator[Writer]:
    """The course's gradebook, made if there is none; closed at the end."""
    from nbgrader.api import Gradebook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy 2.1 warns of nbgrader 0.9.6's models
        folders = nbgrader_folders(course)
        gradebook = Gradebook(folders.db_url, folders.course_id)
    with gradebook:
        yield Writer(gradebook, folders, course, read_extensions(course))

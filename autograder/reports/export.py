"""Points out of the gradebook, for a spreadsheet or a learning management system.

Four of nbgrader's export plugins: `autograder export --to canvas` and
`nbgrader export --exporter autograder.reports.export.CanvasExporter --to grades.csv` do the same. One column for each
exercise that somebody has handed in, late penalties taken off as nbgrader does. An empty cell says that nothing
was handed in; 0 was earned. Essays that nobody has read count 0 so far: such scores are provisional, and said
to be.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, Unicode

from autograder.course import Course, find_course
from autograder.files import write_whole
from autograder.gradebook.scores import ClassScores, Student
from autograder.handing_in.other_files import OtherFile, other_files
from autograder.handing_in.roster import load
from autograder.pages.class_known import read_known
from autograder.reports.comments import comment_of
from autograder.reports.csv_files import disarmed, number
from autograder.reports.exporter import Exported, Exporter, points_cell
from autograder.reports.gradescope import GradescopeExporter
from autograder.reports.sheets import Options, fill, notes


class CsvExporter(Exporter):
    """One row per student: who, points per exercise, the total, and remarks on what is missing or provisional."""

    def rows(self, scores: ClassScores) -> Iterator[Sequence[str]]:
        yield [
            "student",
            "last name",
            "first name",
            "email",
            *scores.exercises,
            "total",
            "out of",
            "late penalty",
            "remarks",
        ]
        out_of = number(sum(scores.max_points.values()))
        others = other_files(self.folder())
        for student in scores.students:
            late = sum(score.penalty for score in scores.of(student.id).values())
            yield [
                *map(disarmed, (student.id, student.last_name, student.first_name, student.email)),
                *(points_cell(self.points(scores, student.id, exercise)) for exercise in scores.exercises),
                *(points_cell(self.total(scores, student.id)), out_of, number(late)),
                "; ".join(self._remarks(scores, student, others)),
            ]

    def _remarks(
        self, scores: ClassScores, student: Student, other_files: Mapping[tuple[str, str], OtherFile]
    ) -> Iterator[str]:
        have = scores.of(student.id)
        absent = [name for name in scores.exercises if name not in have]
        handed_in = {name for name in absent if (self.folder() / "submitted" / student.id / name).is_dir()}
        others = {name: one for (who, name), one in other_files.items() if who == student.id}
        for words, names in (
            ("provisional, waits for a person", [name for name, score in have.items() if not score.is_final]),
            ("handed in but without a score", [name for name in absent if name in handed_in]),
            ("not handed in", [name for name in absent if name not in {*handed_in, *others}]),
        ):
            if names:
                yield f"{words}: {', '.join(names)}"
        for name, one in others.items():
            yield disarmed(f"{name}: {one.words}" if name else one.words)


class SheetExporter(Exporter):
    """A file for a learning management system: its own (`into`), filled, or a new one where a subclass knows how."""

    into = Unicode(help="The system's own CSV file or workbook; its columns are filled and the rest stays.").tag(
        config=True
    )
    columns = Dict(help="Which of its columns is which exercise, where the names don't say so.").tag(config=True)
    scale = Bool(False, help="Multiply where the system's maximum differs from the exercise's.").tag(config=True)
    keep = Bool(False, help="Leave points that stand there, where ours are others.").tag(config=True)
    comments = Bool(False, help="Fill the column for comments of Moodle's grading worksheet, too.").tag(config=True)

    def target(self) -> Path:
        """With `into`, a name of its own: what the system gave out stays, and so does a file written without."""
        given = Path(self.into)
        return Path(f"{given.stem}.filled{given.suffix}") if self.into and not self.to else super().target()

    def exercises(self, scores: ClassScores) -> list[str]:
        """With `into`, all: the file's columns say which."""
        return scores.exercises if self.into else super().exercises(scores)

    def write(self, gradebook: Any, scores: ClassScores, path: Path) -> Exported:
        if not self.into:
            return super().write(gradebook, scores, path)
        options = Options(self.columns, self.scale, self.keep, self._commenter(gradebook) if self.comments else None)
        roster = load(Course(self.folder(), self.folder()))  # which reads the classroom alone
        filled = fill(Path(self.into), scores, lambda *of: self.points(scores, *of), options, roster)
        write_whole(path, filled.content)
        return Exported(path, filled.cells, (*self.notes(scores), *notes(filled, scores, options)))

    def _commenter(self, gradebook: Any) -> Callable[[str, str], str]:
        course = find_course(self.folder())
        return functools.partial(comment_of, course, read_known(course, gradebook))


class CanvasExporter(SheetExporter):
    """Canvas's gradebook: Gradebook → Export gives the file for `into`, Import takes what this writes.

    Columns as in Canvas's own export: Student, ID (Canvas's number), SIS User ID, SIS Login ID, Section, then
    "name (number)" for each assignment; in the second row the points possible. An import finds students by
    ID, SIS User ID, SIS Login ID or name, in this order, and offers to make an assignment for each column
    without a number that it doesn't know. "Final Points" is one of the columns that it never reads.
    A student's id may have come from either of the two SIS columns, and the gradebook doesn't know from which: it
    is written into both, and Canvas takes the one that fits.

    Sources: https://community.instructure.com/en/kb/articles/660862-how-do-i-import-grades-in-the-gradebook and
    https://github.com/instructure/canvas-lms/tree/master/lib (gradebook_importer.rb, gradebook_exporter.rb)
    """

    default_to = "grades.canvas.csv"

    def rows(self, scores: ClassScores) -> Iterator[Sequence[str]]:
        yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *scores.exercises, "Final Points"]
        yield ["    Points Possible", "", "", "", "", *map(number, scores.max_points.values()), "(read only)"]
        for student in scores.students:
            name = f"{student.last_name}, {student.first_name}".strip(", ") or student.id
            yield [
                *map(disarmed, (name, student.lms_id, student.id, student.id, "")),
                *(points_cell(self.points(scores, student.id, exercise)) for exercise in scores.exercises),
                points_cell(self.total(scores, student.id)),
            ]


class MoodleExporter(SheetExporter):
    """Moodle: the grading worksheet of one assignment, or the whole gradebook.

    `into` takes an assignment's grading worksheet (Submissions → Download grading worksheet: Identifier
    "Participant 123", Full name, Email address, Status, Grade, Maximum grade, ...), whose upload needs
    Identifier, Grade and Last modified (grade) as they were; or a grade export (Grades → Export → Plain text
    file: First name, Last name, ID number, Email address, "Assignment:name (Real)", ...).
    Without `into` a file for Grades → Import → CSV file is written: there "Map from" is ID number or Email
    address, each exercise becomes a new item or goes to an old one, and Total is mapped to nothing. A dash
    is Moodle's word for no grade; an empty cell of a new item would become 0.

    Sources: https://docs.moodle.org/en/Grade_import, https://docs.moodle.org/en/Assignment_settings and
    https://github.com/moodle/moodle (mod/assign/feedback/offline/importgradeslib.php, mod/assign/gradingtable.php,
    grade/import/csv/classes/load_data.php)
    """

    default_to = "grades.moodle.csv"

    def rows(self, scores: ClassScores) -> Iterator[Sequence[str]]:
        yield ["First name", "Last name", "ID number", "Email address", *scores.exercises, "Total"]
        for student in scores.students:
            yield [
                *map(disarmed, (student.first_name, student.last_name, student.id, student.email)),
                *(points_cell(self.points(scores, student.id, exercise), "-") for exercise in scores.exercises),
                points_cell(self.total(scores, student.id), "-"),
            ]


EXPORTERS: dict[str, type[Exporter]] = {
    "csv": CsvExporter,
    "canvas": CanvasExporter,
    "moodle": MoodleExporter,
    "gradescope": GradescopeExporter,
}

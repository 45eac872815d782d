"""Points out of the gradebook, for a spreadsheet or a learning management system.

Four of nbgrader's export plugins: `autograder export --to canvas` and
`nbgrader export --exporter autograder.reports.export.CanvasExporter --to grades.csv` do the same. One column for each
exercise that somebody has handed in, late penalties taken off as nbgrader does. An empty cell says that nothing
was handed in; 0 was earned. Essays that nobody has read count 0 so far: such scores are provisional, and said
to be.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nbgrader.plugins import ExportPlugin
from traitlets import Bool, Dict, Unicode

from autograder.cells import check_titles
from autograder.course import UserError, find_course
from autograder.files import write_whole
from autograder.gradebook.marks import Marks, read_marks
from autograder.gradebook.scores import ClassScores, GradedCell, Student, read_scores
from autograder.grading.records import results
from autograder.handing_in.columns import GRADES, IDENTIFIERS
from autograder.handing_in.other_files import OtherFile, other_files
from autograder.reports.csv_files import disarmed, number, parse, read_text, spreadsheet, value
from autograder.reports.lms_csv import fill, notes
from autograder.results import GRADED, Result


@dataclass(frozen=True)
class Exported:
    """Where the points went, how many, and what a person should know of them."""

    path: Path
    scores: int
    notes: tuple[str, ...]


class Exporter(ExportPlugin):
    """What the four have in common: whose points, which of them, and what to say about them."""

    only_final = Bool(False, help="Leave out scores in which an essay waits for a person.").tag(config=True)
    classroom = Unicode(help="The course's folder, with submitted/ and graded/.").tag(config=True)
    default_to = "grades.csv"

    def export(self, gradebook: Any) -> Exported:
        """Write the points. nbgrader calls this; `self.to` is the file.

        Raises:
            UserError: A student or an exercise is not in the gradebook, or nobody has handed in anything.
        """
        scores = self._chosen(read_scores(gradebook))
        exported = self.write(gradebook, scores, self.target())
        for note in exported.notes:
            self.log.warning(note)
        return exported

    def target(self) -> Path:
        """Where the points go."""
        return Path(self.to or self.default_to)

    def exercises(self, scores: ClassScores) -> list[str]:
        """The exercises to export where none is named: those that at least one student has handed in.

        Raises:
            UserError: There are none.
        """
        submitted = self._folder() / "submitted"
        others = {exercise for _, exercise in other_files(self._folder())}
        begun = scores.begun([*others, *(path.name for path in submitted.glob("*/*") if path.is_dir())])
        if not (begun or others):
            raise UserError(f"nobody has handed in anything yet in {submitted}: run `autograder grade DOWNLOADS` first")
        return begun

    def write(self, gradebook: Any, scores: ClassScores, path: Path) -> Exported:
        """Write the points of a class into a file. gradebook: nbgrader's, open."""
        rows = list(self.rows(scores))
        write_whole(path, spreadsheet(rows))
        count = sum(self.points(scores, student, exercise) is not None for student, exercise in scores.scores)
        return Exported(path, count, self.notes(scores))

    def rows(self, scores: ClassScores) -> Iterator[Sequence[str]]:
        """The file's rows, for the formats that are tables."""
        raise NotImplementedError

    def points(self, scores: ClassScores, student: str, exercise: str) -> float | None:
        """The points to export; None if there are none."""
        score = scores.scores.get((student, exercise))
        return score.points if score and (score.is_final or not self.only_final) else None

    def total(self, scores: ClassScores, student: str) -> float | None:
        """All of a student's points; None if nothing was handed in or something is left out as not final."""
        found = [self.points(scores, student, exercise) for exercise in scores.of(student)]
        return None if not found or None in found else sum(filter(None, found))

    def notes(self, scores: ClassScores) -> tuple[str, ...]:
        """What to tell whoever exports."""
        waiting = Counter({name: count for name in scores.exercises if (count := scores.waiting(name))})
        if not waiting:
            return ()
        where = ", ".join(f"{name} {count}" for name, count in waiting.items())
        count, total = sum(waiting.values()), len(scores.scores)
        if self.only_final:
            return (f"{count} of {total} scores were left out: they wait for a person ({where})",)
        return (
            f"{count} of {total} scores are provisional: essays wait for a person ({where}). Read them in "
            "`autograder formgrader` and export again, or leave these scores out with --only-final",
        )

    def _chosen(self, scores: ClassScores) -> ClassScores:
        students, exercises = [str(name) for name in self.student], [str(name) for name in self.assignment]
        for kind, asked, known in (
            ("student", students, [student.id for student in scores.students]),
            ("exercise", exercises, scores.exercises),
        ):
            for name in set(asked) - set(known):
                raise UserError(f"no {kind} is named {name!r}; the gradebook has {', '.join(known) or 'none'}")
        scores = scores.only(exercises or self.exercises(scores))
        chosen = tuple(s for s in scores.students if not students or s.id in students)
        names = {s.id for s in chosen}
        kept = {key: score for key, score in scores.scores.items() if key[0] in names}
        return replace(scores, students=chosen, scores=kept)

    def _folder(self) -> Path:
        """The classroom: given, or that of the `nbgrader` program which uses this plugin."""
        return Path(self.classroom or self.parent.coursedir.root)


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
        others = other_files(self._folder())
        for student in scores.students:
            late = sum(score.penalty for score in scores.of(student.id).values())
            yield [
                *map(disarmed, (student.id, student.last_name, student.first_name, student.email)),
                *(_cell(self.points(scores, student.id, exercise)) for exercise in scores.exercises),
                *(_cell(self.total(scores, student.id)), out_of, number(late)),
                "; ".join(self._remarks(scores, student, others)),
            ]

    def _remarks(
        self, scores: ClassScores, student: Student, other_files: Mapping[tuple[str, str], OtherFile]
    ) -> Iterator[str]:
        have = scores.of(student.id)
        absent = [name for name in scores.exercises if name not in have]
        handed_in = {name for name in absent if (self._folder() / "submitted" / student.id / name).is_dir()}
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


class LmsExporter(Exporter):
    """A file for a learning management system: its own, filled in, or a new one."""

    into = Unicode(help="The system's own CSV file; its columns are filled and the rest stays.").tag(config=True)
    columns = Dict(help="Which of its columns is which exercise, where the names don't say so.").tag(config=True)
    scale = Bool(False, help="Multiply where the system's maximum differs from the exercise's.").tag(config=True)

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
        text = read_text(Path(self.into))
        try:
            columns = {**self.known_columns(text, scores.exercises), **self.columns}
            filled = fill(text, scores, lambda *of: self.points(scores, *of), columns, self.scale)
        except UserError as error:
            raise UserError(f"{self.into}: {error}") from None
        write_whole(path, filled.text)
        return Exported(path, filled.cells, (*self.notes(scores), *notes(filled, scores, self.scale)))

    def known_columns(self, text: str, exercises: list[str]) -> dict[str, str]:
        """Columns of this system whose names don't name their exercise."""
        return {}


class CanvasExporter(LmsExporter):
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
                *(_cell(self.points(scores, student.id, exercise)) for exercise in scores.exercises),
                _cell(self.total(scores, student.id)),
            ]


class MoodleExporter(LmsExporter):
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
                *(_cell(self.points(scores, student.id, exercise), "-") for exercise in scores.exercises),
                _cell(self.total(scores, student.id), "-"),
            ]

    def known_columns(self, text: str, exercises: list[str]) -> dict[str, str]:
        header = [value(cell) for cells, _ in parse(text).rows[:1] for cell in cells]
        grade = next((name for name in header if name in GRADES), "")
        if not (grade and set(IDENTIFIERS) & set(header)) or self.columns:
            return {}
        if len(exercises) != 1:
            raise UserError("a grading worksheet is of one exercise: say of which, as in --exercise 01_simpo_loss")
        return {grade: exercises[0]}


class GradescopeExporter(Exporter):
    """Gradescope: for each submission a results.json, as an autograder leaves it in /autograder/results/.

    `self.to` is a folder, for <student>/<exercise>/results.json, or, where one submission is exported, a file
    that ends in .json. `score` counts: it has what people gave and the late penalty in it. `tests` has a test
    for each check, named as on the page of feedback, and a note without points for each essay that waits for a
    person. A `status`, which the format lets one leave out, has only what was checked automatically and earned all
    of its points or none. Maximum points are the assignment's, in Gradescope; the format has none for a submission.

    Source: https://gradescope-autograders.readthedocs.io/en/latest/specs/
    """

    default_to = "gradescope"

    def write(self, gradebook: Any, scores: ClassScores, path: Path) -> Exported:
        chosen = [key for key in scores.scores if self.points(scores, *key) is not None]
        if path.suffix == ".json" and len(chosen) != 1:
            raise UserError(
                f"{path} can hold one submission's results, and {len(chosen)} are to be exported: name a folder, "
                "or one student and one exercise"
            )
        said = {(result.student, result.exercise): result for result in results(find_course(self._folder()))}
        marks = read_marks(gradebook, scores)
        titles = {exercise: check_titles(self._folder(), exercise) for exercise in scores.exercises}
        for student, exercise in chosen:
            target = path if path.suffix == ".json" else path / student / exercise / "results.json"
            result = _gradescope(marks[student, exercise], titles[exercise], said.get((student, exercise)))
            write_whole(target, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        return Exported(path, len(chosen), self.notes(scores))


def _gradescope(marks: Marks, titles: Mapping[str, str], result: Result | None) -> dict[str, Any]:
    """One submission's results. Messages are the checks' own words; students may see them."""
    score, messages = marks.score, {check.grade_id: check.message for check in result.checks} if result else {}
    tests = []
    for cell in score.cells:
        name = cell.grade_id
        test = _test(cell, marks.comments.get(name, ""), messages.get(name, ""))
        tests.append({"name": titles.get(name) or name, "output_format": "text", "visibility": "visible", **test})
    lines = [result.verdict.capitalize() + "."] if result and result.verdict != GRADED else []
    lines += [f"Late: {number(score.penalty)} points off."] if score.penalty else []
    lines += [] if score.is_final else [f"Provisional: {number(score.waiting)} points wait for a person."]
    return {"score": round(score.points, 2), "output": "\n".join(lines), "output_format": "text", "tests": tests}


def _test(cell: GradedCell, comment: str, message: str) -> dict[str, Any]:
    """The points of a graded cell, and what to say of them."""
    if cell.waits and not cell.by_hand:
        return {"output": f"{number(cell.max_points)} points, which a person gives: not yet read."}
    points = {"score": round(cell.points, 2), "max_score": cell.max_points}
    if cell.by_hand:
        return {**points, "output": comment or "A person gave these points."}
    if cell.is_essay:
        return {**points, "output": comment or "Left unanswered."}
    if cell.points >= cell.max_points:
        return {**points, "status": "passed", "output": ""}
    return {**points, **({} if cell.points else {"status": "failed"}), "output": message}


EXPORTERS: dict[str, type[Exporter]] = {
    "csv": CsvExporter,
    "canvas": CanvasExporter,
    "moodle": MoodleExporter,
    "gradescope": GradescopeExporter,
}


def _cell(points: float | None, nothing: str = "") -> str:
    return nothing if points is None else number(points)

"""Fill points into a sheet that a learning management system gave out: a CSV file or a workbook.

Canvas's gradebook export, Moodle's grading worksheet and grade export, Blackboard's columns, the sheets of 学习通,
雨课堂 and 智慧树 are recognised by their headings. A row is a student's by any identifier that the gradebook knows
too, otherwise by a name that only one student has. Where there is no score, what stood in the cell stays.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.course import UserError
from autograder.documents.columns import (
    FIRST_NAMES,
    FULL_NAMES,
    IDENTIFIERS,
    IDS,
    LAST_NAMES,
    MAXIMA,
    NO_POINTS,
    PARTICIPANT,
)
from autograder.documents.tables import first_of, heading, read_sheets
from autograder.gradebook.scores import ClassScores, Student
from autograder.handing_in.people import People, Person, Sender
from autograder.reports.comments import column_of, is_ours
from autograder.reports.csv_files import number
from autograder.reports.sheet_cells import Cell, with_cells
from autograder.reports.sheet_columns import Column, as_number, point_columns, with_people
from simpo_language.speech import _, ngettext


@dataclass(frozen=True)
class Options:
    """How a person wants a sheet to be filled.

    columns: which column is which exercise, where its name doesn't say so: {"Homework 1 (4711)": "01_simpo_loss"}.
    scale: multiply where the sheet's maximum is another than the exercise's.
    keep: points that stand there stay.
    comments: what to say of a student's work for an exercise, where the sheet has a column for it.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    scale: bool = False
    keep: bool = False
    comments: Callable[[str, str], str] | None = None


@dataclass
class Filled:
    """The file's new content, how many of its cells have our points, and what a person should know of it."""

    content: bytes = b""
    cells: int = 0
    nobody: list[str] = field(default_factory=list)  # names of rows that are no student's
    without_row: list[str] = field(default_factory=list)  # students with points whom the file doesn't have
    maxima: dict[str, float] = field(default_factory=dict)  # of exercises with another maximum there
    words: list[str] = field(default_factory=list)  # cells that say EX or the like, and stay
    others: list[str] = field(default_factory=list)  # cells that had other points
    comments: int = 0  # cells with our comment
    remarks: list[str] = field(default_factory=list)  # comments of somebody else, which stay


def fill(
    path: Path,
    scores: ClassScores,
    points: Callable[[str, str], float | None],
    options: Options,
    roster: Iterable[Person] = (),
) -> Filled:
    """Write points into the columns of an LMS's file. Nothing is written to the file itself.

    points: of a student, by id, in an exercise; None leaves the cell alone.
    roster: who may be called otherwise than in the gradebook.

    Raises:
        UserError: It is no file of this kind, or none of its columns is an exercise.
    """
    sheets = read_sheets(path)
    try:
        columns = point_columns(with_people(sheets), path, scores.exercises, options.columns)
        if options.comments:
            for column in columns:
                column_of(column.sheet)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    find = finder(scores.students, roster)
    filling = _Filling(scores, points, options)
    filled = filling.filled
    written: dict[Cell, str] = {}
    found = set()
    for sheet in {id(column.sheet): column.sheet for column in columns}.values():
        its = [column for column in columns if column.sheet is sheet]
        for line, row in sheet.rows:
            identifiers, name = who(row)
            if student := find(identifiers, name):
                found.add(student.id)
                written |= dict(filling.row(student.id, line, row, its))
            elif any(identifiers) and "Points Possible" not in name:
                filled.nobody.append(name or next(filter(None, identifiers)))
    filled.without_row = sorted(s.id for s in scores.students if scores.of(s.id) and s.id not in found)
    filled.content = with_cells(path, written)
    return filled


@dataclass
class _Filling:
    """What is put into a student's row."""

    scores: ClassScores
    points: Callable[[str, str], float | None]
    options: Options
    filled: Filled = field(default_factory=Filled)

    def row(
        self, student: str, line: int, row: Mapping[str, str], columns: Iterable[Column]
    ) -> Iterator[tuple[Cell, str]]:
        """The cells to write, and what into each."""
        for column in columns:
            earned = self.points(student, column.exercise)
            if earned is None:
                continue
            words = self._scaled(earned, column, row)
            cells = column.sheet.grid[line - 1]
            there = cells[column.place] if column.place < len(cells) else ""
            if self._gives_way(there, words, f"{student}, {column.exercise}: {there}"):
                yield Cell(column.sheet.name, line - 1, column.place), words
            yield from self._comment(student, line, column)

    def _comment(self, student: str, line: int, column: Column) -> Iterator[tuple[Cell, str]]:
        """What is said beside the points, unless somebody else has said something."""
        words = self.options.comments(student, column.exercise) if self.options.comments else ""
        if not words:
            return
        place, cells = column_of(column.sheet), column.sheet.grid[line - 1]
        there = cells[place] if place < len(cells) else ""
        if there and not is_ours(there):
            self.filled.remarks.append(student)
            return
        self.filled.comments += 1
        yield Cell(column.sheet.name, line - 1, place), words

    def _scaled(self, earned: float, column: Column, row: Mapping[str, str]) -> str:
        """The points as they are to stand in a row."""
        maximum, ours = as_number(first_of(row, MAXIMA)) or column.maximum, self.scores.max_points[column.exercise]
        if maximum and maximum != ours:
            self.filled.maxima[column.exercise] = maximum
            earned *= maximum / ours if self.options.scale else 1
        return number(earned)

    def _gives_way(self, there: str, words: str, said: str) -> bool:
        """Whether a cell gives way to points: not if it says EX or the like, or the same, or other points to keep."""
        before = as_number(there)
        if before is None and there and not NO_POINTS.fullmatch(there):
            self.filled.words.append(said)
            return False
        is_same = before is not None and number(before) == words
        if before is not None and not is_same:
            sentence = _("{there}, here {ours}") if self.options.keep else _("{there}, now {ours}")
            self.filled.others.append(sentence.format(there=said, ours=words))
            if self.options.keep:
                return False
        self.filled.cells += 1
        return not is_same


def notes(filled: Filled, scores: ClassScores, options: Options) -> Iterator[str]:
    """What to tell whoever exports about the file that was filled."""
    for exercise, maximum in filled.maxima.items():
        ours, there = number(scores.max_points[exercise]), number(maximum)
        if options.scale:
            yield _("{exercise}: points of {ours} were scaled to the maximum there, {there}").format(
                exercise=exercise, ours=ours, there=there
            )
        else:
            yield (
                _(
                    "{exercise} gives up to {ours} points, but the maximum there is {there}: change it "
                    "there, or export with --scale"
                ).format(exercise=exercise, ours=ours, there=there)
            )
    if filled.words:
        yield _with(
            ngettext(
                "{count} cell left, with words in place of points: {names}",
                "{count} cells left, with words in place of points: {names}",
                len(filled.words),
            ),
            filled.words,
        )
    if filled.others:
        count = len(filled.others)
        left = ngettext(
            "{count} cell left, with other points than ours: {names}",
            "{count} cells left, with other points than ours: {names}",
            count,
        )
        over = ngettext(
            "{count} cell with other points written over (not so by --keep): {names}",
            "{count} cells with other points written over (not so by --keep): {names}",
            count,
        )
        yield _with(left if options.keep else over, filled.others)
    if filled.comments:
        sentence = ngettext(
            "{count} comment written beside the points", "{count} comments written beside the points", filled.comments
        )
        yield sentence.format(count=filled.comments)
    if filled.remarks:
        yield _with(
            ngettext(
                "{count} comment of somebody else's left: {names}",
                "{count} comments of somebody else's left: {names}",
                len(filled.remarks),
            ),
            filled.remarks,
        )
    if filled.nobody:
        yield _with(
            ngettext(
                "{count} row is nobody's in the gradebook and left as found: {names}",
                "{count} rows are nobody's in the gradebook and left as found: {names}",
                len(filled.nobody),
            ),
            filled.nobody,
        )
    if filled.without_row:
        yield _with(
            ngettext(
                "{count} student with points has no row there: {names}",
                "{count} students with points have no row there: {names}",
                len(filled.without_row),
            ),
            filled.without_row,
        )


# Whose a row is


def who(row: Mapping[str, str]) -> tuple[list[str], str]:
    """The identifiers and the name in a row."""
    identifiers = [row[name] for name in map(heading, (*IDS, *IDENTIFIERS)) if row.get(name)]
    first, last = first_of(row, FIRST_NAMES), first_of(row, LAST_NAMES)
    return identifiers, first_of(row, FULL_NAMES) or f"{first} {last}".strip()


def finder(students: Sequence[Student], roster: Iterable[Person]) -> Callable[[list[str], str], Student | None]:
    """A function from a row's identifiers and name to its student; None if they are nobody's or two students'."""
    by_identifier = _unique((key, s) for s in students for key in (s.id, s.email, s.lms_id))
    by_id = {student.id: student for student in students}
    other_names = {person.id: person.lms_name for person in roster}
    people = People([Person(s.id, s.first_name, s.last_name, lms_name=other_names.get(s.id, "")) for s in students])

    def by_name(name: str) -> Student | None:
        try:
            return by_id.get(people.find(Sender(name=name)))
        except ValueError:  # nobody's, or two students'
            return None

    def find(identifiers: list[str], name: str) -> Student | None:
        numbers = [match["number"] for word in identifiers if (match := PARTICIPANT.fullmatch(word))]
        said = {word.casefold() for word in identifiers}
        found = {by_identifier[word] for word in said if word in by_identifier}
        if found:
            return found.pop() if len(found) == 1 else None
        # Moodle's number comes last, because Moodle counts anew in each assignment
        return by_name(name) or (by_identifier.get(numbers[0]) if numbers else None)

    return find


def _unique(pairs: Iterable[tuple[str, Student]]) -> dict[str, Student]:
    """What only one student has."""
    listed = {(key.casefold().strip(", "), student) for key, student in pairs}
    count = Counter(key for key, _ in listed)
    return {key: student for key, student in listed if key and count[key] == 1}


def _with(sentence: str, names: list[str]) -> str:
    return sentence.format(count=len(names), names=_some(names))


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")

"""Fill points into a CSV file that a learning management system gave out; every other byte stays.

Canvas's gradebook export, Moodle's grading worksheet and Moodle's grade export are recognised by their
first row. A row is a student's by any identifier that the gradebook knows too, otherwise by a name that
only one student has. Where there is no score, what stood in the cell stays.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autograder.course import UserError
from autograder.gradebook.scores import ClassScores, Student
from autograder.handing_in.columns import FIRST_NAMES, FULL_NAMES, IDENTIFIERS, IDS, LAST_NAMES, MAXIMA, PARTICIPANT
from autograder.handing_in.people import People, Person, Sender
from autograder.handing_in.tables import heading
from autograder.reports.csv_files import Table, number, parse, spelt, value

NOT_POINTS = re.compile(r"\b(current|final|override) (score|grade|points)\b|\((percentage|letter)\)$", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Where things stand in a row, by column number."""

    identifiers: list[int]
    names: list[int]
    exercises: dict[int, str]
    own_maximum: int | None  # the column in which a row says what it can give
    maxima: dict[int, str]  # what each column can give, where one row says so

    def student(self, cells: list[str]) -> tuple[list[str], str]:
        """The identifiers and the name in a row."""
        identifiers = [value(cells[place]).strip() for place in self.identifiers if place < len(cells)]
        return identifiers, " ".join(value(cells[place]).strip() for place in self.names if place < len(cells))

    def maximum(self, cells: list[str], column: int) -> float | None:
        """What a cell can give, if the file says so."""
        own = self.own_maximum
        words = self.maxima.get(column, "") if own is None or own >= len(cells) else value(cells[own])
        try:
            return float(words.replace(",", "."))
        except ValueError:
            return None


@dataclass
class Filled:
    """The file's new text, how many cells were written, and what a person should know of it."""

    text: str = ""
    cells: int = 0
    nobody: list[str] = field(default_factory=list)  # names of rows that are no student's
    without_row: list[str] = field(default_factory=list)  # students with points whom the file doesn't have
    maxima: dict[str, float] = field(default_factory=dict)  # of exercises with another maximum there


def fill(
    text: str,
    scores: ClassScores,
    points: Callable[[str, str], float | None],
    columns: Mapping[str, str],
    scale: bool = False,
) -> Filled:
    """Write points into the columns of an LMS's file.

    points: of a student, by id, in an exercise; None leaves the cell alone.
    columns: which column is which exercise, where its name doesn't say so: {"Homework 1 (4711)": "01_simpo_loss"}.
    scale: multiply where the LMS's maximum is another than the exercise's.

    Raises:
        UserError: It is no file of this kind, or none of its columns is an exercise.
    """
    table = parse(text)
    layout = _layout(table, scores.exercises, columns)
    find = _finder(scores.students)
    filled = Filled()
    rows = table.rows[:1]
    absent = {student.id for student in scores.students if scores.of(student.id)}
    for cells, end in table.rows[1:]:
        identifiers, name = layout.student(cells)
        student = find(identifiers, name)
        if student is not None:
            absent.discard(student.id)
            cells = _filled_row(cells, layout, scores, functools.partial(points, student.id), scale, filled)
        elif any(identifiers) and "Points Possible" not in name:
            filled.nobody.append(name or next(filter(None, identifiers)))
        rows.append((cells, end))
    filled.without_row = sorted(absent)
    filled.text = str(replace(table, rows=rows))
    return filled


def notes(filled: Filled, scores: ClassScores, scale: bool) -> Iterator[str]:
    """What to tell whoever exports about the file that was filled."""
    for exercise, maximum in filled.maxima.items():
        ours, there = number(scores.max_points[exercise]), number(maximum)
        if scale:
            yield f"{exercise}: points of {ours} were scaled to the maximum there, {there}"
        else:
            yield (
                f"{exercise} gives up to {ours} points, but the maximum there is {there}: change it there, or export "
                "with --scale"
            )
    if filled.nobody:
        rows = "1 row is nobody's" if len(filled.nobody) == 1 else f"{len(filled.nobody)} rows are nobody's"
        yield f"{rows} in the gradebook and left as found: {_some(filled.nobody)}"
    if filled.without_row:
        count = len(filled.without_row)
        have = "1 student with points has" if count == 1 else f"{count} students with points have"
        yield f"{have} no row there: {_some(filled.without_row)}"


def _filled_row(
    cells: list[str],
    layout: Layout,
    scores: ClassScores,
    points: Callable[[str], float | None],
    scale: bool,
    filled: Filled,
) -> list[str]:
    cells = list(cells)
    for column, exercise in layout.exercises.items():
        earned = points(exercise)
        if earned is None or column >= len(cells):
            continue
        maximum = layout.maximum(cells, column)
        if maximum and maximum != scores.max_points[exercise]:
            filled.maxima[exercise] = maximum
            earned *= maximum / scores.max_points[exercise] if scale else 1
        cells[column] = spelt(number(earned), like=cells[column])
        filled.cells += 1
    return cells


def _layout(table: Table, exercises: list[str], columns: Mapping[str, str]) -> Layout:
    header = [value(cell).strip() for cell in table.rows[0][0]] if table.rows else []
    places = {heading(name): place for place, name in enumerate(header)}
    full, first, last = (_column(places, kind) for kind in (FULL_NAMES, FIRST_NAMES, LAST_NAMES))
    names = [full] if full is not None else [place for place in (first, last) if place is not None]
    identifiers = [places[name] for name in map(heading, (*IDS, *IDENTIFIERS)) if name in places]
    is_blind = _column(places, IDENTIFIERS) is not None
    if not identifiers or not (names or is_blind):
        raise UserError(
            f"its first row is {', '.join(header[:6])}: expected Canvas's (Student, ID, ..., Section) or Moodle's "
            "(Identifier, Full name, Email address, ..., Grade or First name, Last name, ID number, ...), in English "
            "or Chinese. If it is in another language, switch the system to English and download the file again"
        )
    found = _exercise_columns(header, exercises, columns)
    maxima = {}
    for cells, _ in table.rows[1:]:
        if any("Points Possible" in value(cells[place]) for place in names if place < len(cells)):
            maxima = {place: value(cells[place]) for place in found if place < len(cells)}
            break
    return Layout(identifiers, names, found, _column(places, MAXIMA), maxima)


def _column(places: Mapping[str, int], names: Iterable[str]) -> int | None:
    """Where the first of these columns is."""
    return next((places[name] for name in map(heading, names) if name in places), None)


def _exercise_columns(header: list[str], exercises: list[str], columns: Mapping[str, str]) -> dict[int, str]:
    """The exercise of each column that is one's: by what a person says, else by its name."""
    for known, asked, kind in ((header, set(columns), "column"), (exercises, set(columns.values()), "exercise")):
        for wrong in sorted(asked - set(known)):
            raise UserError(f"no {kind} is named {wrong!r}; there are {', '.join(known)}")
    found = {header.index(name): exercise for name, exercise in columns.items()}
    for place, name in enumerate(header):
        exercise = _exercise(name, exercises)
        if exercise and place not in found and exercise not in found.values():
            found[place] = exercise
    if not found:
        raise UserError(
            f"none of its columns is named after an exercise ({', '.join(exercises)}): say which is which, as in "
            f'--column "{header[-1]}={exercises[0]}". Its columns are {", ".join(header)}'
        )
    return found


def _exercise(column: str, exercises: list[str]) -> str | None:
    """The exercise of a column "01_simpo_loss (4711)" (Canvas) or "Assignment: 01 simpo loss (Real)" (Moodle)."""
    if NOT_POINTS.search(column):
        return None
    plain = re.sub(r"\s*\((\d+|real)\)$", "", column, flags=re.IGNORECASE)
    spellings = {_letters(plain), _letters(plain.partition(":")[2])}
    return next((exercise for exercise in exercises if _letters(exercise) in spellings), None)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _finder(students: Sequence[Student]) -> Callable[[list[str], str], Student | None]:
    """A function from a row's identifiers and name to its student; None if they are nobody's or two students'."""
    by_identifier = _unique((key, s) for s in students for key in (s.id, s.email, s.lms_id))
    by_id = {student.id: student for student in students}
    people = People([Person(s.id, s.first_name, s.last_name) for s in students])

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


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")

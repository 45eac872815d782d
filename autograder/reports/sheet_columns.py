"""Which columns of a sheet take which exercise's points: by a person's word, by name, or as the only one for points."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course import UserError
from autograder.documents.columns import FIRST_NAMES, FULL_NAMES, GRADES, IDENTIFIERS, IDS, LAST_NAMES, MAXIMUM, POINTS
from autograder.documents.tables import Sheet, first_of, heading
from autograder.handing_in.which_exercise import named_in
from simpo_language.speech import _

NAMES = (*FULL_NAMES, *FIRST_NAMES, *LAST_NAMES)
NOT_POINTS = re.compile(r"\b(current|final|override) (score|grade|points)\b|\((percentage|letter)\)$", re.IGNORECASE)
# what stands behind an exercise's name: (4711) in Canvas, |4711 in Blackboard, (Real) in Moodle, 成绩, the maximum
BEHIND = re.compile(rf"\s*(\((\d+|real)\)|\|\d+|{'|'.join(GRADES)}|{MAXIMUM.pattern})$", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """A column that takes the points of an exercise. maximum: what each row can have, where the sheet says so."""

    sheet: Sheet
    place: int
    exercise: str
    maximum: float | None


def with_people(sheets: Sequence[Sheet]) -> list[Sheet]:
    """The sheets that say who somebody is. Raises UserError if none does."""
    found = []
    for sheet in sheets:
        names = sheet.names
        is_blind = names & set(map(heading, IDENTIFIERS))
        if names & set(map(heading, (*IDS, *IDENTIFIERS))) and (is_blind or names & set(map(heading, NAMES))):
            found.append(sheet)
    if not found:
        seen = ", ".join((sheets[0].headings if sheets else [])[:6])
        raise UserError(
            _(
                "its first row is {seen}: expected Canvas's (Student, ID, ..., Section), Moodle's "
                "(Identifier, Full name, Email address, ..., Grade or First name, Last name, ID number, "
                "...) or others with an id and a name, in English or Chinese. If it is in another "
                "language, switch the system to English and download the file again"
            ).format(seen=seen)
        )
    return found


def point_columns(sheets: Sequence[Sheet], path: Path, exercises: list[str], asked: Mapping[str, str]) -> list[Column]:
    """The columns that take points: by what a person says, else by their names, else the only one for points."""
    places = [(sheet, place) for sheet in sheets for place in range(len(sheet.headings))]
    found = {_asked(places, name): _known(exercise, exercises) for name, exercise in asked.items()}
    for at, (sheet, place) in enumerate(places):
        exercise = _exercise(sheet, place, exercises)
        if exercise and at not in found and exercise not in found.values():
            found[at] = exercise
    if not found:
        found = _only(places, path, exercises)
    return [Column(*places[at], exercise, _maximum(*places[at])) for at, exercise in found.items()]


def _asked(places: Sequence[tuple[Sheet, int]], name: str) -> int:
    """The column that a person means. Raises UserError if there is none, or more than one."""
    found = [at for at, place in enumerate(places) if name in _spellings(*place)]
    if len(found) != 1:
        several, none = (
            _("{count} columns are named {name!r}; there are {names}"),
            _("no column is named {name!r}; there are {names}"),
        )
        raise UserError((several if found else none).format(count=len(found), name=name, names=_list(places)))
    return found[0]


def _known(exercise: str, exercises: Sequence[str]) -> str:
    if exercise not in exercises:
        raise UserError(
            _("no exercise is named {exercise!r}; there are {exercises}").format(
                exercise=exercise, exercises=", ".join(exercises)
            )
        )
    return exercise


def _only(places: Sequence[tuple[Sheet, int]], path: Path, exercises: list[str]) -> dict[int, str]:
    """The one column for points of a sheet that is of one exercise. Raises UserError if there is no such column."""
    found = [at for at, (sheet, place) in enumerate(places) if POINTS.fullmatch(sheet.headings[place])]
    if len(found) != 1:
        last = _spellings(*places[found[0] if found else -1])
        raise UserError(
            _(
                "none of its columns is named after an exercise ({exercises}): say which is which, as in "
                '--column "{column}={exercise}". Its columns are {names}'
            ).format(
                exercises=", ".join(exercises), column=max(last, key=len), exercise=exercises[0], names=_list(places)
            )
        )
    sheet = places[found[0]][0]
    titles = " / ".join([path.stem, sheet.name, *(cell for line in sheet.banner for cell in line)])
    exercise = exercises[0] if len(exercises) == 1 else named_in(titles, exercises)
    if not exercise:
        raise UserError(
            _(
                "a worksheet is of one exercise, and this one doesn't say of which: say so, as in "
                "--exercise {exercises}"
            ).format(exercises=exercises[0])
        )
    return {found[0]: exercise}


def _spellings(sheet: Sheet, place: int) -> set[str]:
    """What a person may call a column: its heading and, if it is for points, what spans it."""
    name, group = sheet.headings[place], sheet.groups[place]
    return {name, group, f"{group} / {name}"} if group and POINTS.fullmatch(name) else {name}


def _list(places: Sequence[tuple[Sheet, int]]) -> str:
    return ", ".join(filter(None, (max(_spellings(*place), key=len) for place in places)))


def _exercise(sheet: Sheet, place: int, exercises: Sequence[str]) -> str | None:
    """The exercise of a column "01_simpo_loss (4711)", "Assignment: 01 simpo loss (Real)" or "01_simpo_loss / 成绩"."""
    name = sheet.headings[place]
    if NOT_POINTS.search(name):
        return None
    spellings = set()
    for words in (name, sheet.groups[place]) if POINTS.fullmatch(name) else (name,):
        plain = words
        while plain != (plain := BEHIND.sub("", plain)):
            pass
        spellings |= {_letters(part) for part in (plain, re.split("[:：]", plain, maxsplit=1)[-1])}
    return next((exercise for exercise in exercises if _letters(exercise) in spellings), None)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _maximum(sheet: Sheet, place: int) -> float | None:
    """What a column can give, as its heading says, or Canvas's row of points possible."""
    for words in (sheet.headings[place], sheet.groups[place]):
        if match := MAXIMUM.search(words):
            return as_number(match["points"])
    for line, row in sheet.rows:
        if "Points Possible" in first_of(row, NAMES):
            cells = sheet.grid[line - 1]
            return as_number(cells[place]) if place < len(cells) else None
    return None


def as_number(words: str) -> float | None:
    """What a cell says, if it is a number."""
    try:
        return float(words.replace(",", "."))
    except ValueError:
        return None

"""Tables as people have them: CSV in any encoding, Excel's workbooks, banners above the headings, headings in two rows.

One reading for class lists, for worksheets and for the sheets that points are filled into.
"""

import datetime
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.course import UserError
from autograder.documents.columns import POINTS, WHO
from autograder.documents.csv_text import Table, is_open, parse, value
from autograder.documents.reading import encoding_of, other_kind
from simpo_language.speech import _

BANNER = 15  # rows in which headings are looked for
SEPARATORS = (",", ";", "\t")
SHORTENED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)  # what a spreadsheet makes of a long number
AS_TEXT = re.compile(r"=\"(.*)\"|'(\d+)")
EXACT = 10**15  # a spreadsheet keeps no digits beyond these

Grid = list[list[str]]  # a table's cells, row by row from its first


@dataclass(frozen=True)
class Sheet:
    """A table: its headings as they are written, and its rows."""

    headings: list[str]
    rows: list[tuple[int, dict[str, str]]]  # each one's line, from 1, and its cells by `heading`
    name: str = ""  # in a workbook
    banner: Grid = field(default_factory=list)  # what stands above the headings
    groups: list[str] = field(default_factory=list)  # for each heading, what spans it and its neighbours
    grid: Grid = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The headings as rows have them."""
        return set(map(_key, self.headings))


def heading(words: str) -> str:
    """A column's heading, without what spreadsheets and LMSs vary in it."""
    return re.sub(r"[\s_*:：]", "", words).casefold()


KNOWN = frozenset(map(heading, WHO))


def _key(words: str) -> str:
    """A column's heading as rows have it: 学号 (Student ID) without its brackets, if it is known so."""
    whole, short = heading(words), heading(re.sub(r"[（(].*", "", words))
    return short if whole not in KNOWN and short in KNOWN else whole


def first_of(row: Mapping[str, str], columns: Iterable[str]) -> str:
    """What the first of these columns that says anything says."""
    return next((row[heading(column)] for column in columns if row.get(heading(column))), "")


def read_sheet(path: Path) -> Sheet:
    """Of the tables in a CSV file or a workbook the one with the most known headings. Raises as `read_sheets`."""
    return max(read_sheets(path), key=lambda sheet: _count(sheet.headings), default=Sheet([], []))


def read_sheets(path: Path) -> list[Sheet]:
    """The tables in a CSV file or a workbook, each from the row on that has most of the known headings.

    Raises:
        UserError: It is not a table; with a sentence.
    """
    grids = _workbook(path) if zipfile.is_zipfile(path) else [("", _values(read_csv(path)[0]))]
    return [_sheet(name, grid) for name, grid in grids if grid]


def read_csv(path: Path) -> tuple[Table, str]:
    """A CSV file taken apart by the separator that makes most of its headings known, and its encoding."""
    content = path.read_bytes()
    if kind := other_kind(content):
        raise UserError(
            _("{path} is {kind}: open it in a spreadsheet and save it as .xlsx or CSV UTF-8").format(
                path=path, kind=kind
            )
        )
    encoding = encoding_of(content)
    if not encoding:
        raise UserError(
            _("{path} is neither UTF-8 nor another encoding known here; in a spreadsheet, save it as CSV UTF-8").format(
                path=path
            )
        )
    text = content.decode(encoding, "replace")
    table = parse(text, max(SEPARATORS, key=lambda separator: _fit(text, separator)))
    for line, (cells, _place) in enumerate(table.rows, start=1):
        if any(map(is_open, cells)):
            raise UserError(
                _("{path} is not a CSV file: a quotation mark in line {line} is never closed").format(
                    path=path, line=line
                )
            )
    return table, encoding


def _fit(text: str, separator: str) -> tuple[int, int]:
    """How well a separator fits: known headings, and cells, in the best of the first rows."""
    lines = text.splitlines(keepends=True)[:BANNER]
    rows = _values(parse("".join(lines), separator))
    return max(((_count(cells), len(cells)) for cells in rows), default=(0, 0))


def _count(headings: Iterable[str]) -> int:
    """How many of these say who somebody is."""
    return len(KNOWN & set(map(_key, headings)))


def _values(table: Table) -> Grid:
    return [[_plain(value(cell).strip()) for cell in cells] for cells, _ in table.rows]


def _plain(cell: str) -> str:
    """A cell without what keeps a spreadsheet from shortening its number: ="2023001" or '2023001."""
    match = AS_TEXT.fullmatch(cell)
    return match[1] or match[2] if match else cell


def _sheet(name: str, grid: Grid) -> Sheet:
    """A grid as a table. 智慧树 has two rows of headings, of which the upper ones span several of the lower."""
    place = max(range(min(BANNER, len(grid))), key=lambda row: _count(grid[row]))
    headings = grid[place]
    below = grid[place + 1] if len(grid) > place + 1 else []
    groups = _spread(grid[place - 1], len(headings)) if place else [""] * len(headings)
    is_double = _count(headings) > 0 and _goes_on(headings, below)
    if is_double:
        lower = [*below, *[""] * (len(headings) - len(below))]
        groups = _spread(headings, len(lower))
        headings = [low or high for low, high in zip(lower, [*headings, *[""] * len(lower)], strict=False)]
    first = place + 1 + is_double
    names = list(map(_key, headings))
    rows = [
        (line, dict(reversed(list(zip(names, cells, strict=False)))))  # the first of a name
        for line, cells in enumerate(grid[first:], start=first + 1)
        if any(cells)
    ]
    return Sheet(headings, rows, name, grid[:place], groups, grid)


def _goes_on(headings: Sequence[str], below: Sequence[str]) -> bool:
    """Whether a second row of headings stands below: it is nobody's, and says what is below a spanning one."""
    pairs = list(zip(headings, below, strict=False))
    is_nobodys = all(low in ("", high) for high, low in pairs if _key(high) in KNOWN)
    return is_nobodys and any(low and (not high or POINTS.fullmatch(low)) for high, low in pairs)


def _spread(cells: Sequence[str], width: int) -> list[str]:
    """A row of headings that span several columns: each cell that is empty says what the one before it does."""
    spread: list[str] = []
    for cell in [*cells, *[""] * (width - len(cells))]:
        spread.append(cell or (spread[-1] if spread else ""))
    return spread[:width]


def _workbook(path: Path) -> Iterator[tuple[str, Grid]]:
    """The cells of each sheet of a workbook."""
    from openpyxl import load_workbook

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises anything on what is no workbook
        raise UserError(
            _("{path} can't be read as a workbook ({name}); save it as .xlsx or CSV").format(
                path=path, name=type(error).__name__
            )
        ) from None
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # some platforms write a wrong size, by which rows would be missing
        yield sheet.title, [[_text(cell) for cell in row] for row in sheet.values]


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return f"{cell:.5E}" if abs(cell) >= EXACT else str(int(cell))
    if isinstance(cell, int) and abs(cell) >= EXACT:
        return f"{cell:.5E}"
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ")
    return _plain(str(cell).strip())


def check_whole(number: str, where: str) -> None:
    """Raise UserError if a spreadsheet has shortened this number."""
    if SHORTENED.fullmatch(number):
        raise UserError(
            _(
                "{where}: {number} is a number that a spreadsheet has shortened; format its column as "
                "text, enter the numbers again (or export the list again), and don't open it in between"
            ).format(where=where, number=number)
        )

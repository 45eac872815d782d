"""Tables as people have them: CSV in any encoding, Excel's workbooks, banners above the headings."""

import csv
import datetime
import io
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.course import UserError
from autograder.handing_in.reading import decoded

BANNER = 15  # rows in which headings are looked for
SHORTENED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)  # what a spreadsheet makes of a long number
EXACT = 10**15  # a spreadsheet keeps no digits beyond these


@dataclass(frozen=True)
class Sheet:
    """A table's headings as they are written, and its rows: each one's line, and its cells by `heading`."""

    headings: list[str]
    rows: list[tuple[int, dict[str, str]]]


def heading(words: str) -> str:
    """A column's heading, without what spreadsheets and LMSs vary in it."""
    return re.sub(r"[\s_*]", "", words).casefold()


def first_of(row: Mapping[str, str], columns: Iterable[str]) -> str:
    """What the first of these columns that says anything says."""
    return next((row[heading(column)] for column in columns if row.get(heading(column))), "")


def read_sheet(path: Path, known: Collection[str]) -> Sheet:
    """The table in a CSV file or a workbook, from the row on that has most of the known headings.

    Raises:
        UserError: It is not a table, or a number in it has been shortened; the message names file and line.
    """
    sheets = list(_workbook(path)) if zipfile.is_zipfile(path) else [_csv(path)]
    wanted = {heading(name) for name in known}
    best: Sheet | None = None
    most = -1
    for lines in sheets:
        for place, (_, cells) in enumerate(lines[:BANNER]):
            count = len(wanted & set(map(heading, cells)))
            if count > most:
                most, best = count, _sheet(path, cells, lines[place + 1 :])
    return best or Sheet([], [])


def _sheet(path: Path, headings: list[str], lines: list[tuple[int, list[str]]]) -> Sheet:
    names = list(map(heading, headings))
    rows = [(line, dict(zip(names, cells, strict=False))) for line, cells in lines if any(cells)]
    return Sheet(headings, rows)


def _csv(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a CSV file, each with its line's number."""
    text, odd = decoded(path.read_bytes())
    if "\ufffd" in text and odd:
        raise UserError(
            f"{path} is neither UTF-8 nor another encoding known here; in a spreadsheet, save it as CSV UTF-8"
        )
    delimiter = max(",;\t", key=text[:2000].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise UserError(f"{path} is not a CSV file: {error}") from None


def _workbook(path: Path) -> Iterator[list[tuple[int, list[str]]]]:
    """The rows of each sheet of a workbook."""
    from openpyxl import load_workbook

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises anything on what is no workbook
        raise UserError(
            f"{path} can't be read as a workbook ({type(error).__name__}); save it as .xlsx or CSV"
        ) from None
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # some platforms write a wrong size, by which rows would be missing
        yield [(number, [_text(cell) for cell in row]) for number, row in enumerate(sheet.values, start=1)]


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return f"{cell:.5E}" if abs(cell) >= EXACT else str(int(cell))
    if isinstance(cell, int) and abs(cell) >= EXACT:
        return f"{cell:.5E}"
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ")
    return str(cell).strip()


def check_whole(number: str, where: str) -> None:
    """Raise UserError if a spreadsheet has shortened this number."""
    if SHORTENED.fullmatch(number):
        raise UserError(
            f"{where}: {number} is a number that a spreadsheet has shortened; format its column as text, enter the "
            "numbers again (or export the list again), and don't open it in between"
        )

"""Cells of a CSV file or a workbook written anew: every other byte of the one stays, and every other cell of the other.

A workbook keeps what openpyxl keeps: values, formulas, formats, widths, merged cells, notes, charts and pictures.
"""

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from autograder.course import UserError
from autograder.documents.csv_text import spelt
from autograder.documents.tables import read_csv
from simpo_language.speech import _

NUMBER = re.compile(r"-?\d+(\.\d+)?")
TEXT = "@"  # a workbook's format for cells that are texts, whatever they look like


class Cell(NamedTuple):
    """Where a cell is. sheet: its name in a workbook. Row and column count from 0."""

    sheet: str
    row: int
    column: int


def with_cells(path: Path, numbers: Mapping[Cell, str]) -> bytes:
    """The content of a CSV file or a workbook with these numbers or words in these cells.

    Raises:
        UserError: It can't be written back as it was found.
    """
    return _workbook(path, numbers) if zipfile.is_zipfile(path) else _csv(path, numbers)


def _csv(path: Path, numbers: Mapping[Cell, str]) -> bytes:
    table, encoding = read_csv(path)
    if str(table).encode(encoding) != path.read_bytes():
        raise UserError(
            _("{path} holds bytes that are no {upper}; in a spreadsheet, save it as CSV UTF-8").format(
                path=path, upper=encoding.upper()
            )
        )
    rows = [(list(cells), end) for cells, end in table.rows]
    for place, words in numbers.items():
        cells = rows[place.row][0]
        cells += [""] * (place.column + 1 - len(cells))  # the last cells of a row may be missing where they are empty
        cells[place.column] = spelt(words, like=cells[place.column])
    return str(replace(table, rows=rows)).encode(encoding)


def _workbook(path: Path, numbers: Mapping[Cell, str]) -> bytes:
    from openpyxl import load_workbook
    from openpyxl.cell import MergedCell

    book = load_workbook(path, rich_text=True, keep_vba=path.suffix.lower() == ".xlsm")
    for place, words in numbers.items():
        cell = book[place.sheet].cell(place.row + 1, place.column + 1)
        if not isinstance(cell, MergedCell):  # which shows what stands in the first of those merged
            cell.value = float(words) if cell.number_format != TEXT and NUMBER.fullmatch(words) else words
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()

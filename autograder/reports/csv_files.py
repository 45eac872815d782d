"""CSV files: written so that no spreadsheet runs them, and read so that every byte can be kept."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course import UserError

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what spreadsheets take for the beginning of a formula


@dataclass(frozen=True)
class Table:
    """A CSV file in its own spelling: cells with their quotes, rows with their line ends."""

    rows: list[tuple[list[str], str]]
    separator: str

    def __str__(self) -> str:
        return "".join(self.separator.join(cells) + end for cells, end in self.rows)


def parse(text: str) -> Table:
    """Take a CSV file apart so that `str` of the result is the same text."""
    separator = max(",;\t", key=text.split("\n", 1)[0].count)
    end = rf"({separator}|\r\n|\n|\r|\Z)"
    field = re.compile(rf'(\ufeff?"[^"]*(?:""[^"]*)*"[^{separator}\r\n]*|[^{separator}\r\n]*){end}')
    rows: list[tuple[list[str], str]] = []
    cells: list[str] = []
    for found in field.finditer(text):
        if found.start() == len(text) and not cells:
            break  # nothing comes after the last line's end
        cells.append(found[1])
        if found[2] != separator:
            rows.append((cells, found[2]))
            cells = []
    return Table(rows, separator)


def value(cell: str) -> str:
    """What a cell says, without its quotes."""
    cell = cell.removeprefix("\ufeff")
    if not cell.startswith('"'):
        return cell
    end = cell.rindex('"')
    return cell[1:end].replace('""', '"') + cell[end + 1 :]


def spelt(words: str, like: str) -> str:
    """Words that need no quotes, quoted if `like` is."""
    return f'"{words}"' if like.startswith('"') else words


def number(points: float) -> str:
    """Points as every system reads them: a full stop for the fraction, two places, no zeros at the end."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def disarmed(words: str) -> str:
    """Words that no spreadsheet takes for a formula: an apostrophe goes before those that begin like one.

    Source: https://owasp.org/www-community/attacks/CSV_Injection

    >>> disarmed("=1+1"), disarmed("Ada")
    ("'=1+1", 'Ada')
    """
    return f"'{words}" if words.lstrip(" ").startswith(FORMULA) else words


def spreadsheet(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV: quoted where needed, lines ended as RFC 4180 says."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def read_text(path: Path) -> str:
    """A CSV file's text, line ends as they are. Raises UserError if it is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): save it as CSV UTF-8") from None

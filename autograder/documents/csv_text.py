"""A CSV file in its own spelling: taken apart so that every byte can be kept."""

import re
from dataclasses import dataclass

QUOTED = r'"[^"]*(?:""[^"]*)*"'


@dataclass(frozen=True)
class Table:
    """A CSV file's cells with their quotes, its rows with their line ends."""

    rows: list[tuple[list[str], str]]
    separator: str

    def __str__(self) -> str:
        return "".join(self.separator.join(cells) + end for cells, end in self.rows)


def parse(text: str, separator: str) -> Table:
    """Take a CSV file apart so that `str` of the result is the same text."""
    end = rf"({separator}|\r\n|\n|\r|\Z)"
    field = re.compile(rf"(\ufeff?{QUOTED}[^{separator}\r\n]*|[^{separator}\r\n]*){end}")
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


def is_open(cell: str) -> bool:
    """Whether a cell begins with a quotation mark that is never closed."""
    cell = cell.removeprefix("\ufeff")
    return cell.startswith('"') and re.match(QUOTED, cell) is None


def spelt(words: str, like: str) -> str:
    """Words as a cell, quoted if `like` is, or if they would be taken apart without."""
    if like.startswith('"') or re.search(r'[",;\t\r\n]', words):
        return '"' + words.replace('"', '""') + '"'
    return words

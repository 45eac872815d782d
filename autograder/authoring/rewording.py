"""Code with its texts in other words: comments, docstrings and strings are written anew, and nothing else."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from autograder.authoring.texts import COMMENT, DOCSTRING, STRING, Text

COLUMNS = 100  # of a line; a Chinese character takes two
EXPRESSION = re.compile(r"\{\{|\}\}|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
_PIECES = re.compile(rf"{EXPRESSION.pattern}|\s*[!-z|~]+|\s+|.")


def reworded(source: str, texts: Iterable[Text], words: Mapping[str, str]) -> str:
    """A cell's source with its texts in other words.

    texts: of this source, as from `texts_of` and `prose_of`. words: what to say for each message; a text whose
        message is not among them stays as it is.
    """
    for text in sorted(texts, key=lambda text: text.begin, reverse=True):
        said = words.get(text.message, text.message)
        if said != text.message:
            before = source[: text.begin].rpartition("\n")[2]
            after = source[text.end : text.end + 1]
            source = source[: text.begin] + _written(text, said, before, after) + source[text.end :]
    return source


def _written(text: Text, said: str, before: str, after: str) -> str:
    """The text as it stands in code. before: what stands before it on its line; after: the character behind it."""
    if text.kind == COMMENT:
        return f"# {said}"
    if text.kind == DOCSTRING:
        first, *rest = said.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').split("\n")
        lines = [
            first,
            *(" " * len(before) + line if line else "" for line in rest),
            *([" " * len(before)] if rest else []),
        ]
        return '"""' + "\n".join(lines) + '"""'
    if text.kind == STRING:
        # a string that has a line for itself stands within brackets, and may go on in the next line
        pieces = _lines(said, COLUMNS - len(before)) if not before.strip() and after in ",\n" else [said]
        return f"\n{before}".join(_literal(piece, text.is_formatted) for piece in pieces)
    return said


def _literal(words: str, is_formatted: bool) -> str:
    """The string in Python, in double quotes."""
    if not is_formatted:
        return f'"{_escaped(words)}"'
    parts, end = [], 0
    for found in EXPRESSION.finditer(words):
        parts += [_escaped(words[end : found.start()]), found[0]]
        end = found.end()
    return f'f"{"".join(parts)}{_escaped(words[end:])}"'


def _escaped(words: str) -> str:
    return words.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _lines(words: str, columns: int) -> Iterator[str]:
    """The words in pieces of no more columns, none of which ends within an expression or an English word."""
    line, taken = "", 0
    for piece in _PIECES.findall(words):
        width = sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in piece)
        is_closing = piece[0] in "，。；：、？！）”’"  # no line begins with these
        if line and taken + width > columns and not is_closing:
            yield line
            line, taken = "", 0
        line, taken = line + piece, taken + width
    yield line

"""The key points of an essay's mark scheme: what each is called, and what it earns.

A key point is a row of the scheme's table, an item of its numbered list or, where it has neither, a paragraph that
begins with the key point's name and points in bold, as in `**Data (2).**`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bs4 import BeautifulSoup, Tag
from markupsafe import escape

from autograder.cells import CHINESE_HALF, LANGUAGES, regions
from autograder.pages.prose import markdown

EACH = re.compile(
    r"\b(\d+) points? each\b|, (\d+) for each key point|\b[Oo]ne point for each key point"
    r"|每个(?:要点)?\s*(\d+)\s*分|每点\s*(\d+)\s*分"
)
NAME_CHARACTERS = 80
_POINTS = re.compile(r"\s*[(（]\s*(\d+)\s*分?\s*[)）]|\s*[,，]\s*(\d+)\s*(?:points?|分)")
_NUMBER = re.compile(r"^\s*\d+\.\s*")


@dataclass(frozen=True)
class KeyPoint:
    """One key point, in the languages of the scheme."""

    points: float
    names: Mapping[str, str]  # by language; its line in a comment begins with this
    htmls: Mapping[str, str]  # what it says, harmless HTML


@dataclass(frozen=True)
class Scheme:
    """An essay's mark scheme."""

    max_points: float
    key_points: tuple[KeyPoint, ...]
    htmls: Mapping[str, str]  # the whole, by language

    def total(self, given: Sequence[float]) -> float:
        """The points for a share (0, 0.5 or 1) of each key point; no more than there are for the essay."""
        return min(
            self.max_points, sum(share * each.points for share, each in zip(given, self.key_points, strict=True))
        )

    def with_points(self, changed: Mapping[int, float]) -> "Scheme":
        """The same scheme, in which key points (by their place, from 0) earn other points."""
        points = (replace(each, points=changed.get(place, each.points)) for place, each in enumerate(self.key_points))
        return replace(self, key_points=tuple(points))

    def taking(self, changed: Mapping[int, tuple[float, float]]) -> "Scheme":
        """The same scheme with points that somebody gave key points instead of its own, by place: these, and those.

        Where the scheme's own are others by now, they stand.
        """
        own = dict(enumerate(point.points for point in self.key_points))
        return self.with_points({place: now for place, (before, now) in changed.items() if own.get(place) == before})


def read_scheme(source: str, max_points: float) -> Scheme:
    """The mark scheme in a rubric's cell. Without one, a scheme without key points.

    source: the cell's text, in both languages, as `autograder release` splits it.
    """
    each = points_each(source, max_points)
    halves = dict(zip(LANGUAGES, CHINESE_HALF.split(source), strict=False))
    texts = {language: "\n".join(regions(half, "MARK SCHEME")[0]).strip() for language, half in halves.items()}
    htmls = {language: numbered(markdown(text)) for language, text in texts.items() if text}
    found = {language: _key_points(html) for language, html in htmls.items()}
    count = min(map(len, found.values()), default=0)
    points = tuple(
        KeyPoint(
            next((rows[place].points for rows in found.values() if rows[place].points), None) or each,
            {language: rows[place].name for language, rows in found.items()},
            {language: rows[place].html for language, rows in found.items()},
        )
        for place in range(count)
    )
    return Scheme(max_points, points, htmls)


def points_each(scheme: str, points: float) -> float:
    """What one key point of a mark scheme earns, as its text says it in either language; all the points if not."""
    found = EACH.search(scheme)
    return float(next(filter(None, found.groups()), 1)) if found else points


def numbered(html: str) -> str:
    """A scheme's HTML in which each key point has its place, from 0, and its name, as data-place and data-name."""
    tree = BeautifulSoup(html, "html.parser")
    for place, (element, name) in enumerate(_elements(tree)):
        element["data-place"], element["data-name"] = str(place), name
    return str(tree)


@dataclass(frozen=True)
class _Row:
    name: str
    points: float | None
    html: str


def _key_points(html: str) -> list[_Row]:
    tree = BeautifulSoup(html, "html.parser")
    return [_Row(name, _points(element), _content(element)) for element, name in _elements(tree)]


def _elements(tree: BeautifulSoup) -> list[tuple[Any, str]]:
    """The elements of the key points, each with its name."""
    found = tree.select("tbody tr") or [item for item in tree.select("ol > li") if not item.find_parent("li")]
    if not found:
        found = [part for part in tree.find_all("p") if _bold(part) and _POINTS.search(_bold(part))]
    return [(element, _name(element)) for element in found]


def _bold(paragraph: Any) -> str:
    """The bold words that a paragraph begins with."""
    first = next((child for child in paragraph.children if str(child).strip()), None)
    return first.get_text() if isinstance(first, Tag) and first.name == "strong" else ""


def _name(element: Any) -> str:
    text = (element.find(["strong", "td"]) or element).get_text()
    name = _NUMBER.sub("", _POINTS.sub("", text)).strip().rstrip(".。:：").strip()
    return " ".join(name.split())[:NAME_CHARACTERS]


def _points(element: Any) -> float | None:
    found = _POINTS.search(_bold(element))
    return float(found[1] or found[2]) if found else None


def _content(element: Any) -> str:
    """What a key point says; of a table's row the cells behind its name, of a paragraph what follows it as well."""
    if element.name == "tr":
        heads = [head.get_text() for head in element.find_parent("table").find_all("th")]
        cells = list(zip(heads, element.find_all("td"), strict=False))[1:]
        return "".join(f"<p><b>{escape(head)}:</b> {cell.decode_contents()}</p>" for head, cell in cells)
    parts = [element.decode_contents() if element.name == "li" else str(element)]
    for after in element.find_next_siblings() if element.name == "p" else ():
        if after.name != "ul":
            break
        parts.append(str(after))
    return "".join(parts)

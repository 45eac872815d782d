"""What a person gave for an essay, and how it stands in the gradebook: points, and a comment.

The comment begins with a line for each key point, `- Steadier training: 1/2 why does it matter?`, as the formgrader
writes it, too; what follows is about the whole essay. So the key points that were given are kept where nbgrader keeps
comments: they survive a regrading, students read them, and no other table can disagree with them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autograder.desk.mark_scheme import KeyPoint, Scheme
from simpo_language.speech import _

_GIVEN = re.compile(r"([\d.]+)/([\d.]+)\s?(.*)")


@dataclass(frozen=True)
class Mark:
    """What a person gave for an essay."""

    given: tuple[float, ...] | None = None  # the share of each key point: 0, 0.5 or 1; None: nobody went by them
    remarks: tuple[str, ...] = ()  # to each key point, one line
    words: str = ""  # about the whole essay
    points: float | None = None  # typed, in place of the sum of the key points

    def score(self, scheme: Scheme) -> float | None:
        """The points; None if none were given."""
        if self.points is not None:
            return self.points
        return None if self.given is None else scheme.total(self.given)


def comment_of(mark: Mark, scheme: Scheme, language: str) -> str:
    """The comment that a student reads, with the key points' names in this language."""
    lines = []
    if mark.given is not None:
        remarks = (*mark.remarks, *[""] * len(scheme.key_points))
        for point, share, remark in zip(scheme.key_points, mark.given, remarks, strict=False):
            said = " ".join(remark.split())
            lines.append(f"{_start(point, language)}{share * point.points:g}/{point.points:g} {said}".rstrip())
    return "\n".join([*lines, mark.words.strip("\n")]).strip("\n")


def mark_of(comment: str | None, score: float | None, scheme: Scheme) -> Mark:
    """The mark that stands in the gradebook. score: a person's points; None: nobody has given any."""
    given, remarks = [0.0] * len(scheme.key_points), [""] * len(scheme.key_points)
    words, has_lines = [], False
    for line in (comment or "").split("\n"):
        found = _line(line, scheme)
        if found is None:
            words.append(line)
            continue
        place, given[place], remarks[place] = found
        has_lines = True
    mark = Mark(tuple(given) if has_lines else None, tuple(remarks), "\n".join(words).strip("\n"))
    if score is None or (has_lines and abs(scheme.total(given) - score) < 1e-9):
        return mark
    return Mark(mark.given, mark.remarks, mark.words, score)


def mark_from(said: Any, scheme: Scheme) -> Mark:
    """A mark that came from a page, as JSON.

    Raises:
        ValueError: It is none; the message says why.
    """
    try:
        given, points = said.get("given"), said.get("points")
        mark = Mark(
            None if given is None else tuple(float(share) for share in given),
            tuple(str(remark) for remark in said.get("remarks") or ()),
            str(said.get("words") or ""),
            None if points is None else float(points),
        )
    except (AttributeError, TypeError, ValueError):
        raise ValueError("a mark has given, remarks, words and points") from None
    if mark.given is not None and not _are_shares(mark.given, scheme):
        raise ValueError(f"given must be {len(scheme.key_points)} numbers from 0 to 1, one for each key point")
    if mark.points is not None and not 0 <= mark.points <= scheme.max_points:
        words = _("{points:g} points: there are 0 to {most:g}")
        raise ValueError(words.format(points=mark.points, most=scheme.max_points))
    return mark


def _are_shares(given: Sequence[float], scheme: Scheme) -> bool:
    return len(given) == len(scheme.key_points) and all(0 <= share <= 1 for share in given)


def _line(line: str, scheme: Scheme) -> tuple[int, float, str] | None:
    """The key point that a line of a comment is of: its place, the share given, the remark."""
    for place, point in enumerate(scheme.key_points):
        for language in point.names:
            start = _start(point, language)
            found = _GIVEN.fullmatch(line[len(start) :]) if line.startswith(start) else None
            try:
                if found and float(found[2]) > 0:
                    return place, min(1.0, float(found[1]) / float(found[2])), found[3]
            except ValueError:  # 1.2.3
                continue
    return None


def _start(point: KeyPoint, language: str) -> str:
    return f"- {point.names.get(language) or next(iter(point.names.values()))}: "

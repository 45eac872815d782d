"""A key point that is to earn other points, after essays were read: whose marks would change, then the change."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from autograder.desk.desk import Desk
from autograder.desk.mark import comment_of, mark_of
from autograder.desk.questions import Question
from autograder.gradebook.essay_marks import EssayRow, essay_rows, write_mark
from autograder.gradebook.key_points import changed_points, keep_points
from simpo_language.speech import _


@dataclass(frozen=True)
class Change:
    """One essay's mark, before and after."""

    before: EssayRow
    after: EssayRow


class Outdated(Exception):
    """The marks are others than those that were shown; nothing was changed."""


def preview(desk: Desk, question: Question, place: int, points: float) -> dict[str, Any]:
    """Whose marks would change, and by which digest a page proves to have shown that.

    Raises:
        ValueError: There is no such key point, or it can't have these points.
    """
    _check(question, place, points)
    database = desk.opened().gradebook.db
    rows = essay_rows(database, question.essay, comments=True)
    found = _changes(desk, question, rows, place, points)
    return {
        "changes": [
            {"id": one.before.id, "before": one.before.score, "after": one.after.score}
            for one in found
            if one.before.score != one.after.score
        ],
        "typed": _typed(question, rows),
        "seen": _digest(rows),
    }


def apply(desk: Desk, question: Question, place: int, points: float, seen: str) -> int:
    """Change the key point's points, and with them all marks, in one transaction; return how many marks are others.

    Marks whose points somebody typed stay, and what waits to be looked at again still does.

    Raises:
        Outdated: Somebody has given marks since `seen` was shown.
        ValueError: As `preview`.
        UserError: The gradebook can't be written.
    """
    _check(question, place, points)
    essay, opened = question.essay, desk.opened()
    database, changed = opened.gradebook.db, 0

    def work() -> str:
        nonlocal changed
        known = changed_points(database, essay.exercise).get(essay.grade_id, {})
        own = question.scheme.key_points[place].points
        before = known[place][0] if place in known and known[place][1] == own else own
        keep_points(database, essay.exercise, essay.grade_id, place, instead_of=before, points=points)  # takes the lock
        rows = essay_rows(database, essay, comments=True)
        if _digest(rows) != seen:
            raise Outdated
        found = _changes(desk, question, rows, place, points)
        for one in found:
            write_mark(database, essay, one.after)
        changed = sum(one.before.score != one.after.score for one in found)
        return ""

    opened.transaction(work)
    return changed


def _check(question: Question, place: int, points: float) -> None:
    if not 0 <= place < len(question.scheme.key_points):
        raise ValueError(_("there is no key point {number}").format(number=place + 1))
    if not 0 < points <= question.essay.max_points:
        words = _("{points:g} points: a key point earns more than 0, and at most {most:g}")
        raise ValueError(words.format(points=points, most=question.essay.max_points))


def _changes(desk: Desk, question: Question, rows: list[EssayRow], place: int, points: float) -> list[Change]:
    """The rows whose score or comment would be another."""
    after = question.scheme.with_points({place: points})
    found = []
    for row in rows:
        mark = mark_of(row.comment, row.score, question.scheme)
        if mark.given is None:
            continue
        score = row.score if mark.points is not None or row.score is None else after.total(mark.given)
        comment = comment_of(mark, after, desk.text(question, row).language)
        if (score, comment) != (row.score, row.comment):
            found.append(Change(row, replace(row, score=score, comment=comment)))
    return found


def _typed(question: Question, rows: list[EssayRow]) -> int:
    """How many marks stay because somebody typed their points."""
    marks = (mark_of(row.comment, row.score, question.scheme) for row in rows)
    return sum(mark.points is not None for mark in marks)


def _digest(rows: list[EssayRow]) -> str:
    parts = sorted(f"{row.id} {row.version}" for row in rows)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

"""An essay question as its reader sees it: what was asked, the mark scheme, the order of the answers."""

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from autograder.cells import LANGUAGES, edition, read_notebook, role
from autograder.course import Course
from autograder.desk.mark_scheme import Scheme, read_scheme
from autograder.gradebook.essay_marks import Essay, EssayRow
from autograder.gradebook.key_points import changed_points
from autograder.pages.prose import markdown


@dataclass(frozen=True)
class Question:
    """One essay question."""

    essay: Essay
    scheme: Scheme
    titles: dict[str, str]  # of its exercise, by language
    asked: dict[str, str]  # what students read above their answer: harmless HTML, by language


@dataclass(frozen=True)
class Standing:
    """How far its readers are."""

    handed_in: int
    waiting: int
    empty: int  # left as they were given out, which nobody need read
    mean: float | None  # points of what people have read; None: nothing yet
    spread: float | None  # their standard deviation


def standing(rows: Iterable[EssayRow]) -> Standing:
    """How far the readers of a question are, from its rows."""
    rows = list(rows)
    done = [row for row in rows if not row.waits]
    points = [row.points for row in done if row.score is not None]
    return Standing(
        handed_in=len(rows),
        waiting=len(rows) - len(done),
        empty=len(done) - len(points),
        mean=fmean(points) if points else None,
        spread=pstdev(points) if points else None,
    )


def question_of(course: Course, database: Any, essay: Essay) -> Question:
    """The question, with the points that its key points earn now."""
    path = course.solutions / f"{essay.exercise}.ipynb"
    if not path.is_file():
        path = course.classroom / "source" / essay.exercise / f"{essay.exercise}.ipynb"
    found = _read(path, path.stat().st_mtime_ns, essay) if path.is_file() else _unknown(essay)
    changed = changed_points(database, essay.exercise).get(essay.grade_id, {})
    return replace(found, scheme=found.scheme.taking(changed))


def in_order(essay: Essay, rows: Iterable[EssayRow]) -> list[EssayRow]:
    """The rows in this question's own order: drawn by lot, the same each time and for every reader.

    The next question has another, so that nobody is always read first, or after the same person's work.
    """

    def lot(row: EssayRow) -> bytes:
        return hashlib.sha256(f"{essay.exercise}/{essay.grade_id}/{row.student}".encode()).digest()

    return sorted(rows, key=lot)


@functools.lru_cache(maxsize=64)
def _read(path: Path, _: int, essay: Essay) -> Question:
    notebook = read_notebook(path)
    places = [place for place, cell in enumerate(notebook.cells) if role(cell).get("grade_id") == essay.grade_id]
    if not places or not places[0]:
        return _unknown(essay)
    rubric = notebook.cells[places[0] - 1]
    scheme = read_scheme(rubric.source if "BEGIN MARK SCHEME" in rubric.source else "", essay.max_points)
    titles, asked = {}, {}
    for language in LANGUAGES:
        cells = edition(notebook, language).cells[: places[0] - 1]
        texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
        titles[language] = texts[0].strip().partition("\n")[0].lstrip("# ") if texts else essay.exercise
        asked[language] = markdown(texts[-1]) if texts else ""
    return Question(essay, scheme, titles, asked)


def _unknown(essay: Essay) -> Question:
    """One whose source is not there: points can be typed."""
    both = dict.fromkeys(LANGUAGES, essay.exercise)
    return Question(essay, read_scheme("", essay.max_points), both, dict.fromkeys(LANGUAGES, ""))

"""The page of each student that lists the exercises: points, what is not read yet, and what could not be graded."""

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from autograder.cells import LANGUAGES
from autograder.course import Course
from autograder.gradebook.marks import Marks
from autograder.handing_in.other_files import OtherFile
from autograder.handing_in.submissions import content_of
from autograder.pages.class_known import Known
from autograder.pages.feedback_page import title_of
from autograder.pages.html import points
from autograder.pages.written_pages import design, hash_of, key_in, language_in, render_page, write_page
from simpo_language.speech import SOURCE, _, speaking


@dataclass(frozen=True)
class Row:
    """One exercise on a student's page."""

    title: str
    link: str  # empty if there is no page
    points: float
    max_points: float
    unread: float  # points of essays that nobody has read
    notes: tuple[str, ...]


def write_indexes(
    course: Course, known: Known, students: Collection[str], *, force: bool = False
) -> Iterator[tuple[Path, bool]]:
    """Write these students' lists of exercises; yield each, and whether it is new."""

    @functools.cache
    def others() -> str:
        return _most(Counter(map(language_in, (course.classroom / "feedback").glob("*/*/*.html"))))

    for student in students:
        path = course.classroom / "feedback" / student / "index.html"
        language = language_of_student(course, known, student, others)
        rows = list(rows_of(course, known, student, language).values())
        with speaking(language):
            remark = _note_of(known.others.get((student, "")))
        name = known.names.get(student, "")
        key = hash_of(design(), language, rows, remark, name)
        is_new = force or key_in(path) != key
        if is_new:
            shown: dict[str, Any] = {"student": student, "name": name, "rows": rows, "remark": remark, **sums(rows)}
            write_page(path, render_page("feedback_index", language, key, **shown))
        yield path, is_new


def rows_of(course: Course, known: Known, student: str, language: str) -> dict[str, Row]:
    """The exercises in order: those that somebody has handed in, whether the student has or not."""
    with speaking(language):
        return _rows(course, known, student, language)


def _rows(course: Course, known: Known, student: str, language: str) -> dict[str, Row]:
    rows = {}
    theirs = {name for who, name in (*known.marks, *known.refused, *known.others) if who == student and name}
    for exercise in sorted(theirs | set(known.max_points)):
        marks = known.marks.get((student, exercise), Marks())
        has_page = bool(marks.cells) and course.notebook("autograded", student, exercise).is_file()
        notes = [_("essay not read yet")] if marks.unread else []
        notes += (
            [_("late, {points} points off").format(points=points(marks.late_penalty))] if marks.late_penalty else []
        )
        if reason := known.refused.get((student, exercise)):
            notes.append(
                _("The file that you handed in last could not be graded: {reason}. Please hand it in again.").format(
                    reason=reason
                )
            )
        elif not marks.cells and (other := known.others.get((student, exercise))):
            notes.append(_note_of(other))
        elif not marks.cells:
            there = course.notebook("submitted", student, exercise).is_file()
            notes.append(_("handed in, not graded yet") if there else _("not handed in"))
        link = f"{exercise}/{exercise}.html" if has_page else ""
        title = title_of(course.classroom, exercise, language)
        max_points = marks.max_points if marks.cells else known.max_points.get(exercise, 0.0)
        rows[exercise] = Row(title, link, marks.points, max_points, marks.unread, tuple(notes))
    return rows


def _note_of(other: OtherFile | None) -> str:
    """What to say of a file that is no notebook; nothing if there is none."""
    if other is None:
        return ""
    if other.is_of_another_kind:
        return _("Handed in, but not a notebook: {name}. Please hand in the exercise's own file (.ipynb).").format(
            name=other.name
        )
    return _("The file that you handed in last could not be graded: {reason}. Please hand it in again.").format(
        reason=f"{other.name}: {other.reason}"
    )


def sums(rows: Iterable[Row]) -> dict[str, float]:
    """What the exercises add up to."""
    listed = list(rows)
    return {name: sum(getattr(row, name) for row in listed) for name in ("points", "max_points", "unread")}


def language_of_student(course: Course, known: Known, student: str, others: Callable[[], str] = lambda: "en") -> str:
    """The language of most of the student's pages; without any, that of the files that could not be graded.

    others: what most of the class has, for who has handed in nothing that tells.
    """
    found = Counter(language_in(page) for page in (course.classroom / "feedback" / student).glob("*/*.html"))
    if not found:
        refused = (_languages_in(course, *key) for key in known.refused if key[0] == student)
        found.update(chain.from_iterable(refused))
    return _most(found) if found else others()


def _most(languages: Counter[str]) -> str:
    return max(sorted(languages), key=lambda language: languages[language], default=SOURCE)


def _languages_in(course: Course, student: str, exercise: str) -> list[str]:
    """The languages whose title stands in a file that is no notebook, a part of one maybe."""
    text = content_of(course.notebook("submitted", student, exercise)).decode("utf-8", "replace")
    return [language for language in LANGUAGES if title_of(course.classroom, exercise, language) in text]

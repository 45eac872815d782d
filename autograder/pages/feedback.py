"""Feedback: one HTML page for each graded notebook, and one for each student that lists them.

A page carries a key made of all that it shows; it is written again when that has changed, by a grading, by a
person's points or comments, or by a new design. It needs no network and runs no script.
"""

import functools
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import nbformat.v4

from autograder.cells import LANGUAGES
from autograder.code_digest import code_digest
from autograder.course import Course, UserError
from autograder.files import write_whole
from autograder.gradebook.marks import Marks, read_marks
from autograder.gradebook.scores import read_scores
from autograder.grading.records import results
from autograder.handing_in.other_files import OtherFile, other_files
from autograder.handing_in.submissions import content_of, submitted
from autograder.pages.feedback_page import CHECK, ESSAY, Page, language_of, read_page, title_of
from autograder.pages.html import points, render
from autograder.pages.worked import digest, worked_answers
from autograder.results import DIED, NOT_GRADABLE, OUT_OF_MEMORY, TIMED_OUT, TOO_MUCH_OUTPUT
from simpo_language.speech import N_, SOURCE, Said, _, speaking
from simpo_language.speech import known as known_language

Key = tuple[str, str]  # student, exercise
# What the student is told when the notebook did not run to its end. Points earned before stay.
VERDICTS = {
    TIMED_OUT: N_(
        "Some of your code did not finish in time and was stopped. Is there a loop that never ends? "
        "Points for what ran before are kept."
    ),
    OUT_OF_MEMORY: N_(
        "Some of your code needed more memory than a notebook may use. Does a list or an array grow without end? "
        "Points for what fitted are kept."
    ),
    TOO_MUCH_OUTPUT: N_(
        "Some of your code printed, showed or wrote too much and was stopped. Is there a print in a loop that never "
        "ends? Points for what ran before are kept."
    ),
    DIED: N_(
        "Your notebook's process ended before all cells had run. Does something call exit() or crash Python? "
        "Points for what ran before are kept."
    ),
}


@dataclass(frozen=True)
class Known:
    """What is known of a class when its feedback is written."""

    marks: Mapping[Key, Marks]
    refused: Mapping[Key, str | Said]  # why what was handed in last could not be graded
    others: Mapping[Key, OtherFile]  # what was handed in and is no notebook
    max_points: Mapping[str, float]  # of each exercise that somebody has handed in, as in `export`
    names: Mapping[str, str] = field(default_factory=dict)  # of the students, by id, where the gradebook has them


@dataclass(frozen=True)
class Row:
    """One exercise on a student's page."""

    title: str
    link: str  # empty if there is no page
    points: float
    max_points: float
    unread: float  # points of essays that nobody has read
    notes: tuple[str, ...]


def graded(course: Course) -> list[Key]:
    """Every graded submission of the class, by student."""
    pages = course.classroom.glob("autograded/*/*/*.ipynb")
    return sorted((path.parts[-3], path.stem) for path in pages if path.stem == path.parent.name)


def refused(course: Course) -> dict[Key, str | Said]:
    """Why what was handed in last could not be graded, by student and exercise."""
    return {(r.student, r.exercise): r.reason for r in results(course) if r.verdict == NOT_GRADABLE}


def read_known(course: Course, gradebook: Any) -> Known:
    """Read nbgrader's gradebook, which is open, and what is known of the files that could not be graded."""
    scores = read_scores(gradebook)
    others = other_files(course.classroom)
    begun = scores.begun([*(exercise for _, exercise in others), *(one.exercise for one in submitted(course))])
    names = {student.id: student.name for student in scores.students if student.name}
    return Known(read_marks(gradebook, scores), refused(course), others, scores.only(begun).max_points, names)


def is_stale(course: Course, marks: Mapping[Key, Marks], student: str, exercise: str) -> bool:
    """Whether the page of a graded submission is missing, or shows what is no longer so."""
    written = _key_in(course.notebook("feedback", student, exercise, ".html"))
    try:
        return all(
            page_key(course, marks, student, exercise, has_list=has_list, solutions=solutions) != written
            for has_list, solutions in itertools.product((True, False), repeat=2)
        )
    except UserError:  # something that it is made of is missing
        return True


def write_pages(
    course: Course, known: Known, chosen: Collection[Key], *, force: bool = False, solutions: bool = False
) -> Iterator[tuple[Path, bool]]:
    """Write the pages of these submissions; yield each, and whether it is new. solutions: with worked answers.

    Raises:
        UserError: The gradebook or the classroom knows nothing of a submission.
    """
    for student, exercise in chosen:
        path = course.notebook("feedback", student, exercise, ".html")
        key = page_key(course, known.marks, student, exercise, solutions=solutions)
        is_new = force or _key_in(path) != key
        if is_new:
            _write(path, page_html(course, known, student, exercise, key, solutions=solutions))
        yield path, is_new


def write_indexes(
    course: Course, known: Known, students: Collection[str], *, force: bool = False
) -> Iterator[tuple[Path, bool]]:
    """Write these students' lists of exercises; yield each, and whether it is new."""

    @functools.cache
    def others() -> str:
        return _most(Counter(map(_language_in, (course.classroom / "feedback").glob("*/*/*.html"))))

    for student in students:
        path = course.classroom / "feedback" / student / "index.html"
        language = language_of_student(course, known, student, others)
        rows = list(rows_of(course, known, student, language).values())
        with speaking(language):
            remark = _note_of(known.others.get((student, "")))
        name = known.names.get(student, "")
        key = _hash(design(), language, rows, remark, name)
        is_new = force or _key_in(path) != key
        if is_new:
            shown: dict[str, Any] = {"student": student, "name": name, "rows": rows, "remark": remark, **sums(rows)}
            _write(path, render_page("feedback_index", language, key, **shown))
        yield path, is_new


def page_key(
    course: Course,
    marks: Mapping[Key, Marks],
    student: str,
    exercise: str,
    *,
    has_list: bool = True,
    solutions: bool = False,
) -> str:
    """The same for the same page: made of all that it shows. has_list, solutions: see `page_html`.

    Raises:
        UserError: The gradebook or the classroom knows nothing of the submission.
    """
    graded = course.notebook("autograded", student, exercise)
    given = course.classroom / "release" / exercise / f"{exercise}.ipynb"
    if (student, exercise) not in marks:
        raise UserError(
            _("the gradebook has no marks for {student}, {exercise}: run `autograder grade --force`").format(
                student=student, exercise=exercise
            )
        )
    try:
        notebooks = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (graded, given)]
        worked = digest(course, exercise) if solutions else ""
    except FileNotFoundError as error:
        raise UserError(_("{filename} is missing: run `autograder grade`").format(filename=error.filename)) from None
    return _hash(design(), *notebooks, marks[student, exercise], has_list, worked)


def page_html(
    course: Course,
    known: Known,
    student: str,
    exercise: str,
    key: str,
    *,
    has_list: bool = True,
    solutions: bool = False,
) -> str:
    """The page of one graded submission; `key` is its `page_key`.

    has_list: whether the student gets the list of all exercises, too. solutions: whether a worked answer stands
    under each part.
    """
    shown = shown_page(course, known, student, exercise, solutions=solutions)
    return render_page("feedback_page", shown["page"].language, key, has_list=has_list, **shown)


def shown_page(course: Course, known: Known, student: str, exercise: str, *, solutions: bool = False) -> dict[str, Any]:
    """What the template of a page shows of one graded submission."""
    nb = nbformat.v4.reads(
        course.notebook("autograded", student, exercise).read_text(encoding="utf-8")
    )  # nbgrader's own
    language = language_of(nb, course.classroom, exercise)
    worked = worked_answers(course, exercise, language) if solutions else ()
    with speaking(language):
        page = read_page(nb, course.classroom, student, exercise, known.marks[student, exercise], worked)
        totals = [
            (kind, marks)
            for kind, cells in ((_("Checks"), page.cells(CHECK)), (_("Essay"), page.cells(ESSAY)))
            if (marks := [cell.mark for cell in cells if cell.mark])
        ]
        return {"page": page, "totals": totals, "notices": _notices(page)}


def _notices(page: Page) -> list[str]:
    """What the student should know of how the notebook was graded, one sentence each."""
    found = [_(VERDICTS[page.verdict])] if page.verdict in VERDICTS else []
    found += (
        [
            _(
                "Your notebook was repaired before grading: cells were not as they were given out ({count}). "
                "Your answers were kept."
            ).format(count=len(page.repairs))
        ]
        if page.repairs
        else []
    )
    found += (
        [
            _("Your essay ({points} points) has not been read yet; it counts as 0 until it is.").format(
                points=points(page.marks.unread)
            )
        ]
        if page.marks.unread
        else []
    )
    found += (
        [_("Handed in late: {points} points are taken off.").format(points=points(page.marks.late_penalty))]
        if page.marks.late_penalty
        else []
    )
    found += (
        [
            _(
                "{count} outputs or cells of yours would make this page too large, or take too long, and are left out; "
                "they stand in your notebook."
            ).format(count=page.left_out)
        ]
        if page.left_out
        else []
    )
    return found


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


def render_page(template: str, language: str, key: str, *, is_open: bool = False, **shown: Any) -> str:
    """A page of feedback. is_open: with nothing folded, as for paper."""
    shown = {"prefix": "", "is_open": is_open, **shown}
    with speaking(language):
        return render(template, "feedback", language=language, key=key, **shown)


def design() -> str:
    """Another for every change of the code that makes pages, and of all that it uses."""
    return code_digest("autograder.pages", "simpo_language")


def _hash(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _key_in(path: Path) -> str:
    """The key of a page that was written before; empty if there is none."""
    return _head(path).partition('name="autograder-key" content="')[2].partition('"')[0]


def language_of_student(course: Course, known: Known, student: str, others: Callable[[], str] = lambda: "en") -> str:
    """The language of most of the student's pages; without any, that of the files that could not be graded.

    others: what most of the class has, for who has handed in nothing that tells.
    """
    found = Counter(_language_in(page) for page in (course.classroom / "feedback" / student).glob("*/*.html"))
    if not found:
        refused = (_languages_in(course, *key) for key in known.refused if key[0] == student)
        found.update(chain.from_iterable(refused))
    return _most(found) if found else others()


def _most(languages: Counter[str]) -> str:
    return max(sorted(languages), key=lambda language: languages[language], default=SOURCE)


def _language_in(page: Path) -> str:
    found = re.search('<html lang="([^"]*)"', _head(page))
    return known_language(found[1]) if found else SOURCE


def _languages_in(course: Course, student: str, exercise: str) -> list[str]:
    """The languages whose title stands in a file that is no notebook, a part of one maybe."""
    text = content_of(course.notebook("submitted", student, exercise)).decode("utf-8", "replace")
    return [language for language in LANGUAGES if title_of(course.classroom, exercise, language) in text]


def _head(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(300)
    except OSError:
        return ""


def _write(path: Path, html: str) -> None:
    """The whole page or none. Half characters, which JSON can carry and UTF-8 can't, become question marks."""
    write_whole(path, html.encode("utf-8", "replace"))

"""Feedback: one HTML page for each graded notebook. The student's list of them is `feedback_list`'s.

A page carries a key made of all that it shows; it is written again when that has changed, by a grading, by a
person's points or comments, or by a new design. It needs no network and runs no script.
"""

import hashlib
import itertools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat.v4

from autograder.course import Course, UserError
from autograder.gradebook.marks import Marks
from autograder.pages.class_known import Key, Known
from autograder.pages.feedback_page import CHECK, ESSAY, Page, language_of, read_page
from autograder.pages.html import points
from autograder.pages.worked import digest, worked_answers
from autograder.pages.written_pages import design, hash_of, key_in, render_page, write_page
from autograder.results import DIED, OUT_OF_MEMORY, TIMED_OUT, TOO_MUCH_OUTPUT
from simpo_language.speech import N_, _, speaking

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


def is_stale(course: Course, marks: Mapping[Key, Marks], student: str, exercise: str) -> bool:
    """Whether the page of a graded submission is missing, or shows what is no longer so."""
    written = key_in(course.notebook("feedback", student, exercise, ".html"))
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
        is_new = force or key_in(path) != key
        if is_new:
            write_page(path, page_html(course, known, student, exercise, key, solutions=solutions))
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
    return hash_of(design(), *notebooks, marks[student, exercise], has_list, worked)


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

"""One student's feedback on several exercises in one HTML file that is complete in itself: for systems that take one.

It holds what the pages hold (see `feedback`), one under the other, below the list of the exercises.
"""

from collections.abc import Collection
from dataclasses import replace

from autograder.course import Course
from autograder.pages.class_known import Known
from autograder.pages.feedback import shown_page
from autograder.pages.feedback_list import language_of_student, rows_of, sums
from autograder.pages.written_pages import render_page
from simpo_language.speech import _, speaking, translated


def book_html(
    course: Course,
    known: Known,
    student: str,
    exercises: Collection[str],
    *,
    solutions: bool = False,
    is_open: bool = False,
) -> str:
    """A student's feedback on these exercises; of one that could not be graded, why.

    solutions: with worked answers. is_open: with nothing folded, for paper.

    Raises:
        UserError: The gradebook or the classroom knows nothing of a submission.
    """
    language = language_of_student(course, known, student)
    found = {name: row for name, row in rows_of(course, known, student, language).items() if name in exercises}
    bodies = [shown_page(course, known, student, name, solutions=solutions) for name, row in found.items() if row.link]
    rows = [replace(row, link=f"#{name}" if row.link else "") for name, row in found.items()]
    with speaking(language):
        title = rows[0].title if len(rows) == 1 else _("Your exercises")
    whose = {"student": student, "name": known.names.get(student, ""), "title": title}
    shown = {"rows": rows, "bodies": bodies, "translated": translated, **whose, **sums(rows)}
    return render_page("feedback_book", language, "", is_open=is_open, **shown)

"""What Moodle's grading worksheet says to a student below the points: its column for comments, filled.

Short: the points, what the checks that were lost point at, and what a person wrote of an essay. Moodle keeps it as
HTML; the whole feedback goes as a file (`returns.feedback_zips`).

Source: https://github.com/moodle/moodle (mod/assign/feedback/offline/importgradeslib.php): the column is known by
its heading, the comment is HTML.
"""

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

from autograder.course import Course, UserError
from autograder.documents.columns import COMMENTS
from autograder.documents.tables import Sheet, heading
from autograder.messages import read
from autograder.pages.class_known import Known
from autograder.pages.feedback import shown_page
from autograder.pages.feedback_page import ESSAY, Page
from autograder.pages.html import points
from simpo_language.speech import _, speaking

OURS = "SimPO practice · "  # how a comment of ours begins: another of ours may be written over it
LOST = 8  # checks that are told; the others are counted


def column_of(sheet: Sheet) -> int:
    """Which column takes comments. Raises UserError if none does."""
    names = set(map(heading, COMMENTS))
    found = [place for place, words in enumerate(sheet.headings) if heading(words) in names]
    if len(found) != 1:
        sentence = _(
            "it has {count} columns called {name} ({others}), which --comments fills: in Moodle switch on Feedback "
            "comments in the assignment's settings and download the worksheet again"
        )
        raise UserError(sentence.format(count=len(found), name=COMMENTS[0], others=", ".join(COMMENTS[1:])))
    return found[0]


def is_ours(words: str) -> bool:
    """Whether a comment was made here."""
    return re.sub(r"<[^>]+>", "", words).strip().startswith(OURS)


def comment_of(course: Course, known: Known, student: str, exercise: str) -> str:
    """The comment on one submission, as one line of HTML; empty if there is none to be made.

    Raises:
        UserError: The gradebook or the classroom knows nothing of the submission.
    """
    if not course.notebook("autograded", student, exercise).is_file() or (student, exercise) not in known.marks:
        return ""
    shown = shown_page(course, known, student, exercise)
    with speaking(shown["page"].language):
        lines = [*_lines(shown["page"]), *shown["notices"]]
    return Markup("<p>{}</p>").format(Markup("<br>").join(map(_line, lines)))


def _line(words: str) -> Markup:
    """A line, which may hold lines of its own: a row of a CSV file stays one line that way."""
    return Markup("<br>").join(escape(line) for line in words.split("\n"))


def _lines(page: Page) -> Iterator[str]:
    sums = _("{points} of {possible} points").format(
        points=points(page.marks.points), possible=points(page.marks.max_points)
    )
    yield OURS + _("{label}: {seen}").format(label=page.title, seen=sums)
    for cell in page.lost[:LOST]:
        yield f"✗ {cell.title} {read(cell.check.message if cell.check else '').cause}"
    if len(page.lost) > LOST:
        yield f"✗ + {len(page.lost) - LOST}"
    if page.not_attempted:
        yield _("Not attempted yet: {count}").format(count=len(page.not_attempted))
    for cell in page.cells(ESSAY):
        said = page.marks.comments.get(cell.name, "").strip()
        if cell.mark and (cell.mark.by_hand or said):
            earned = _("{points} of {possible} points").format(
                points=points(cell.mark.points), possible=points(cell.mark.max_points)
            )
            yield _("Essay: {points}").format(points=earned) + (f"\n{said}" if said else "")

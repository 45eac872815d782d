"""What no page may show: the lines of hidden tests and mark schemes; and what a page shows."""

import html
import re
from pathlib import Path

from autograder.cells import read_notebook, regions
from autograder.course import Course

SHORT = 20  # characters; a shorter line may stand elsewhere by chance
CALL = re.compile(r"\bSeen: .*? Expected: ")  # the student's own function was called with it: the message shows that


def words_of(page: str) -> str:
    """What a reader sees of an HTML page: the text without tags, its spaces single."""
    return _single(html.unescape(re.sub(r"<[^>]+>", " ", page.partition("</head>")[2])))


def hidden_lines(course: Course, exercise: str) -> list[str]:
    """The lines of an exercise's hidden tests and mark schemes that students were not given."""
    released = read_notebook(course.notebooks / f"{exercise}.ipynb")
    readable = "\n".join(cell.source for cell in released.cells)
    return [
        _single(line)
        for cell in read_notebook(course.solutions / f"{exercise}.ipynb").cells
        for name in ("HIDDEN TESTS", "MARK SCHEME")
        for line in regions(cell.source, name)[0]
        if len(line.strip()) > SHORT and line.strip() not in readable
    ]


def leaks(course: Course, page: Path) -> list[str]:
    """What the page of a graded notebook shows and must not. What the student wrote is the student's own."""
    classroom, student = page.parents[3], page.parents[1].name
    handed_in = read_notebook(classroom / "submitted" / student / page.stem / f"{page.stem}.ipynb")
    own = "\n".join(cell.source for cell in handed_in.cells)
    words = CALL.sub(" ", words_of(page.read_text(encoding="utf-8")))
    markers = ["BEGIN HIDDEN", "BEGIN MARK", "simpo_core.losses"]  # only hidden tests import that
    return [line for line in (*markers, *hidden_lines(course, page.stem)) if line in words and line not in _single(own)]


def _single(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()

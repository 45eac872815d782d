"""What stands on a page of feedback: a graded notebook by parts, with the gradebook's points and words.

Of the author's cells the page shows what students were given (the released notebook), never the source:
no hidden test and no mark scheme can reach it. Of a check it shows the first line, its points and its message.
"""

import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from nbformat.notebooknode import NotebookNode

from autograder import messages
from autograder.cells import CHINESE_HALF, LANGUAGES, check_title, edition, is_answer, is_test, read_notebook, role
from autograder.gradebook.marks import Marks
from autograder.gradebook.scores import GradedCell
from autograder.grading.marking import notebook_checks
from autograder.grading.repair import NOTES
from autograder.pages.feedback_outputs import Room, outputs, picture_url
from autograder.pages.prose import as_written, embedded, markdown, python
from autograder.pages.worked import Worked
from autograder.results import NOT_ATTEMPTED, WRONG, Check
from autograder.student_data.time_limit import TimeUp, limited
from simpo_language.speech import Said, _, said_again

CHECK, ANSWER, ESSAY, GIVEN, OWN, NOTE = "check", "answer", "essay", "given", "own", "note"  # kinds of cells
NOTHING = Markup("")
PAGE_SECONDS = 20  # that the student's work may take to be made HTML
SOURCE = 20_000  # characters of a cell that are shown
_POINTS = re.compile(r"\s*·\s*\d+\s*(?:points?|分)\s*$")  # the page says them anew, with what was earned


@dataclass(frozen=True)
class ShownCell:
    """One cell as the page shows it."""

    kind: str
    name: str = ""  # its grade_id
    title: str = ""  # of a check: what it looks at
    source: Markup = NOTHING
    outputs: Markup = NOTHING
    is_stub: bool = False  # an answer that was not given
    check: Check | None = None
    mark: GradedCell | None = None
    comment: Markup = NOTHING
    message: tuple[tuple[str, str], ...] = ()  # what a check says, line by line (see `messages.parts`)


@dataclass(frozen=True)
class Part:
    """One section of the notebook."""

    title: str
    task: Markup
    cells: tuple[ShownCell, ...]
    worked: tuple[Worked, ...] = ()

    @property
    def marks(self) -> list[GradedCell]:
        return [cell.mark for cell in self.cells if cell.mark]

    @property
    def points(self) -> float:
        return sum(mark.points for mark in self.marks)

    @property
    def max_points(self) -> float:
        return sum(mark.max_points for mark in self.marks)


@dataclass(frozen=True)
class Page:
    """A graded notebook."""

    student: str
    exercise: str
    language: str
    title: str
    parts: tuple[Part, ...]
    marks: Marks
    verdict: str
    repairs: tuple[str | Said, ...]
    left_out: int  # outputs and cells for which there was no room

    def cells(self, *kinds: str) -> list[ShownCell]:
        return [cell for part in self.parts for cell in part.cells if cell.kind in kinds]

    @property
    def lost(self) -> list[ShownCell]:
        """The checks that found a mistake."""
        return [cell for cell in self.cells(CHECK) if cell.check and cell.check.status == WRONG]

    @property
    def not_attempted(self) -> list[ShownCell]:
        return [cell for cell in self.cells(CHECK) if cell.check and cell.check.status == NOT_ATTEMPTED]


@dataclass(frozen=True)
class Released:
    """What students were given of an exercise, in one language."""

    title: str
    titles: tuple[str, ...]  # of the parts; the first stands before the first heading and has none
    tasks: tuple[Markup, ...]
    places: Mapping[str, int]  # a cell's grade_id or, without one, its text: the number of its part
    sources: Mapping[str, str]  # of cells with a grade_id


def language_of(nb: NotebookNode, classroom: Path, exercise: str) -> str:
    """The edition that was handed in."""
    path = classroom / "release" / exercise / f"{exercise}.ipynb"
    return _language(nb, path, path.stat().st_mtime_ns)


def read_page(
    nb: NotebookNode, classroom: Path, student: str, exercise: str, marks: Marks, worked: Sequence[Worked] = ()
) -> Page:
    """The page of one autograded notebook. One that takes long to be made shows the student's work as plain text.

    worked: worked answers, which stand under their parts.

    Raises:
        FileNotFoundError: The classroom lacks what students were given of the exercise.
    """
    try:
        with limited(PAGE_SECONDS):
            return _page(nb, classroom, student, exercise, marks, worked, plainly=False)
    except TimeUp:
        return _page(nb, classroom, student, exercise, marks, worked, plainly=True)


def _page(
    nb: NotebookNode,
    classroom: Path,
    student: str,
    exercise: str,
    marks: Marks,
    worked: Sequence[Worked],
    *,
    plainly: bool,
) -> Page:
    path = classroom / "release" / exercise / f"{exercise}.ipynb"
    changed = path.stat().st_mtime_ns
    language = _language(nb, path, changed)
    given = _given(path, changed, language)
    checks = {check.grade_id: check for check in notebook_checks(nb)}
    reader = _Reader(given, checks, marks.cells, marks.comments, Room(), plainly)
    blocks: list[list[ShownCell]] = [[] for _ in given.titles]
    place = 0
    for cell in nb.cells:
        name = role(cell).get("grade_id", "")
        place = given.places.get(name or cell.source.strip(), place)
        shown = reader.with_role(cell, name) if name else reader.without_role(cell)
        blocks[place] += [shown] if shown else []
    parts = tuple(
        Part(
            title or _("Set-up"),
            task,
            tuple(cells),
            tuple(w for w in worked if given.places.get(w.name) == k),
        )
        for k, (title, task, cells) in enumerate(zip(given.titles, given.tasks, blocks, strict=True))
        if cells
    )
    notes = nb.metadata.get(NOTES, {})
    verdict, repairs = str(notes.get("verdict", "")), tuple(map(said_again, notes.get("repairs", ())))
    return Page(student, exercise, language, given.title, parts, marks, verdict, repairs, reader.room.left_out)


def title_of(classroom: Path, exercise: str, language: str) -> str:
    """An exercise's title."""
    path = classroom / "release" / exercise / f"{exercise}.ipynb"
    return _given(path, path.stat().st_mtime_ns, language).title


@dataclass(frozen=True)
class _Reader:
    """Makes cells of the page of a notebook's cells; None where one has nothing to show that is new."""

    given: Released
    checks: Mapping[str, Check]
    graded: Mapping[str, GradedCell]  # by grade_id
    comments: Mapping[str, str]
    room: Room
    plainly: bool  # the student's work as text

    def with_role(self, cell: NotebookNode, name: str) -> ShownCell | None:
        source = self.given.sources.get(name, "")
        if is_test(cell):
            check = self.checks[name]
            said = tuple(messages.parts(check.message))
            return ShownCell(CHECK, name, check_title(source), check=check, mark=self.graded[name], message=said)
        if is_answer(cell):
            return ShownCell(
                ESSAY if role(cell).get("grade") else ANSWER,
                name,
                source=self._source(cell),
                outputs=self._outputs(cell),
                is_stub=cell.source.strip() == source.strip(),
                mark=self.graded.get(name),
                comment=markdown(self.comments.get(name, "")),
            )
        failed = self._outputs(cell, only_errors=True)
        return ShownCell(GIVEN, name, source=python(source), outputs=failed) if failed else None

    def without_role(self, cell: NotebookNode) -> ShownCell | None:
        text = cell.source.strip()
        if text in self.given.places:
            shown = self._outputs(cell)
            return ShownCell(GIVEN, source=python(text), outputs=shown) if shown else None
        if not text or cell.cell_type == "raw" or not self.room.reads(cell.source[:SOURCE]):
            return None
        source = self._source(cell)
        if not self.room.takes(source):
            return None
        return ShownCell(NOTE if cell.cell_type == "markdown" else OWN, source=source, outputs=self._outputs(cell))

    def _outputs(self, cell: NotebookNode, *, only_errors: bool = False) -> Markup:
        there = [output for output in cell.get("outputs", ()) if not only_errors or output.output_type == "error"]
        found = [output for output in there if not self.plainly or output.output_type in ("error", "stream")]
        self.room.left_out += len(there) - len(found)
        return outputs(found, self.room)

    def _source(self, cell: NotebookNode) -> Markup:
        text = cell.source if len(cell.source) <= SOURCE else f"{cell.source[:SOURCE]}\n[…]"
        if self.plainly:
            return as_written(text)
        if cell.cell_type == "code":
            return python(text)
        return markdown(embedded(text, cell.get("attachments", {}), picture_url))


@functools.lru_cache(maxsize=64)
def _given(path: Path, changed: int, language: str) -> Released:
    """What stands in the released notebook at `path`. changed: when it was; another time, another answer."""
    notebook = edition(read_notebook(path), language)
    titles, texts, places, title = [""], [""], {}, path.stem
    for cell in notebook.cells:
        prose = cell.cell_type == "markdown" and not is_answer(cell)
        heading, _, rest = cell.source.strip().partition("\n")
        if prose and heading.startswith("# "):
            title = heading.removeprefix("# ")
        elif prose and heading.startswith("## "):
            titles.append(_POINTS.sub("", heading.removeprefix("## ")))
            texts.append(rest)
        elif prose:
            texts[-1] += "\n\n" + cell.source
        places[role(cell).get("grade_id", "") or cell.source.strip()] = len(titles) - 1
    tasks = [NOTHING, *map(markdown, texts[1:])]
    sources = {role(cell)["grade_id"]: cell.source for cell in notebook.cells if role(cell)}
    return Released(title, tuple(titles), tuple(tasks), places, sources)


@functools.lru_cache(maxsize=64)
def _halves(path: Path, changed: int) -> dict[str, int]:
    """The author's texts, in both languages: the number of the language."""
    cells = [cell for cell in read_notebook(path).cells if cell.cell_type == "markdown" and not is_answer(cell)]
    split = [[half.strip() for half in CHINESE_HALF.split(cell.source)] for cell in cells]
    return {half: number for halves in split if len(halves) == 2 for number, half in enumerate(halves)}


def _language(nb: NotebookNode, path: Path, changed: int) -> str:
    """The edition that was handed in, by the author's texts in it; English if it can't be told."""
    known: Mapping[str, int] = _halves(path, changed)
    counts: Counter[Any] = Counter(known.get(cell.source.strip()) for cell in nb.cells if cell.cell_type == "markdown")
    return LANGUAGES[1] if counts[1] > counts[0] else LANGUAGES[0]

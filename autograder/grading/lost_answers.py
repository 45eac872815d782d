"""An answer that stands elsewhere than in its cell: in a new cell, in the try cell, in another's, below its place.

Students delete and merge cells, their editors lose ids and metadata, and some write beside the stub instead of into
it. A code answer is known by the names that its stub defines, an essay by its place between cells that are known.
What a student wrote wins over a stub that comes back, and every such match is a sentence for the student.
"""

import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from nbformat.notebooknode import NotebookNode

from autograder.cells import CHINESE_HALF, EDITIONS, is_answer, role
from autograder.course import ESSAY_PLACEHOLDER
from autograder.execution.syntax import syntax_tree
from autograder.handing_in.written import bound, written_names
from simpo_language.speech import Said, said

READ = 2_000_000  # characters of a submission that are read for names; its own cells take some thousand
REMEMBERED = 10_000  # characters of a cell whose names are kept for the next submission; longer ones are nobody else's
FENCED = re.compile(r"\s*```[\w{} .-]*\n(.*?)\n?```\s*", re.DOTALL)


@dataclass(frozen=True)
class Elsewhere:
    """An answer that was found."""

    sentence: Said  # where, for the student and whoever grades
    source: str
    places: tuple[int, ...] = ()  # of the student's own cells that are the answer now; none: they stay where they are
    attachments: Mapping[str, Mapping[str, str]] | None = None


def given_texts(released: NotebookNode) -> set[str]:
    """Every text that students were given, in each language by itself and in both together."""
    whole = {cell.source.strip() for cell in released.cells}
    whole |= {text.strip() for cell in released.cells for text in cell.metadata.get(EDITIONS, {}).values()}
    return whole | {half.strip() for text in whole for half in CHINESE_HALF.split(text)}


def as_code(source: str) -> str:
    """A cell's text as code: without the fence that a text cell may have around it."""
    fenced = FENCED.fullmatch(source)
    return fenced[1] if fenced else source


def _names_in(source: str) -> frozenset[str] | None:
    """As `written_names`; what a whole class was given is read once."""
    return _read_once(source) if len(source) <= REMEMBERED else _read(source)


def _read(source: str) -> frozenset[str] | None:
    names = written_names(source)
    return None if names is None else frozenset(names)


_read_once = functools.lru_cache(maxsize=2048)(_read)


@functools.lru_cache(maxsize=2048)
def _bound_in(source: str) -> frozenset[str]:
    """The names that a given cell binds."""
    return frozenset(bound(syntax_tree(source)))


@dataclass
class _Submission:
    """A submission's cells, and what is known of them."""

    cells: Sequence[NotebookNode]
    wanted: Sequence[NotebookNode]  # the released cells with a role, in order
    places: Mapping[int, int]  # of those that are known: where they stand
    given: Collection[str]  # texts that the student did not write
    read: dict[int, frozenset[str] | None] = field(default_factory=dict)  # see `written`
    left: int = READ  # characters that may still be read

    def written(self, place: int) -> frozenset[str] | None:
        """The names that a cell gives a value; None if it is no valid Python, or too much has been read."""
        if place not in self.read:
            source = as_code(self.cells[place].source)
            self.left -= len(source)
            self.read[place] = _names_in(source) if self.left >= 0 else None
        return self.read[place]

    def own(self, place: int) -> bool:
        """Whether a cell is the student's own."""
        return place not in self.places.values() and self.cells[place].source.strip() not in self.given

    def stub_of(self, place: int) -> NotebookNode:
        """What was given out where a known cell stands."""
        return self.wanted[next(number for number, where in self.places.items() if where == place)]


def find_lost_answers(
    cells: Sequence[NotebookNode],
    wanted: Sequence[NotebookNode],
    places: Mapping[int, int],
    given: Collection[str],
) -> dict[int, Elsewhere]:
    """The answers that are not in their cells, by their number among the wanted cells.

    cells: the submission's. wanted: the released cells with a role, in order.
    places: where those that are known stand among `cells`. given: `given_texts` of what was released.
    """
    submission = _Submission(cells, wanted, places, given)
    found: dict[int, Elsewhere] = {}
    for number, stub in enumerate(wanted):
        if is_answer(stub):
            taken = {place for one in found.values() for place in one.places}
            look = _code if stub.cell_type == "code" else _essay
            if answer := look(submission, number, taken):
                found[number] = answer
    return found


def _code(submission: _Submission, number: int, taken: Collection[int]) -> Elsewhere | None:
    """The cell that defines what the stub should, if the answer's own cell does not."""
    cells, stub, place = submission.cells, submission.wanted[number], submission.places.get(number)
    names = _bound_in(stub.source)
    if not names or (place is not None and _is_given(cells[place], submission.written(place), names)):
        return None
    empty = said("{cell} was not filled in", cell=role(stub)["grade_id"])
    how = said("{cell} was missing", cell=role(stub)["grade_id"]) if place is None else empty
    what = ", ".join(sorted(names))
    defining = {
        one: found
        for one in range(len(cells))
        if one != place and one not in taken and any(name in cells[one].source for name in names)
        if (found := names & (submission.written(one) or frozenset()))
    }
    own = [one for one in defining if submission.own(one)]
    best = [one for one in own if defining[one] == names] or own
    if best:
        sentence = said("{how}; your own cell that defines {names} is the answer", how=how, names=what)
        if len(best) > 1:
            sentence = said("{sentence}; of {count} such cells the last counts", sentence=sentence, count=len(best))
        return Elsewhere(sentence, as_code(cells[best[-1]].source), (best[-1],))
    for one in (one for one in defining if one in submission.places.values()):
        theirs = submission.stub_of(one)
        name = role(theirs)["grade_id"]
        if cells[one].source.strip() == theirs.source.strip() or names & _bound_in(_code_of(theirs)):
            continue
        if is_answer(theirs):  # merged cells, say: what it defines must not be undone by a stub that comes back below
            sentence = said("{how}; {cell} defines {names}, which counts", how=how, cell=name, names=what)
            return Elsewhere(sentence, f"# {what}: see {name}")
        sentence = said("{how}; {names} was written into {cell}, and is the answer", how=how, names=what, cell=name)
        return Elsewhere(sentence, as_code(cells[one].source))
    return None


def _is_given(cell: NotebookNode, written: frozenset[str] | None, names: frozenset[str]) -> bool:
    """Whether an answer's cell holds one: it defines a name that it should, or is no valid Python yet."""
    return bool(cell.source.strip()) and (written is None or bool(written & names))


def _code_of(cell: NotebookNode) -> str:
    return cell.source if cell.cell_type == "code" else ""


def _essay(submission: _Submission, number: int, taken: Collection[int]) -> Elsewhere | None:
    """What was written beside an essay's place, if nothing was written into it."""
    cells, stub, place = submission.cells, submission.wanted[number], submission.places.get(number)
    empty = ("", stub.source.strip(), ESSAY_PLACEHOLDER)
    if place is not None and (cells[place].get("attachments") or cells[place].source.strip() not in empty):
        return None
    before = max((where for other, where in submission.places.items() if other < number), default=-1)
    beside: list[int] = []
    for one in range((before if place is None else place) + 1, len(cells)):
        if not submission.own(one):
            break
        if cells[one].cell_type != "code" and cells[one].source.strip() and one not in taken:
            beside.append(one)
    if not beside:
        return None
    blank = said("{cell} was empty", cell=role(stub)["grade_id"])
    how = said("{cell} was missing", cell=role(stub)["grade_id"]) if place is None else blank
    attachments = {name: kinds for one in beside for name, kinds in cells[one].get("attachments", {}).items()}
    text = "\n\n".join(cells[one].source.strip() for one in beside)
    sentence = said("{how}; your own text below its place is the answer", how=how)
    return Elsewhere(sentence, text, tuple(beside), attachments or None)

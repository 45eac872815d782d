"""What is compared: the answers of a class, and of earlier years' folders, by cell; and which cells are left out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nbformat.notebooknode import NotebookNode

from autograder.cells import CHINESE_HALF, is_answer, read_notebook, regions, role
from autograder.course import ESSAY_PLACEHOLDER, Course, UserError
from autograder.documents.reading import read_student_notebook
from autograder.handing_in.downloads import known_exercises
from autograder.handing_in.which_exercise import found_in, named_in
from simpo_language.speech import _

LINES = 4  # of code in the course's own solution; of fewer, right answers look alike by themselves
LETTERS = 120  # of an essay; of a shorter one there is too little to compare


@dataclass(frozen=True)
class Cell:
    """An answer cell. given: what stands in it before anybody writes; of an essay, the task, which many quote."""

    exercise: str
    name: str
    is_essay: bool
    given: str


@dataclass(frozen=True)
class Answer:
    """What somebody wrote into a cell. folder: the earlier year's; empty in the present class."""

    student: str
    folder: str
    text: str


@dataclass(frozen=True)
class LeftOut:
    """The cells of an exercise that are not compared, because their answers are too short."""

    exercise: str
    cells: int
    compared: int


def compared_cells(course: Course, exercises: Iterable[str]) -> tuple[list[Cell], list[LeftOut]]:
    """The cells to compare, and how many of each exercise are not."""
    cells, left = [], []
    for exercise in exercises:
        source = read_notebook(course.solutions / f"{exercise}.ipynb")
        its = list(_cells(source, _texts(read_notebook(course.notebooks / f"{exercise}.ipynb")), exercise))
        short = sum(is_answer(cell) for cell in source.cells) - len(its)
        cells += its
        left += [LeftOut(exercise, short, len(its))] if short else []
    return cells, left


def _cells(source: NotebookNode, released: Mapping[str, str], exercise: str) -> Iterator[Cell]:
    for place, cell in enumerate(source.cells):
        if not is_answer(cell):
            continue
        name = role(cell)["grade_id"]
        if cell.cell_type == "markdown":
            task = "\n".join(one.source for one in source.cells[max(0, place - 2) : place])
            yield Cell(exercise, name, is_essay=True, given=CHINESE_HALF.sub("\n", task))
            continue
        solution, _, _ = regions(cell.source, "SOLUTION")
        if sum(bool(line.strip()) and not line.strip().startswith("#") for line in solution) >= LINES:
            yield Cell(exercise, name, is_essay=False, given=released.get(name, ""))


def answers_of_class(course: Course, cells: Iterable[Cell]) -> dict[Cell, list[Answer]]:
    """By cell, what the class wrote; who left it as it was given out is not in it.

    Raises:
        UserError: Nothing is graded.
    """
    wanted = _by_exercise(cells)
    found: dict[Cell, list[Answer]] = {cell: [] for its in wanted.values() for cell in its}
    paths = sorted(course.classroom.glob("autograded/*/*/*.ipynb"))
    if not paths:
        raise UserError(
            _("nothing is graded yet in {classroom}: run `autograder grade SUBMISSIONS` first").format(
                classroom=course.classroom
            )
        )
    for path in paths:
        if path.stem in wanted and path.stem == path.parent.name:
            _add(found, wanted[path.stem], read_notebook(path), path.parts[-3], "")
    return found


def add_folder(course: Course, folder: Path, found: dict[Cell, list[Answer]]) -> tuple[int, int]:
    """Add the answers in another year's folder: a classroom, or notebooks in any folders.

    Returns:
        How many notebooks were read, and how many were of none of these exercises or could not be read.

    Raises:
        UserError: There is no such folder, or no notebook in it.
    """
    paths = sorted(folder.glob("autograded/*/*/*.ipynb")) or sorted(folder.glob("submitted/*/*/*.ipynb"))
    paths = paths or sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    if not paths:
        raise UserError(
            _(
                "{folder} holds no notebooks: name an earlier year's classroom, or a folder of unpacked notebooks"
            ).format(folder=folder)
        )
    wanted, known, read = _by_exercise(found), known_exercises(course), 0
    for path in paths:
        try:
            notebook = read_student_notebook(path).notebook
        except (ValueError, OSError):
            continue
        exercises = found_in(notebook, known)
        exercise = named_in(path.name, known) or (exercises[0] if len(exercises) == 1 else "")
        if exercise in wanted:
            read += 1
            owner = path.parts[-3] if len(path.relative_to(folder).parts) > 2 else str(path.relative_to(folder))
            _add(found, wanted[exercise], notebook, owner, folder.name)
    return read, len(paths) - read


def _by_exercise(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.exercise, []).append(cell)
    return found


def _add(
    found: dict[Cell, list[Answer]], cells: Iterable[Cell], notebook: NotebookNode, student: str, folder: str
) -> None:
    texts = _texts(notebook)
    for cell in cells:
        text = texts.get(cell.name, "")
        if _is_written(cell, text):
            found[cell].append(Answer(student, folder, text))


def _texts(notebook: NotebookNode) -> Mapping[str, str]:
    """What stands in each answer cell, by its grade_id; where a tool took that away, by the cell's id."""
    ids = {cell.get("id", ""): cell.source for cell in notebook.cells}
    return ids | {role(cell)["grade_id"]: cell.source for cell in notebook.cells if role(cell).get("grade_id")}


def _is_written(cell: Cell, text: str) -> bool:
    plain = text.strip()
    if not plain or plain in (ESSAY_PLACEHOLDER, cell.given.strip()):
        return False
    return not cell.is_essay or len(plain) >= LETTERS or sum("\u4e00" <= letter <= "\u9fff" for letter in plain) >= 60

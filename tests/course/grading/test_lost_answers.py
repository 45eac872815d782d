"""An answer that stands elsewhere than in its cell is found, and said to have been."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell
from project import ROOT

from autograder.cells import is_answer, read_notebook, role
from autograder.course import ESSAY_PLACEHOLDER, Course
from autograder.grading.benches import hand_in, load_bench
from autograder.grading.repair import restore

COURSE = Course(ROOT, ROOT / "classroom")
LOSS, ESSAY = "01_simpo_loss", "04_advantages"
SQUARED = "squared-loss"


class Handed:
    """A right answer to an exercise, to be spoilt; and what comes back of it."""

    def __init__(self, exercise=LOSS, language="en"):
        folder = COURSE.notebooks / ("zh" if language == "zh" else "")
        self.source = read_notebook(COURSE.solutions / f"{exercise}.ipynb")
        self.released = read_notebook(folder / f"{exercise}.ipynb")
        right = next(answer for answer in load_bench(COURSE, exercise) if answer.is_right)
        self.notebook = nbformat.reads(hand_in(COURSE, exercise, right, language), 4)
        self.answers = self._answers(self.notebook)

    def place(self, name):
        return [cell.id for cell in self.notebook.cells].index(name)

    def cell(self, name):
        return self.notebook.cells[self.place(name)]

    def stub(self, name):
        return next(cell.source for cell in self.released.cells if cell.id == name)

    def insert(self, place, cell):
        self.notebook.cells.insert(place, cell)

    def restored(self):
        """The answers, the repairs, and the whole notebook."""
        before = copy.deepcopy(self.notebook)
        notebook, repairs = restore(self.notebook, self.source, self.released)
        nbformat.validate(notebook)
        assert before == self.notebook
        return self._answers(notebook), [str(repair) for repair in repairs], notebook

    @staticmethod
    def _answers(notebook):
        return {role(cell)["grade_id"]: cell.source for cell in notebook.cells if is_answer(cell)}


@pytest.fixture
def handed():
    return Handed()


def sources(notebook):
    return [cell.source for cell in notebook.cells]


@pytest.mark.parametrize("make", [new_code_cell, new_markdown_cell, new_raw_cell])
def test_an_answer_in_a_new_cell_of_any_kind_is_found(handed, make):
    answer = handed.cell(SQUARED).source
    handed.notebook.cells[handed.place(SQUARED)] = make(answer)
    answers, repairs, notebook = handed.restored()
    assert answers == handed.answers
    assert repairs == ["squared-loss was missing; your own cell that defines squared_loss is the answer"]
    assert sources(notebook).count(answer) == 1


def test_an_answer_in_a_fence_is_code_again(handed):
    answer = handed.cell(SQUARED).source
    handed.cell(SQUARED).update(cell_type="markdown", source=f"```python\n{answer}\n```")
    answers, repairs, _ = handed.restored()
    assert answers == handed.answers
    assert repairs == ["squared-loss was a markdown cell, and is a code cell again"]


@pytest.mark.parametrize("offset", [0, 1, 2], ids=["above the stub", "below it", "below the try cell"])
def test_an_answer_beside_its_stub_is_found(handed, offset):
    answer = handed.cell(SQUARED).source
    place = handed.place(SQUARED)
    handed.cell(SQUARED).source = handed.stub(SQUARED)
    handed.insert(place + offset, new_code_cell(answer))
    answers, repairs, notebook = handed.restored()
    assert answers == handed.answers
    assert repairs[0] == "squared-loss was not filled in; your own cell that defines squared_loss is the answer"
    assert handed.stub(SQUARED) not in sources(notebook)


def test_an_answer_in_the_try_cell_is_found_with_what_it_tries(handed):
    answer, tries = handed.cell(SQUARED).source, handed.cell("squared-loss-try").source
    handed.cell(SQUARED).source = handed.stub(SQUARED)
    handed.cell("squared-loss-try").source = f"{answer}\n\n{tries}"
    answers, repairs, _ = handed.restored()
    assert answers == {**handed.answers, SQUARED: f"{answer}\n\n{tries}"}
    assert repairs == ["squared-loss was not filled in; your own cell that defines squared_loss is the answer"]


def test_of_several_the_last_counts_as_when_they_run_and_the_others_stay(handed):
    handed.notebook.cells[handed.place(SQUARED)] = new_code_cell("def squared_loss(r, beta):\n    return r")
    answer = "def squared_loss(r, beta):\n    return (r - beta) ** 2"
    handed.insert(handed.place("squared-loss-try"), new_code_cell(answer))
    answers, repairs, notebook = handed.restored()
    assert answers[SQUARED] == answer
    how = "squared-loss was missing; your own cell that defines squared_loss is the answer"
    assert repairs == [f"{how}; of 2 such cells the last counts"]
    assert sources(notebook).index("def squared_loss(r, beta):\n    return r") < sources(notebook).index(answer)


def test_what_an_answer_needs_of_an_own_cell_still_runs_before_it(handed):
    place = handed.place("by-hand")
    handed.cell("by-hand").source = handed.stub("by-hand")
    handed.insert(place + 1, new_code_cell("half = 0.5"))
    handed.insert(place + 2, new_code_cell("loss_by_hand = half * half"))
    answers, _, notebook = handed.restored()
    assert answers["by-hand"] == "loss_by_hand = half * half"
    assert sources(notebook).index("half = 0.5") < sources(notebook).index("loss_by_hand = half * half")


def test_merged_cells_are_not_undone_by_a_stub_that_comes_back(handed):
    both = handed.cell(SQUARED).source + "\n\n\n" + handed.cell("batch-loss").source
    handed.cell(SQUARED).source = both
    del handed.notebook.cells[handed.place("batch-loss")]
    answers, repairs, _ = handed.restored()
    assert answers == {**handed.answers, SQUARED: both, "batch-loss": "# batch_loss: see squared-loss"}
    assert repairs == ["batch-loss was missing; squared-loss defines batch_loss, which counts"]


def test_an_answer_in_a_given_cell_is_found_and_that_cell_is_as_it_was(handed):
    answer = handed.cell(SQUARED).source
    handed.cell("setup").source += f"\n\n\n{answer}"
    del handed.notebook.cells[handed.place(SQUARED)]
    answers, repairs, notebook = handed.restored()
    assert answers[SQUARED].endswith(answer)
    assert "squared-loss was missing; squared_loss was written into setup, and is the answer" in repairs
    assert "setup was edited, and says again what it said" in repairs
    (given,) = (cell.source for cell in handed.source.cells if cell.id == "setup")
    assert next(cell.source for cell in notebook.cells if cell.id == "setup") == given


def test_an_unfinished_answer_in_its_own_cell_is_the_answer(handed):
    handed.cell(SQUARED).source = "def squared_loss(r, beta:\n    return"
    handed.insert(0, new_code_cell("def squared_loss(r, beta):\n    return 1"))
    answers, repairs, _ = handed.restored()
    assert answers[SQUARED] == "def squared_loss(r, beta:\n    return"
    assert repairs == []


def test_nothing_is_made_of_an_untouched_notebook(handed):
    notebook, repairs = restore(handed.released, handed.source, handed.released)
    assert repairs == []
    assert handed._answers(notebook) == handed._answers(handed.released)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("exercise", COURSE.exercises())
def test_a_notebook_that_lost_ids_and_metadata_is_known_by_text_names_and_order(exercise, language):
    handed = Handed(exercise, language)
    essays = [cell for cell in handed.notebook.cells if role(cell).get("grade_id") == "essay"]
    for cell in essays:
        cell.source = "It is bounded."
    for number, cell in enumerate(handed.notebook.cells):
        cell["id"], cell["metadata"] = f"n{number}", {}
    answers, repairs, _ = handed.restored()
    assert answers == {**handed.answers, **({"essay": "It is bounded."} if essays else {})}
    assert repairs[0] == "the cells had lost their names, and had to be known by what stands in them"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_essay_below_its_place_is_the_essay_up_to_what_was_given(language):
    handed = Handed(ESSAY, language)
    place = handed.place("essay")
    handed.cell("essay").source = ESSAY_PLACEHOLDER
    for offset, cell in enumerate([new_markdown_cell("First."), new_code_cell("1 + 1"), new_markdown_cell("Second.")]):
        handed.insert(place + 1 + offset, cell)
    handed.insert(handed.place("verdicts"), new_markdown_cell("No essay: it stands behind a text that was given."))
    answers, repairs, notebook = handed.restored()
    assert answers["essay"] == "First.\n\nSecond."
    assert repairs == ["essay was empty; your own text below its place is the answer"]
    assert "No essay: it stands behind a text that was given." in sources(notebook)


def test_an_essay_that_is_a_picture_keeps_it():
    handed = Handed(ESSAY)
    picture = {"a.png": {"image/png": "aGVsbG8="}}
    handed.cell("essay").update(source="![my notes](attachment:a.png)", attachments=picture)
    _, repairs, notebook = handed.restored()
    assert repairs == []
    assert next(cell for cell in notebook.cells if cell.id == "essay").attachments == picture


def test_an_empty_essay_stays_empty():
    handed = Handed(ESSAY)
    handed.cell("essay").source = ESSAY_PLACEHOLDER
    answers, repairs, _ = handed.restored()
    assert (answers["essay"], repairs) == (ESSAY_PLACEHOLDER, [])

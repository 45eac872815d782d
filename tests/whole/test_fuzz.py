"""Any JSON near a submission is either refused with a sentence or restored whole; nothing else may happen.

    FUZZ_CASES=10000 pytest tests/whole/test_fuzz.py    # a fresh search; else a short one, always the same

A case that once failed stays, as an example.
"""

import json
import logging
import os

import nbformat
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from project import ROOT

from autograder.authoring.release import prepare
from autograder.cells import is_test, parse_notebook, read_notebook, role
from autograder.course import Course
from autograder.grading.benches import hand_in, load_bench
from autograder.grading.execute import steps_of
from autograder.grading.grade import grade
from autograder.grading.repair import restore
from autograder.handing_in.submissions import read_submission
from autograder.results import GRADER_FAULT

COURSE = Course(ROOT, ROOT / "classroom")
EXERCISE = "01_simpo_loss"
SOURCE = read_notebook(COURSE.solutions / f"{EXERCISE}.ipynb")
RELEASED = read_notebook(COURSE.notebooks / f"{EXERCISE}.ipynb")
CASES = int(os.environ.get("FUZZ_CASES", "0"))
RIGHT = next(answer for answer in load_bench(COURSE, EXERCISE) if answer.is_right)
TEXT = hand_in(COURSE, EXERCISE, RIGHT)
CHECKS = [(role(cell)["grade_id"], role(cell)["points"], cell.source) for cell in filter(is_test, SOURCE.cells)]

KEYS = st.sampled_from(
    [
        *("cells", "cell_type", "metadata", "nbgrader", "grade", "grade_id", "solution", "locked", "points", "task"),
        *("schema_version", "checksum", "tags", "id", "source", "outputs", "execution_count", "attachments", "data"),
        *("nbformat", "nbformat_minor", "output_type", "text", "name", "kernelspec", "autograder", "worksheets"),
    ]
)
WORDS = st.text(st.characters(exclude_categories=())) | st.sampled_from(  # lone surrogates, too
    ["code", "markdown", "raw", "squared-loss", "squared-loss-value", "../../x", "\ud800", "\x00", "", "1e999", "nan"]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**18), float("nan"), float("inf"), 4, 5, 1e308])
LEAVES = st.none() | st.booleans() | NUMBERS | WORDS
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | WORDS, inner, max_size=4)
)
DEEP = st.integers(1, 900).map(lambda depth: json.loads("[" * depth + "]" * depth))


@st.composite
def submissions(draw):
    """A right submission's JSON after a few changes, as text."""
    notebook = json.loads(TEXT)
    for _ in range(draw(st.integers(1, 6))):
        draw(st.sampled_from([_change_a_value, _change_a_value, _move_a_cell, _copy_a_cell, _drop_a_cell, _swap]))(
            draw, notebook
        )
    text = json.dumps(notebook, ensure_ascii=draw(st.booleans()))
    return draw(st.sampled_from([_as_it_is] * 8 + [_cut, _doubled]))(draw, text)


def _change_a_value(draw, tree):
    """Somewhere in the tree: put another value, another key, or nothing."""
    place = tree
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or draw(st.integers(0, 3)) == 0:
            break
        place = place[key]
    kind = draw(st.sampled_from(["value", "value", "value", "drop", "key"]))
    if kind == "value":
        place[key] = draw(TREES | DEEP)
    elif kind == "drop":
        del place[key]
    elif isinstance(place, dict):
        place[draw(KEYS | WORDS)] = draw(TREES)
    else:
        place.insert(key, draw(TREES))


def _cells(notebook):
    cells = notebook.get("cells")
    return cells if isinstance(cells, list) else []


def _number(draw, cells):
    return draw(st.integers(0, len(cells) - 1))


def _move_a_cell(draw, notebook):
    if cells := _cells(notebook):
        cells.insert(_number(draw, cells), cells.pop(_number(draw, cells)))


def _copy_a_cell(draw, notebook):
    if cells := _cells(notebook):
        cells.insert(_number(draw, cells), json.loads(json.dumps(cells[_number(draw, cells)])))


def _drop_a_cell(draw, notebook):
    if cells := _cells(notebook):
        del cells[_number(draw, cells)]


def _swap(draw, notebook):
    """Two cells exchange one of their parts: an id, a text, a role."""
    cells = [cell for cell in _cells(notebook) if isinstance(cell, dict)]
    key = draw(st.sampled_from(["id", "source", "metadata", "cell_type"]))
    if len(cells) > 1:
        one, other = cells[_number(draw, cells)], cells[_number(draw, cells)]
        one[key], other[key] = other.get(key), one.get(key)


def _as_it_is(draw, text):
    return text


def _cut(draw, text):
    return text[: draw(st.integers(0, len(text)))]


def _doubled(draw, text):
    return text + text[draw(st.integers(0, len(text))) :]


def restored(path):
    """The restored notebook, or None if it was refused with a sentence."""
    refusal = ""
    try:
        repaired, repairs = restore(parse_notebook(read_submission(path)), SOURCE, RELEASED)
    except ValueError as error:
        refusal = str(error)
    if refusal:
        assert 10 < len(refusal) < 500
        return None
    assert all(0 < len(str(repair)) < 300 for repair in repairs)
    return repaired


@pytest.fixture(autouse=True)
def _silence():
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)  # nbformat logs every file that is no notebook


def _bytes(text):
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # nbformat warns of what it mends
def test_a_changed_submission_is_refused_or_whole_again(tmp_path, everything):
    path = tmp_path / f"{EXERCISE}.ipynb"

    @settings(
        max_examples=CASES or (150 if everything else 40),
        derandomize=not CASES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(text=submissions())
    @example(text="[" * 100_000)
    @example(text=json.dumps({**json.loads(TEXT), "nbformat": 10**400}))
    @example(text="1" * 100_000)
    @example(text=json.dumps({**json.loads(TEXT), "nbformat_minor": "5"}))  # nbformat asserts that it is a number
    def search(text):
        path.write_bytes(_bytes(text))
        if (repaired := restored(path)) is not None:
            assert_whole(repaired)

    search()


def assert_whole(repaired):
    nbformat.validate(repaired)
    tests = [(role(cell)["grade_id"], role(cell)["points"], cell.source) for cell in filter(is_test, repaired.cells)]
    assert tests == CHECKS
    assert all(isinstance(part, str) for step in steps_of(repaired) for part in step)
    nbformat.writes(repaired).encode("utf-8")  # it can be written


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_class_of_changed_submissions_is_graded_to_its_end(course, everything):
    texts = []

    @settings(
        max_examples=12 if everything else 6, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(text=submissions())
    def collect(text):
        texts.append(text)

    collect()
    for number, text in enumerate(texts):
        path = course.notebook("submitted", f"s{number:03}", EXERCISE)
        path.parent.mkdir(parents=True)
        path.write_bytes(_bytes(text))
    prepare(course, [EXERCISE])
    results = [result for result, _ in grade(course, jobs=2)]
    assert len(results) == len(texts)
    for result in results:
        assert result.verdict != GRADER_FAULT, result.reason
        assert result.points <= 10

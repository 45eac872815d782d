import json
import os
import shutil
import zipfile

import nbformat
import pytest
from project import ROOT

from autograder.cells import read_notebook, write_notebook
from autograder.course import Course, UserError
from autograder.grading.benches import hand_in, load_bench
from autograder.handing_in.outline import load_outline
from autograder.pack import pack

EXERCISE = "01_simpo_loss"
WITH_ESSAY = "05_common_ground"
COURSE = Course(ROOT, ROOT / "classroom")


@pytest.fixture(scope="module")
def solved():
    """A right answer to the exercise."""
    return hand_in(COURSE, EXERCISE, next(answer for answer in load_bench(COURSE, EXERCISE) if answer.is_right))


@pytest.fixture
def folder(tmp_path, solved):
    """A student's folder, with one exercise solved."""
    (tmp_path / f"{EXERCISE}.ipynb").write_text(solved, encoding="utf-8")
    return tmp_path


@pytest.fixture
def change(folder):
    """Change the solved notebook, and pack it."""

    def run(function):
        path = folder / f"{EXERCISE}.ipynb"
        notebook = read_notebook(path)
        cells = {cell.id: cell for cell in notebook.cells}
        function(notebook, cells)
        path.write_text(write_notebook(notebook), encoding="utf-8")
        return pack([EXERCISE], folder=folder)

    return run


def words(packed, *, costs):
    return [one.words for sheet in packed.sheets for one in sheet.findings if one.costs == costs]


def test_a_solved_notebook_needs_nothing_and_packs_to_the_same_bytes(folder):
    packed = pack([EXERCISE], student="s1", folder=folder)
    assert packed.costs == 0
    assert f"{EXERCISE}.ipynb, saved 20" in repr(packed)
    assert "nothing to mend" in repr(packed)
    assert "Packed 1 notebook as it was last saved: upload" in repr(packed)
    assert packed.archive == folder / "simpo-practice_s1.zip"
    before = packed.archive.read_bytes()
    os.utime(folder / f"{EXERCISE}.ipynb", (0, 0))
    assert pack([EXERCISE], student="s1", folder=folder).archive.read_bytes() == before
    with zipfile.ZipFile(packed.archive) as opened:
        assert opened.read(f"{EXERCISE}.ipynb") == (folder / f"{EXERCISE}.ipynb").read_bytes()
        assert json.loads(opened.read("simpo-practice.json"))["student"] == "s1"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_untouched_notebook_lists_every_answer_that_checks_read(tmp_path, language):
    shutil.copy((COURSE.notebooks if language == "en" else COURSE.notebooks / "zh") / f"{WITH_ESSAY}.ipynb", tmp_path)
    packed = pack(folder=tmp_path)
    lost = words(packed, costs=True)
    assert "the answer sequence-logprob is not written yet: sequence_logprob" in lost
    assert any(one.startswith("the essay essay (") and one.endswith("is not written yet") for one in lost)
    assert words(packed, costs=False)[0] == "predict-start is not filled in; no check reads it"
    assert sum(one.startswith("it is not in this folder") for one in lost) == 9


@pytest.mark.slow
@pytest.mark.parametrize("exercise", COURSE.exercises())
def test_no_right_answer_is_said_to_lose_points(tmp_path, exercise):
    for answer in load_bench(COURSE, exercise):
        if answer.is_right:
            text = hand_in(COURSE, exercise, answer)
            (tmp_path / f"{exercise}.ipynb").write_text(text, encoding="utf-8")
            assert words(pack([exercise], folder=tmp_path), costs=True) == [], answer.name


def test_a_deleted_answer_costs_and_a_deleted_check_does_not(change):
    packed = change(
        lambda notebook, cells: [notebook.cells.remove(cells[i]) for i in ("batch-loss", "batch-loss-value")]
    )
    assert words(packed, costs=True)[0].startswith(
        "the answer batch-loss is gone, and batch_loss with it; undo the del"
    )
    assert words(packed, costs=False) == [
        "the cell batch-loss-value is gone; grading puts it back, but you don't see what it says"
    ]


def test_an_answer_in_another_cell_is_found(change):
    def move(notebook, cells):
        notebook.cells.append(nbformat.v4.new_code_cell(cells["batch-loss"].source))
        notebook.cells.remove(cells["batch-loss"])

    packed = change(move)
    assert words(packed, costs=True) == []
    assert words(packed, costs=False)[0].startswith("the answer batch-loss is gone; undo")


@pytest.mark.parametrize(
    ("cell", "source", "costs", "said"),
    [
        ("by-hand", "loss_by_hand = ...", True, "the answer by-hand is not written yet: loss_by_hand"),
        ("by-hand", "loss_by_hand = (2", True, "the answer by-hand is not valid Python: '(' was never closed, line 1"),
        ("by-hand", "%time loss_by_hand = 0.25", False, ""),
        ("by-hand", "%%time\nloss_by_hand = 0.25", False, ""),
        (
            "squared-loss",
            "def squared_loss(r, beta):\n    raise NotAttempted",
            True,
            "is not written yet: squared_loss",
        ),
        (
            "squared-loss",
            "def squared_loss(r, beta):\n    if r: raise NotAttempted\n    return 0",
            False,
            "is it finished?",
        ),
        ("setup", "import numpy", False, "the cell setup is not as you got it; grading uses the original"),
    ],
)
def test_a_cell_that_is_not_right_is_named(change, cell, source, costs, said):
    packed = change(lambda notebook, cells: cells[cell].update(source=source))
    found = words(packed, costs=costs)
    assert (said in found[0]) if said else found == []
    assert packed.costs == costs


def test_a_check_that_failed_at_the_last_run_is_named(change):
    def fail(notebook, cells):
        error = nbformat.v4.new_output(
            "error", ename="CheckFailed", evalue="✗ Check failed: it is 3\n→ Hint: x", traceback=[]
        )
        cells["by-hand-value"].outputs = [error]

    assert words(change(fail), costs=False) == ["the check by-hand-value failed when you last ran it: it is 3"]


def test_ids_that_a_tool_renewed_don_t_matter(change):
    packed = change(lambda notebook, cells: [cell.update(id=f"new{n}") for n, cell in enumerate(notebook.cells)])
    assert (words(packed, costs=True), words(packed, costs=False)) == ([], [])


def test_a_copy_is_named_and_a_renamed_notebook_is_handed_in_under_its_name(folder):
    shutil.copy(folder / f"{EXERCISE}.ipynb", folder / f"{EXERCISE}-Copy1.ipynb")
    os.utime(folder / f"{EXERCISE}.ipynb", (0, 0))
    assert f"{EXERCISE}-Copy1.ipynb is another copy, though it was saved later; it is not handed in" in words(
        pack(folder=folder), costs=False
    )
    (folder / f"{EXERCISE}-Copy1.ipynb").unlink()
    (folder / f"{EXERCISE}.ipynb").rename(folder / "my homework.ipynb")
    packed = pack(["my homework.ipynb"], folder=folder)
    assert words(packed, costs=False) == [f"my homework.ipynb is handed in under the name {EXERCISE}.ipynb"]
    with zipfile.ZipFile(packed.archive) as opened:
        assert f"{EXERCISE}.ipynb" in opened.namelist()


def test_a_notebook_that_cannot_be_read_is_left_out_with_a_way_to_mend_it(folder):
    (folder / "02_simpo_vs_dpo.ipynb").write_text('{"cells": [', encoding="utf-8")
    packed = pack([EXERCISE, "02_simpo_vs_dpo"], folder=folder)
    assert "02_simpo_vs_dpo.ipynb can't be graded and is left out: unreadable: it is not complete JSON" in repr(packed)
    assert packed.costs == 1
    with zipfile.ZipFile(packed.archive) as opened:
        assert opened.namelist() == [f"{EXERCISE}.ipynb", "simpo-practice.json"]


@pytest.mark.parametrize(
    ("notebooks", "student", "said"),
    [
        ([], "", "no notebook of this course to pack in .*: go to the folder where they are"),
        (["missing.ipynb"], "", "missing.ipynb does not exist"),
        ([], "../up", r"the id '../up' must be letters"),
    ],
)
def test_nothing_to_pack_is_one_sentence(tmp_path, notebooks, student, said):
    with pytest.raises(UserError, match=said):
        pack(notebooks, student=student, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_outline_names_no_solution():
    for cells in load_outline().values():
        assert all(set(vars(cell)) == {"id", "role", "points", "text", "names", "others", "earlier"} for cell in cells)

"""Hostile submissions, end to end, in one class with honest neighbours: none gains, sees or breaks anything."""

import json
import os
import tomllib
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from small_class import empty

from autograder.benches import hand_in, load_bench
from autograder.feedback import standing, write_pages
from autograder.grade import grade
from autograder.marking import NOT_GRADABLE
from autograder.release import prepare
from autograder.session import GRADED
from autograder.sources import is_test, role

EXERCISE = "01_simpo_loss"
SECRET = "SECRET-4711"
EARNED = 1  # the first check's point, which every attacker has by honest work
CELLS = tomllib.loads((ROOT / "tests" / "attacks" / "cells.toml").read_text("utf-8"))["attack"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves


def the_check(notebook):
    return next(cell for cell in notebook.cells if role(cell).get("grade_id") == "squared-loss-value")


def change(**settings):
    """An attack on the metadata of a check."""
    return lambda notebook: the_check(notebook).metadata.nbgrader.update(settings)


def on_check(function):
    return lambda notebook: function(the_check(notebook))


def copy_check(notebook):
    notebook.cells.append(nbformat.from_dict({**the_check(notebook), "id": "copied", "source": "1.0"}))


def delete_checks(notebook):
    notebook.cells = [cell for cell in notebook.cells if not is_test(cell)]


def turn_round(notebook):
    notebook.cells.reverse()


def own_outputs(check):
    check.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "1.0"}, execution_count=1)]


def retype(check):
    check.cell_type = "markdown"
    del check["outputs"], check["execution_count"]


def hostile_metadata(notebook):
    notebook.metadata.update(
        {
            "autograder": {"verdict": "graded", "repairs": ["<script>"]},
            "kernelspec": {"name": "sh", "display_name": "sh"},
        }
    )


NOTEBOOKS = {
    "a tag that skips the check": on_check(lambda check: check.metadata.update(tags=["skip-execution"])),
    "an empty check": on_check(lambda check: check.update(source="")),
    "a check that shows a score": on_check(lambda check: check.update(source="1.0")),
    "a renamed check": change(grade_id="mine"),
    "a check that is none": change(grade=False),
    "a check that is an answer": change(solution=True, locked=False),
    "a check worth a thousand": change(points=1000),
    "a check worth minus one": change(points=-1),
    "a check worth nan": change(points=float("nan")),
    "a check with the wrong checksum": change(checksum="0" * 32),
    "a check of another schema": change(schema_version=99),
    "a check without metadata": on_check(lambda check: check.metadata.pop("nbgrader")),
    "a check whose metadata is a list": on_check(lambda check: check.metadata.update(nbgrader=[1])),
    "a check that is prose": on_check(retype),
    "a check copied": copy_check,
    "all checks deleted": delete_checks,
    "all cells turned round": turn_round,
    "outputs made at home": on_check(own_outputs),
    "metadata of the grader's": hostile_metadata,
}

FILES = {
    "cut off": lambda text: text[: len(text) // 2].encode(),
    "empty": lambda text: b"",
    "not UTF-8": lambda text: b"\xff\xfe" + text.encode("utf-16"),
    "nested deeply": lambda text: b"[" * 200_000,
    "a list": lambda text: b"[]",
    "no cells": lambda text: json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}}).encode(),
    "huge": lambda text: text.encode() + b" " * 25_000_000,
    "cells that are numbers": lambda text: json.dumps({**json.loads(text), "cells": [1, 2]}).encode(),
    "another format": lambda text: json.dumps({**json.loads(text), "nbformat": 99}).encode(),
}


def starting_point(course):
    notebook = nbformat.reads(hand_in(course, EXERCISE, None), 4)
    for cell in notebook.cells:
        if cell.id == "by-hand":
            cell.source = "loss_by_hand = 0.25"
    return notebook


def hand_in_attacks(course, root):
    """Everybody's file, by the student's name."""
    texts = {}
    for number, attack in enumerate(CELLS):
        notebook = starting_point(course)
        source = attack["cell"].replace("{root}", str(root)).replace("{classroom}", str(course.classroom))
        next(cell for cell in notebook.cells if cell.id == "squared-loss").source = source
        texts[f"cell{number:02}"] = nbformat.writes(notebook).encode()
    for number, attack in enumerate(NOTEBOOKS.values()):
        notebook = starting_point(course)
        attack(notebook)
        texts[f"notebook{number:02}"] = nbformat.writes(notebook).encode()
    for number, attack in enumerate(FILES.values()):
        texts[f"file{number:02}"] = attack(nbformat.writes(starting_point(course)))
    return texts


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The class, graded by two workers, and the results by student."""
    root = tmp_path_factory.mktemp("course")
    course = empty(root, EXERCISE)
    (root / "secret.txt").write_text(SECRET)
    plant(root / "solutions" / f"{EXERCISE}.ipynb")
    os.environ["A_TOKEN"] = SECRET
    right = next(answer for answer in load_bench(course, EXERCISE) if answer.is_right)
    texts = hand_in_attacks(course, root)
    for name in ("aa-honest", "honest", "zz-honest"):
        notebook = nbformat.reads(hand_in(course, EXERCISE, right), 4)
        notebook.cells.append(nbformat.v4.new_code_cell(f"note = '{SECRET}'"))
        texts[name] = nbformat.writes(notebook).encode()
    for student, content in texts.items():
        path = course.notebook("submitted", student, EXERCISE)
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    hand_in_odd_folders(course, texts["honest"])
    prepare(course, [EXERCISE])
    found = {result.student: result for result, _ in grade(course, jobs=2, cell_seconds=6)}
    del os.environ["A_TOKEN"]
    return course, found


def hand_in_odd_folders(course, text):
    for student in ("odd-link", "odd-time", "odd-modules"):
        path = course.notebook("submitted", student, EXERCISE)
        path.parent.mkdir(parents=True)
        path.write_bytes(text)
    course.notebook("submitted", "odd-link", EXERCISE).with_name("data.txt").symlink_to(course.root / "secret.txt")
    course.notebook("submitted", "odd-time", EXERCISE).with_name("timestamp.txt").write_text("31 February")
    for module in ("numpy", "torch", "simpo_core", "autograder", "sitecustomize"):
        path = course.notebook("submitted", "odd-modules", EXERCISE).with_name(f"{module}.py")
        path.write_text("raise SystemExit('the wrong module')")


def plant(path):
    """Put the secret into a hidden test and into a solution."""
    text = path.read_text("utf-8")
    for marker in ("### BEGIN HIDDEN TESTS", "### BEGIN SOLUTION"):
        text = text.replace(f'"{marker}\\n"', f'"{marker}\\n",\n    "# {SECRET}\\n"')
    assert SECRET in text
    path.write_text(text, "utf-8")


@pytest.mark.parametrize("number", range(len(CELLS)), ids=[attack["name"] for attack in CELLS])
def test_hostile_cells_gain_nothing(graded, number):
    _, found = graded
    result = found[f"cell{number:02}"]
    assert result.points == EARNED + CELLS[number].get("earns", 0)
    assert result.max_points == 10
    assert CELLS[number]["verdict"] in ("*", result.verdict)


@pytest.mark.parametrize("number", range(len(NOTEBOOKS)), ids=list(NOTEBOOKS))
def test_hostile_notebooks_gain_nothing(graded, number):
    _, found = graded
    result = found[f"notebook{number:02}"]
    assert (result.verdict, result.points, result.max_points) == (GRADED, EARNED, 10)


@pytest.mark.parametrize("number", range(len(FILES)), ids=list(FILES))
def test_files_that_are_no_notebooks_cost_nothing_but_themselves(graded, number):
    _, found = graded
    assert found[f"file{number:02}"].verdict == NOT_GRADABLE
    assert found[f"file{number:02}"].reason


@pytest.mark.parametrize("student", ["aa-honest", "honest", "zz-honest", "odd-time", "odd-modules"])
def test_honest_neighbours_have_all_their_points(graded, student):
    course, found = graded
    assert (found[student].verdict, found[student].points) == (GRADED, 10)
    with course.api().gradebook as gradebook:
        assert gradebook.find_submission(EXERCISE, student).score == 10


def test_a_folder_with_a_link_is_not_graded(graded):
    _, found = graded
    assert found["odd-link"].verdict == NOT_GRADABLE
    assert "data.txt is a link" in found["odd-link"].reason


def test_the_gradebook_has_the_same_points(graded):
    course, found = graded
    with course.api().gradebook as gradebook:
        for student, result in found.items():
            if result.checks:
                assert gradebook.find_submission(EXERCISE, student).score == result.points, student


def test_no_secret_comes_out(graded):
    course, found = graded
    with course.api().gradebook as gradebook:
        known = standing(course, gradebook)
    for student, result in found.items():
        if not student.startswith("cell"):
            continue
        attack = CELLS[int(student[4:])]["name"]
        notebook = nbformat.read(course.notebook("autograded", student, EXERCISE), 4)
        shown = json.dumps([o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type != "error"])
        assert SECRET not in json.dumps([cell.get("outputs") for cell in notebook.cells]), attack
        assert "SECRET" not in shown, attack  # attacks also print it where something worked that must not
        assert SECRET not in json.dumps([check.message for check in result.checks]), attack
        [(page, _)] = write_pages(course, known, [(student, EXERCISE)])
        assert SECRET not in page.read_text("utf-8"), attack


def test_what_was_to_be_protected_is_as_it_was(graded):
    course, _ = graded
    secret = course.root / "secret.txt"
    assert secret.read_text() == SECRET
    assert secret.stat().st_mtime > 1
    assert SECRET in (course.solutions / f"{EXERCISE}.ipynb").read_text("utf-8")


def test_nothing_is_left_running(graded):
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"sleep\x004711" in words:
            left.append(process.name)
    assert left == []

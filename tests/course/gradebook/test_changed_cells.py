"""Cells added, dropped, renamed and given other points after hand-ins: every table as if it had been so all along."""

import copy
import sqlite3
from contextlib import closing

import nbformat
import pytest
from small_class import ESSAY, copied, empty, submit

from autograder.authoring.release import prepare
from autograder.cells import read_notebook, write_notebook
from autograder.course import UserError
from autograder.gradebook.changed_cells import renamed
from autograder.gradebook.scores import class_scores
from autograder.grading.grade import grade
from autograder.grading.regrade import apply, preview
from autograder.nbgrader_setup import nbgrader_api

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves
CELL = "from {} k join base_cell c on c.id = k.id join notebook n on n.id = c.notebook_id where n.name = :name"
OF_SUBMISSION = (
    "from {} k join base_cell c on c.id = k.cell_id join submitted_notebook m on m.id = k.notebook_id "
    "join notebook n on n.id = m.notebook_id join submitted_assignment s on s.id = m.assignment_id where n.name = :name"
)
ROWS = {  # of the exercise; names where the tables have ids, which are drawn at random
    "base_cell": "select c.name, c.type from base_cell c join notebook n on n.id = c.notebook_id where n.name = :name",
    "grade_cells": f"select c.name, k.max_score, k.cell_type {CELL.format('grade_cells')}",
    "solution_cells": f"select c.name {CELL.format('solution_cells')}",
    "task_cells": f"select c.name {CELL.format('task_cells')}",
    "source_cell": "select c.name, c.cell_type, c.locked, c.source, c.checksum from source_cell c "
    "join notebook n on n.id = c.notebook_id where n.name = :name",
    "grade": "select c.name, c.type, s.student_id, k.auto_score, k.manual_score, k.extra_credit, k.needs_manual_grade "
    + OF_SUBMISSION.format("grade"),
    "comment": "select c.name, c.type, s.student_id, k.auto_comment, k.manual_comment "
    + OF_SUBMISSION.format("comment"),
}
NO_CELLS = {
    "alembic_version", "assignment", "autograder_written", "course", "notebook", "student", "submitted_assignment",
    "submitted_notebook",
}  # fmt: skip


def rows(course):
    """What the gradebook holds of the exercise's cells."""
    with closing(sqlite3.connect(course.classroom / "gradebook.db")) as database:
        tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
        assert tables - NO_CELLS == set(ROWS), "a table that this test does not look at"
        found = {name: database.execute(query, {"name": ESSAY}) for name, query in ROWS.items()}
        return {name: sorted(lines, key=repr) for name, lines in found.items()}


def by_name(notebook):
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def change(course, change_notebook):
    """Change the source of the exercise."""
    path = course.solutions / f"{ESSAY}.ipynb"
    notebook = read_notebook(path)
    change_notebook(notebook, by_name(notebook))
    path.write_text(write_notebook(notebook), encoding="utf-8")


def add(notebook, cells):
    """A second check of loss_share, behind the first."""
    more = copy.deepcopy(cells["loss-share-value"])
    more.metadata.nbgrader.grade_id, more.id = "loss-share-again", "loss-share-again"
    more.source = more.source.replace("# Check: ", "# Check: again, ")
    notebook.cells.insert(notebook.cells.index(cells["loss-share-value"]) + 1, more)


def drop(notebook, cells):
    notebook.cells.remove(cells["reference-operations"])


def rename(notebook, cells):
    cells["bounds-value"].metadata.nbgrader.grade_id = "pulls-value"


def weigh(notebook, cells):
    cells["descend-random"].metadata.nbgrader.points = 2
    cells["essay"].metadata.nbgrader.points = 8


def change_all(notebook, cells):
    for one in (add, drop, rename, weigh):
        one(notebook, cells)


def give(course, grade_id, points, student="ada"):
    """A person's points and comment."""
    with nbgrader_api(course).gradebook as gradebook:
        row = gradebook.find_grade(grade_id, ESSAY, ESSAY, student)
        row.manual_score, row.needs_manual_grade = points, False
        gradebook.db.commit()


def cells_of(course, student="ada"):
    return {cell.grade_id: cell for cell in class_scores(course).scores[student, ESSAY].cells}


def test_every_table_is_as_if_the_source_had_been_so_from_the_start(small_class, tmp_path):
    course, fresh = copied(small_class, tmp_path), empty(tmp_path / "fresh", ESSAY)
    for student in ("ada", "cy"):
        submit(fresh, student, ESSAY, course.notebook("submitted", student, ESSAY).read_text("utf-8"))
    for one in (course, fresh):
        change(one, change_all)
    done = apply(course, ESSAY)
    prepare(fresh)
    list(grade(fresh))
    found, wanted = rows(course), rows(fresh)
    for name in ROWS:
        assert found[name] == wanted[name], name
    assert [(one.student, one.grade_id, one.before, one.after) for one in done.changes] == [
        ("ada", "loss-share-again", None, 1.0),
        ("ada", "descend-random", 1.0, 2.0),
        ("ada", "reference-operations", 1.0, None),
        ("cy", "loss-share-again", None, 0.0),
        ("cy", "reference-operations", 0.0, None),
    ]


def test_what_people_gave_stays_also_under_another_name(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    for grade_id in ("bounds-value", "descend-random", "essay"):
        give(course, grade_id, 0.5)
    change(course, change_all)
    shown = preview(course, ESSAY)
    assert [(one.grade_id, one.before, one.after, one.by_hand) for one in shown.changes if one.by_hand] == [
        ("descend-random", 0.5, 0.5, True),
        ("essay", 0.5, 0.5, True),
    ]
    assert "out of 8 instead of 6: to be looked at again" in {one.message for one in shown.changes}
    assert apply(course, ESSAY) == shown
    cells = cells_of(course)
    assert {name: cells[name].points for name in ("pulls-value", "descend-random", "essay")} == {
        "pulls-value": 0.5, "descend-random": 0.5, "essay": 0.5,
    }  # fmt: skip
    assert {name for name, cell in cells.items() if cell.waits} == {"descend-random", "essay"}  # they are out of more
    assert preview(course, ESSAY).changes == ()


def test_a_persons_marks_go_with_a_dropped_check_only_when_they_are_asked_to(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    give(course, "reference-operations", 0.25)
    change(course, drop)
    before = rows(course)
    with pytest.raises(UserError, match=r"\(reference-operations: ada 0\.25\)\. .* `autograder regrade 04_advantages`"):
        prepare(course)
    assert rows(course) == before
    shown = preview(course, ESSAY)
    lost = next(one for one in shown.changes if one.student == "ada")
    assert (lost.grade_id, lost.before, lost.after, lost.by_hand) == ("reference-operations", 0.25, None, False)
    assert shown.count(-1) == 1
    apply(course, ESSAY)
    assert "reference-operations" not in cells_of(course)


def test_two_cells_of_one_text_are_not_told_apart():
    def notebook(*names):
        role = {"grade": True, "solution": False, "locked": True, "points": 1, "task": False, "schema_version": 3}
        cells = [nbformat.v4.new_code_cell("check()", metadata={"nbgrader": {**role, "grade_id": n}}) for n in names]
        return nbformat.v4.new_notebook(cells=cells)

    assert renamed(notebook("a", "b"), notebook("a", "c")) == {"b": "c"}
    assert renamed(notebook("a", "b"), notebook("c", "d")) == {}
    assert renamed(None, notebook("a")) == {}

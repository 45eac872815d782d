"""Grading with nbgrader for real: one small class, graded once, looked at from several sides."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from project import ROOT

from autograder.authoring.release import prepare
from autograder.course import Course
from autograder.grading.benches import hand_in, load_bench
from autograder.grading.grade import grade
from autograder.grading.marking import Task, mark
from autograder.grading.records import results
from autograder.nbgrader_setup import nbgrader_api
from autograder.pages.class_known import read_known
from autograder.pages.feedback_list import write_indexes
from autograder.results import GRADED, GRADER_FAULT, NOT_ATTEMPTED, NOT_GRADABLE, RIGHT, WRONG

EXERCISE = "01_simpo_loss"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves


def submit(course, student, text):
    path = course.notebook("submitted", student, EXERCISE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class of five and what came of each, by student."""
    course = Course(ROOT, tmp_path_factory.mktemp("class"))
    answers = {answer.name: answer for answer in load_bench(course, EXERCISE)}
    right = hand_in(course, EXERCISE, answers["numpy functions"])
    submit(course, "right", right)
    submit(course, "sum", hand_in(course, EXERCISE, answers["sum for mean"], "zh"))
    submit(course, "untouched", hand_in(course, EXERCISE, None, "zh"))
    submit(course, "cut-off", right[: len(right) // 2])
    without_a_test = nbformat.reads(right, 4)
    without_a_test.cells = [cell for cell in without_a_test.cells if cell.id != "squared-loss-value"]
    submit(course, "deleted-a-test", nbformat.writes(without_a_test))
    prepare(course, [EXERCISE])
    return course, {result.student: result for result, _ in grade(course)}


def test_right_answers_get_all_points(graded):
    _, results = graded
    assert results["right"].points == results["right"].max_points == 10


def test_a_wrong_answer_loses_its_check_and_is_told_the_mistake(graded):
    _, results = graded
    lost = [check for check in results["sum"].checks if check.status != RIGHT]
    assert [(check.grade_id, check.status, check.points) for check in lost] == [("batch-loss-value", WRONG, 0)]
    assert "这是总和；要的是平均值。" in lost[0].message  # the notebook that was handed in is Chinese
    assert results["sum"].points == 9


def test_an_untouched_notebook_gets_nothing_and_every_check_says_so(graded):
    _, results = graded
    assert results["untouched"].points == 0
    assert {check.status for check in results["untouched"].checks} == {NOT_ATTEMPTED}


def test_a_cut_off_file_stops_nobody_else(graded):
    _, results = graded
    assert results["cut-off"].verdict == NOT_GRADABLE
    assert "not complete JSON" in str(results["cut-off"].reason)
    assert sorted(name for name, result in results.items() if result.verdict == GRADED) == [
        "deleted-a-test", "right", "sum", "untouched",
    ]  # fmt: skip


def test_a_deleted_test_cell_comes_back(graded):
    _, results = graded
    assert results["deleted-a-test"].points == 10


def test_the_gradebook_agrees(graded):
    course, results = graded
    with nbgrader_api(course).gradebook as gradebook:
        for student in ("right", "sum", "untouched"):
            assert gradebook.find_submission(EXERCISE, student).score == results[student].points


def test_grading_again_changes_nothing(graded):
    course, before = graded
    again = list(grade(course))
    assert not any(is_new for _, is_new in again)
    assert {result.student: result for result, _ in again} == before
    assert {result.student: result for result in results(course)} == before


def test_only_what_changed_is_graded_again_and_a_persons_points_survive(graded, tmp_path):
    original, _ = graded
    shutil.copytree(original.classroom, tmp_path / "class")
    course = Course(ROOT, tmp_path / "class")
    with nbgrader_api(course).gradebook as gradebook:
        cell = gradebook.find_grade("batch-loss-value", EXERCISE, EXERCISE, "sum")
        cell.manual_score = 0.5
        gradebook.db.commit()
    submit(course, "sum", course.notebook("submitted", "sum", EXERCISE).read_text("utf-8") + "\n")
    assert [result.student for result, is_new in grade(course) if is_new] == ["sum"]
    with nbgrader_api(course).gradebook as gradebook:
        assert gradebook.find_submission(EXERCISE, "sum").score == 9.5


def test_a_gradebook_that_is_gone_is_made_anew(graded, tmp_path):
    original, before = graded
    shutil.copytree(original.classroom, tmp_path / "class")
    course = Course(ROOT, tmp_path / "class")
    (course.classroom / "gradebook.db").unlink()
    prepare(course, [EXERCISE])
    assert {result.student: result for result, _ in grade(course, force=True)} == before
    with nbgrader_api(course).gradebook as gradebook:
        assert gradebook.find_submission(EXERCISE, "sum").score == 9


def test_a_fault_while_a_submission_is_restored_is_its_verdict_and_stops_nobody(monkeypatch):
    monkeypatch.setattr("autograder.grading.marking.restore", lambda *_: {}["cells"])  # stands for a mistake in it
    content = nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])).encode()
    result = mark(Task("ada", EXERCISE, content, content, content)).result
    assert (result.verdict, result.reason) == (GRADER_FAULT, "KeyError: 'cells'")


def test_what_is_no_file_where_a_notebook_should_be_stops_nobody(tmp_path):
    course = Course(ROOT, tmp_path)
    submit(course, "honest", hand_in(course, EXERCISE, None))
    odd = {"folder": Path.mkdir, "pipe": os.mkfifo, "link": lambda path: path.symlink_to("/dev/zero")}
    for student, make in odd.items():
        path = course.notebook("submitted", student, EXERCISE)
        path.parent.mkdir(parents=True)
        make(path)
    submit(course, "unwritable-name", hand_in(course, EXERCISE, None))
    beside = course.notebook("submitted", "unwritable-name", EXERCISE).parent
    os.symlink("/", os.fsencode(beside) + b"/\xff\xfe")
    prepare(course, [EXERCISE])
    found = {result.student: result for result, _ in grade(course)}
    assert found["honest"].verdict == GRADED
    assert {found[student].verdict for student in (*odd, "unwritable-name")} == {NOT_GRADABLE}
    assert "is a folder" in found["folder"].reason
    assert "?? is a link" in found["unwritable-name"].reason
    assert not any(is_new for _, is_new in grade(course))
    with nbgrader_api(course).gradebook as gradebook:
        known = read_known(course, gradebook)
    assert len(list(write_indexes(course, known, sorted(found)))) == 5

import pytest
from project import ROOT

from autograder.cells import CHINESE, LANGUAGES, is_answer, read_notebook, role
from autograder.course import Course
from autograder.pages.worked import misconceptions, worked_answers

COURSE = Course(ROOT, ROOT / "classroom")


@pytest.mark.parametrize("exercise", COURSE.exercises())
def test_each_misconception_names_an_answer_and_is_said_in_both_languages(exercise):
    cells = read_notebook(COURSE.solutions / f"{exercise}.ipynb").cells
    written = misconceptions(COURSE).get(exercise, {})
    assert written.keys() <= {role(cell)["grade_id"] for cell in cells if is_answer(cell)}
    assert written  # each exercise cures one at least
    for words in written.values():
        assert words.keys() == set(LANGUAGES)
        assert CHINESE.search(words["zh"])
        assert not CHINESE.search(words["en"])


@pytest.fixture
def course(tmp_path):
    source = tmp_path / "source" / "07_adjusting_r"
    source.mkdir(parents=True)
    (source / "07_adjusting_r.ipynb").write_bytes((COURSE.solutions / "07_adjusting_r.ipynb").read_bytes())
    return Course(ROOT, tmp_path)


def test_a_worked_answer_is_the_solution_without_its_markers_and_hidden_tests(course):
    worked = {one.name: one for one in worked_answers(course, "07_adjusting_r", "en")}
    source = read_notebook(COURSE.solutions / "07_adjusting_r.ipynb")
    assert list(worked) == [role(cell)["grade_id"] for cell in source.cells if is_answer(cell)]
    text = "".join(one.answer for one in worked.values())
    assert "BEGIN SOLUTION" not in text
    assert "check_close" not in text
    assert "..." not in worked["by-hand"].answer  # the stub's lines are left out
    assert "a difference" in worked["by-hand"].cures


def test_a_course_that_has_written_no_misconceptions_has_worked_answers(course):
    other = Course(course.classroom, course.classroom)
    assert {one.cures for one in worked_answers(other, "07_adjusting_r", "zh")} == {""}

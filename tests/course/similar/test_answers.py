"""Which answers are compared: of the class, of earlier years, and which cells are left out."""

import shutil

import pytest
from project import ROOT
from typer.testing import CliRunner

from autograder.cells import read_notebook, write_notebook
from autograder.cli import app
from autograder.course import Course, UserError
from autograder.grading.benches import hand_in, load_bench
from autograder.similar.answers import add_folder, answers_of_class, compared_cells

LOSS, LEVELS, ESSAY = "01_simpo_loss", "10_graded_preferences", "04_advantages"


def put(course, student, exercise, answer, language="en", kind="autograded"):
    path = course.classroom / kind / student / exercise / f"{exercise}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(hand_in(course, exercise, answer, language), encoding="utf-8")
    return path


@pytest.fixture
def graded(course):
    """Five who solved exercise 10: one copied another's, one left it as it was."""
    right = [answer for answer in load_bench(course, LEVELS) if answer.is_right]
    for student, answer in zip(("ada", "bob", "cy", "dee", "eve"), [*right[:3], right[1], None], strict=True):
        put(course, student, LEVELS, answer)
    return course


def test_short_answers_are_left_out_and_counted(course):
    cells, left = compared_cells(course, [LOSS, LEVELS])
    assert [one.exercise for one in left] == [LOSS, LEVELS]
    assert left[0].compared == 0
    names = {cell.name: cell for cell in cells}
    assert {"graded-squared-loss", "train-on-levels", "kendall-tau", "essay"} <= set(names)
    assert "by-hand" not in names
    assert names["essay"].is_essay
    assert "def graded_squared_loss(" in names["graded-squared-loss"].given


def test_who_left_a_cell_as_it_was_given_is_not_compared(graded):
    found = answers_of_class(graded, compared_cells(graded, [LEVELS])[0])
    by_name = {cell.name: [answer.student for answer in answers] for cell, answers in found.items()}
    assert by_name["train-on-levels"] == ["ada", "bob", "cy", "dee"]


@pytest.mark.parametrize("layout", ["classroom", "submitted", "bare"])
def test_an_earlier_years_folder_is_read_whatever_its_form(graded, tmp_path, layout):
    last = Course(ROOT, tmp_path / "2025")
    path = put(
        last, "old", LEVELS, load_bench(graded, LEVELS)[0], kind="autograded" if layout == "classroom" else "submitted"
    )
    if layout == "bare":
        (tmp_path / "notebooks").mkdir()
        shutil.move(path, tmp_path / "notebooks" / "somebody's last homework.ipynb")
        (tmp_path / "notebooks" / "broken.ipynb").write_text("{")
    folder = tmp_path / ("notebooks" if layout == "bare" else "2025")
    found = answers_of_class(graded, compared_cells(graded, [LEVELS])[0])
    assert add_folder(graded, folder, found) == (1, 1 if layout == "bare" else 0)
    cell = next(cell for cell in found if cell.name == "train-on-levels")
    assert found[cell][-1].folder == folder.name
    assert found[cell][-1].student == ("somebody's last homework.ipynb" if layout == "bare" else "old")


def test_cells_that_lost_nbgraders_names_are_known_by_their_ids(graded):
    path = graded.classroom / "autograded" / "ada" / LEVELS / f"{LEVELS}.ipynb"
    notebook = read_notebook(path)
    for cell in notebook.cells:
        cell.metadata = {}
    path.write_text(write_notebook(notebook), encoding="utf-8")
    found = answers_of_class(graded, compared_cells(graded, [LEVELS])[0])
    assert all("ada" in [answer.student for answer in answers] for cell, answers in found.items() if not cell.is_essay)


def test_a_folder_without_notebooks_is_refused(graded, tmp_path):
    with pytest.raises(UserError, match="holds no notebooks: name an earlier year's classroom"):
        add_folder(graded, tmp_path / "none", {})


def run(course, *options):
    done = CliRunner().invoke(app, ["similar", "--classroom", str(course.classroom), *options])
    return done.exit_code, " ".join(done.output.split()), str(done.exception or "")


def test_the_page_shows_the_pair_by_code_and_by_name_only_when_asked(graded):
    status, said, error = run(graded, LEVELS)
    assert status == 0, error
    page = (graded.classroom / "similar.html").read_text()
    assert "no proof" in said
    assert "Likeness is no proof of copying" in page
    assert "bob" not in page.replace("def ", "")
    assert "dee" not in page
    assert page.index("<summary><b>") > 0
    assert "the same to the letter" in page
    status, said, error = run(graded, LEVELS, "--names", "--out", str(graded.classroom / "named.html"))
    first = (graded.classroom / "named.html").read_text().partition("<summary>")[2].partition("</summary>")[0]
    assert "<b>bob</b> and <b>dee</b>" in first
    assert "<script" not in page
    assert "://" not in page.partition("</head>")[0]


def test_exercises_of_one_line_and_names_of_none_are_refused_in_one_sentence(graded):
    assert "nothing to compare in 01_simpo_loss" in run(graded, LOSS)[2]
    assert "no exercise is named '11_x'" in run(graded, "11_x")[2]

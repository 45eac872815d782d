"""What people gave, and what the gradebook holds, after it was restored, graded again or a student was removed."""

import shutil

import nbformat
import pytest
from small_class import ESSAY, LOSS, copied, submit, take_back_all_but
from typer.testing import CliRunner

from autograder.cli import app
from autograder.gradebook.scores import class_scores
from autograder.nbgrader_setup import nbgrader_api
from autograder.reports.status import standings

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves


@pytest.fixture
def here(small_class, tmp_path, monkeypatch):
    """A copy of the small class, in whose folder commands run."""
    course = copied(small_class, tmp_path)
    monkeypatch.chdir(course.root)
    return course


def autograder(*words):
    run = CliRunner().invoke(app, [*words, "--jobs", "1"] if words[0] == "grade" else list(words))
    assert run.exit_code == 0, run.output
    return run.output


def give(course, student, exercise, name, points):
    """A person's points, as the formgrader keeps them."""
    with nbgrader_api(course).gradebook as gradebook:
        grade = gradebook.find_grade(name, exercise, exercise, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.db.commit()


def write_essay(course, student, words):
    path = course.notebook("submitted", student, ESSAY)
    notebook = nbformat.read(path, 4)
    essay = next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "essay")
    essay.source = words
    submit(course, student, ESSAY, nbformat.writes(notebook))


def add_a_space(course, exercise):
    source = course.solutions / f"{exercise}.ipynb"
    source.write_text(source.read_text("utf-8") + "\n", encoding="utf-8")


def essays(course):
    return standings(course)[1].essays


def test_a_gradebook_restored_from_a_copy_gets_what_was_graded_since(here):
    before = here.classroom / "before.db"
    shutil.copy(here.classroom / "gradebook.db", before)
    right = here.notebook("submitted", "ada", LOSS).read_text("utf-8")
    submit(here, "bob", LOSS, right)
    submit(here, "fay", LOSS, right)
    assert "2 new, 5 as before" in autograder("grade")
    after = class_scores(here)
    shutil.copy(before, here.classroom / "gradebook.db")
    loss, _ = standings(here)
    assert (loss.graded, loss.out_of_date) == (2, 2)  # ada's and cy's are there still
    pages = {page: page.read_bytes() for page in here.classroom.glob("autograded/*/*/*.ipynb")}
    assert "2 new, 5 as before" in autograder("grade")
    assert class_scores(here).scores == after.scores
    assert {page: page.read_bytes() for page in pages} == pages  # written again, not run again
    loss, _ = standings(here)
    assert (loss.graded, loss.out_of_date) == (4, 0)
    assert "0 new, 7 as before" in autograder("grade")


def test_a_restored_gradebook_does_not_call_another_essay_read(here):
    give(here, "ada", ESSAY, "essay", 3.0)
    shutil.copy(here.classroom / "gradebook.db", here.classroom / "before.db")
    write_essay(here, "ada", "Written anew; the checks give the same points.")
    autograder("grade")
    assert essays(here) == 1
    shutil.copy(here.classroom / "before.db", here.classroom / "gradebook.db")
    assert (essays(here), standings(here)[1].out_of_date) == (0, 1)
    assert "1 new, 5 as before" in autograder("grade")
    assert essays(here) == 1


def test_a_student_who_was_removed_and_is_added_again_gets_their_points_back(here):
    with nbgrader_api(here).gradebook as gradebook:
        gradebook.remove_student("bob")  # as `nbgrader db student remove --force` does; test_due.py calls that
    assert ("bob", LOSS) not in class_scores(here).scores
    (here.root / "people.csv").write_text("id,first_name,last_name\nbob,Bob,Ray\n")
    autograder("roster", "people.csv")
    assert (standings(here)[0].graded, standings(here)[0].out_of_date) == (2, 1)
    assert "1 new, 5 as before" in autograder("grade")
    assert class_scores(here).scores["bob", LOSS].points == 9
    assert standings(here)[0].graded == 3


def test_what_the_gradebook_lost_is_graded_again_if_its_notebook_is_damaged(here):
    here.notebook("autograded", "bob", LOSS).unlink()
    here.notebook("autograded", "bob", LOSS).write_text("{")
    with nbgrader_api(here).gradebook as gradebook:
        gradebook.remove_submission(LOSS, "bob")
    assert "1 new, 5 as before" in autograder("grade")
    assert class_scores(here).scores["bob", LOSS].points == 9


def test_the_gradebook_is_asked_once_for_the_whole_class(here):
    from sqlalchemy import event

    from autograder.gradebook.own_table import written_keys
    from autograder.gradebook.writer import open_gradebook

    asked = []
    with open_gradebook(here) as opened:
        event.listen(opened.gradebook.engine, "before_cursor_execute", lambda *found: asked.append(found[2]))
        found = written_keys(opened.gradebook)
    assert len(found) == 5
    assert sum(statement.startswith("SELECT") for statement in asked) == 1


@pytest.mark.parametrize("again", ["force", "source"])
def test_an_essay_that_was_read_stays_read_until_its_text_changes(here, again):
    give(here, "ada", ESSAY, "essay", 3.0)
    take_back_all_but(here, "ada", ESSAY)
    assert essays(here) == 0
    if again == "source":
        add_a_space(here, ESSAY)
    autograder("grade", *(["--force"] if again == "force" else []))
    assert essays(here) == 0
    score = class_scores(here).scores["ada", ESSAY]
    assert (score.is_final, [cell.points for cell in score.cells if cell.is_essay]) == (True, [3.0])
    write_essay(here, "ada", "Something else.")
    autograder("grade")
    assert essays(here) == 1
    autograder("grade", "--force")
    assert essays(here) == 1  # nobody has read it since
    score = class_scores(here).scores["ada", ESSAY]
    assert [cell.points for cell in score.cells if cell.is_essay] == [3.0]  # and the points stay till then


def test_a_persons_points_for_a_check_make_nobody_wait_unless_it_comes_out_otherwise(here):
    give(here, "bob", LOSS, "batch-loss-value", 0.5)
    right = here.notebook("submitted", "ada", LOSS).read_text("utf-8")
    take_back_all_but(here, "bob", LOSS)
    autograder("grade", "--force")
    loss = standings(here)[0]
    assert (loss.essays, loss.appeals) == (0, 0)
    assert class_scores(here).scores["bob", LOSS].is_final
    submit(here, "bob", LOSS, right)
    autograder("grade")
    loss = standings(here)[0]
    assert (loss.essays, loss.appeals) == (0, 1)  # the check gives 1 point now, the person gave half of it
    assert "1 with a check that comes out otherwise since a person gave points for it" in autograder("status")


def test_scores_that_nbgrader_wrote_are_of_the_notebook_that_it_left(here):
    """As the formgrader's button does."""
    give(here, "ada", ESSAY, "essay", 3.0)
    with nbgrader_api(here).gradebook as gradebook:
        gradebook.db.connection().exec_driver_sql("drop table autograder_written")
        gradebook.db.commit()
    assert standings(here)[1].graded == 0
    assert "5 new, 1 as before" in autograder("grade")  # not dee's, which can't be read
    assert (standings(here)[1].graded, essays(here)) == (2, 0)

"""Late work: a due time, a penalty set in nbgrader_config.py, and one student's extension."""

import shutil
import subprocess
import sys

import pytest
from documents import BLOCK
from project import ROOT
from small_class import ESSAY, LOSS, copied, take_back_all_but
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course import UserError
from autograder.gradebook.due import read_time
from autograder.gradebook.scores import class_scores
from autograder.nbgrader_setup import nbgrader_api, nbgrader_folders
from autograder.reports.status import standings

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves
DUE, THREE_HOURS_LATE = "2026-12-01 23:59", "2026-12-02 02:59:00 UTC"


@pytest.fixture
def here(small_class, tmp_path, monkeypatch):
    """A copy of the small class, in whose folder commands run; ada handed in one exercise three hours late."""
    course = copied(small_class, tmp_path)
    monkeypatch.chdir(course.root)
    monkeypatch.setenv("TZ", "UTC")
    hand_in_late(course, LOSS)
    return course


def hand_in_late(course, exercise):
    course.notebook("submitted", "ada", exercise).with_name("timestamp.txt").write_text(THREE_HOURS_LATE)


def autograder(*words):
    run = CliRunner().invoke(app, [*words, "--jobs", "1"] if words[0] == "grade" else list(words))
    assert run.exit_code == 0, run.output
    return run.output


def refusal(*words):
    with pytest.raises(UserError) as caught:
        CliRunner().invoke(app, list(words), catch_exceptions=False)
    return str(caught.value)


def append(course, word):
    """To nbgrader_config.py, the block of the page that has this word."""
    blocks = BLOCK.findall((ROOT / "docs" / "handing-in.md").read_text(encoding="utf-8"))
    [lines] = [block for language, block in blocks if language == "python" and word in block]
    with (course.root / "nbgrader_config.py").open("a", encoding="utf-8") as config:
        config.write(lines)


def penalty(course, exercise=LOSS, student="ada"):
    return class_scores(course).scores[student, exercise].penalty


def test_without_a_setting_nothing_is_taken_off(here):
    autograder("due", LOSS, DUE)
    autograder("grade")
    assert penalty(here) == 0
    log = here.classroom / "graded" / "ada" / f"{LOSS}.log"
    assert "10800 seconds late; penalty: 0" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize(("word", "points"), [('"zero"', 10), ("PointADay", 1)])
def test_the_penalties_of_the_page_apply(here, word, points):
    append(here, word)
    autograder("due", LOSS, DUE)
    autograder("grade")
    assert penalty(here) == points
    assert penalty(here, student="bob") == 0  # at no known time
    assert class_scores(here).scores["ada", LOSS].points == 10 - points
    log = here.classroom / "graded" / "ada" / f"{LOSS}.log"
    assert f"10800 seconds late; penalty: {points}" in log.read_text(encoding="utf-8")


def test_setting_the_same_time_again_reckons_by_a_new_rule_and_with_essays(here):
    hand_in_late(here, ESSAY)
    take_back_all_but(here, "ada", ESSAY)
    autograder("due", ESSAY, DUE)
    autograder("grade")
    append(here, '"zero"')
    autograder("due", ESSAY, DUE)
    assert penalty(here, ESSAY) == 10  # the checks
    with nbgrader_api(here).gradebook as gradebook:
        grade = gradebook.find_grade("essay", ESSAY, ESSAY, "ada")
        grade.manual_score, grade.needs_manual_grade = 3.0, False
        gradebook.db.commit()
    autograder("due", ESSAY, DUE)
    assert penalty(here, ESSAY) == 13
    assert class_scores(here).scores["ada", ESSAY].points == 0


def test_a_class_in_another_folder_keeps_its_own_gradebook(here):
    """nbgrader_config.py speaks of classroom/, whose gradebook may be on a server."""
    (here.classroom / "gradebook.url").write_text("postgresql+psycopg://nobody@nowhere/none\n")
    other = type(here)(here.root, here.root / "other")
    assert nbgrader_folders(other).db_url == f"sqlite:///{other.classroom}/gradebook.db"
    assert nbgrader_folders(other).root == str(other.classroom)


def test_an_extension_given_before_anything_is_handed_in(here):
    append(here, '"zero"')
    (here.root / "people.csv").write_text("id,first_name,last_name\nfay,Fay,Lu\n")
    autograder("roster", "people.csv")
    autograder("due", LOSS, DUE)
    said = autograder("due", LOSS, "2026-12-02 12:00", "--student", "fay")
    assert said == f"{LOSS}: 2026-12-01 23:59 UTC\n{LOSS}, fay: 2026-12-02 12:00 UTC\n"
    assert autograder("due") == said
    assert ("fay", LOSS) not in class_scores(here).scores  # nothing is handed in
    shutil.copytree(here.classroom / "submitted" / "ada", here.root / "downloads" / "fay")
    assert "late" not in autograder("grade", "downloads")
    assert (penalty(here, student="fay"), penalty(here)) == (0, 10)


def test_an_extension_given_afterwards_ends_the_penalty_at_once(here):
    take_back_all_but(here, "ada", LOSS)
    append(here, '"zero"')
    autograder("due", LOSS, DUE)
    autograder("grade")
    assert penalty(here) == 10
    autograder("due", LOSS, "2026-12-02 12:00", "--student", "ada")
    assert penalty(here) == 0
    autograder("due", LOSS, "2026-12-02 01:00")  # for all: still an hour too early for ada, but for her extension
    assert penalty(here) == 0
    autograder("grade", "--force")
    assert penalty(here) == 0
    assert autograder("due", LOSS, "--student", "ada", "--clear") == f"{LOSS}: 2026-12-02 01:00 UTC\n"
    assert penalty(here) == 10
    autograder("due", LOSS, "2026-12-02 12:00", "--student", "ada")
    autograder("due", LOSS, "--clear")
    assert penalty(here) == 0
    assert autograder("due", LOSS) == f"{LOSS}: no due time\n"
    assert standings(here)[0].out_of_date == 0


def test_what_is_no_extension_is_one_sentence(here):
    assert "01_simpo_loss has no due time, so there is nothing to extend" in refusal(
        "due", LOSS, "2026-12-02", "--student", "ada"
    )
    autograder("due", LOSS, DUE)
    assert refusal("due", LOSS, "2026-12-02", "--student", "adda").startswith(
        f"nobody in the class has the id 'adda'; expected one of {here.classroom / 'roster.csv'} or of who"
    )
    assert "2026-12-01 12:00 is no extension: 01_simpo_loss is due at 2026-12-01 23:59 for all" in refusal(
        "due", LOSS, "2026-12-01 12:00", "--student", "ada"
    )
    (here.classroom / "extensions.json").write_text("[1]")
    assert "extensions.json can't be read" in refusal("due")


def test_leaving_the_class_and_coming_back_as_the_page_says(here):
    (here.root / "people.csv").write_text("id,first_name,last_name\nada,Ada,Lee\nbob,Bob,Ray\n")
    autograder("roster", "people.csv")
    autograder("grade")
    roster = here.classroom / "roster.csv"
    with_bob = roster.read_text("utf-8-sig")
    roster.write_text("".join(line for line in with_bob.splitlines(keepends=True) if "bob" not in line), "utf-8")
    shutil.move(here.classroom / "submitted" / "bob", here.root / "bob")
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "db", "student", "remove", "bob", "--force"], cwd=here.root, check=True
    )
    autograder("grade")
    assert "bob" not in {student.id for student in class_scores(here).students}
    assert standings(here)[0].handed_in == 3
    shutil.move(here.root / "bob", here.classroom / "submitted" / "bob")
    roster.write_text(with_bob, "utf-8")
    autograder("roster", "classroom/roster.csv")
    autograder("grade")
    assert class_scores(here).scores["bob", LOSS].points == 9
    assert [one.name for one in class_scores(here).students if one.id == "bob"] == ["Bob Ray"]


@pytest.mark.parametrize(
    ("words", "time"),
    [
        ("2026-12-01", "2026-12-01 23:59:59+00:00"),  # the end of that day
        ("2026-12-01 23:59", "2026-12-01 23:59:00+00:00"),
        ("2026-12-01 23:59 +0800", "2026-12-01 15:59:00+00:00"),
        ("2026-12-01T23:59+08:00", "2026-12-01 15:59:00+00:00"),
    ],
)
def test_times_as_people_type_them(monkeypatch, words, time):
    monkeypatch.setenv("TZ", "UTC")
    assert str(read_time(words)) == time

"""What is no notebook is not nothing: status, report, export and the student's list say that it was handed in."""

import csv
import zipfile

import pytest
from small_class import ESSAY, LOSS, empty
from typer.testing import CliRunner

from autograder.cli import app
from autograder.grading.benches import hand_in, load_bench
from autograder.handing_in.other_files import OtherFile, other_files
from autograder.handing_in.submissions import collect

ROSTER = "id,last_name,first_name\n2026019,周,杰\n2026020,李,华\n2026021,Müller,Zoë\n"
DOCX = "周杰_19_assignsubmission_file_/作业.docx"
KIND = "unknown: not a notebook"


@pytest.fixture
def course(tmp_path):
    made = empty(tmp_path / "course", LOSS, ESSAY)
    made.classroom.mkdir()
    (made.classroom / "roster.csv").write_text(ROSTER, encoding="utf-8")
    return made


@pytest.fixture
def right(course):
    return hand_in(course, LOSS, load_bench(course, LOSS)[0])


def downloaded(path, files):
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return path


def kept(course):
    return {key: (one.name, one.reason) for key, one in other_files(course.classroom).items()}


def test_it_is_for_the_exercise_of_those_that_came_with_it(course, right, tmp_path):
    files = {DOCX: b"any", "李华_20_assignsubmission_file_/01_simpo_loss.ipynb": right}
    collect(course, downloaded(tmp_path / "a.zip", files))
    assert kept(course) == {("2026019", LOSS): ("作业.docx", KIND)}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (DOCX, ("2026019", "")),
        ("2026019_04_advantages.pdf", ("2026019", ESSAY)),
        ("2026019/01_simpo_loss/01_simpo_loss.py", ("2026019", LOSS)),
        ("müllerzoë_4711_815_04_advantages.docx", ("2026021", ESSAY)),  # Canvas
        ("周杰_19_assignsubmission_onlinetext_/onlinetext.html", ("2026019", "")),
        ("2026019-周杰.zip", ("2026019", "")),  # cut off
    ],
)
def test_whose_it_is_and_what_for_its_name_says(course, tmp_path, name, key):
    collect(course, downloaded(tmp_path / "a.zip", {name: b"any"}))
    assert list(kept(course)) == [key]


@pytest.mark.parametrize("name", ["notes.docx", "周_19.docx", "somebody else_4_assignsubmission_file_/hw.docx"])
def test_what_is_nobodys_is_only_left(course, tmp_path, name):
    taken, left = collect(course, downloaded(tmp_path / "a.zip", {name: b"any"}))
    assert not taken
    assert [one.name for one in left] == [name]
    assert not kept(course)


def test_what_lies_beside_a_notebook_is_no_hand_in_of_its_own(course, right, tmp_path):
    folder = "周杰_19_assignsubmission_file_"
    files = {f"{folder}/01_simpo_loss.ipynb": right, f"{folder}/figure.png": b"any", f"{folder}/01_simpo_loss.pdf": b""}
    collect(course, downloaded(tmp_path / "a.zip", files))
    assert not kept(course)


def test_a_notebook_that_comes_later_takes_its_place(course, right, tmp_path):
    collect(course, downloaded(tmp_path / "a.zip", {DOCX: b"any", "2026020_04_advantages.pdf": b"any"}))
    collect(course, downloaded(tmp_path / "b.zip", {"周杰_19_assignsubmission_file_/01_simpo_loss.ipynb": right}))
    assert kept(course) == {("2026020", ESSAY): ("2026020_04_advantages.pdf", KIND)}


@pytest.mark.parametrize("content", ["", "[", '[{"student": 1}]', "{}", "[3]"])
def test_a_damaged_record_is_none(course, content):
    (course.classroom / "other_files.json").write_text(content)
    assert not kept(course)


def test_what_could_not_be_read_says_why():
    words = OtherFile("ada", LOSS, "hw.zip", "unreadable: not a complete zip file").words
    assert words == "handed in, but can't be graded: hw.zip (unreadable: not a complete zip file)"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy warn of themselves
@pytest.mark.parametrize("with_others", [True, False])
def test_every_page_and_table_says_so(course, right, tmp_path, monkeypatch, with_others):
    monkeypatch.chdir(course.root)
    run = CliRunner()
    run.invoke(app, ["roster", str(course.classroom / "roster.csv")])
    others = {"李华_20_assignsubmission_file_/01_simpo_loss.ipynb": right} if with_others else {}
    graded = run.invoke(app, ["grade", str(downloaded(tmp_path / "a.zip", {DOCX: b"any", **others}))])
    assert (graded.exit_code == 0) is with_others
    words = "handed in, not a notebook: 作业.docx"
    status = run.invoke(app, ["status"]).output
    assert words in status
    assert run.invoke(app, ["report"]).exit_code == 0
    report = (course.classroom / "report.html").read_text(encoding="utf-8")
    assert words in report
    assert run.invoke(app, ["report", "--anonymous"]).exit_code == 0
    assert "作业.docx" not in (course.classroom / "report.anonymous.html").read_text(encoding="utf-8")
    assert run.invoke(app, ["export", "--to", "csv"]).exit_code == 0
    rows = list(csv.DictReader((course.root / "grades.csv").read_text("utf-8-sig").splitlines()))
    remarks = {row["student"]: row["remarks"] for row in rows}
    assert words in remarks["2026019"]
    assert "not handed in" not in remarks["2026019"]
    assert run.invoke(app, ["feedback"]).exit_code == 0
    page = (course.classroom / "feedback" / "2026019" / "index.html").read_text(encoding="utf-8")
    assert "Handed in, but not a notebook: 作业.docx" in page
    assert "not handed in" not in page

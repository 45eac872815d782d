"""docs/handing-in.md from end to end: what students pack, an LMS gives out, and the gradebook then has."""

from dataclasses import replace

import pytest
from documents import commands, run_all
from lms_downloads import Handed, canvas, canvas_gradebook, moodle, moodle_worksheet
from project import ROOT
from small_class import empty
from typer.testing import CliRunner

from autograder import cli
from autograder.authoring.release import prepare
from autograder.commands.handing_in import report_collected
from autograder.course import UserError
from autograder.gradebook.due import read_time
from autograder.grading.benches import hand_in, load_bench
from autograder.handing_in.archives import Left
from autograder.nbgrader_setup import nbgrader_api

EXERCISE, OTHER = "01_simpo_loss", "02_simpo_vs_dpo"
COMMANDS = commands(ROOT / "docs" / "handing-in.md")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves
PARTICIPANTS = """ID number,First name,Last name,Email address
zoe.mueller,Zoë,Müller,zoe@uni.edu
ming,小明,王,ming@uni.edu
"""
ZOE = Handed("Zoë", "Müller", b"", number=4711, sid="zoe.mueller", email="zoe@uni.edu")
MING = Handed(
    "小明",
    "王",
    b"",
    number=4712,
    sid="ming",
    email="ming@uni.edu",
    late=True,
    time="Wednesday, 2 December 2026, 3:04 AM",
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Every command of the page, grading last; the course, and what each command said."""
    root = tmp_path_factory.mktemp("course")
    course = empty(root, EXERCISE, OTHER)
    for exercise in (EXERCISE, OTHER):
        right = next(answer for answer in load_bench(course, exercise) if answer.is_right)
        (root / f"{exercise}.ipynb").write_text(hand_in(course, exercise, right), encoding="utf-8")
    (root / "participants.csv").write_text(PARTICIPANTS, "utf-8")
    said = run_all(root, [command for command in COMMANDS if not command.startswith("autograder grade")])
    make_downloads(root)
    said |= run_all(root, [command for command in COMMANDS if command.startswith("autograder grade")])
    return course, said


def make_downloads(root):
    """What two students uploaded: the pack that the page's command made, and a notebook by itself."""
    pack = (root / "simpo-practice_zoe.mueller.zip").read_bytes()
    alone = (root / f"{EXERCISE}.ipynb").read_bytes()
    handed = [replace(ZOE, content=pack, file="simpo-practice_zoe.mueller.zip"), replace(MING, content=alone)]
    (root / "downloads").mkdir()
    moodle(root / "downloads" / "course-01-17.zip", handed)
    moodle_worksheet(root / "downloads" / "Grades-course-01-17.csv", handed)
    canvas(root / "submissions.zip", handed)
    canvas_gradebook(root / "gradebook.csv", handed)


def test_the_page_names_every_command_and_each_works(done):
    _, said = done
    assert len(said) == len(COMMANDS) == 8
    incomplete = ("autograder pack", "autograder pack --student zoe.mueller")  # eight exercises are missing
    for command, (status, words) in said.items():
        assert status == (1 if command in incomplete else 0), (command, words)


def test_the_gradebook_has_the_students_with_names_and_points(done):
    course, _ = done
    with nbgrader_api(course).gradebook as gradebook:
        found = {student.id: (student.last_name, student.email, student.score) for student in gradebook.students}
        assert found == {"zoe.mueller": ("Müller", "zoe@uni.edu", 20), "ming": ("王", "ming@uni.edu", 10)}
        assert gradebook.find_student("ming").lms_user_id == "4712"


def test_late_work_is_listed_and_nbgrader_knows_it(done):
    course, said = done
    _, output = said["autograder grade downloads"]
    assert "times: 3 from Moodle's grading worksheet" in output
    # due 1 December 23:59, handed in 2 December 3:04
    assert f"late ming, {EXERCISE}: by 3:05:00" in output
    with nbgrader_api(course).gradebook as gradebook:
        assert gradebook.find_submission(EXERCISE, "ming").total_seconds_late == 3 * 3600 + 5 * 60
        assert gradebook.find_submission(EXERCISE, "zoe.mueller").total_seconds_late == 0


def test_canvas_gives_the_same_students_and_marks_late_work(done):
    _, said = done
    _, output = said["autograder grade --roster gradebook.csv submissions.zip"]
    assert "3 submissions taken, 0 files left" in output
    assert f"marked LATE by Canvas, which doesn't say by how much: ming, {EXERCISE}" in output
    assert "0 new, 3 as before" in output


def test_one_file_left_is_one_file(course, tmp_path, capsys):
    report_collected(course, tmp_path, [], [Left("notes.txt", "no notebook")])
    assert "0 submissions taken, 1 file left\n" in capsys.readouterr().out


def test_twenty_thousand_files_of_one_kind_are_one_line(course, tmp_path, capsys):
    junk = [Left(f"{number}.txt", "not a notebook") for number in range(20_000)]
    report_collected(course, tmp_path, [], [*junk, Left("hw.zip", "cut off")])
    said = capsys.readouterr().out.splitlines()[1:]
    assert said == ["  left 20,000 files (0.txt, 1.txt, 2.txt, ...): not a notebook", "  left hw.zip: cut off"]


def test_the_due_time_is_shown(done):
    _, said = done
    assert said["autograder due"][1] == f"{EXERCISE}: 2026-12-01 23:59 UTC\n"


def test_asking_for_a_due_time_does_not_take_it_away(course):
    def due(*words):
        return CliRunner().invoke(cli.app, ["due", *words, "--classroom", str(course.classroom)]).output

    prepare(course, [EXERCISE])
    assert due(EXERCISE, "2026-12-01 23:59") == due(EXERCISE) == f"{EXERCISE}: 2026-12-01 23:59 UTC\n"
    assert due(EXERCISE, "--clear") == due(EXERCISE) == f"{EXERCISE}: no due time\n"
    assert due().startswith("no due times are set")
    with pytest.raises(UserError, match="no exercise is named 1_simpo"):
        CliRunner().invoke(cli.app, ["due", "1_simpo", "--classroom", str(course.classroom)], catch_exceptions=False)


@pytest.mark.parametrize("words", ["tomorrow", "1.12.2026", "2026-13-01", ""])
def test_what_is_no_time_is_one_sentence(words):
    with pytest.raises(UserError, match="is no time; expected one such as 2026-12-01 23:59"):
        read_time(words)

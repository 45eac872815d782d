"""docs/handing-in.md from end to end: what students pack, an LMS gives out, and the gradebook then has."""

import re
import shlex
import shutil
from dataclasses import replace

import pytest
from conftest import ROOT
from lms_downloads import Handed, canvas, canvas_gradebook, moodle, moodle_worksheet
from typer.testing import CliRunner

from autograder.benches import hand_in, load_bench
from autograder.cli import app
from autograder.course import Course, UserError
from autograder.due import read_time

EXERCISE, OTHER = "01_simpo_loss", "02_simpo_vs_dpo"
PAGE = (ROOT / "docs" / "handing-in.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for block in re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves
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
    """Every command of the page, grading last; the course, and each command's output."""
    root = tmp_path_factory.mktemp("course")
    for name in ("notebooks", "tests", "nbgrader_config.py"):
        (root / name).symlink_to(ROOT / name)
    (root / "solutions").mkdir()
    for exercise in (EXERCISE, OTHER):
        shutil.copy(ROOT / "solutions" / f"{exercise}.ipynb", root / "solutions")
    course = Course(root, root / "classroom")
    for exercise in (EXERCISE, OTHER):
        right = next(answer for answer in load_bench(course, exercise) if answer.is_right)
        (root / f"{exercise}.ipynb").write_text(hand_in(course, exercise, right), encoding="utf-8")
    (root / "participants.csv").write_text(
        "ID number,First name,Last name,Email address\nzoe.mueller,Zoë,Müller,zoe@uni.edu\nming,小明,王,ming@uni.edu\n",
        "utf-8",
    )
    said = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("TZ", "UTC")
        for command in sorted(COMMANDS, key=lambda command: command[0] == "grade"):
            if command[0] == "grade" and not (root / "downloads").exists():
                make_downloads(root)
            run = CliRunner().invoke(app, command)
            said[" ".join(command)] = (run.exit_code, run.output, run.exception)
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
    for command, (status, output, exception) in said.items():
        expected = 1 if command in ("pack", "pack --student zoe.mueller") else 0  # eight exercises are missing
        assert status == expected, (command, output, exception)


def test_the_gradebook_has_the_students_with_names_and_points(done):
    course, _ = done
    with course.api().gradebook as gradebook:
        found = {student.id: (student.last_name, student.email, student.score) for student in gradebook.students}
        assert found == {"zoe.mueller": ("Müller", "zoe@uni.edu", 20), "ming": ("王", "ming@uni.edu", 10)}
        assert gradebook.find_student("ming").lms_user_id == "4712"


def test_late_work_is_listed_and_nbgrader_knows_it(done):
    course, said = done
    _, output, _ = said["grade downloads"]
    assert "times: 3 from Moodle's grading worksheet" in output
    # due 1 December 23:59, handed in 2 December 3:04
    assert f"late ming, {EXERCISE}: by 3:05:00" in output
    with course.api().gradebook as gradebook:
        assert gradebook.find_submission(EXERCISE, "ming").total_seconds_late == 3 * 3600 + 5 * 60
        assert gradebook.find_submission(EXERCISE, "zoe.mueller").total_seconds_late == 0


def test_canvas_gives_the_same_students_and_marks_late_work(done):
    _, said = done
    _, output, _ = said["grade --roster gradebook.csv submissions.zip"]
    assert "3 submissions taken, 0 files left" in output
    assert f"marked LATE by Canvas, which doesn't say by how much: ming, {EXERCISE}" in output
    assert "0 new, 3 as before" in output


def test_the_due_time_is_shown(done):
    _, said = done
    assert said["due"][1] == f"{EXERCISE}: 2026-12-01 23:59 UTC\n"


@pytest.mark.parametrize("words", ["tomorrow", "1.12.2026", "2026-13-01", ""])
def test_what_is_no_time_is_one_sentence(words):
    with pytest.raises(UserError, match="is no time; expected one such as 2026-12-01 23:59"):
        read_time(words)

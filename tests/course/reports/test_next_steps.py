"""What is to be done next, in which order."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from small_class import LOSS, copied
from typer.testing import CliRunner

from autograder.cli import app
from autograder.gradebook.due import extend, set_due
from autograder.grading.records import results
from autograder.handing_in.archives import Left
from autograder.handing_in.lms_files import write_timestamp
from autograder.handing_in.unplaced import keep_unplaced
from autograder.reports.next_steps import ORDER, doubted, late_ones, next_steps
from autograder.reports.report import render
from autograder.reports.status import Standing
from autograder.results import RIGHT, WRONG, Check, Result

pytestmark = pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy warn of themselves


def test_nothing_is_said_of_what_is_done(course):
    assert next_steps(course, Standing("in all", handed_in=9, graded=9), []) == []


def test_everything_has_its_place_and_its_command(course, tmp_path):
    keep_unplaced(course.classroom, tmp_path, [Left(f"{n}.ipynb", "nobody's") for n in range(7)])
    counts = dict.fromkeys(("to_grade", "essays", "old_feedback", "appeals", "not_gradable", "flagged"), 2)
    steps = next_steps(course, Standing("in all", **counts), [])
    kinds = [kind for kind, (words, _) in ORDER.items() for step in steps if step.words == words]
    assert kinds == ["to_grade", "unplaced", "not_gradable", "flagged", "essays", "appeals", "old_feedback"]
    assert steps[0].sentence == "2 not graded yet: autograder grade"
    assert "7 files that are nobody's" in steps[1].sentence
    assert "(0.ipynb, 1.ipynb, 2.ipynb, 3.ipynb, 4.ipynb, …)" in steps[1].sentence
    assert steps[4].sentence == "2 with an essay to read: autograder essays"
    assert all(step.command.startswith("autograder ") for step in steps)


def result(student, *points, message="Check failed: f(1): it is 1, expected 2"):
    checks = [Check(f"c{n}", p, 1, RIGHT if p else WRONG, "" if p else message) for n, p in enumerate(points)]
    return Result(student, LOSS, "graded", tuple(checks))


def test_a_check_that_those_who_do_well_lose_looks_wrong():
    good = [result(f"g{n}", 1, 1, 1, 0) for n in range(6)]
    bad = [result(f"b{n}", 0, 0, 0, 1) for n in range(6)]
    assert doubted([*good, *bad]) == [f"{LOSS}: c3"]
    assert doubted([*good, *[replace(one, student=f"h{one.student}") for one in good]]) == []


@pytest.mark.slow
def test_late_ones_are_told_unless_they_have_an_extension(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    set_due(course, LOSS, datetime(2026, 11, 1, tzinfo=UTC))
    for who in ("ada", "bob"):
        write_timestamp(
            course.notebook("submitted", who, LOSS).with_name("timestamp.txt"), datetime(2026, 11, 2, tzinfo=UTC)
        )
    assert [one.student for one in late_ones(course)] == ["ada", "bob"]
    extend(course, LOSS, "ada", datetime(2026, 11, 3, tzinfo=UTC))
    assert [one.student for one in late_ones(course)] == ["bob"]
    [step] = [one for one in next_steps(course, Standing("in all"), results(course)) if "late" in one.words]
    assert step.names == f"bob, {LOSS}"
    assert "autograder due EXERCISE TIME --student ID" in step.sentence


@pytest.mark.slow
def test_status_and_report_say_the_same(small_class, tmp_path, monkeypatch):
    course = copied(small_class, tmp_path)
    keep_unplaced(course.classroom, tmp_path, [Left("Ada's homework.ipynb", "nobody's")])
    monkeypatch.chdir(course.root)
    said = CliRunner().invoke(app, ["status"]).output
    page, anonymous = render(course), render(course, anonymous=True)
    assert "1 files that are nobody's" in said
    assert said.index("nobody's") < said.index("1 with an essay to read: autograder essays")
    assert said.index("autograder essays") < said.index("5 with feedback to write: autograder feedback")
    section = page.partition('id="next"')[2].partition("</section>")[0]
    assert "Ada&#39;s homework.ipynb" in section
    assert section.index("nobody&#39;s") < section.index("<code>autograder essays</code>")
    assert "homework" not in anonymous  # a file's name may be its owner's

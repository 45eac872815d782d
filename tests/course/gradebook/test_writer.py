"""What our writer leaves in the gradebook is what nbgrader would have left there, table by table."""

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import nbformat
import pytest
from project import ROOT
from small_class import empty, take_back_all_but

from autograder.authoring.release import prepare
from autograder.course import UserError
from autograder.gradebook.writer import NotInGradebook, open_gradebook
from autograder.grading.benches import hand_in, load_bench
from autograder.grading.grade import grade
from autograder.nbgrader_setup import configure, nbgrader_api
from autograder.results import GRADED, GRADER_FAULT, Marked, Result

EXERCISE = "06_objective"  # it has an essay, and shows no time that it measured
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves
WHOLE = (
    "alembic_version", "assignment", "base_cell", "course", "grade_cells", "notebook", "solution_cells", "source_cell",
    "student", "task_cells",
)  # fmt: skip
ROWS = {  # each table's rows; where ids are drawn at random, names instead
    **{table: f"select * from {table}" for table in WHOLE},
    "submitted_assignment": "select a.name, s.student_id, s.timestamp, s.extension from submitted_assignment s "
    "join assignment a on a.id = s.assignment_id",
    "submitted_notebook": "select n.name, s.student_id, m.flagged, m.late_submission_penalty "
    "from submitted_notebook m join notebook n on n.id = m.notebook_id "
    "join submitted_assignment s on s.id = m.assignment_id",
    "grade": "select c.name, c.type, s.student_id, g.auto_score, g.manual_score, g.extra_credit, g.needs_manual_grade "
    "from grade g join base_cell c on c.id = g.cell_id join submitted_notebook m on m.id = g.notebook_id "
    "join submitted_assignment s on s.id = m.assignment_id",
    "comment": "select c.name, c.type, s.student_id, o.auto_comment, o.manual_comment "
    "from comment o join base_cell c on c.id = o.cell_id join submitted_notebook m on m.id = o.notebook_id "
    "join submitted_assignment s on s.id = m.assignment_id",
}


def rows(course):
    """All that the gradebook holds."""
    with closing(sqlite3.connect(course.classroom / "gradebook.db")) as database:
        tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
        assert tables - {"autograder_written"} == set(ROWS), "a table that this test does not look at"
        return {name: sorted(database.execute(query), key=repr) for name, query in ROWS.items()}


def files(course):
    """Every file in autograded/, by its name: what is in it, and who may do what with it."""
    folder = course.classroom / "autograded"
    found = [path for path in folder.rglob("*") if path.is_file()]
    drawn = re.compile(rb'"model_id": "\w{32}"')  # of a slider
    return {str(p.relative_to(folder)): (drawn.sub(b"", p.read_bytes()).splitlines(), p.stat().st_mode) for p in found}


def grade_by_nbgrader(course, students):
    """As `nbgrader autograde` and the formgrader's button do it."""
    for student in students:
        outcome = nbgrader_api(course).autograde(EXERCISE, student, force=True, create=True)
        assert outcome["success"], outcome


def hand_in_class(course):
    """Right, wrong, untouched, altered, without an essay; late, in time and at no known time."""
    answers = {answer.name: answer for answer in load_bench(course, EXERCISE)}
    wrong = [answer for answer in answers.values() if not answer.is_right]
    right = next(answer for answer in answers.values() if answer.is_right)
    altered = nbformat.reads(hand_in(course, EXERCISE, wrong[0]), 4)
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in altered.cells if "nbgrader" in cell.metadata}
    test, *_ = (cell for cell in cells.values() if cell.metadata.nbgrader.grade and cell.cell_type == "code")
    altered.cells.remove(test)
    flood = nbformat.v4.new_code_cell("for line in range(3000): print(line)")  # nbgrader keeps 1000
    altered.cells.append(flood)
    class_ = {
        "altered": (nbformat.writes(altered), "2026-11-25 12:00:00 UTC"),  # in time
        "right": (hand_in(course, EXERCISE, right), "2026-11-27 12:00:00 UTC"),  # late
        "untouched": (hand_in(course, EXERCISE, None, "zh"), None),
        "wrong": (hand_in(course, EXERCISE, wrong[-1], "zh"), ""),
    }
    for student, (text, time) in class_.items():
        path = course.notebook("submitted", student, EXERCISE)
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        path.with_name("notes.csv").write_text("1,2\n")
        if time is not None:
            path.with_name("timestamp.txt").write_text(time)
    return sorted(class_)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A course whose checks draw the same inputs each time, with a class handed in; and the students."""
    root = tmp_path_factory.mktemp("course")
    course = empty(root, EXERCISE)
    source = course.solutions / f"{EXERCISE}.ipynb"
    source.write_text(source.read_text(encoding="utf-8").replace("fresh_rng()", "fresh_rng(7)"), "utf-8")
    students = hand_in_class(course)
    prepare(course)
    with nbgrader_api(course).gradebook as gradebook:
        gradebook.update_or_create_assignment(EXERCISE, duedate="2026-11-26 12:00:00 UTC")
    return course, students


def copies(course, folder):
    """The same classroom twice: one for our writer, one for nbgrader's."""
    for name in ("ours", "theirs"):
        shutil.copytree(course.classroom, folder / name)
        yield replace(course, classroom=folder / name)


@pytest.fixture(scope="module")
def graded(prepared, tmp_path_factory):
    """The class graded by our writer and by nbgrader."""
    course, students = prepared
    ours, theirs = copies(course, tmp_path_factory.mktemp("graded"))
    assert {result.verdict for result, _ in grade(ours)} == {GRADED}
    grade_by_nbgrader(theirs, students)
    return ours, theirs, students


def test_a_class_graded_for_the_first_time(graded):
    ours, theirs, students = graded
    assert rows(ours) == rows(theirs)
    assert files(ours) == files(theirs)
    assert len(files(ours)) == 3 * len(students) - 1  # notebook, notes.csv and all but one timestamp


def test_a_class_graded_again_after_people_gave_points_and_comments(graded, tmp_path):
    _, theirs, students = graded
    with nbgrader_api(theirs).gradebook as gradebook:
        for student in students[1:]:
            gradebook.find_grade("essay", EXERCISE, EXERCISE, student).manual_score = 1.5
            gradebook.find_grade("essay", EXERCISE, EXERCISE, student).needs_manual_grade = False
            gradebook.find_comment("essay", EXERCISE, EXERCISE, student).manual_comment = "Well said."
        check = gradebook.find_submission_notebook(EXERCISE, EXERCISE, "wrong").grades[0]
        check.manual_score, check.extra_credit, check.needs_manual_grade = 0.25, 0.5, False
        gradebook.grant_extension(EXERCISE, "right", days=2)
        gradebook.db.commit()
    again, reference = copies(theirs, tmp_path)
    before = rows(again)
    assert {result.verdict for result, _ in grade(again, force=True)} == {GRADED}
    grade_by_nbgrader(reference, students)
    ours, theirs_now = rows(again), rows(reference)
    assert theirs_now != before
    # nbgrader has people read again all that they gave points for; here only where the answer has changed
    assert ("essay", "GradeCell", "right", None, 1.5, None, 1) in theirs_now["grade"]
    assert ("essay", "GradeCell", "right", None, 1.5, None, 0) in ours["grade"]
    by_people = [row for row in ours["grade"] if row[4] is not None]
    assert (len(by_people), {row[-1] for row in by_people}) == (4, {0})
    for found in (ours, theirs_now):
        found["grade"] = [row[:-1] if row[4] is not None else row for row in found["grade"]]
    assert ours == theirs_now
    assert files(again) == files(reference)


def test_being_late_costs_what_the_plugin_says(prepared, tmp_path, monkeypatch):
    course, _ = prepared
    ours, theirs = copies(course, tmp_path)
    monkeypatch.setattr("autograder.nbgrader_setup.configure", with_penalty)
    for one in (ours, theirs):
        take_back_all_but(one, "right", EXERCISE)
    list(grade(ours))
    grade_by_nbgrader(theirs, ["right"])
    assert rows(ours)["submitted_notebook"] == rows(theirs)["submitted_notebook"]
    assert rows(ours)["submitted_notebook"][0][-1] > 0
    log = (ours.classroom / "graded" / "right" / f"{EXERCISE}.log").read_text()
    assert "86400 seconds late; penalty: 10" in log  # a day; all points


def with_penalty(config, course):
    configure(config, course)
    config.LateSubmissionPlugin.penalty_method = "zero"


def marks(course, student, score):
    """Marks for the whole exercise, as a worker would give them."""
    with open_gradebook(course) as writer:
        layout = writer._layout(EXERCISE)
    scores = {name: score for name, _ in layout.graded.values()}
    comments = {name: None for name, _ in layout.commented.values()}
    return Marked(Result(student, EXERCISE, GRADED), "", scores, comments)


WRITE = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
sys.path[:0] = ["tests", "tests/support"]
from autograder.course import Course
from autograder.gradebook.writer import open_gradebook
from course.gradebook.test_writer import marks
course = Course(*map(Path, sys.argv[1:3]))
score = float(sys.argv[3])
ready = {student: marks(course, student, score) for student in ("a", "b", "c", "d")}
with open_gradebook(course) as writer:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(4):
        for one in ready.values():
            writer.write(one, None)
"""


def test_two_graders_at_once_lose_nothing_and_make_no_row_twice(prepared, tmp_path):
    course, _ = prepared
    ours, _ = copies(course, tmp_path)
    command = [sys.executable, "-c", WRITE, course.root, ours.classroom]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    graders = [subprocess.Popen([*map(str, command), str(score)], cwd=ROOT, **pipes) for score in (1, 2)]
    assert [grader.stdout.readline() for grader in graders] == ["ready\n", "ready\n"]
    for grader in graders:
        grader.stdin.write("go\n")
        grader.stdin.flush()
    for grader in graders:
        grader.communicate()
        assert grader.returncode == 0
    found = rows(ours)
    assert [student for student, *_ in found["student"]] == ["a", "b", "c", "d"]
    assert len(found["submitted_assignment"]) == len(found["submitted_notebook"]) == 4
    for student in "abcd":  # each submission as one of the two wrote it, whole
        scores = [score for _, _, owner, score, *_ in found["grade"] if owner == student]
        assert len(scores) == len(marks(ours, student, 0.0).scores)
        assert len(set(scores)) == 1


def test_a_gradebook_that_is_locked_for_good_is_said_so(prepared, tmp_path, monkeypatch):
    course, _ = prepared
    ours, _ = copies(course, tmp_path)
    one = marks(ours, "a", 1.0)
    monkeypatch.setattr("autograder.gradebook.writer.ATTEMPTS", 1)
    with open_gradebook(ours) as writer, closing(sqlite3.connect(ours.classroom / "gradebook.db")) as other:
        writer.gradebook.db.connection().exec_driver_sql("pragma busy_timeout = 100")  # ms; it would wait for 5 s
        writer.gradebook.db.rollback()
        other.execute("begin immediate")
        with pytest.raises(UserError, match=r"gradebook sqlite:.*can't be written.*locked"):
            writer.write(one, None)
        other.rollback()
        writer.write(one, None)
    assert len(rows(ours)["submitted_assignment"]) == 1


def test_a_cell_that_the_gradebook_does_not_know_is_a_fault_and_writes_nothing(prepared, tmp_path):
    course, _ = prepared
    ours, _ = copies(course, tmp_path)
    one = marks(ours, "a", 1.0)
    with open_gradebook(ours) as writer:
        with pytest.raises(NotInGradebook, match="no grade for another"):
            writer.write(replace(one, scores={**one.scores, "another": 1.0}), None)
        with pytest.raises(NotInGradebook, match="No such assignment"):
            writer.write(replace(one, result=replace(one.result, exercise="11_none")), None)
    assert rows(ours)["student"] == []


def test_a_fault_of_the_gradebook_s_keeps_the_rest_of_the_class(prepared, tmp_path):
    course, _ = prepared
    ours, _ = copies(course, tmp_path)
    for student in ("altered", "wrong"):  # two are enough
        shutil.rmtree(ours.classroom / "submitted" / student)
    with closing(sqlite3.connect(ours.classroom / "gradebook.db")) as database, database:
        database.execute("delete from base_cell where name = 'essay' and type = 'GradeCell'")
    verdicts = {result.student: (result.verdict, result.reason) for result, _ in grade(ours)}
    assert verdicts.keys() == {"right", "untouched"}
    assert {verdict for verdict, _ in verdicts.values()} == {GRADER_FAULT}
    assert "no grade for essay" in verdicts["right"][1]
    assert not list(ours.classroom.glob("graded/*/*.json"))  # the next run tries again

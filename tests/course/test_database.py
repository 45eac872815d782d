"""The gradebook on a server, and two graders at once on one gradebook: real processes, a real PostgreSQL."""

import itertools
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from multiprocessing import forkserver
from urllib.parse import quote

import pytest
from clusters import documented
from postgres import PASSWORD, database, postgres
from project import small_course

from autograder.cli import main
from autograder.course import CLASSROOM_VARIABLE, DATABASE_FILE, UserError
from autograder.database import PREPARING, choose_database, describe, share_exercises
from autograder.grading.benches import hand_in, load_bench
from autograder.grading.workers import run_tasks
from autograder.nbgrader_setup import nbgrader_api

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves
EXERCISE = "01_simpo_loss"
STUDENTS = {f"s{number}": 10 - number % 2 for number in range(4)}  # whose points, as the bench says
BY_HAND = "batch-loss-value"  # the check that every second of them loses


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What graders start, started once before the first fork of this process, so that the forks share it."""
    list(run_tasks([("nothing", 0)], 1, abs))


@pytest.fixture(scope="module")
def server():
    with postgres() as url:
        yield url


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def graders(request, tmp_path):
    """The options of two graders of one class, and a course with its gradebook.

    SQLite: both in one classroom, the same students. PostgreSQL: each has a classroom of its own, as on two
    machines, and two of the students are in both.
    """
    course = small_course(tmp_path, EXERCISE)
    if request.param == "SQLite":
        fill(course, STUDENTS)
        return course, [[], []]
    url = database(request.getfixturevalue("server"), "class")
    options = []
    for name, students in (("a", list(STUDENTS)[:3]), ("b", list(STUDENTS)[1:])):
        fill(replace(course, classroom=tmp_path / name), students)
        options.append(["--db", url, "--classroom", name])
    return replace(course, classroom=tmp_path / "a"), options


def fill(course, students):
    """Put a submission of each student into the classroom."""
    answers = {answer.name: answer for answer in load_bench(course, EXERCISE)}
    texts = {10: hand_in(course, EXERCISE, answers["numpy functions"])}
    texts[9] = hand_in(course, EXERCISE, answers["sum for mean"])
    for student in students:
        path = course.notebook("submitted", student, EXERCISE)
        path.parent.mkdir(parents=True)
        path.write_text(texts[STUDENTS[student]], encoding="utf-8")


class Run:
    """`autograder ...` at work in the course's folder: a process of its own, and as a fork it has all imported."""

    def __init__(self, course, *words, **variables):
        self.log = course.root / f"{'-'.join(words[:1])}-{time.monotonic_ns()}.log"
        arguments = course.root, self.log, words, variables
        self.process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
        self.process.start()

    def ended(self):
        """Wait for it; its exit status and words."""
        self.process.join(300)
        return self.process.exitcode, self.log.read_text(encoding="utf-8")


def work(folder, log, words, variables):
    """In the process: run the command."""
    forkserver._forkserver.ensure_running = lambda: None  # it runs, but is no child of this process
    sys.argv = ["autograder", *words]
    os.chdir(folder)
    os.environ.update(variables)
    with log.open("w", encoding="utf-8", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        main()


def graded(runs):
    """Wait for the graders; nothing went wrong."""
    for run in runs:
        status, words = run.ended()
        assert status == 0, words
        assert "fault" not in words
        assert PASSWORD not in words
        assert quote(PASSWORD, safe="") not in words


def test_two_graders_at_once_lose_nothing_of_each_other_or_of_a_person(graders):
    course, options = graders
    graded([Run(course, "grade", "--jobs", "1", *each) for each in options])  # from an empty gradebook on
    with nbgrader_api(course).gradebook as gradebook:
        assert {each.id for each in gradebook.students} == set(STUDENTS)
        scores = {student: gradebook.find_submission(EXERCISE, student).score for student in STUDENTS}
        assert scores == STUDENTS

    runs = [Run(course, "grade", "--force", "--jobs", "1", *each) for each in options]
    given: dict[str, float] = {}
    for student in itertools.cycle(STUDENTS):  # meanwhile a person gives points, again and again
        with nbgrader_api(course).gradebook as gradebook:
            grade = gradebook.find_grade(BY_HAND, EXERCISE, EXERCISE, student)
            grade.manual_score = (grade.manual_score or 0) + 1 / 64
            given[student] = given.get(student, 0) + 1 / 64
            gradebook.db.commit()
        if not any(run.process.is_alive() for run in runs):
            break
        time.sleep(0.05)
    graded(runs)
    with nbgrader_api(course).gradebook as gradebook:
        for student in STUDENTS:
            grade = gradebook.find_grade(BY_HAND, EXERCISE, EXERCISE, student)
            assert (grade.manual_score, grade.auto_score) == (given.get(student), STUDENTS[student] - 9)
            assert gradebook.find_submission(EXERCISE, student).score == 9 + (grade.manual_score or grade.auto_score)


def test_exercises_are_not_made_anew_while_a_submission_is_written(server):
    from sqlalchemy import NullPool, create_engine, text
    from sqlalchemy.orm import Session

    engine = create_engine(database(server, "shared"), poolclass=NullPool)
    prepares = text(f"select pg_try_advisory_lock({PREPARING})")
    with Session(engine) as writer, Session(engine) as other:
        share_exercises(writer)
        assert not other.scalar(prepares)
        writer.commit()
        assert other.scalar(prepares)


def test_every_command_finds_the_gradebook_on_the_server(server, tmp_path):
    course = small_course(tmp_path, EXERCISE)
    fill(replace(course, classroom=tmp_path / "downloads"), ["s1"])
    port = server.rsplit(":", 1)[1]
    password = {"PGPASSWORD": PASSWORD}
    subprocess.run([*documented("createdb", HOST="127.0.0.1"), "-p", port], check=True, env={**os.environ, **password})
    replaced = {"DOWNLOADS": "downloads/submitted", "HOST": f"127.0.0.1:{port}"}
    status, words = Run(course, *documented("autograder grade DOWNLOADS --db", **replaced)[1:], **password).ended()
    assert status == 0, words
    assert f"Gradebook: postgresql+psycopg://grader@127.0.0.1:{port}/simpo." in words
    assert not (course.classroom / "gradebook.db").exists()
    assert (course.classroom / DATABASE_FILE).stat().st_mode & 0o777 == 0o600
    assert "1 page written" in Run(course, "feedback", **password).ended()[1]
    nbgrader = [sys.executable, "-m", "nbgrader", "db", "student", "list"]
    listed = subprocess.run(nbgrader, cwd=course.root, capture_output=True, text=True, check=True,
                            env={**os.environ, CLASSROOM_VARIABLE: str(course.classroom), **password})  # fmt: skip
    assert "s1" in listed.stdout + listed.stderr


def test_a_class_keeps_one_gradebook(server, tmp_path):
    course = small_course(tmp_path, EXERCISE)
    url = database(server, "one")
    choose_database(course, url)
    choose_database(course, url)  # again, as in every call of a script
    with pytest.raises(UserError, match="and a class keeps one gradebook") as caught:
        choose_database(course, url + "_more")
    assert PASSWORD not in str(caught.value)
    assert quote(PASSWORD, safe="") not in str(caught.value)
    assert describe(course).endswith("/one")
    other = replace(course, classroom=tmp_path / "other")
    other.classroom.mkdir()
    (other.classroom / "gradebook.db").touch()
    with pytest.raises(UserError, match=r"this class's gradebook is .*other/gradebook\.db"):
        choose_database(other, url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("{}/missing", 'database "missing" does not exist'),
        ("postgresql+psycopg://grader:secret@127.0.0.1:{port}/one", "password authentication failed"),
        ("postgresql+psycopg://grader:secret@127.0.0.1:1/one", "[Cc]onnection refused"),
        ("postgresql+psycopg://grader:secret@no.such.host/one", "no gradebook can be kept in"),
        ("mysql+mysqldb://grader:secret@127.0.0.1/one", "needs MySQLdb, which is not installed here"),
        ("oracel://grader:secret@127.0.0.1/one", "no gradebook can be kept in"),
        ("grader:secret@127.0.0.1", "--db is no URL of a database; expected one such as postgresql"),
    ],
)
def test_a_gradebook_that_cannot_be_used_is_a_sentence_without_the_password(server, url, words, course):
    with pytest.raises(UserError, match=words) as caught:
        choose_database(course, url.format(server, port=server.rsplit(":", 1)[1]))
    assert "secret" not in str(caught.value)
    assert quote(PASSWORD, safe="") not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (course.classroom / DATABASE_FILE).exists()


def test_a_server_that_has_gone_is_a_sentence(tmp_path):
    course = small_course(tmp_path, EXERCISE)
    course.classroom.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://grader:secret@127.0.0.1:{free.getsockname()[1]}/one"
    (course.classroom / DATABASE_FILE).write_text(url)
    fill(course, ["s1"])
    status, words = Run(course, "grade").ended()
    assert status == 2
    assert words.startswith("autograder: no gradebook can be kept in postgresql+psycopg://grader:***@127.0.0.1:")
    assert words.count("\n") == 1

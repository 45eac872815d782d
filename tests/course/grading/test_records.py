"""Killed workers, examiners and runs: nothing is lost, nothing is graded twice, nothing is left over."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from autograder.nbgrader_setup import nbgrader_api

EXERCISE, OTHER = "01_simpo_loss", "03_gradient"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves


def descendants(pid):
    """Every process that a process started, and that those started."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found


def about(pid, file):
    try:
        return Path(f"/proc/{pid}/{file}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_alive(pid):
    stat = about(pid, "stat")
    return bool(stat) and stat.rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    return False


def workers():
    """The processes that mark submissions, with the process that they are forks of."""
    return [pid for pid in descendants(os.getpid()) if "multiprocessing.forkserver" in about(pid, "cmdline")]


def examiner():
    """The examiner of a notebook that takes long: a fork of the warm process that is not confined."""

    def at_work():
        forks = {pid for pid in descendants(os.getpid()) if "autograder.inside.warm_process" in about(pid, "cmdline")}
        warm = set(map(int, Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()))
        return {pid for pid in forks - warm if "Seccomp:\t0" in about(pid, "status") and os.getsid(pid) == pid}

    if before := at_work():
        time.sleep(1)
    return sorted(before & at_work())


def answers(course, exercise):
    """Each student's answer: two are right and two are wrong."""
    from autograder.grading.benches import load_bench

    found = load_bench(course, exercise)
    return [answer for is_right in (True, False) for answer in [a for a in found if a.is_right is is_right][:2]]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of two exercises with a class of four, not yet graded."""
    from small_class import empty  # here, because workers import this module, too

    from autograder.authoring.release import prepare
    from autograder.grading.benches import hand_in

    root = tmp_path_factory.mktemp("course")
    course = empty(root, EXERCISE, OTHER)
    for exercise, count in ((EXERCISE, 4), (OTHER, 1)):
        for number, answer in enumerate(answers(course, exercise)[:count]):
            path = course.notebook("submitted", f"s{number}", exercise)
            path.parent.mkdir(parents=True)
            path.write_text(hand_in(course, exercise, answer), encoding="utf-8")
    prepare(course)
    return course


@pytest.fixture
def copy(course, tmp_path):
    """The same course, for one test."""
    from autograder.course import Course

    shutil.copytree(course.root, tmp_path / "course", symlinks=True)
    return Course(tmp_path / "course", tmp_path / "course" / "classroom")


def assert_all_is_there(course):
    """Every submission has its points, in its record and in the gradebook, where each row is once."""
    from autograder.grading.records import results
    from autograder.handing_in.submissions import submitted
    from autograder.results import GRADED

    found = results(course)
    assert len(found) == len(submitted(course))
    with nbgrader_api(course).gradebook as gradebook:
        for result in found:
            assert result.verdict == GRADED
            answer = answers(course, result.exercise)[int(result.student[1:])]
            assert result.points == 10 - len(answer.lost)
            assert gradebook.find_submission(result.exercise, result.student).score == result.points
            assert course.notebook("autograded", result.student, result.exercise).is_file()


def test_a_worker_that_is_killed_costs_nobody_anything(copy):
    from autograder.grading.grade import grade

    run = grade(copy, jobs=2)
    first = next(run)
    parents = {about(pid, "stat").rsplit(")", 1)[1].split()[1] for pid in workers()}
    mine = [pid for pid in workers() if str(pid) not in parents]
    assert mine
    os.kill(mine[0], signal.SIGKILL)
    rest = list(run)
    names = [(result.student, result.exercise) for result, _ in [first, *rest]]
    assert len(names) == len(set(names)) == 5
    assert_all_is_there(copy)


def test_an_examiner_that_is_killed_is_a_fault_that_the_next_run_mends(copy):
    from autograder.grading.grade import grade
    from autograder.results import GRADED, GRADER_FAULT

    path = copy.notebook("submitted", "s0", EXERCISE)
    slow = nbformat.read(path, 4)
    wait = "import os, time\nif os.path.exists('wait.txt'): time.sleep(3)"
    slow.cells.insert(1, nbformat.v4.new_code_cell(wait))
    nbformat.write(slow, path)
    path.with_name("wait.txt").touch()
    killed = []

    def kill_one():
        killed.extend(wait_until(examiner))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    verdicts = {result.student: result.verdict for result, _ in grade(copy, exercises=[EXERCISE])}
    killer.join()
    assert len(killed) == 1
    assert verdicts == {"s0": GRADER_FAULT} | {f"s{number}": GRADED for number in range(1, 4)}
    path.with_name("wait.txt").unlink()
    again = list(grade(copy, exercises=[EXERCISE]))
    assert [result.verdict for result, _ in again] == [GRADED] * 4
    assert [is_new for _, is_new in again].count(True) == 1
    list(grade(copy, exercises=[OTHER]))
    assert_all_is_there(copy)


def test_a_changed_source_regrades_what_it_touches_and_keeps_what_people_gave(copy):
    from autograder.authoring.release import prepare
    from autograder.grading.grade import grade

    list(grade(copy, jobs=2))
    with nbgrader_api(copy).gradebook as gradebook:
        cell = gradebook.find_submission_notebook(EXERCISE, EXERCISE, "s3").grades[0]
        name, cell.manual_score = cell.name, 0.5
        gradebook.find_submission_notebook(EXERCISE, EXERCISE, "s3").comments[0].manual_comment = "Nearly."
        gradebook.db.commit()
    source = copy.solutions / f"{EXERCISE}.ipynb"
    source.write_text(
        source.read_text("utf-8").replace("### BEGIN HIDDEN TESTS", "### BEGIN HIDDEN TESTS\\n", 1), "utf-8"
    )
    prepare(copy)
    new = [result.exercise for result, is_new in grade(copy) if is_new]
    assert new == [EXERCISE] * 4
    with nbgrader_api(copy).gradebook as gradebook:
        assert gradebook.find_grade(name, EXERCISE, EXERCISE, "s3").manual_score == 0.5
        comments = gradebook.find_submission_notebook(EXERCISE, EXERCISE, "s3").comments
        assert [comment.manual_comment for comment in comments].count("Nearly.") == 1


def test_a_run_that_is_killed_goes_on_where_it_stopped(copy, tmp_path, monkeypatch):
    from autograder.execution.warm_client import sweep
    from autograder.grading.grade import grade
    from autograder.results import GRADED

    script = (
        "import sys, warnings; from pathlib import Path; from autograder.course import Course; "
        "from autograder.grading.grade import grade; warnings.simplefilter('ignore')\n"
        f"for _ in grade(Course(Path({str(copy.root)!r}), Path({str(copy.classroom)!r})), jobs=2): pass"
    )
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    run = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    assert wait_until(lambda: len(list(copy.classroom.glob("graded/*/*.json"))) >= 1)
    started = descendants(run.pid)
    run.kill()
    run.wait()
    assert wait_until(lambda: not any(map(is_alive, started)))
    done = {path: path.stat().st_mtime_ns for path in copy.classroom.glob("graded/*/*.json")}
    assert len(done) < 5
    again = list(grade(copy, jobs=2))
    assert sum(not is_new for _, is_new in again) == len(done)
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())
    assert {result.verdict for result, _ in again} == {GRADED}
    assert_all_is_there(copy)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # what a process of the killed run, started in its last moment, still made is swept by whoever comes next
    assert wait_until(lambda: sweep() or not list(tmp_path.glob("notebook-*")))


def test_several_workers_sweep_at_once(tmp_path, monkeypatch):
    from autograder.execution.warm_client import sweep

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen(["true"])
    gone.wait()
    for number in range(300):
        (tmp_path / f"notebook-{gone.pid}-{number}" / "student").mkdir(parents=True)
    (tmp_path / f"notebook-{os.getpid()}-mine").mkdir()
    with ThreadPoolExecutor(4) as workers:
        for done in [workers.submit(sweep) for _ in range(4)]:
            done.result()
    assert [path.name for path in tmp_path.iterdir()] == [f"notebook-{os.getpid()}-mine"]

"""Killed workers, killed runs: nothing is lost, nothing is graded twice, nothing is left over."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from autograder.notebook import CHECK, STUDENTS, run_steps
from autograder.workers import run_tasks

EXERCISE = "01_simpo_loss"


def die_once(task):
    """Stands for a worker that is killed by the machine: the first time, not the second."""
    name, folder = task
    marker = folder / f"{name}.died"
    if name in "bc" and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return name.upper()


def die_always(task):
    name, _ = task
    if name == "b":
        os.kill(os.getpid(), signal.SIGKILL)
    return name.upper()


def tasks(folder, names):
    return ((name, (name, folder)) for name in names)


def test_every_task_is_done_once_whatever_the_number_of_workers(tmp_path):
    got = list(run_tasks(tasks(tmp_path, "abcdefgh"), 3, die_once))
    assert sorted(got) == [(name, name.upper()) for name in "abcdefgh"]


def test_a_task_whose_worker_always_dies_has_no_answer_and_stops_nobody(tmp_path):
    got = dict(run_tasks(tasks(tmp_path, "ab"), 1, die_always))
    assert got == {"a": "A", "b": None}


def test_the_death_of_the_examiner_is_a_fault_of_the_graders(tmp_path):
    executed = run_steps([(STUDENTS, "x = 1"), (CHECK, "import os\nos.kill(os.getpid(), 9)")], [tmp_path])
    assert "examiner" in executed.fault


def descendants(pid):
    """Every process that a process started, and that those started."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_run_that_is_killed_goes_on_where_it_stopped(tmp_path, monkeypatch):
    from autograder.benches import hand_in, load_bench  # here, because workers import this module, too
    from autograder.course import Course
    from autograder.grade import GRADED, grade, results
    from autograder.release import prepare

    course = Course(ROOT, tmp_path / "class")
    prepare(course, [EXERCISE])
    answers = load_bench(course, EXERCISE)[:8]
    for number, answer in enumerate(answers):
        path = course.notebook("submitted", f"s{number}", EXERCISE)
        path.parent.mkdir(parents=True)
        path.write_text(hand_in(course, EXERCISE, answer), encoding="utf-8")
    script = (
        "import sys, warnings; from pathlib import Path; from autograder.course import Course; "
        "from autograder.grade import grade; warnings.simplefilter('ignore')\n"
        f"for _ in grade(Course(Path({str(ROOT)!r}), Path({str(course.classroom)!r})), jobs=2): pass"
    )
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    run = subprocess.Popen([sys.executable, "-c", script])
    assert wait_until(lambda: len(list(course.classroom.glob("graded/*/*.json"))) >= 2)
    started = descendants(run.pid)
    run.kill()
    run.wait()
    assert wait_until(lambda: not any(map(is_alive, started)))
    done = {path: path.stat().st_mtime_ns for path in course.classroom.glob("graded/*/*.json")}
    assert len(done) < len(answers)
    again = list(grade(course, jobs=2))
    assert sum(not is_new for _, is_new in again) == len(done)
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())
    assert {result.verdict for result, _ in again} == {GRADED}
    with course.api().gradebook as gradebook:
        for result in results(course):
            assert gradebook.find_submission(EXERCISE, result.student).score == result.points
            assert result.points == 10 - len(answers[int(result.student[1:])].lost)
    assert not list(tmp_path.glob("notebook-*"))

"""Several workers: every task is done, whoever dies."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from project import ROOT

from autograder.execution import patience
from autograder.execution.run import CHECK, STUDENTS, run_steps
from autograder.grading.workers import Unanswered, _Pool, run_tasks, stop


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
    assert got == {"a": "A", "b": Unanswered.DIED}


def die_while_others_run(task):
    name, folder = task
    if name == "b":
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / f"{name}.ran").open("a").write("x")
    time.sleep(0.2)
    return name.upper()


def test_who_runs_beside_a_task_whose_worker_always_dies_is_not_blamed(tmp_path):
    got = dict(run_tasks(tasks(tmp_path, "abcdefgh"), 4, die_while_others_run))
    assert got == {name: Unanswered.DIED if name == "b" else name.upper() for name in "abcdefgh"}
    assert {path.read_text() for path in tmp_path.glob("*.ran")} == {"x"}  # once


def hang(task):
    name, folder = task
    if name == "b":  # within C, where no signal is looked at and no other thread runs
        (folder / "hangs").write_text(str(os.getpid()))
        re.match("(a+)+$", "a" * 60 + "b")
    return name.upper()


def test_a_task_that_hangs_is_given_up_with_its_worker_and_the_class_goes_on(tmp_path):
    got = dict(run_tasks(tasks(tmp_path, "abcdef"), 2, hang, seconds=1.5))
    assert got == {name: Unanswered.LATE if name == "b" else name.upper() for name in "abcdef"}
    assert not Path("/proc", (tmp_path / "hangs").read_text()).exists()


def test_a_single_task_that_hangs_is_given_up_too(tmp_path):
    got = dict(run_tasks(tasks(tmp_path, "b"), 1, hang, hurry=True, seconds=1.5))
    assert got == {"b": Unanswered.LATE}
    assert not Path("/proc", (tmp_path / "hangs").read_text()).exists()


def test_a_single_task_whose_worker_dies_is_done_by_another(tmp_path):
    assert dict(run_tasks(tasks(tmp_path, "b"), 1, die_once, hurry=True)) == {"b": "B"}
    assert dict(run_tasks(tasks(tmp_path, "b"), 1, die_always, hurry=True)) == {"b": Unanswered.DIED}


def wait_for_the_others(task):
    """The first does nothing, and says so, until the others are done."""
    name, folder = task
    (folder / name).touch()
    if name == "a":
        patience.when_still()
        deadline = time.monotonic() + 60
        while len(list(folder.iterdir())) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
    return len(list(folder.iterdir()))


def test_beside_a_notebook_that_does_nothing_another_worker_goes_on(tmp_path):
    got = dict(run_tasks(tasks(tmp_path, "abcd"), 1, wait_for_the_others))
    assert got["a"] == 4  # it saw the others' marks


def fail(task):
    raise ValueError(task)


def test_what_a_worker_raises_is_raised_here(tmp_path):
    with pytest.raises(ValueError, match="why"):
        list(run_tasks([("a", "why")], 2, fail))


RUN = """
from pathlib import Path
from autograder.grading.workers import run_tasks
from course.grading.test_workers import die_once, tasks
print(sorted(answer for _, answer in run_tasks(tasks(Path.cwd(), "abcdef"), 2, die_once)))
"""


def left_of(session):
    """What still runs in this session of processes."""
    found = []
    for about in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, number = about.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        if int(number) == session and state != "Z":
            found.append((about.parent / "cmdline").read_text())
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_run_ends_without_a_word_and_leaves_no_process(tmp_path):
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "support")])
    with (tmp_path / "said").open("w+") as said:
        run = subprocess.Popen(
            [sys.executable, "-c", RUN],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        assert run.wait() == 0
        said.seek(0)
        assert said.read() == "['A', 'B', 'C', 'D', 'E', 'F']\n"
    deadline = time.monotonic() + 10
    while (left := left_of(run.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


STOPPED = """
import signal
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a program in the background has it ignored, as tests may be
from autograder.commands.grading import stoppable
from autograder.grading.workers import run_tasks
with stoppable():
    for _ in run_tasks([(name, Path(name)) for name in "abc"], 2, sleep):
        pass
"""


def touch(path):
    path.touch()


def sleep(path):
    path.touch()
    time.sleep(600)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_says_what_to_do_and_does_not_wait_for_what_runs(tmp_path):
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "support")])
    run = subprocess.Popen(
        [sys.executable, "-c", "from course.grading.test_workers import sleep\n" + STOPPED],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    _, said = run.communicate(timeout=60)
    assert said.splitlines()[0] == "stopping; run the same command again to go on"
    while (left := left_of(run.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


@pytest.fixture
def interruptible():
    """Ctrl-C is an exception, as for a program in the foreground."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("when", ["__init__", "_worker", "end"])
def test_ctrl_c_in_the_midst_of_the_pools_work_ends_the_run_too(tmp_path, monkeypatch, interruptible, when):
    whole = getattr(_Pool, when)

    def interrupted(*arguments, **named):
        os.kill(os.getpid(), signal.SIGINT)  # to the process, as a terminal does
        return whole(*arguments, **named)

    before = set(threading.enumerate())
    with monkeypatch.context() as patch:
        patch.setattr(_Pool, when, interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(run_tasks([("a", tmp_path / "a")], 2, touch if when == "end" else sleep))
    stop()
    for thread in filter(threading.Thread.is_alive, set(threading.enumerate()) - before):
        thread.join(30)
        assert not thread.is_alive()


def test_the_death_of_the_examiner_is_a_fault_of_the_graders(tmp_path):
    executed = run_steps([(STUDENTS, "x = 1", ""), (CHECK, "import os\nos.kill(os.getpid(), 9)", "a")], [tmp_path])
    assert "examiner" in executed.fault

"""Patience is used up by what a process does, and sooner by one that does nothing."""

import subprocess
import sys
import time

import pytest

from autograder.execution import patience
from autograder.execution.patience import CLOCK_SHARE, STILL_SHARE, Patience, _Use
from autograder.execution.run import CHECK, STUDENTS, run_steps, session

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def clock(monkeypatch):
    """A clock and a process as the test says: clock(seconds that pass, computed, waited, asleep)."""
    now, used = [100.0], [_Use(0.0, 0.0, False)]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(patience, "_use_of", lambda pid: used[0])

    def advance(one, seconds, computed=0.0, waited=0.0, is_asleep=False):
        now[0] += seconds
        before = used[0]
        used[0] = _Use(before.computed + computed, before.waited + waited, is_asleep)
        one.look(1)

    return advance


def test_time_in_which_a_process_waits_for_a_processor_is_not_its_own(clock):
    one = Patience(5)
    one.start()
    clock(one, 1)  # nothing to compare with
    clock(one, 4, computed=1, waited=3)
    assert one.own == 1 + 1
    clock(one, 8, waited=8)
    assert one.own == 2 + CLOCK_SHARE * 8
    assert not one.is_over()
    clock(one, 1, computed=1)
    assert one.is_over()
    assert not one.is_still()


def test_who_does_nothing_is_given_up_sooner(clock):
    one = Patience(5)
    one.start()
    clock(one, 1, is_asleep=True)
    clock(one, STILL_SHARE * 5 - 0.1, is_asleep=True)
    assert not one.is_over()
    clock(one, 0.1, is_asleep=True)
    assert one.is_still()
    assert one.is_over()


def test_who_reads_or_computes_a_little_is_not_still(clock):
    one = Patience(5)
    one.start()
    clock(one, 1)
    for _ in range(4):
        clock(one, 0.9, computed=0.09, is_asleep=True)  # a tenth of the time
        clock(one, 0.05, is_asleep=False)  # waits for the disk
    assert one.still == 0


def test_what_passes_while_the_other_process_works_is_not_counted(clock):
    one = Patience(5)
    one.start()
    clock(one, 2)
    one.stop()
    clock(Patience(5), 60)
    one.start()
    one.stop()
    assert one.own == 2


def test_where_the_system_does_not_say_all_time_counts(monkeypatch):
    monkeypatch.setattr(patience, "_use_of", lambda pid: None)
    one = Patience(0.2)
    one.start()
    for _ in range(3):
        time.sleep(0.1)
        one.look(1)
    assert one.is_over()


def test_others_are_told_once_that_a_process_does_nothing(clock, monkeypatch):
    told = []
    monkeypatch.setattr(patience, "when_still", lambda: told.append(1))
    one = Patience(60)
    one.start()
    for _ in range(10):
        clock(one, 0.5, is_asleep=True)
    assert told == [1]


@needs_linux
def test_linux_says_what_a_process_does():
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1) as process:
        process.stdout.readline()
        time.sleep(0.3)
        first, _, second = patience._use_of(process.pid), time.sleep(0.3), patience._use_of(process.pid)
        process.communicate(b"\n")
    assert first.is_asleep
    assert 0 <= second.computed - first.computed < 0.1
    assert second.waited >= first.waited


@needs_linux
def test_a_cell_that_does_nothing_is_stopped_and_says_so(tmp_path):
    with session(tmp_path, seconds=2) as notebook:
        (stopped,) = notebook.run("import time\ntime.sleep(10**6)")[-1:]
        assert stopped["evalue"] == "The cell ran for 1.2 seconds without doing anything, and was stopped."
        assert notebook.run("1 + 1")[-1]["data"]["text/plain"] == "2"
    assert notebook.verdict == "timed out"


def test_a_notebook_that_meets_one_loop_again_and_again_has_less_time_for_it_each_time(tmp_path):
    loop = [(STUDENTS, "def f():\n    while True:\n        pass\ny = 2", "")]
    checks = [(CHECK, "assert f() == 1", name) for name in "abc"] + [(CHECK, "assert y == 2", "d")]
    done = run_steps([*loop, *checks], [tmp_path], seconds=2)
    words = [outputs[-1]["evalue"].partition(" and ")[0] if outputs else "" for outputs in done.outputs[1:]]
    assert words == [f"it ran longer than {seconds} seconds" for seconds in (2, 1, 1)] + [""]
    assert done.verdict == "timed out"


def test_all_cells_together_have_ten_times_what_one_may_take(tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.execution.session.CELLS_TIME", 2)
    busy = "import time\nend = time.process_time() + 0.8\nwhile time.process_time() < end:\n    pass"
    with session(tmp_path, seconds=1) as notebook:
        words = [outputs[-1]["evalue"] if outputs else "" for outputs in (notebook.run(busy) for _ in range(6))]
    stopped = words.index("The cell ran when the notebook's time was up, and was stopped.")
    assert 1 <= stopped <= 2
    assert set(words[stopped + 1 :]) == {"The cell was not run: the notebook's time was up."}
    assert notebook.verdict == "timed out"

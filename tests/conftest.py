import os
import signal
import sys
from pathlib import Path

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # before jupyter_core is imported: else it warns

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; more threads would wait for each other

import pytest
from project import ROOT

from autograder.course import Course


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """This repository's course with an empty classroom."""
    return Course(ROOT, tmp_path / "classroom")


@pytest.fixture
def ends():
    """Fail a test that would otherwise go on for hours or days."""

    def fail(number, frame):
        pytest.fail("this takes without end")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def small_class(tmp_path_factory) -> Course:
    """Five students' work for two exercises, graded; see small_class.py. Change only a copy of it."""
    from small_class import make

    return make(tmp_path_factory.mktemp("small-class"))


@pytest.fixture
def call(monkeypatch, capsys):
    """`simpo ...` in this process: exit status, stdout, stderr."""

    from simpo_core.cli import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["simpo", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code or 0, *capsys.readouterr()

    return run


def pytest_terminal_summary(terminalreporter):
    """Say how many wrong answers the benches caught."""
    tests = [test for outcome in ("passed", "failed") for test in terminalreporter.stats.get(outcome, [])]
    counts = [value for test in tests for name, value in test.user_properties if name == "bench"]
    if counts:
        right, wrong, caught, named = map(sum, zip(*counts, strict=True))
        terminalreporter.write_line(
            f"Benches: {caught} of {wrong} wrong answers caught, {named} by name; {right} right answers graded"
        )

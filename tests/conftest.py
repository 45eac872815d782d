import os
import signal
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # before jupyter_core is imported: else it warns

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; more threads would wait for each other

import pytest
from project import ROOT

from autograder.course import Course

collect_ignore = ["support/no_posix"]  # whose import makes this process another system's


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


def pytest_addoption(parser):
    parser.addoption("--everything", action="store_true", help="run what is marked thorough, too, and every answer")


def pytest_collection_modifyitems(config, items):
    """Leave out what is thorough, unless all is wanted; every such mark has a reason."""
    marks = {item: mark for item in items if (mark := item.get_closest_marker("thorough"))}
    for item, mark in marks.items():
        if not mark.args:
            raise pytest.UsageError(f"{item.nodeid} is marked thorough without a reason")
    if marks and not config.getoption("--everything"):
        config.hook.pytest_deselected(items=list(marks))
        items[:] = [item for item in items if item not in marks]


@pytest.fixture(scope="session")
def everything(request) -> bool:
    """Whether all answers, attacks, ... are wanted instead of a drawn sample."""
    return request.config.getoption("--everything")


def pytest_terminal_summary(terminalreporter):
    """Say how many wrong answers the benches caught, and where the seconds went."""
    tests = [test for outcome in ("passed", "failed") for test in terminalreporter.stats.get(outcome, [])]
    counts = [value for test in tests for name, value in test.user_properties if name == "bench"]
    if counts:
        right, wrong, caught, named = map(sum, zip(*counts, strict=True))
        terminalreporter.write_line(
            f"Benches: {caught} of {wrong} wrong answers caught, {named} by name; {right} right answers graded"
        )
    seconds = Counter()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if hasattr(report, "duration"):
            seconds[report.nodeid.partition("::")[0].rpartition("/")[0].removeprefix("tests/")] += report.duration
    rooms = (f"{room} {count:.0f}" for room, count in seconds.most_common() if count >= 1)
    terminalreporter.write_line(f"Seconds of each room, in all workers together: {', '.join(rooms)}")

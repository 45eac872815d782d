"""Dask clusters of real processes for the tests, started with the commands that docs/cluster.md gives."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from project import ROOT

PAGE = ROOT / "docs" / "cluster.md"
PROGRAMS = Path(sys.executable).parent


COMMANDS = (  # what the page's blocks of shell commands begin with; each is run by a test
    "openssl req",
    "cat grading.crt",
    "dask scheduler",
    "dask worker",
    "autograder grade DOWNLOADS --scheduler",
    "createdb",
    "autograder grade DOWNLOADS --db",
)


def shell_lines():
    """The commands of docs/cluster.md that can run here: those in its blocks of shell."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


def documented(start, **replaced):
    """The words of the command that begins so, some of them replaced."""
    assert start in COMMANDS
    (line,) = (line for line in shell_lines() if line.startswith(start))
    for old, new in replaced.items():
        assert old in line
        line = line.replace(old, str(new))
    return shlex.split(line)


def environment(folder, **variables):
    """For a process of its own machine: a folder for its temporary files, this tree's code, no colours."""
    return {
        **os.environ,
        "TMPDIR": str(folder),
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    } | {name: str(value) for name, value in variables.items()}


def wait_until(condition, seconds=240):
    """What the condition gives once it is true; an AssertionError if it does not come true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {condition}")


@contextlib.contextmanager
def process(command, folder, **variables):
    """A process with a working folder of its own; ended with all that it started."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("w") as log:
        run = subprocess.Popen(
            list(map(str, command)), cwd=folder, env=environment(folder, **variables),
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield run
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(run.pid, number)
                run.wait(10)


@contextlib.contextmanager
def scheduler(folder, command=("dask", "scheduler"), **variables):
    """A scheduler on this machine; its process and its address."""
    file = folder / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file]
    with process([*command, *options], folder, **variables) as run:
        yield run, wait_until(lambda: file.is_file() and file.read_text() and json.loads(file.read_text())["address"])


def worker(folder, address, command=("dask", "worker"), **variables):
    """A worker of that scheduler's, with its nanny."""
    return process([*command, address, "--host", "127.0.0.1", "--no-dashboard"], folder, **variables)

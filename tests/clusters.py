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

from conftest import ROOT

PAGE = ROOT / "docs" / "cluster.md"
PROGRAMS = Path(sys.executable).parent


def documented(start, whole=False):
    """The command of docs/cluster.md that begins with these words: its words, or the whole line."""
    (line,) = re.findall(rf"^ *({re.escape(start)}(?![\w-]).*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return line if whole else shlex.split(line, comments=True)


def environment(folder, **variables):
    """For a process of its own machine: a folder for its temporary files, this tree's code, no colours."""
    return {
        **os.environ,
        "TMPDIR": str(folder),
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    } | {name: str(value) for name, value in variables.items()}


def wait_until(condition, seconds=90):
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
    """A worker with its nanny."""
    command = [address if word.endswith(":8786") else word for word in map(str, command)]
    if address not in command:
        command.append(address)
    return process([*command, "--host", "127.0.0.1", "--no-dashboard"], folder, **variables)

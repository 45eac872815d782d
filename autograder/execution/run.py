"""One notebook at work: its cells, each in the process where it belongs, in forks of a warm process.

The student's cells run in one process, the checks in the other (see `session`), so that no cell of the
student's can touch a check, its outputs or its points. The author's cells that are not graded run in both,
because students' code uses what they define. Imports nothing of nbgrader: workers must start at once.
"""

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from autograder.confinement.sandbox import READ_FILE, Limits, NoConfinement, rules_for
from autograder.course import STUDENT_MODULES, UNSAFE_VARIABLE
from autograder.execution.channel import Channel, decoded
from autograder.execution.data_files import copy_files
from autograder.execution.session import Output, Process, Session
from autograder.execution.warm_client import ROLES, warm_server
from autograder.results import DIED, GRADER_FAULT, NOT_CONFINED, OUT_OF_MEMORY, TIMED_OUT

CELL_SECONDS = 60  # a cell that runs longer is interrupted
NOTEBOOK_SECONDS = 600  # all cells of a notebook together
START_SECONDS = 30  # for the two processes to be up
STUDENTS, BOTH, CHECK = "student's", "both", "check"  # where a cell runs

Step = tuple[str, str, str]  # where, the cell's source, and its name (a check's grade_id)


@dataclass(frozen=True)
class Executed:
    """What came of a notebook's code cells."""

    outputs: list[list[Output]]
    verdict: str
    fault: str = ""  # why there is no score; the verdict is GRADER_FAULT or NOT_CONFINED
    flags: tuple[str, ...] = ()  # for a person (see `shared`)


def failed_by(error: Exception) -> Executed:
    """What came of a notebook that could not be run, by no fault of the student's."""
    if isinstance(error, NoConfinement):
        return Executed([], NOT_CONFINED, fault=str(error))
    return Executed([], GRADER_FAULT, fault=f"{type(error).__name__}: {error}")


def run_steps(steps: Sequence[Step], beside: Sequence[Path], seconds: float = CELL_SECONDS) -> Executed:
    """Run a notebook's code cells in order.

    beside: folders whose files are there when the cells run; the last one's prevail.
    seconds: that one cell may take, of its own time (see `patience`).
    """
    outputs = []
    try:
        with session(*beside, seconds=seconds) as notebook:
            for where, source, _ in steps:
                outputs.append(notebook.examine(source) if where == CHECK else notebook.run(source))
                if where == BOTH and (words := _authors_fault(notebook, notebook.examine(source))):
                    return Executed([], GRADER_FAULT, fault=words)
    except Exception as error:  # whatever it is, it is this notebook's alone
        return failed_by(error)
    if notebook.examiner.ended and not notebook.is_spoilt:
        return Executed([], GRADER_FAULT, fault=f"the examiner's process {notebook.examiner.ended}")
    return Executed(outputs, notebook.verdict)


def _authors_fault(notebook: Session, outputs: list[Output]) -> str:
    """What is wrong with an author's cell that failed before it could have been a student's doing."""
    errors = [output for output in outputs if output["output_type"] == "error"]
    if notebook.has_asked or not errors:
        return ""
    return f"one of the author's own cells failed with {errors[0]['ename']}: {errors[0]['evalue']}"


@contextlib.contextmanager
def session(*beside: Path, seconds: float = CELL_SECONDS, kind: type[Session] = Session) -> Iterator[Session]:
    """A student's process and an examiner's; gone at the end, with all that they started.

    beside: folders whose files are copied to the private folder of each; the last one's prevail.

    Raises:
        NoConfinement: Students' code can't be confined here.
    """
    if not is_unsafe():
        prove_confinement()
    with _processes(beside, kind.modules) as (student, examiner, ended):
        notebook = kind(student, examiner, seconds, NOTEBOOK_SECONDS)
        yield notebook
    if notebook.verdict == DIED and (verdict := _cause_of_death(ended["student"])):
        notebook.verdict = verdict


@contextlib.contextmanager
def _processes(
    beside: Sequence[Path], modules: tuple[str, ...] = STUDENT_MODULES
) -> Iterator[tuple[Process, Process, dict[str, Any]]]:
    """The two, and a dict that says, after they have ended, how each did."""
    ended: dict[str, Any] = {}
    warm = warm_server()
    pairs = {role: socket.socketpair() for role in ROLES}
    with _private_folder() as private, contextlib.ExitStack() as ending:
        folders = {role: private / role for role in ROLES}
        rules = dict(_rules(modules))
        for own in folders.values():
            own.mkdir()
            for folder in reversed(beside):
                rules |= dict.fromkeys(copy_files(folder, own), READ_FILE)
        request = {"private": str(private), "rules": rules, "limits": asdict(Limits()), "unsafe": is_unsafe()}
        pids = warm.fork(request, [far for _, far in pairs.values()])
        ending.callback(lambda: ended.update(warm.end()))
        for near, far in pairs.values():
            far.close()
            ending.callback(near.close)
        student, examiner = (Process(Channel(pairs[role][0]), pids[role], folders[role]) for role in ROLES)
        for process in (student, examiner):
            _, body = process.channel.receive(time.monotonic() + START_SECONDS)  # it says that it is up
            if fault := dict(decoded(body)).get("fault"):
                raise NoConfinement(fault)
        yield student, examiner, ended


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder that is gone at the end, however deep its folders."""
    path = Path(mkdtemp(prefix=f"notebook-{os.getpid()}-"))
    try:
        yield path
    finally:
        try:
            shutil.rmtree(path)
        except (OSError, RecursionError):
            subprocess.run(["chmod", "-R", "u+rwx", path], check=False, stderr=subprocess.DEVNULL)
            subprocess.run(["rm", "-rf", path], check=False, stderr=subprocess.DEVNULL)


def _cause_of_death(ended: dict[str, Any]) -> str | None:
    """The limit that a process ran into, if it is one of those that end it."""
    if ended["signal"] == signal.SIGXCPU or ended["cpu_seconds"] >= Limits().cpu_seconds:
        return TIMED_OUT
    if ended["memory_bytes"] > 0.5 * Limits().memory_bytes:
        return OUT_OF_MEMORY
    return None


def refusal(why: str) -> str:
    """What to tell an instructor whose machine can't confine students' code."""
    return (
        f"students' code can't be confined here: {why}. Grade on Linux 5.13 or newer; "
        "or, if this machine holds nothing that a student must not reach, run again with --unsafe"
    )


def is_unsafe() -> bool:
    """Whether whoever grades has allowed students' code to run unconfined."""
    return bool(os.environ.get(UNSAFE_VARIABLE))


@functools.cache
def _rules(modules: tuple[str, ...]) -> dict[str, int]:
    return rules_for(modules)


@functools.cache
def prove_confinement() -> None:
    """Let a confined process try to break out, once before the first notebook.

    Raises:
        NoConfinement: It can't be confined, or could break out; the message says why, or what it could.
    """
    with TemporaryDirectory(prefix="secret-") as outside:
        secret = Path(outside) / "secret.txt"
        secret.write_text("a few words")
        with _processes(()) as (student, examiner, _):
            trial = Session(student, examiner, CELL_SECONDS, CELL_SECONDS)
            outputs = trial.run(
                f"from autograder.confinement.probes import escapes\n'; '.join(escapes({str(secret)!r}))"
            )
    found = outputs[-1].get("data", {}).get("text/plain")
    if found != "''":
        raise NoConfinement(f"a confined process could: {found or outputs[-1].get('evalue')}")

"""Run a notebook: nbgrader's execution step, in two forks of a warm process instead of one Jupyter kernel.

The student's cells run in one process, the checks in the other (see `session`), so that no cell of the
student's can touch a check, its outputs or its points. The author's cells are taken from the source
notebook; those that are not graded run in both processes, because students' code uses what they define.
"""

import contextlib
import functools
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nbformat import NotebookNode, from_dict
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.channel import Channel, Lost, TimeUp, decoded
from autograder.course import STUDENT_MODULES, UNSAFE_VARIABLE, UserError
from autograder.forks import WarmProcessFault, copy_files, warm_process
from autograder.repair import NOTES
from autograder.sandbox import Limits, NoConfinement, rules_for
from autograder.session import DIED, OUT_OF_MEMORY, TIMED_OUT, Output, Process, Session
from autograder.sources import is_test, role

CELL_SECONDS = 60  # a cell that runs longer is interrupted
NOTEBOOK_SECONDS = 600  # all cells of a notebook together
START_SECONDS = 30  # for the two processes to be up


class GraderFault(Exception):
    """What went wrong was no fault of the student's; the submission has no score and is tried again."""


class WarmExecute(NbGraderPreprocessor):
    """Fills in the outputs of every code cell. Errors are outputs, too: the next cell runs on.

    The verdict goes into the notebook's metadata, beside the repairs.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> Any:
        folder = Path(resources.get("metadata", {}).get("path") or ".")
        if is_unsafe():
            self.log.warning("UNSAFE: this student's code runs unconfined, with the rights of whoever grades")
        try:
            with session(folder) as notebook:
                for number, cell in enumerate((cell for cell in nb.cells if cell.cell_type == "code"), start=1):
                    cell.outputs = [from_dict(output) for output in _outputs(notebook, cell)]
                    cell.execution_count = number
        except (Lost, TimeUp, WarmProcessFault, OSError) as error:
            raise GraderFault(f"{type(error).__name__}: {error}") from error
        if notebook.examiner.ended:
            raise GraderFault(f"the examiner's process {notebook.examiner.ended}")
        nb.metadata.setdefault(NOTES, {})["verdict"] = notebook.verdict
        self.log.info("Verdict: %s", notebook.verdict)
        return nb, resources


def _outputs(notebook: Session, cell: NotebookNode) -> list[Output]:
    """Run a cell where it belongs."""
    if is_test(cell):
        return notebook.examine(cell.source)
    outputs = notebook.run(cell.source)
    if role(cell).get("locked"):
        notebook.examine(cell.source)
    return outputs


def run_cells(sources: list[str], folder: Path, seconds: float = CELL_SECONDS) -> list[list[Output]]:
    """The outputs of each cell, in nbformat's form, run in order in a student's process.

    folder: its files are there when the cells run.
    seconds: wall time that one cell may take; then it is interrupted and its last output says so.
    """
    with session(folder, seconds) as notebook:
        return [notebook.run(source) for source in sources]


@contextlib.contextmanager
def session(folder: Path, seconds: float = CELL_SECONDS) -> Iterator[Session]:
    """A student's process and an examiner's; gone at the end, with all that they started.

    folder: what lies in it is copied to a private folder, where the student's cells run.

    Raises:
        NoConfinement: Students' code can't be confined here.
    """
    if not is_unsafe():
        _prove_confinement()
    with _processes(folder) as (student, examiner, ended):
        notebook = Session(student, examiner, seconds, NOTEBOOK_SECONDS)
        yield notebook
    if notebook.verdict == DIED and (verdict := _cause_of_death(ended["student"])):
        notebook.verdict = verdict


@contextlib.contextmanager
def _processes(folder: Path) -> Iterator[tuple[Process, Process, dict[str, Any]]]:
    """The two, and a dict that says, after they have ended, how each did."""
    ended: dict[str, Any] = {}
    warm = warm_process()
    pairs = [socket.socketpair() for _ in range(2)]
    with TemporaryDirectory(prefix="notebook-") as private, contextlib.ExitStack() as ending:
        copy_files(folder, Path(private))
        request = {"folder": private, "rules": _rules(), "limits": asdict(Limits()), "unsafe": is_unsafe()}
        pids = warm.fork(request, [far for _, far in pairs])
        ending.callback(lambda: ended.update(warm.end()))
        for near, far in pairs:
            far.close()
            ending.callback(near.close)
        student, examiner = (
            Process(Channel(near), pids[name], Path(private))
            for name, (near, _) in zip(("student", "examiner"), pairs, strict=True)
        )
        for process in (student, examiner):
            _, body = process.channel.receive(time.monotonic() + START_SECONDS)  # it says that it is up
            if fault := dict(decoded(body)).get("fault"):
                raise NoConfinement(fault)
        yield student, examiner, ended


def _cause_of_death(ended: dict[str, Any]) -> str | None:
    """The limit that a process ran into, if it is one of those that end it."""
    if ended["signal"] == signal.SIGXCPU or ended["cpu_seconds"] >= Limits().cpu_seconds:
        return TIMED_OUT
    if ended["memory_bytes"] > 0.5 * Limits().memory_bytes:
        return OUT_OF_MEMORY
    return None


def check_confinement() -> None:
    """Raise UserError, with what to do, if students' code can't be confined here."""
    try:
        if not is_unsafe():
            _prove_confinement()
    except NoConfinement as error:
        raise UserError(
            f"students' code can't be confined here: {error}. Grade on Linux 5.13 or newer; or, if this machine holds "
            "nothing that a student must not reach, run again with --unsafe"
        ) from None


def is_unsafe() -> bool:
    """Whether whoever grades has allowed students' code to run unconfined."""
    return bool(os.environ.get(UNSAFE_VARIABLE))


@functools.cache
def _rules() -> dict[str, int]:
    return rules_for(STUDENT_MODULES)


@functools.cache
def _prove_confinement() -> None:
    """Let a confined process try to break out, once before the first notebook."""
    with TemporaryDirectory(prefix="secret-") as outside, TemporaryDirectory() as empty:
        secret = Path(outside) / "secret.txt"
        secret.write_text("a few words")
        with _processes(Path(empty)) as (student, examiner, _):
            trial = Session(student, examiner, CELL_SECONDS, CELL_SECONDS)
            outputs = trial.run(f"from autograder.probes import escapes\n'; '.join(escapes({str(secret)!r}))")
    found = outputs[-1].get("data", {}).get("text/plain")
    if found != "''":
        raise NoConfinement(f"a confined process could: {found or outputs[-1].get('evalue')}")

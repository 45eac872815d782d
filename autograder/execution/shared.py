"""One notebook whose tests run in the student's process, as in a Jupyter kernel: for tests that need that.

Same confinement, limits, warm start and verdicts as with an examiner's process (see `run`). Here a
student's code can tamper with the tests. What shows of it is a flag, a sentence for a person; the scores stay
as they are. `forgery` and `canaries` say what is found and what is not.
"""

import random
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.course import SEPARATE, SHARED, STUDENT_MODULES
from autograder.execution.canaries import Canary, can_show, canaries, docstrings
from autograder.execution.channel import FLAG, GUARDED, Lost, decoded
from autograder.execution.run import CELL_SECONDS, CHECK, STUDENTS, Executed, Step, failed_by, run_steps, session
from autograder.execution.sealed import (
    AUTHORS,
    FORGET,
    FROM_GUARD,
    KEY_BYTES,
    LOOK_WIDELY,
    SEAL_BYTES,
    TO_GUARD,
    opened,
    request,
    sealed,
)
from autograder.execution.session import DONE, Output, Reply, Session
from autograder.execution.trials import trials
from autograder.results import GRADED, TOO_MUCH_OUTPUT

CANARIES = 2  # that must fail, a notebook
FLAGS = 30  # a notebook; more are not listed
MESSAGES = 1000  # that are no answer; then the process is ended
FLAG_CHARACTERS = 300
TRIAL_SECONDS = 20  # for tests that are run once more, a notebook; ones that take longer are left out


class SharedSession(Session):
    """A notebook at work whose cells all run in the student's process. `flags` is for a person."""

    modules = tuple(sorted({module.partition(".")[0] for module in STUDENT_MODULES}))  # all: checks import the rest

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.flags: list[str] = []
        self.ended_well = False  # of the cell that ran last
        self.messages = 0  # that were no answer
        self._key = secrets.token_bytes(KEY_BYTES)
        self._number = 0  # of cells before
        self._forget = False  # the last of them

    def ask(
        self,
        source: str,
        test: str = "",
        *,
        is_authors: bool = False,
        leaves_no_trace: bool = False,
        looks_widely: bool = False,
    ) -> None:
        """Run a cell; its outputs are in `outputs`.

        test: its name, if it is one, or arrives like one.
        leaves_no_trace: it is the grader's own, after which no later cell may see that it ran.
        looks_widely: first, whether a function anywhere in Python's library is the student's, which takes a while.
        """
        what = FORGET * self._forget + AUTHORS * is_authors + LOOK_WIDELY * looks_widely
        body = sealed(request(source, test, what), self._key, TO_GUARD, self._number)
        self._forget, self.ended_well = leaves_no_trace, True
        self.outputs = self.outputs_after((GUARDED, body if self._number else self._key + body))
        self._number += 1

    def is_last(self, reply: Reply) -> bool:
        """Whether this is the answer. Flags come before it; what was not asked for is one."""
        kind, body = reply
        if kind == DONE and opened(body, self._key, FROM_GUARD, self._number) is not None:
            return True
        self.messages += 1
        if self.messages > MESSAGES:
            self.student.end(TOO_MUCH_OUTPUT)
        elif kind == FLAG:
            content = _content(body)
            self.flag(content if isinstance(content, str) else "the notebook's process sent a flag that is no text")
        else:
            self.flag("the notebook's process sent outputs for a cell before it ran, or another's; they were left")
        return False

    def response(self, reply: Reply) -> None:
        """Nothing: the answer is still to come."""

    def outputs_in(self, body: bytes) -> list[Any]:
        content = decoded(body[SEAL_BYTES:])
        self.ended_well = bool(content["ended_well"])
        for told in content["flags"]:  # again: somebody may have kept them back
            self.flag(str(told))
        return list(content["outputs"])

    def flag(self, what: str) -> None:
        what = " ".join(what.split())[:FLAG_CHARACTERS]
        if what not in self.flags and len(self.flags) < FLAGS:
            self.flags.append(what)


def run_shared(steps: Sequence[Step], beside: Sequence[Path], seconds: float = CELL_SECONDS) -> Executed:
    """Run a notebook's code cells in order, all in the student's process. As `run.run_steps`."""
    try:
        with session(*beside, seconds=seconds, kind=SharedSession) as notebook:
            assert isinstance(notebook, SharedSession)
            outputs, passed = _run_all(notebook, steps)
            verdict = notebook.verdict
            if verdict == GRADED:
                _try_again(notebook, passed)
                notebook.verdict = verdict  # the trials are no work of the student's
    except Exception as error:  # whatever it is, it is this notebook's alone
        return failed_by(error)
    return Executed(outputs, notebook.verdict, flags=tuple(notebook.flags))


def _run_all(notebook: SharedSession, steps: Sequence[Step]) -> tuple[list[list[Output]], dict[str, str]]:
    """The outputs of each cell; the tests that passed, by name."""
    tests = [number for number, (where, _, _) in enumerate(steps) if where == CHECK]
    after: dict[int, list[Canary]] = {}
    for canary in canaries(CANARIES) if tests else ():
        after.setdefault(random.choice(tests), []).append(canary)
    outputs: list[list[Output]] = []
    passed: dict[str, str] = {}
    for number, (where, source, name) in enumerate(steps):
        test = name if where == CHECK else ""
        waiting = after.get(number, [])
        sooner = random.randrange(len(waiting) + 1)
        for canary in waiting[:sooner]:
            _listen(notebook, canary, test)
        notebook.ask(source, test, is_authors=where != STUDENTS)
        outputs.append(notebook.outputs)
        if where == CHECK and _judge(notebook, test, source):
            passed[test] = source
        for canary in waiting[sooner:]:
            _listen(notebook, canary, test)
    return outputs, passed


def _judge(notebook: SharedSession, test: str, source: str) -> bool:
    """Whether a test has passed. Flag what its own text can't have given."""
    kinds = {output["output_type"] for output in notebook.outputs}
    if not notebook.ended_well and "error" not in kinds:
        notebook.flag(f"the test {test} stopped before its end without an error")
    shown = [str(one["data"].get("text/plain")) for one in notebook.outputs if one["output_type"] == "execute_result"]
    if shown and not can_show(source) and set(shown) - docstrings(source):
        notebook.flag(f"the test {test} shows the value {shown[0][:40]}, and its last line has none")
    return notebook.ended_well and "error" not in kinds


def _listen(notebook: SharedSession, canary: Canary, test: str) -> None:
    """Run a canary, which arrives like the test beside which it stands."""
    verdict = notebook.verdict
    notebook.ask(canary.source, test, is_authors=True, leaves_no_trace=True, looks_widely=canary.looks_widely)
    if notebook.student.ended:
        return
    notebook.verdict = verdict  # whatever came of it is not the student's
    lied = canary.what_lied(notebook.outputs)
    if lied and not _was_stopped(notebook):
        notebook.flag(lied)


def _try_again(notebook: SharedSession, passed: dict[str, str]) -> None:
    """Run tests that passed once more, each comparing with something else than it should."""
    end = min(notebook.deadline, time.monotonic() + TRIAL_SECONDS)
    for test, source in passed.items():
        for trial in trials(source):
            notebook.deadline = end
            notebook.ask(trial.source, test, is_authors=True, leaves_no_trace=True)
            if notebook.student.ended or time.monotonic() >= end:
                return
            if trial.found(notebook.outputs):
                notebook.flag(f"the test {test} passes whatever it compares with: what it got equals other values, too")


def _was_stopped(notebook: SharedSession) -> bool:
    return any(output.get("ename") == "CellTimeoutError" for output in notebook.outputs)


def _content(body: bytes) -> Any:
    try:
        return decoded(body)
    except Lost:
        return None


RUNNERS = {SEPARATE: run_steps, SHARED: run_shared}

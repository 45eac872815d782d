"""One notebook's two processes, seen from the process that grades: run cells, carry messages, keep time.

The student's cells run in one process, the author's in the other, and what the examiner asks the student's
process passes through here. All that comes from the student's process is limited in size and time.
"""

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from autograder.channel import ANSWER, ASK, DONE, RUN, Channel, Lost, TimeUp, TooLarge, decoded
from autograder.course import STUDENT_MODULES

GRACE_SECONDS = 5  # a cell that doesn't stop when interrupted ends its process
WATCH_SECONDS = 0.2
FOLDER_BYTES = 100_000_000  # that a notebook may keep in its folder
FOLDER_ENTRIES = 2000
THREADS = 64
GRADED, TIMED_OUT, OUT_OF_MEMORY = "graded", "timed out", "out of memory"
TOO_MUCH_OUTPUT, DIED = "too much output", "died"
EVENTS = {"CellTimeoutError": TIMED_OUT, "MemoryError": OUT_OF_MEMORY, "TooMuchOutput": TOO_MUCH_OUTPUT}

Output = dict[str, Any]  # one output of a cell, in nbformat's form
Reply = tuple[bytes, bytes]


class Process:
    """One of the two processes: where it can be reached, and why no longer."""

    def __init__(self, channel: Channel, pid: int, folder: Path) -> None:
        self.channel = channel
        self.pid = pid
        self.folder = folder  # its own
        self.ended: str | None = None  # one of the verdicts
        self._watched = time.monotonic()

    def exchange(self, message: Reply | None, deadline: float) -> Reply | None:
        """Send a message, if there is one, and await the next; None if the process has ended. Raises TimeUp."""
        if self.ended:
            return None
        try:
            if message:
                self.channel.forward(*message, deadline)
            while True:
                try:
                    reply = self.channel.receive(min(deadline, time.monotonic() + WATCH_SECONDS))
                    self._watch()
                    return reply
                except TimeUp:
                    self._watch()
                    if time.monotonic() >= deadline:
                        raise
        except TooLarge:
            self.end(TOO_MUCH_OUTPUT)
        except Lost:
            self.end(DIED)
        return None

    def _watch(self) -> None:
        """From time to time, look at what no limit of the kernel's stops. Raises TooLarge."""
        if time.monotonic() - self._watched < WATCH_SECONDS:
            return
        self._watched = time.monotonic()
        entries = total = 0
        for folder, _, files in os.walk(self.folder):
            entries += 1 + len(files)
            if entries > FOLDER_ENTRIES:
                break
            with contextlib.suppress(FileNotFoundError):
                total += sum(os.lstat(os.path.join(folder, name)).st_size for name in files)
        with contextlib.suppress(FileNotFoundError):
            entries += max(0, len(os.listdir(f"/proc/{self.pid}/task")) - THREADS) * FOLDER_ENTRIES
        if total > FOLDER_BYTES or entries > FOLDER_ENTRIES:
            raise TooLarge(f"{total:,} bytes in {entries:,} files")

    def interrupt(self) -> Reply | None:
        """Stop what it does and return its reply; one that doesn't stop is ended."""
        os.kill(self.pid, signal.SIGINT)
        try:
            return self.channel.receive(time.monotonic() + GRACE_SECONDS)
        except TimeUp:
            self.end(TIMED_OUT)
        except TooLarge:
            self.end(TOO_MUCH_OUTPUT)
        except Lost:
            self.end(TIMED_OUT)
        return None

    def end(self, verdict: str) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.ended = verdict


class Session:
    """A notebook at work. `verdict` is GRADED, or the first thing that went wrong."""

    modules: tuple[str, ...] = STUDENT_MODULES  # of our own packages, what the student's process may read

    def __init__(self, student: Process, examiner: Process, cell_seconds: float, seconds: float) -> None:
        self.student = student
        self.examiner = examiner
        self.cell_seconds = cell_seconds
        self.deadline = time.monotonic() + seconds
        self.verdict = GRADED

    def run(self, source: str) -> list[Output]:
        """The outputs of a cell in the student's process."""
        return self.outputs_after((RUN, json.dumps(source).encode()))

    def outputs_after(self, message: Reply) -> list[Output]:
        """The outputs of the cell that a message to the student's process runs."""
        deadline = self._cell_deadline()
        reply, late = self._student(message, deadline)
        while reply and not self.is_last(reply):
            reply, was_late = self._student(self.response(reply), deadline)
            late = late or was_late
        if reply is None:
            return [self._noted(_error(*self._why_ended()))]
        try:
            outputs = [_checked(output) for output in self.outputs_in(reply[1])]
        except (Lost, AttributeError, KeyError, TypeError, ValueError) as error:
            outputs = [_error("OutputError", f"The cell's outputs can't be shown ({type(error).__name__}).")]
        if late:
            outputs.append(_error("CellTimeoutError", self._too_long("The cell ran")))
        return [self._noted(output) for output in outputs]

    def is_last(self, reply: Reply) -> bool:
        """Whether the cell is done."""
        return reply[0] == DONE

    def response(self, reply: Reply) -> Reply | None:
        """What to send when the cell is not done; None: nothing."""
        return ANSWER, _no_answer("NameError", "the check is over")  # an author's function, when no check is at work

    def outputs_in(self, body: bytes) -> list[Any]:
        return list(decoded(body))

    def examine(self, source: str) -> list[Output]:
        """The outputs of an author's cell. What it asks of the student's process is asked there."""
        deadline, late = self._cell_deadline(), False
        message = (RUN, json.dumps(source).encode())
        while True:
            try:
                asked = self.examiner.exchange(message, deadline + 2 * GRACE_SECONDS)
            except TimeUp:
                self.examiner.end(TIMED_OUT)
                asked = None
            if asked is None:
                return [_error("ExaminerFault", "The check itself did not come to its end.")]
            if asked[0] == DONE:
                return list(decoded(asked[1]))
            reply = None
            if not (late and asked[0] == ASK):
                reply, was_late = self._student(asked, deadline)
                late = late or was_late
            if late or reply is None or reply[0] not in (ASK, ANSWER):
                ended = ("CellTimeoutError", self._too_long("it ran")) if late else self._why_ended()
                reply = (ANSWER, _no_answer(*self._noted_words(*ended)))
            message = reply

    def _student(self, message: Reply | None, deadline: float) -> tuple[Reply | None, bool]:
        """The student's process's reply (None if it has ended), and whether it had to be interrupted."""
        try:
            return self.student.exchange(message, deadline), False
        except TimeUp:
            reply = self.student.interrupt()
        if reply and reply[0] == ASK:
            self.student.end(TIMED_OUT)
            reply = None
        return reply, True

    def _cell_deadline(self) -> float:
        return min(time.monotonic() + self.cell_seconds, self.deadline)

    def _too_long(self, subject: str) -> str:
        if time.monotonic() >= self.deadline:
            return f"{subject} when the notebook's time was up, and was stopped."
        return f"{subject} longer than {self.cell_seconds:g} seconds and was stopped."

    def _why_ended(self) -> tuple[str, str]:
        if self.student.ended == TIMED_OUT:
            return "ProcessDied", "A cell ran too long and would not stop, so the notebook's process was ended."
        if self.student.ended == TOO_MUCH_OUTPUT:
            return (
                "ProcessDied",
                "A cell gave or kept too much (output, files or threads), so the notebook's process was ended.",
            )
        if self.student.ended is None:
            return "ProtocolError", "The notebook's process sent what is no answer."
        return "ProcessDied", "The notebook's process ended."

    def _noted(self, output: Output) -> Output:
        """Remember the first thing that went wrong."""
        if output["output_type"] == "error":
            self._noted_words(output["ename"], output["evalue"])
        return output

    def _noted_words(self, name: str, words: str) -> tuple[str, str]:
        event = EVENTS.get(name, self.student.ended if name == "ProcessDied" else None)
        if self.verdict == GRADED and event:
            self.verdict = event
        return name, words


def _no_answer(name: str, words: str) -> bytes:
    return json.dumps({"error": [name, words, ""]}).encode()


def _error(name: str, words: str) -> Output:
    return {"output_type": "error", "ename": name, "evalue": words, "traceback": [f"{name}: {words}"]}


def _checked(output: Any) -> Output:
    """An output of the student's process, made anew from the parts that nbformat knows."""
    kind = output["output_type"]
    if kind == "stream":
        if output["name"] not in ("stdout", "stderr"):
            raise ValueError(output["name"])
        return {"output_type": kind, "name": output["name"], "text": _text(output["text"])}
    if kind == "error":
        lines = [_text(line) for line in output["traceback"]]
        return {"output_type": kind, "ename": _text(output["ename"]), "evalue": _text(output["evalue"])} | {
            "traceback": lines
        }
    if kind not in ("display_data", "execute_result"):
        raise ValueError(kind)
    shown = {
        "output_type": kind,
        "data": {_text(name): content for name, content in output["data"].items()},
        "metadata": dict(output["metadata"]),
    }
    return shown | ({"execution_count": int(output["execution_count"])} if kind == "execute_result" else {})


def _text(item: Any) -> str:
    """The string, without lone surrogates, which no file can hold."""
    if not isinstance(item, str):
        raise TypeError(type(item).__name__)
    return item.encode("utf-8", "replace").decode("utf-8")

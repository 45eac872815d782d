"""One notebook's two processes, seen from the process that grades: run cells, carry messages, keep time.

The student's cells run in one process, the author's in the other, and what the examiner asks the student's
process passes through here. All that comes from the student's process is limited in size and time.
"""

import json
import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.course import STUDENT_MODULES
from autograder.execution.channel import ANSWER, ASK, DONE, RUN, Channel, Lost, TimeUp, TooLarge, decoded
from autograder.execution.kept_files import FOLDER_ENTRIES, kept_by
from autograder.execution.outputs import CELL_VALUES, Output, checked, error_output
from autograder.execution.patience import STILL_SHARE, Patience
from autograder.results import DIED, GRADED, OUT_OF_MEMORY, TIMED_OUT, TOO_MUCH_OUTPUT
from autograder.student_data.json_amounts import holds_more, values_in
from simpo_language.speech import N_, _

GRACE_SECONDS = 3  # a cell that doesn't stop when interrupted ends its process
WATCH_SECONDS = 0.2
LESS_PATIENCE = 4  # so many times less for the cells after one that was stopped, which often meet the same again,
LEAST_SECONDS = 1  # but not less than this
CELLS_TIME = 10  # of the student's process's own time a notebook has so many times what a cell may take
FOLDER_BYTES = 100_000_000  # that a notebook may keep in files, with a name or without
THREADS = 64
ITEMS = 1_000_000  # of one answer, an array counting as one
OUTPUT_BYTES = 40_000_000  # of a notebook's outputs, all cells together
OUTPUT_VALUES = 300_000  # of JSON in them
EVENTS = {"CellTimeoutError": TIMED_OUT, "MemoryError": OUT_OF_MEMORY, "TooMuchOutput": TOO_MUCH_OUTPUT}

CELL_NOT_RUN = N_("The cell was not run: the notebook's time was up.")
NOT_RUN = N_("it was not run: the notebook's time was up.")
# What was stopped: at the end of the notebook's time, while it did nothing, and at the end of its own time
CELL_TOO_LONG = (
    N_("The cell ran when the notebook's time was up, and was stopped."),
    N_("The cell ran for {seconds} seconds without doing anything, and was stopped."),
    N_("The cell ran longer than {seconds} seconds and was stopped."),
)
CALL_TOO_LONG = (
    N_("it ran when the notebook's time was up, and was stopped."),
    N_("it ran for {seconds} seconds without doing anything, and was stopped."),
    N_("it ran longer than {seconds} seconds and was stopped."),
)
CHECK_TOO_LONG = (
    N_("With what your code gave it, the check ran when the notebook's time was up, and was stopped."),
    N_("With what your code gave it, the check ran for {seconds} seconds without doing anything, and was stopped."),
    N_("With what your code gave it, the check ran longer than {seconds} seconds and was stopped."),
)

Reply = tuple[bytes, bytes]


class Process:
    """One of the two processes: where it can be reached, and why no longer."""

    def __init__(self, channel: Channel, pid: int, folder: Path) -> None:
        self.channel = channel
        self.pid = pid
        self.folder = folder  # its own
        self.ended: str | None = None  # one of the verdicts
        self._watched = time.monotonic()

    def exchange(
        self, message: Reply | None, patience: Patience, meanwhile: Callable[[], None] = lambda: None
    ) -> Reply | None:
        """Send a message, if there is one, and await the next; None if the process has ended. Raises TimeUp.

        meanwhile: called again and again.
        """
        if self.ended:
            return None
        patience.start()
        try:
            if message:
                self.channel.forward(*message, time.monotonic() + patience.left())
            while True:
                try:
                    reply = self.channel.receive(time.monotonic() + min(WATCH_SECONDS, patience.left()))
                    patience.stop()
                    self.watch()
                    return reply
                except TimeUp:
                    self.watch()
                    meanwhile()
                    patience.look(self.pid)
                    if patience.is_over():
                        raise
        except TooLarge:
            self.end(TOO_MUCH_OUTPUT)
        except Lost:
            self.end(DIED)
        return None

    def watch(self) -> None:
        """From time to time, look at what no limit of the kernel's stops. Raises TooLarge."""
        if time.monotonic() - self._watched < WATCH_SECONDS:
            return
        self._watched = time.monotonic()
        try:
            kept = kept_by(self.pid, self.folder)
        except (OSError, RecursionError):  # so deep, or so closed, that nobody can look
            raise TooLarge("files that can't be counted") from None
        if kept.bytes > FOLDER_BYTES or kept.files > FOLDER_ENTRIES or kept.threads > THREADS:
            raise TooLarge(str(kept))

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
        self._own_seconds = CELLS_TIME * cell_seconds  # that are left before the cell that runs
        self._latest = Patience(0)  # with it
        self.verdict = GRADED
        self.shown = self.values = 0  # bytes of outputs, and values of JSON in them
        self.has_asked = False  # the examiner, anything of the student's process
        self.is_spoilt = False  # the examiner's process has ended over what the student's code gave it

    def run(self, source: str) -> list[Output]:
        """The outputs of a cell in the student's process."""
        return self.outputs_after((RUN, json.dumps(source).encode()))

    def outputs_after(self, message: Reply) -> list[Output]:
        """The outputs of the cell that a message to the student's process runs."""
        if self._is_over():
            return [self._noted(error_output("CellTimeoutError", _(CELL_NOT_RUN)))]
        patience, patience_ended = self._patience(), math.inf
        reply, late = _exchange(self.student, message, patience)
        while reply and not self.is_last(reply):
            patience_ended = min(patience_ended, time.monotonic()) if late else math.inf
            if time.monotonic() >= patience_ended + 2 * GRACE_SECONDS:  # it says something else at each interrupt
                self.student.end(TIMED_OUT)
            reply, was_late = _exchange(self.student, self.response(reply), patience)
            late = late or was_late
        if reply is not None:
            values = values_in(reply[1], CELL_VALUES)
            self.shown, self.values = self.shown + len(reply[1]), self.values + values
            if values > CELL_VALUES or self.shown > OUTPUT_BYTES or self.values > OUTPUT_VALUES:
                self.student.end(TOO_MUCH_OUTPUT)
                reply = None
        if reply is None:
            return [self._noted(error_output(*self._why_ended()))]
        outputs = _outputs(self.outputs_in, reply)
        if late:
            outputs.append(error_output("CellTimeoutError", self._too_long(CELL_TOO_LONG, patience)))
        return [self._noted(output) for output in outputs]

    def is_last(self, reply: Reply) -> bool:
        """Whether the cell is done."""
        return reply[0] == DONE

    def response(self, reply: Reply) -> Reply | None:
        """What to send when the cell is not done; None: nothing."""
        return ANSWER, _no_answer("NameError", _("the check is over"))  # an author's function, when no check is at work

    def outputs_in(self, body: bytes) -> list[Any]:
        return list(decoded(body))

    def examine(self, source: str) -> list[Output]:
        """The outputs of an author's cell. What it asks of the student's process is asked there."""
        patience, late, has_asked = self._patience(), False, False
        own = Patience(self.cell_seconds + 2 * min(GRACE_SECONDS, self.cell_seconds))  # the examiner's
        message, ran = (RUN, json.dumps(source).encode()), ""
        while True:
            asked, was_stopped = _exchange(self.examiner, message, own, self._watch_student)
            if was_stopped and asked and not has_asked:  # slow by itself
                self.examiner.end(TIMED_OUT)
                asked = None
            if asked is None and (self.is_spoilt or (has_asked and self.examiner.ended != DIED)):
                return [self._spoilt(own)]
            if asked is None:
                return [error_output("ExaminerFault", _("The check itself did not come to its end."))]
            if was_stopped:
                words = self._too_long(CHECK_TOO_LONG, own)
                return [self._noted(error_output("CellTimeoutError", words))]
            if asked[0] == DONE:
                return _outputs(decoded, asked)
            reply, has_asked, self.has_asked = None, True, True
            is_over = self._is_over()
            if not ((late or is_over) and asked[0] == ASK):
                reply, was_late = _exchange(self.student, asked, patience)
                ran = self._too_long(CALL_TOO_LONG, patience) if was_late else ran
                late = late or was_late
            if is_over and not late:
                reply = (ANSWER, _no_answer(*self._noted_words("CellTimeoutError", _(NOT_RUN))))
            elif late or reply is None or reply[0] not in (ASK, ANSWER):
                ended = ("CellTimeoutError", ran) if late else self._why_ended()
                reply = (ANSWER, _no_answer(*self._noted_words(*ended)))
            elif holds_more(reply[1], b",", ITEMS):  # the examiner would take long over them
                words = _("It gave back more than {count} values; numpy arrays may hold more.").format(
                    count=f"{ITEMS:,}"
                )
                reply = (ANSWER, _no_answer(*self._noted_words("TooMuchOutput", words)))
            message = reply

    def _watch_student(self) -> None:
        """While the examiner computes, the student's process may go on writing."""
        if self.student.ended:
            return
        try:
            self.student.watch()
        except TooLarge:
            self.student.end(TOO_MUCH_OUTPUT)
            self._noted_words(*self._why_ended())

    def _spoilt(self, own: Patience) -> Output:
        """The output of a check whose process has ended over what the student's code gave it, now or in one before."""
        if self.is_spoilt:
            return error_output(
                "NotChecked", _("Not checked: an earlier check had to be ended over what your code gave it.")
            )
        self.is_spoilt = True
        if self.examiner.ended == TIMED_OUT:
            name, words = "CellTimeoutError", self._too_long(CHECK_TOO_LONG, own)
        else:
            name = "TooMuchOutput"
            words = _("With what your code gave it, the check said too much, and was ended.")
        return self._noted(error_output(name, words))

    def _patience(self) -> Patience:
        """With the student's process, over one cell or check."""
        self._own_seconds -= self._latest.own
        self._latest = Patience(min(self.cell_seconds, self._own_seconds), self.deadline)
        return self._latest

    def _is_over(self) -> bool:
        """Whether the notebook's time is up; from then on the student's process is asked nothing more."""
        return time.monotonic() >= self.deadline or self._latest.own >= self._own_seconds

    def _too_long(self, sentences: tuple[str, str, str], patience: Patience) -> str:
        """That something was stopped, and why. There is less patience with what comes after it."""
        at_end, still, by_itself = sentences
        if self._is_over():
            return _(at_end)
        seconds, self.cell_seconds = self.cell_seconds, self._less()
        if patience.is_still():
            return _(still).format(seconds=f"{patience.seconds * STILL_SHARE:g}")
        return _(by_itself).format(seconds=f"{seconds:g}")

    def _less(self) -> float:
        return min(self.cell_seconds, max(LEAST_SECONDS, self.cell_seconds / LESS_PATIENCE))

    def _why_ended(self) -> tuple[str, str]:
        if self.student.ended == TIMED_OUT:
            return "ProcessDied", _("A cell ran too long and would not stop, so the notebook's process was ended.")
        if self.student.ended == TOO_MUCH_OUTPUT:
            return (
                "ProcessDied",
                _("A cell gave or kept too much (output, files or threads), so the notebook's process was ended."),
            )
        if self.student.ended is None:
            return "ProtocolError", _("The notebook's process sent what is no answer.")
        return "ProcessDied", _("The notebook's process ended.")

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


def _exchange(
    process: Process, message: Reply | None, patience: Patience, meanwhile: Callable[[], None] = lambda: None
) -> tuple[Reply | None, bool]:
    """A process's reply (None if it has ended), and whether it had to be interrupted."""
    try:
        return process.exchange(message, patience, meanwhile), False
    except TimeUp:
        reply = process.interrupt()
    if reply and reply[0] == ASK:
        process.end(TIMED_OUT)
        reply = None
    return reply, True


def _outputs(within: Callable[[bytes], Any], reply: Reply) -> list[Output]:
    """The outputs that a reply holds; `within` finds them in its body."""
    try:
        return checked(within(reply[1]))
    except Exception as error:  # whatever it is, what was sent is the cause
        words = _("The cell's outputs can't be shown ({error}).").format(error=type(error).__name__)
        return [error_output("OutputError", words)]


def _no_answer(name: str, words: str) -> bytes:
    return json.dumps({"error": [name, words, ""]}).encode()

"""What happens in the two forks of the warm process. Imports nothing of nbgrader: they must start at once.

The student's process runs the cells that it is sent and answers questions about what they define. The
examiner's process runs the author's cells; a name that they don't define is the student's.
"""

import builtins
import contextlib
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

from autograder.execution.channel import ASK, DONE, GUARDED, RUN, Channel, Lost, decoded
from autograder.inside.peer import Peer
from autograder.inside.shell import Shell, Stream


class Names(dict[str, Any]):
    """The variables of the author's cells. Reading one that is not there asks the student's process."""

    def __init__(self, variables: dict[str, Any], ask: Callable[[str], Any]) -> None:
        super().__init__(variables)
        self.ask = ask

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name) or name.startswith("__"):
            raise KeyError(name)
        try:
            return self.ask(name)
        except NameError:
            raise KeyError(name) from None


class _Module:
    """Stands for the module in which cells run."""


def work(role: str, shell: Shell, end: socket.socket, folder: str) -> None:
    """Run cells and answer questions as the messages say, until there are no more.

    role: "student" or "examiner".
    """
    os.chdir(folder)
    os.environ["NBGRADER_EXECUTION"] = "autograde"
    sys.stdout, sys.stderr = Stream("stdout", shell), Stream("stderr", shell)
    signal.signal(signal.SIGINT, _interrupt)
    if role == "student":
        sys.path.append(folder)  # last, so that no file there stands before a module
        peer = Peer(Channel(end), shell.user_ns)
    else:
        peer = Peer(Channel(end), {}, is_secret=True)
        shell.shows_tracebacks = False  # they would show hidden tests
        shell.user_ns, shell.user_module = Names(shell.user_ns, peer.value), _Module()
        shell.user_module.__dict__ = shell.user_ns
    with contextlib.suppress(Lost):
        peer.channel.send(DONE, {})  # up
        _guarded(shell, end.fileno(), _until_guarded(peer, shell))()  # what was received is in no variable


def _until_guarded(peer: Peer, shell: Shell) -> bytes:
    """Answer what comes, until a cell is to run under guard; what asks for that."""
    while True:
        kind, body = peer.channel.receive()
        if kind == GUARDED:
            return body
        _answer(peer, shell, kind, body)


def _guarded(shell: Shell, end: int, first: bytes) -> Callable[[], None]:
    """See `forgery`, to which this module must not lead: a cell's frames lead here."""
    run: Callable[[], None] = importlib.import_module("autograder.inside.forgery").guarded(shell, end, first)
    return run


def _answer(peer: Peer, shell: Shell, kind: bytes, body: bytes) -> None:
    shell.clear()
    if kind == ASK:
        with _interruptible():
            peer.serve(body)
    elif kind == RUN:
        peer.forget()
        with _interruptible():
            shell.run_cell(str(decoded(body)), store_history=True)
        peer.channel.send(DONE, shell.outputs)


_may_interrupt = False


def _interrupt(number: int, frame: Any) -> None:
    """An interrupt that comes too late, between two cells, is for nobody."""
    if _may_interrupt:
        raise KeyboardInterrupt


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    global _may_interrupt
    _may_interrupt = True
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        _may_interrupt = False

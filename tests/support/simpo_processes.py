"""`simpo` in processes of its own: forked from one that has imported torch already, or as a person starts it.

A forked one is a process like any other, with an environment, limits and output of its own: it can be killed, starved
and sent signals. What it is spared is an interpreter's start, which takes five seconds, most of them torch's.
"""

import atexit
import contextlib
import functools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fork_server
from tiny import environment

SIMPO = [sys.executable, "-m", "simpo_core"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "simpo_core"]


# -- Ways to start it --------------------------------------------------------------------------------------------------


def forked(*words: str) -> None:
    """`simpo` with these words, in this process."""
    sys.argv = ["simpo", *words]
    from simpo_core.cli import main

    main()


def two_forked(*words: str) -> None:
    """The same in each of two that train together, told of each other as torchrun tells them."""
    forked(*words)


def started(*words: str) -> None:
    """`python -m simpo_core` with these words, in this process's place."""
    os.execv(SIMPO[0], [*SIMPO, *words])


def torchrun(*words: str) -> None:
    """torchrun with two processes of `simpo` with these words, in this process's place."""
    os.execv(TORCHRUN[0], [*TORCHRUN, *words])


# -- What was started --------------------------------------------------------------------------------------------------


class Process:
    """One of the processes. What it says goes to two files, or to a terminal."""

    def __init__(self, folder: Path, words: list[str], way: Callable[..., None], terminal: str, variables: dict):
        number = len(list(folder.glob("*.said")))
        self.output = [terminal or str(folder / f"{number}.{name}") for name in ("said", "errors")]
        for path in self.output:
            Path(path).touch()
        order = {
            "module": way.__module__,
            "function": way.__name__,
            "words": words,
            "folder": str(folder),
            "path": sys.path,
            "environment": environment(folder) | variables,
            "output": self.output,
        }
        self.connection, there = socket.socketpair()
        with there:
            socket.send_fds(_fork_server(), [b"1"], [there.fileno()])
        self.connection.sendall(json.dumps(order).encode() + b"\n")
        self.pid = int(self._line())
        self.status: int | None = None  # less than 0: the signal that killed it

    def _line(self) -> bytes:
        """A line of the server's; byte by byte, so that the next one is still there to be seen."""
        line = b""
        while not line.endswith(b"\n"):
            byte = self.connection.recv(1)
            assert byte, "the fork server is gone"
            line += byte
        return line

    def wait(self, seconds: float) -> bool:
        """Whether it ends within this time."""
        if self.status is None and select.select([self.connection], [], [], seconds)[0]:
            self.status = int(self._line())
            self.connection.close()
        return self.status is not None

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if not self.wait(0):
            os.kill(self.pid, number)


@functools.cache
def _fork_server() -> socket.socket:
    """Where orders go; the server ends when this end is closed."""
    here, there = socket.socketpair()
    caches = tempfile.mkdtemp()
    with there:
        command = [sys.executable, fork_server.__file__]
        server = subprocess.Popen(command, stdin=there, env=environment(Path(caches)))

    def stop():
        here.close()
        server.wait()
        shutil.rmtree(caches, ignore_errors=True)

    atexit.register(stop)
    return here


class Simpo:
    """`simpo`, started: one process, or two that train together."""

    def __init__(self, processes: list[Process]):
        self.processes = processes

    def wait_for_step(self, number: int, output: Path) -> None:
        """Wait until the run's metrics.jsonl has the line of a step, or the process is gone."""
        path = output / "metrics.jsonl"
        while not path.exists() or f'{{"step": {number},' not in path.read_text(encoding="utf-8"):
            if self.processes[0].wait(0.002):
                return

    def pids(self) -> list[int]:
        """The processes that were started."""
        return [process.pid for process in self.processes]

    def send(self, number: int) -> None:
        """Send a signal to each."""
        for process in self.processes:
            process.send(number)

    def outcome(self) -> tuple[int | None, str, str]:
        """Exit status (less than 0: the signal that killed it; None: it hangs), stdout and stderr, at the end."""
        for process in self.processes:
            process.wait(300)
        said, errors = ("".join(Path(p.output[i]).read_text(encoding="utf-8") for p in self.processes) for i in (0, 1))
        return self.processes[0].status, said, errors


@contextlib.contextmanager
def begin(folder: Path, *words, way: Callable[..., None] = forked, terminal: str = "", **variables) -> Iterator[Simpo]:
    """Start `simpo` with these words in this folder; what is still there at the end is killed.

    `way` is one of the above, or another module's function of the words; `variables` are for the environment.
    """
    run = Simpo([])
    try:
        with _meeting_point() if way is two_forked else contextlib.nullcontext([{}]) as parts:
            for part in parts:
                run.processes.append(Process(folder, [str(word) for word in words], way, terminal, variables | part))
            yield run
    finally:
        if way is torchrun:  # whose processes would wait for each other without it
            for pid in children(run):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        run.send(signal.SIGKILL)
        for process in run.processes:
            process.wait(300)


def children(run: Simpo) -> list[int]:
    """The processes that the one that was started has started in turn."""
    folders = [Path(f"/proc/{pid}/task/{pid}/children") for pid in run.pids()]
    return [int(pid) for path in folders if path.exists() for pid in path.read_text().split()]


@contextlib.contextmanager
def _meeting_point() -> Iterator[list[dict[str, str]]]:
    """The variables by which two processes find each other."""
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    shared |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RUN_ID": "here", "TORCHELASTIC_RESTART_COUNT": "0"}
    yield [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]


def simpo(folder: Path, *words, way: Callable[..., None] = forked) -> tuple[int | None, str, str]:
    """Run `simpo` to its end; see `Simpo.outcome`."""
    with begin(folder, *words, way=way) as run:
        return run.outcome()

"""The warm process: has imported what notebooks need, holds a shell ready, and forks for each notebook.

Started as a program by `warm_client`, with a clean environment and one socket. It holds nothing that a student must
not see. Each message on the socket brings another, for which it forks a server. For each request on that the
server forks a student's and an examiner's process; at the next message it ends both, with all that they
started, and says how they ended. When its socket closes, each is gone.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from autograder.confinement.sandbox import EXAMINERS, Limits, NoConfinement, confine, limit
from autograder.confinement.syscalls import PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG
from autograder.execution.channel import DONE, Channel
from autograder.execution.warm_client import ROLES, SERVE
from autograder.inside.large_pages import bring_into_large_pages


def listen(control: socket.socket) -> None:
    """Fork a server for each message, until nobody can send one."""
    from autograder.inside.shell import make_shell

    shell = make_shell({})
    _keep_shared()
    if not select.select([control], [], [], 0)[0]:  # nobody waits for a server, or for this process's end
        _load_the_rest()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # servers that have ended leave nothing behind
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        if message == SERVE:
            _load_the_rest()
        if os.fork() == 0:
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                serve(socket.socket(fileno=fds[0]), shell)
            finally:
                os._exit(0)
        os.close(fds[0])


def _load_the_rest() -> None:
    """Do what pays for many notebooks: load what only some need (what the first optimiser imports, and a logarithmic
    axis's formulas), and see to it that forks cost little."""
    if "torch._dynamo" not in sys.modules:
        importlib.import_module("torch._dynamo")
        importlib.import_module("autograder.inside.warm_imports").draw_figure("log")
        _keep_shared()
        bring_into_large_pages()


def _keep_shared() -> None:
    """Let what is loaded stay shared between the forks."""
    gc.collect()
    gc.freeze()


def serve(control: socket.socket, shell: Any) -> None:
    """Fork and end notebooks' processes as the messages say."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # what a notebook leaves behind becomes this process's child
    control.send(b"up")
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1 << 16, len(ROLES))
        if not message:
            return
        request = json.loads(message)
        pids = {role: _fork(role, request, fds, shell, control) for role in ROLES}
        for fd in fds:
            os.close(fd)
        control.send(json.dumps(pids).encode())
        goes_on = control.recv(1)
        ended = {role: _end(pid) for role, pid in pids.items()}
        _end_children()
        if not goes_on:  # whoever grades was killed
            shutil.rmtree(request["private"], ignore_errors=True)
            return
        control.send(json.dumps(ended).encode())


def _fork(role: str, request: dict[str, Any], fds: list[int], shell: Any, control: socket.socket) -> int:
    template = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == template:
            os.setsid()  # so that what the cells start can be killed with them
            control.close()
            os.close(fds[1 - ROLES.index(role)])
            folder = os.path.join(request["private"], role)
            from autograder.inside.fork import work  # needs the shell, which is loaded by now

            end = socket.socket(fileno=fds[ROLES.index(role)])
            if role == "student":
                _become_students(end, folder, request)
            elif not request["unsafe"]:
                limit(EXAMINERS)
            work(role, shell, end, folder)
    finally:
        os._exit(1)


def _become_students(end: socket.socket, folder: str, request: dict[str, Any]) -> None:
    """Leave behind what is not the student's, and confine the process."""
    os.closerange(3, end.fileno())
    os.closerange(end.fileno() + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = folder
    if request["unsafe"]:
        return
    try:
        confine(folder, request["rules"], Limits(**request["limits"]))
    except NoConfinement as error:
        Channel(end).send(DONE, {"fault": str(error)})
        raise


def _end(pid: int) -> dict[str, Any]:
    """Kill a fork and its group; say how it ended and what it used."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)
    _, status, used = os.wait4(pid, 0)
    return {
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "memory_bytes": used.ru_maxrss * 1024,
    }


def _end_children() -> None:
    """Kill what an unconfined notebook started in a session of its own, and what that had started."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while children.exists() and (left := children.read_text().split()):
        for child in map(int, left):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


if __name__ == "__main__":
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nowhere, stream)
    importlib.import_module("autograder.inside.warm_imports")

    os.dup2(nowhere, 2)
    listen(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)  # whoever started it waits, and there is nothing to tidy up

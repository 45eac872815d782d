"""Try to break out of the confinement: the self-test that stands before every grading."""

import ctypes
import fcntl
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

PTRACE_SEIZE = 0x4206  # unlike attaching, it does not stop the other process where it succeeds


def escapes(secret: str) -> list[str]:
    """What this process can do and must not, one phrase each; none if it is confined.

    secret: a file outside its private folder that holds a few words.
    """
    folder = os.path.dirname(secret)
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getppid()
    probes: dict[str, Callable[[], Any]] = {
        "read a file outside its folder": lambda: Path(secret).read_text(),
        "list a folder outside its own": lambda: os.listdir(folder),
        "write outside its folder": lambda: Path(secret + ".new").write_text(""),
        "change a file outside its folder": lambda: os.open(secret, os.O_RDWR),
        "remove a file outside its folder": lambda: os.remove(secret),
        "cut a file outside its folder": lambda: os.truncate(secret, 0),
        "change a file's rights": lambda: os.chmod(secret, 0o777),
        "change a file's times": lambda: os.utime(secret),
        "link to a file outside its folder": lambda: os.link(secret, "link"),
        "read about other processes": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "open a TCP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "open a UDP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "open an IPv6 socket": lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM),
        "open a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
        "open a Unix socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "open a pair of datagram sockets": lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM),
        "signal another process": lambda: os.kill(parent, 0),
        "signal its group": lambda: os.killpg(0, 0),
        "start a process": _start_a_process,
        "run a program": lambda: os.execv("/bin/true", ["/bin/true"]),
        "trace another process": lambda: _call(libc.ptrace, PTRACE_SEIZE, parent, 0, 0),
        "outlive the grader": lambda: _call(libc.prctl, 1, 0, 0, 0, 0),
        "make a namespace of its own": lambda: _call(libc.unshare, 0x10000000),
        "make others wait for a file": lambda: _command_of_file(fcntl.F_SETLEASE, fcntl.F_RDLCK),
        "be told of others' files": lambda: _command_of_file(fcntl.F_NOTIFY, fcntl.DN_ACCESS),
        "send a byte out of band": _send_out_of_band,
        "hold files in memory": lambda: os.memfd_create("x"),
        "raise its limits": _raise_a_limit,
    }
    return [what for what, attempt in probes.items() if _succeeds(attempt)]


def _succeeds(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except (OSError, ValueError):
        return False
    return True


def _call(function: Any, *arguments: int) -> None:
    if function(*map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def _start_a_process() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _command_of_file(command: int, argument: int) -> None:
    opened = os.open(os.path.dirname(os.__file__) if command == fcntl.F_NOTIFY else os.__file__, os.O_RDONLY)
    try:
        fcntl.fcntl(opened, command, argument)
    finally:
        os.close(opened)


def _send_out_of_band() -> None:
    near, far = socket.socketpair()
    with near, far:
        near.send(b"x", socket.MSG_OOB)


def _raise_a_limit() -> None:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_AS, (limit + 1, limit + 1))

"""The warm process seen from outside: start it once, have it fork for each notebook.

It imports what notebooks need, once, and forks a server for whoever asks: a worker has one of its own. Who
starts workers starts the warm process before them and gives them its socket, so that it is started once.
"""

import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

ROLES = ("student", "examiner")
START_SECONDS = 120  # until it has imported everything; a slow disk takes a while
ANSWER_SECONDS = 60  # until two processes are forked, or ended; either takes milliseconds
KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "MPLCONFIGDIR", "PATH", "PYTHONPATH", "TMPDIR", "TZ")
SERVE, SERVE_AT_ONCE = b"s", b"o"  # a server that has all loaded, or one for a single notebook that won't wait


class WarmProcessFault(Exception):
    """The warm process did not start, or is gone."""


class WarmServer:
    """A server of the warm process, for one notebook at a time."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.owner = os.getpid()
        weakref.finalize(self, control.close)  # when its thread ends, another takes its place, or at exit

    def fork(self, request: dict[str, Any], ends: list[socket.socket]) -> dict[str, int]:
        """Fork for a notebook; the process id of the student's and of the examiner's process."""
        socket.send_fds(self.control, [json.dumps(request).encode()], [end.fileno() for end in ends])
        return dict(self._answer())

    def end(self) -> dict[str, dict[str, Any]]:
        """End both, with all that they started; how each ended and what it used."""
        self.control.send(b"e")
        return dict(self._answer())

    def is_there(self) -> bool:
        """Whether it is this process's own, and has not ended."""
        if self.owner != os.getpid():
            return False
        try:
            return bool(self.control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _answer(self) -> Any:
        self.control.settimeout(ANSWER_SECONDS)
        try:
            message = self.control.recv(1 << 16)
        except OSError as error:
            raise WarmProcessFault(f"the warm process gives no answer ({error})") from None
        finally:
            self.control.settimeout(None)
        if not message:
            raise WarmProcessFault("the warm process is gone")
        return json.loads(message)


_own = threading.local()  # a server for each thread that runs notebooks
_shared: socket.socket | None = None  # of the warm process, which was started here or by who started this worker
_hurry = False
_starting = threading.Lock()


def warm_server() -> WarmServer:
    """This thread's server of the warm process. Both are started when they are first asked for.

    Raises:
        WarmProcessFault: The warm process did not start; its own words are on stderr.
    """
    server: WarmServer | None = getattr(_own, "server", None)
    if server is None or not server.is_there():
        server = _own.server = _connect(start_warm_process()) or _connect(_start())
    if server is None:
        raise WarmProcessFault("the warm process did not start")
    return server


def start_warm_process() -> socket.socket:
    """Start the warm process if there is none, and don't wait for it. Gives the socket by which it is asked."""
    sweep()
    with _starting:
        return _shared or _start()


def share_warm_process(control: socket.socket, hurry: bool) -> None:
    """Let this process use the warm process of another. hurry: it will run a single notebook."""
    global _shared, _hurry
    _shared, _hurry = control, hurry


def _connect(control: socket.socket) -> WarmServer | None:
    """A new server, when it is up; None if the warm process has ended."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.settimeout(START_SECONDS)
    try:
        with far:
            socket.send_fds(control, [SERVE_AT_ONCE if _hurry else SERVE], [far.fileno()])
        if near.recv(16) == b"up":
            near.settimeout(None)
            return WarmServer(near)
    except OSError:
        pass
    near.close()
    return None


def _start() -> socket.socket:
    global _shared
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    command = [sys.executable, "-P", "-m", "autograder.inside.warm_process", str(far.fileno())]
    process = subprocess.Popen(command, pass_fds=[far.fileno()], env=environment, cwd="/", start_new_session=True)
    far.close()
    atexit.register(_end, near, process, os.getpid())
    _shared = near
    return near


def _end(control: socket.socket, process: subprocess.Popen[bytes], owner: int) -> None:
    """Let the warm process end, which it does when nobody can ask it any more."""
    control.close()
    if owner == os.getpid():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)


def sweep() -> None:
    """Remove the private folders of runs that were killed. Others may do the same at this moment."""
    if sys.platform != "linux":
        return
    for folder in Path(tempfile.gettempdir()).glob("notebook-*-*"):
        pid = folder.name.split("-")[1]
        with contextlib.suppress(FileNotFoundError):
            if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and folder.lstat().st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)

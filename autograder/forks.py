"""The warm process seen from outside: start it once, have it fork for each notebook."""

import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROLES = ("student", "examiner")
START_SECONDS = 120  # until it has imported everything; a slow disk takes a while
KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "MPLCONFIGDIR", "PATH", "PYTHONPATH", "TMPDIR", "TZ")


class WarmProcessFault(Exception):
    """The warm process did not start, or is gone."""


@dataclass
class WarmProcess:
    """A running `autograder.template`."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    owner: int  # the process that started it

    def fork(self, request: dict[str, Any], ends: list[socket.socket]) -> dict[str, int]:
        """Fork for a notebook; the process id of the student's and of the examiner's process."""
        socket.send_fds(self.control, [json.dumps(request).encode()], [end.fileno() for end in ends])
        return dict(self._answer())

    def end(self) -> dict[str, dict[str, Any]]:
        """End both, with all that they started; how each ended and what it used."""
        self.control.send(b"e")
        return dict(self._answer())

    def _answer(self) -> Any:
        message = self.control.recv(1 << 16)
        if not message:
            raise WarmProcessFault("the warm process is gone")
        return json.loads(message)

    def close(self) -> None:
        self.control.close()
        if self.owner == os.getpid():
            self.process.wait()


_running: WarmProcess | None = None


def warm_process() -> WarmProcess:
    """The warm process of this process, started when it is first asked for.

    Raises:
        WarmProcessFault: It did not start; its own words are on stderr.
    """
    global _running
    if _running is None or _running.owner != os.getpid() or _running.process.poll() is not None:
        _running = _start()
    return _running


def _start() -> WarmProcess:
    if sys.platform == "linux":
        _sweep()
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    command = [sys.executable, "-P", "-m", "autograder.template", str(far.fileno())]
    process = subprocess.Popen(command, pass_fds=[far.fileno()], env=environment, cwd="/", start_new_session=True)
    far.close()
    near.settimeout(START_SECONDS)
    with contextlib.suppress(OSError):
        if near.recv(16) == b"up":
            near.settimeout(None)
            started = WarmProcess(process, near, os.getpid())
            atexit.register(started.close)
            return started
    process.kill()
    raise WarmProcessFault(f"{' '.join(command[:-1])} did not start (exit status {process.wait()})")


def _sweep() -> None:
    """Remove the private folders of runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob("notebook-*-*"):
        pid = folder.name.split("-")[1]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)


def files_beside(folder: Path, limit: int = 20_000_000) -> Iterator[Path]:
    """What lies beside a notebook in its folder: regular files, up to `limit` bytes in all."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.suffix == ".ipynb":
            continue
        limit -= path.stat().st_size
        if limit < 0:
            return
        yield path


def copy_files(folder: Path, private: Path) -> None:
    """Copy what lies beside a notebook."""
    for path in files_beside(folder):
        target = private / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)

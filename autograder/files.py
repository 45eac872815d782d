"""Files that are whole or not there, and what to say where there is no room for them."""

import contextlib
import errno
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from simpo_language.speech import _

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL = re.compile(rf"OSError: \[Errno (?P<number>{'|'.join(map(str, NO_ROOM))})\] [^:]*(?:: '(?P<name>[^']*)')?")
SQLITE_FULL = "database or disk is full"


def write_whole(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write a file so that it is either as it was or complete, whatever stops this process. Makes its folder.

    content: text is written as UTF-8, its line ends as they are.
    mode: who may do what with it, less what the process's umask takes away.

    Raises:
        OSError: It can't be written; the error names it.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")  # hidden: what reads the folder passes it over
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)  # of a process that was killed, and had this number
        with open(_opened(partial, mode), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            _name(file.fileno(), partial)
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise type(error)(error.errno, error.strerror, str(path)) from None
        raise


def _opened(partial: Path, mode: int) -> int:
    """A new file: without a name where the system has such, for then nothing is left of it when this process dies."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # not every file system has them
            return os.open(partial.parent, os.O_WRONLY | os.O_TMPFILE, mode)
    return os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)


def _name(file: int, partial: Path) -> None:
    if os.fstat(file).st_nlink:
        return
    opened = os.open("/proc/self/fd", os.O_RDONLY)  # without a folder given as well, Python would link the link itself
    try:
        os.link(str(file), partial, src_dir_fd=opened)
    finally:
        os.close(opened)


def no_room(error: BaseException) -> str | None:
    """What to tell whoever runs a command that an error stopped, if it is that a disk is full; else None."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            what = f"{cause.filename}: {cause.strerror}" if cause.filename else cause.strerror
        elif isinstance(cause, sqlite3.OperationalError) and "full" in str(cause):
            what = _("the gradebook: {cause}").format(cause=cause)
        else:
            continue
        return _(
            "{what}. What was written before is whole; make room, then run the same command again to go on"
        ).format(what=what)
    return None


def raise_if_full(traceback: str) -> None:
    """Raise the OSError that a traceback ends with, if it is that a disk is full; for who gives nothing but text."""
    for line in traceback.splitlines():
        if found := FULL.search(line):
            raise OSError(int(found["number"]), os.strerror(int(found["number"])), found["name"])
        if "OperationalError" in line and SQLITE_FULL in line:
            raise sqlite3.OperationalError(SQLITE_FULL)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came of."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [getattr(cause, "orig", None), cause.__cause__, cause.__context__]

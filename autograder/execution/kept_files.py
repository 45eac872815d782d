"""What a process keeps on the disk: in its folder, and in files without a name that are open or mapped.

A file that was removed takes its room for as long as a process has it open, or a page of it in memory.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.confinement.sandbox import Limits

FOLDER_ENTRIES = 2000  # files and folders; beyond it nobody counts on
BLOCK = 512  # bytes, as stat counts them
DELETED = b" (deleted)"  # what the kernel puts behind the name that a file had


@dataclass(frozen=True)
class Kept:
    """How much there is."""

    bytes: int
    files: int
    threads: int


def kept_by(pid: int, folder: Path) -> Kept:
    """What a process keeps. Raises OSError or RecursionError if nobody can tell."""
    files = total = threads = 0
    for size in _in_folder(folder):
        files, total = files + 1, total + size
        if files > FOLDER_ENTRIES:
            break
    process = Path("/proc", str(pid))
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        threads = len(os.listdir(process / "task"))
        if threads > 1 and b") Z " in (process / "stat").read_bytes():
            raise PermissionError("its first thread has ended, and with it the view of what the others have open")
        within = os.fsencode(folder.resolve())
        nameless = _mapped(process, within) | _open(process, within)
        files, total = files + len(nameless), total + sum(nameless.values())
    return Kept(total, files, threads)


def _in_folder(folder: Path) -> Iterator[int]:
    """The sizes of all that is in a folder."""
    for inside, _, files in os.walk(folder, onerror=_not_gone):
        yield 0
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                yield _size(os.lstat(os.path.join(inside, name)))


def _open(process: Path, within: bytes) -> dict[tuple[int, int], int]:
    """The sizes of files without a name that a process has open, by device and inode."""
    found = {}
    for opened in os.listdir(process / "fd"):
        with contextlib.suppress(FileNotFoundError):
            name = os.fsencode(os.readlink(process / "fd" / opened))
            if name.startswith(within) and name.endswith(DELETED):
                about = os.stat(process / "fd" / opened)
                found[about.st_dev, about.st_ino] = _size(about)
    return found


def _mapped(process: Path, within: bytes) -> dict[tuple[int, int], int]:
    """The most that files without a name may have that a process has in memory: their sizes nobody is told."""
    found = {}
    for line in (process / "maps").read_bytes().splitlines():
        if line.endswith(DELETED):
            _, _, _, device, inode, name = line.split(maxsplit=5)
            major, minor = (int(number, 16) for number in device.split(b":"))
            if name.startswith(within):
                found[os.makedev(major, minor), int(inode)] = Limits().file_bytes
    return found


def _size(about: os.stat_result) -> int:
    return max(about.st_size, about.st_blocks * BLOCK)


def _not_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error

"""Confine the calling process for good, on Linux: what it may read, write, use and reach.

Covered, without root and without a helper program:
- files (Landlock): it reads the Python installation and the modules that students' notebooks import, and
  writes to its private folder; nothing else can be opened, listed, made, renamed or removed;
- network (seccomp, see `allowed`): no socket of any kind;
- other processes: none can be started, signalled, traced or read; threads of its own can; and nothing that others
  would feel by files that both have open, such as leases;
- amounts (resource limits): memory, CPU seconds, size of a file, open files. Who started it watches the
  rest: wall time, bytes in the private folder, threads, bytes sent;
- privileges: root's are dropped, and it dies with the process that forked it.

Not covered: faults of the kernel; that files exist, and their size and age (stat is not a right of
Landlock's); how busy the machine is, and with what timing others could signal through that; the content
of the Python installation, which includes installed packages.

Where Landlock or seccomp is missing (Linux before 5.13, other systems), `confine` raises NoConfinement.
"""

import ctypes
import importlib.util
import os
import resource
import struct
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.confinement.syscalls import PR_SET_NO_NEW_PRIVS, is_known_machine, refuse_system_calls

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # Landlock's system calls, alike on all machines
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG, REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in (7, 8, 13, 14, 15))
FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # rights known from which version on
TCP = 0b11  # bind and connect, from version 4 on
SCOPES = 0b11  # abstract Unix sockets and signals, from version 6 on
READ = READ_FILE | READ_DIR
PRIVATE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | TRUNCATE

SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime")
SIGNALS = 1000  # timers and signals that wait, of which a user has so many in all processes together
DEVICES = {"/dev/null": READ_FILE | WRITE_FILE, "/dev/zero": READ_FILE, "/dev/urandom": READ_FILE}


class NoConfinement(Exception):
    """This machine can't confine a process; the message says why."""


@dataclass(frozen=True)
class Limits:
    """What a process may use; by default, a student's."""

    memory_bytes: int = 1_500_000_000  # on top of what the warm process has
    cpu_seconds: int = 300
    file_bytes: int = 20_000_000  # each
    open_files: int = 64


# The examiner's process runs no code of the student's, but unpacks and compares what the student's sends.
EXAMINERS = Limits(memory_bytes=3_000_000_000, cpu_seconds=600)


def confine(folder: str, rules: Mapping[str, int], limits: Limits) -> None:
    """Confine the calling process.

    folder: its private folder, which it may write to.
    rules: other files and folders, and Landlock's rights to them and all that lies in them.

    Raises:
        NoConfinement: The kernel offers no Landlock or no seccomp, or refused them.
    """
    if not is_known_machine():
        raise NoConfinement(f"{sys.platform} on this processor has no confinement that this grader knows; use Linux")
    try:
        limit(limits)
        _drop_privileges()
        _restrict_files({**rules, folder: PRIVATE})
        refuse_system_calls()
    except OSError as error:
        raise NoConfinement(f"{error.strerror} (Linux {os.uname().release})") from None


SITES = ("site-packages", "dist-packages")  # a user's own, or another environment's that a .pth file names, as well


def rules_for(modules: Iterable[str]) -> dict[str, int]:
    """Rights that let a process use Python and its packages, and of our own packages these modules alone.

    modules: full names, such as "package.module"; the rest of their packages can't be read. A package's
        name alone shows all of it.
    """
    secret, shown = [], []
    for module in modules:
        package, _, name = module.partition(".")
        spec = importlib.util.find_spec(package)
        for folder in map(Path, (spec and spec.submodule_search_locations) or ()):
            if not name:
                shown.append(folder)
                continue
            secret.append(folder.resolve())
            shown += [
                path for stem in ("__init__", name) for path in (folder / f"{stem}.py", *folder.glob(f"*/{stem}.*"))
            ]
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {os.path.join(prefix, "lib") for prefix in (sys.prefix, sys.base_prefix)} | set(SYSTEM)
    paths |= {path for path in sys.path if Path(path).name in SITES}
    rules = dict.fromkeys(map(str, secret), READ_DIR)  # else Python would not find what is shown
    for path in paths:
        rules |= _without(Path(path).resolve(), secret)
    return rules | {str(path): READ if path.is_dir() else READ_FILE for path in shown} | DEVICES


def _without(path: Path, secret: list[Path]) -> dict[str, int]:
    """Rights to read the path, except for what is secret in it; that can be listed, not opened."""
    if path in secret or not path.exists():
        return {}
    if not any(path in hidden.parents for hidden in secret):
        return {str(path): READ}
    rules = {str(path): READ_DIR}
    for child in path.iterdir():
        rules |= _without(child, secret)
    return rules


def limit(limits: Limits) -> None:
    """Limit what the calling process may use, for good."""
    with open("/proc/self/statm") as numbers:
        in_use = int(numbers.read().split()[0]) * resource.getpagesize()
    for kind, amount in (
        (resource.RLIMIT_AS, in_use + limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_SIGPENDING, SIGNALS),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
    ):
        resource.setrlimit(kind, (amount, amount))


def _drop_privileges() -> None:
    """Give up root's powers; the user stays, because the Python installation may be readable for no other."""
    header = struct.pack("=Ii", 0x20080522, 0)
    _check(ctypes.CDLL(None, use_errno=True).capset(header, bytes(24)), "the kernel won't drop capabilities")


def _restrict_files(rules: Mapping[str, int]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    version = _check(libc.syscall(CREATE_RULESET, None, 0, 1), "the kernel has no Landlock")
    rights = max(bits for since, bits in FILES.items() if since <= version)
    attributes = [rights, *([TCP] if version >= 4 else []), *([SCOPES] if version >= 6 else [])]
    packed = struct.pack(f"={len(attributes)}Q", *attributes)
    ruleset = _check(libc.syscall(CREATE_RULESET, packed, len(packed), 0), "the kernel refuses Landlock")
    for path, allowed in rules.items():
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):
            continue  # then it can't be read by this process either
        if not os.path.isdir(path):
            allowed &= READ_FILE | WRITE_FILE | TRUNCATE
        _check(
            libc.syscall(ADD_RULE, ruleset, 1, struct.pack("=Qi", allowed & rights, opened), 0),
            f"the kernel refuses a rule for {path}",
        )
        os.close(opened)
    _check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "the kernel won't bar new privileges")
    _check(libc.syscall(RESTRICT_SELF, ruleset, 0), "the kernel refuses Landlock")
    os.close(ruleset)


def _check(result: int, sentence: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), sentence)
    return result

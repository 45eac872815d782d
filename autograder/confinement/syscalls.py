"""A seccomp filter: a student's process may make the system calls of `allowed`, and no other (x86-64 and ARM64).

A refused call fails with EPERM, so that Python raises PermissionError and the cell's next line can run.
"""

import ctypes
import errno
import itertools
import os
import platform
import struct

from autograder.confinement.allowed import ALLOWED, NEWEST, OWN_PID, RULES, UNKNOWN, Rule

ARCHITECTURES = {
    "x86_64": (1, 0xC000003E),
    "aarch64": (2, 0xC00000B7),
}  # column of the tables, the kernel's word for it

ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, MASK, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # where they stand in what the filter is given
WORD = 0xFFFFFFFF  # all that matters of each argument that decides is in its lower half

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 1, 36, 38, 22, 2

Line = tuple[int, int, int, int]  # code, lines to skip if true, lines to skip if false, number


def is_known_machine() -> bool:
    """Whether there is a filter for this machine's kind of processor."""
    return platform.system() == "Linux" and platform.machine() in ARCHITECTURES


def refuse_system_calls() -> None:
    """Load the filter into the calling process, for good. Raises OSError if the kernel won't."""
    program = b"".join(struct.pack("=HBBI", *line) for line in _program(os.getpid()))
    instructions = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    loaded = Program(len(program) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(loaded), 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "the kernel refuses a seccomp filter")


def _program(pid: int) -> list[Line]:
    """The filter's instructions."""
    column, architecture = ARCHITECTURES[platform.machine()]
    lines: list[Line] = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL)]
    lines += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, NEWEST + 1), *_unknown()]
    for _, table in ALLOWED:
        for number in numbers(table, column).values():
            lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    for call, rules in itertools.groupby(RULES, lambda rule: rule.call):
        judgement = [line for rule in rules for line in _judgement(rule, pid)]
        for number in numbers(call, column).values():
            lines += [(EQUAL, 0, len(judgement) + 1, number), *judgement, (RETURN, 0, 0, ALLOW)]
    for number in numbers(UNKNOWN, column).values():
        lines += [(EQUAL, 0, 1, number), *_unknown()]
    return [*lines, *_refusal()]


def _judgement(rule: Rule, pid: int) -> list[Line]:
    """What refuses a call by one of its arguments, or goes on behind it."""
    lines: list[Line] = [(LOAD, 0, 0, ARGUMENTS + 8 * rule.argument)]
    if rule.bits is None:
        values = [pid if value == OWN_PID else value for value in rule.values]
        return lines + [(EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)] + _refusal()
    if others := WORD & ~rule.bits:
        lines += [(ANY_BIT, 0, 1, others), *_refusal()]
    if rule.needs:
        lines += [(MASK, 0, 0, rule.needs), (EQUAL, 1, 0, rule.needs), *_refusal()]
    return lines


def _refusal() -> list[Line]:
    return [(RETURN, 0, 0, ERROR | errno.EPERM)]


def _unknown() -> list[Line]:
    return [(RETURN, 0, 0, ERROR | errno.ENOSYS)]


def numbers(table: str, column: int) -> dict[str, int]:
    """The calls of a table that a processor has, and their numbers there. column: as in `ARCHITECTURES`."""
    entries = [entry.split() for entry in table.split(",")]
    return {entry[0]: int(entry[column]) for entry in entries if entry[column] != "-"}

"""Which system calls a student's process may not make, as a seccomp filter (Linux on x86-64 and on ARM64).

The filter refuses what Landlock does not see: sockets of every kind, processes, signals and debugging of
others, and changes to files by name. A refused call fails with EPERM, so that Python raises
PermissionError and the cell's next line can run.
"""

import ctypes
import errno
import os
import platform
import struct

# What is refused whatever its arguments: name, number on x86-64, number on ARM64 (0: it has none).
REFUSED = """
socket 41 198, connect 42 203, accept 43 202, accept4 288 242, bind 49 200, listen 50 201
fork 57 0, vfork 58 0, execve 59 221, execveat 322 281
tkill 200 130, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, pidfd_send_signal 424 424
pidfd_open 434 434, pidfd_getfd 438 438, ptrace 101 117, kcmp 312 272, process_vm_readv 310 270
process_vm_writev 311 271, process_madvise 440 440, process_mrelease 448 448, move_pages 279 239
migrate_pages 256 238, setpriority 141 140, ioprio_set 251 30, sched_setparam 142 118
sched_setscheduler 144 119, sched_setattr 314 274, sched_setaffinity 203 122
perf_event_open 298 241, bpf 321 280, userfaultfd 323 282, personality 135 92, syslog 103 116
io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427
keyctl 250 219, add_key 248 217, request_key 249 218
mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, unshare 272 97, setns 308 268
open_tree 428 428, move_mount 429 429, fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433
mount_setattr 442 442, quotactl 179 60, quotactl_fd 443 443, acct 163 89
chmod 90 0, fchmod 91 52, fchmodat 268 53, chown 92 0, fchown 93 55, lchown 94 0, fchownat 260 54
utime 132 0, utimes 235 0, futimesat 261 0, utimensat 280 88, truncate 76 45
setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16
name_to_handle_at 303 264, open_by_handle_at 304 265, memfd_create 319 279, memfd_secret 447 447
shmget 29 194, shmat 30 196, shmctl 31 195, semget 64 190, semctl 66 191, semop 65 193, semtimedop 220 192
msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187, mq_open 240 180, mq_unlink 241 181
inotify_init 253 0, inotify_init1 294 26, inotify_add_watch 254 27, fanotify_init 300 262, fanotify_mark 301 263
"""
# Refused by their arguments, in `_program`.
JUDGED = "clone 56 220, clone3 435 435, kill 62 129, tgkill 234 131, socketpair 53 199, prctl 157 167, \
prlimit64 302 261, fcntl 72 25, ioctl 16 29"
NEWEST = 451  # what came to Linux after this call is refused as if the kernel did not know it

ARCHITECTURES = {"x86_64": (1, 0xC000003E), "aarch64": (2, 0xC00000B7)}  # column above, the kernel's word for it

ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, MASK, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # where they stand in what the filter is given

CLONE_THREAD = 0x10000
AF_UNIX, SOCK_STREAM, TYPE_MASK = 1, 1, 0xF
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 1, 36, 38, 22, 2
SIGNAL_REQUESTS = (8, 10, 15)  # fcntl: F_SETOWN, F_SETSIG, F_SETOWN_EX; they send signals to others
SIGNAL_IOCTLS = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP
SETUP_IOCTLS = (0x5412,)  # TIOCSTI, which types on a terminal


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


def _program(pid: int) -> list[tuple[int, int, int, int]]:
    """The filter's instructions: (code, lines to skip if true, lines to skip if false, number)."""
    column, architecture = ARCHITECTURES[platform.machine()]
    lines = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    lines += [(AT_LEAST, 0, 1, NEWEST + 1), (RETURN, 0, 0, ERROR | errno.ENOSYS)]
    for number in _numbers(REFUSED, column).values():
        lines += [(EQUAL, 0, 1, number), *_refusal()]
    for name, number in _numbers(JUDGED, column).items():
        judgement = _judgement(name, pid)
        lines += [(EQUAL, 0, len(judgement), number), *judgement]
    return [*lines, (RETURN, 0, 0, ALLOW)]


def _judgement(name: str, pid: int) -> list[tuple[int, int, int, int]]:
    """What decides on a call by its arguments; it ends in allowing or refusing."""
    first, second = (LOAD, 0, 0, ARGUMENTS), (LOAD, 0, 0, ARGUMENTS + 8)
    allowed = (RETURN, 0, 0, ALLOW)
    if name == "clone":  # threads, not processes
        return [first, (ANY_BIT, 1, 0, CLONE_THREAD), *_refusal(), allowed]
    if name == "clone3":  # the filter can't see its flags; the C library falls back to clone
        return [(RETURN, 0, 0, ERROR | errno.ENOSYS)]
    if name in ("kill", "tgkill"):  # itself only
        return [first, (EQUAL, 1, 0, pid), *_refusal(), allowed]
    if name == "prlimit64":
        return [first, (EQUAL, 2, 0, 0), (EQUAL, 1, 0, pid), *_refusal(), allowed]
    if name == "socketpair":  # a pipe to itself; a datagram socket could send to others
        kind = [second, (MASK, 0, 0, TYPE_MASK), (EQUAL, 1, 0, SOCK_STREAM), *_refusal()]
        return [first, (EQUAL, 1, 0, AF_UNIX), *_refusal(), *kind, allowed]
    if name == "prctl":  # it dies with the warm process, and can't change that
        return [first, (EQUAL, 0, 1, PR_SET_PDEATHSIG), *_refusal(), allowed]
    requests = SIGNAL_REQUESTS if name == "fcntl" else SIGNAL_IOCTLS + SETUP_IOCTLS
    refusals = [line for request in requests for line in ((EQUAL, 0, 1, request), *_refusal())]
    return [second, *refusals, allowed]


def _refusal() -> list[tuple[int, int, int, int]]:
    return [(RETURN, 0, 0, ERROR | errno.EPERM)]


def _numbers(table: str, column: int) -> dict[str, int]:
    entries = [entry.split() for entry in table.replace("\n", ",").split(",") if entry.strip()]
    return {entry[0]: int(entry[column]) for entry in entries if entry[column] != "0"}

"""Which system calls a student's process may make, and why: what acts on itself, or on files that Landlock guards.

All others are refused, known or not: sockets, processes, signals to others, tracing, leases and watches on files that
others open, rights and times of files, shared memory, what flushes or empties the machine's caches.
"""

from dataclasses import dataclass

# Whatever its arguments: why, and name, number on x86-64, number on ARM64 (-: it has none).
ALLOWED = (
    (
        "its own memory",
        """brk 12 214, mmap 9 222, munmap 11 215, mremap 25 216, mprotect 10 226, msync 26 227, mbind 237 235,
        get_mempolicy 239 236, set_mempolicy 238 237""",
    ),
    (
        "its own threads, and waiting",
        """futex 202 98, futex_waitv 449 449, set_robust_list 273 99, get_robust_list 274 100, set_tid_address 218 96,
        rseq 334 293, arch_prctl 158 -, sched_yield 24 124, gettid 186 178, exit 60 93, exit_group 231 94,
        restart_syscall 219 128, pause 34 -, nanosleep 35 101, clock_nanosleep 230 115, wait4 61 260, waitid 247 95""",
    ),
    (
        "its own signals and timers; their number is limited",
        """rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigpending 127 136,
        rt_sigtimedwait 128 137, rt_sigsuspend 130 133, sigaltstack 131 132, signalfd 282 -, signalfd4 289 74,
        alarm 37 -, getitimer 36 102, setitimer 38 103, timer_create 222 107, timer_settime 223 110,
        timer_gettime 224 108, timer_getoverrun 225 109, timer_delete 226 111, timerfd_create 283 85,
        timerfd_settime 286 86, timerfd_gettime 287 87""",
    ),
    (
        "to know the time, itself and the machine",
        """time 201 -, gettimeofday 96 169, clock_gettime 228 113, clock_getres 229 114, times 100 153, getcpu 309 168,
        getpid 39 172, getppid 110 173, getpgrp 111 -, getpgid 121 155, getsid 124 156, getuid 102 174,
        geteuid 107 175, getgid 104 176, getegid 108 177, getgroups 115 158, getresuid 118 148, getresgid 120 150,
        capget 125 90, getrlimit 97 163, getrusage 98 165, getpriority 140 141, sched_getaffinity 204 123,
        sched_getscheduler 145 120, sched_getparam 143 121, sched_get_priority_max 146 125,
        sched_get_priority_min 147 126, sched_rr_get_interval 148 127, uname 63 160, sysinfo 99 179,
        getrandom 318 278""",
    ),
    ("it can only lower its own limits, and what its new files allow", "setrlimit 160 164, umask 95 166"),
    (
        "files, which Landlock lets it open or not",
        """open 2 -, openat 257 56, openat2 437 437, creat 85 -, close 3 57, access 21 -, faccessat 269 48,
        faccessat2 439 439, stat 4 -, fstat 5 80, lstat 6 -, newfstatat 262 79, statx 332 291, statfs 137 43,
        fstatfs 138 44, readlink 89 -, readlinkat 267 78, getdents 78 -, getdents64 217 61, getcwd 79 17,
        chdir 80 49, fchdir 81 50, getxattr 191 8, lgetxattr 192 9, fgetxattr 193 10, listxattr 194 11,
        llistxattr 195 12, flistxattr 196 13""",
    ),
    (
        "to change its own folder, which Landlock keeps it to",
        """mkdir 83 -, mkdirat 258 34, rmdir 84 -, unlink 87 -, unlinkat 263 35, rename 82 -, renameat 264 38,
        renameat2 316 276, link 86 -, linkat 265 37, symlink 88 -, symlinkat 266 36, ftruncate 77 46""",
    ),
    (
        "to read and write what it has opened",
        """read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, pwrite64 18 68, preadv 295 69,
        pwritev 296 70, preadv2 327 286, pwritev2 328 287, lseek 8 62, sendfile 40 71, copy_file_range 326 285,
        fsync 74 82, fdatasync 75 83, dup 32 23, dup2 33 -, dup3 292 24""",
    ),
    (
        "SQLite and HDF5 lock their files; it binds who asks for a lock on the same file, and nobody else",
        "flock 73 32",
    ),
    (
        "pipes and events between its own threads; loops of asyncio wait on them",
        """pipe 22 -, pipe2 293 59, eventfd 284 -, eventfd2 290 19, poll 7 -, ppoll 271 73, select 23 -,
        pselect6 270 72, epoll_create 213 -, epoll_create1 291 20, epoll_ctl 233 21, epoll_wait 232 -,
        epoll_pwait 281 22, epoll_pwait2 441 441""",
    ),
    (
        "socket pairs of its own, and the one on which it answers; no open file can be sent with these",
        """recvfrom 45 207, recvmsg 47 212, recvmmsg 299 243, shutdown 48 210, getsockname 51 204,
        getpeername 52 205, getsockopt 55 209""",
    ),
)


@dataclass(frozen=True)
class Rule:
    """A call that is allowed by one of its arguments."""

    call: str  # name, number on x86-64, number on ARM64
    argument: int  # which one decides, from 0
    why: str  # what is allowed, and why not the rest
    values: tuple[int, ...] = ()  # the argument is one of these,
    bits: int | None = None  # or has none but these bits,
    needs: int = 0  # and all of these


OWN_PID = -1  # stands for the process's own id

THREAD = 0x10F00  # CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD
RULES = (
    Rule("clone 56 220", 0, "threads that share all; no process", bits=0xFFFFFFFF, needs=THREAD),
    Rule("kill 62 129", 0, "signals to itself", (OWN_PID,)),
    Rule("tgkill 234 131", 0, "signals to its own threads", (OWN_PID,)),
    Rule("prlimit64 302 261", 0, "its own limits, which it can only lower", (0, OWN_PID)),
    Rule("socketpair 53 199", 0, "pipes to itself: AF_UNIX; no socket of another kind", (1,)),
    Rule("socketpair 53 199", 1, "SOCK_STREAM: datagrams could go to others", bits=0o2004001, needs=1),
    Rule("sendto 44 206", 3, "MSG_DONTWAIT, MSG_NOSIGNAL; a byte out of band stops who reads", bits=0x4040),
    Rule("setsockopt 54 208", 1, "SOL_SOCKET,", (1,)),
    Rule("setsockopt 54 208", 2, "and of its options the sizes of buffers: SO_SNDBUF, SO_RCVBUF", (7, 8)),
    Rule("close_range 436 436", 2, "CLOSE_RANGE_CLOEXEC; no table of files beside the one that is watched", bits=4),
    Rule("fallocate 285 47", 1, "mode 0: with others the disk fills and no file grows", (0,)),
    Rule("fadvise64 221 223", 3, "how it will read; not that nobody needs a file's pages in memory", (0, 1, 2, 3)),
    Rule(
        "madvise 28 233",
        2,
        "how its own memory is used: NORMAL to DONTNEED, FREE, DONTFORK, DOFORK, (NO)HUGEPAGE, DO(NT)DUMP, "
        "WIPEONFORK, KEEPONFORK, POPULATE, GUARD; not what takes pages from files or shares them with others",
        (0, 1, 2, 3, 4, 8, 10, 11, 14, 15, 16, 17, 18, 19, 22, 23, 102, 103),
    ),
    Rule(
        "fcntl 72 25",
        1,
        "DUPFD, GETFD, SETFD, GETFL, SETFL, GETLK, SETLK, SETLKW, GETOWN, GETSIG, OFD_GETLK, OFD_SETLK, OFD_SETLKW, "
        "DUPFD_CLOEXEC, GETPIPE_SZ, GET_SEALS; not leases, watches and signals, which others feel, nor larger pipes, "
        "of which a user has so many",
        (0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 36, 37, 38, 1030, 1032, 1034),
    ),
    Rule(
        "ioctl 16 29",
        1,
        "FIONBIO, FIOCLEX, FIONCLEX, FIONREAD, and TCGETS, TCGETS2, TIOCGWINSZ, by which one asks whether something "
        "is a terminal; the rest is the devices' and the file systems'",
        (0x5421, 0x5451, 0x5450, 0x541B, 0x5401, 0x802C542A, 0x5413),
    ),
    Rule(
        "prctl 157 167",
        0,
        "PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, "
        "PR_GET_NO_NEW_PRIVS, PR_SET_VMA (names of memory); not with what it dies, nor who may look at it",
        (2, 3, 15, 16, 21, 23, 39, 0x53564D41),
    ),
)
# Answered as if the kernel did not know them: the C library then does the same by a call that can be judged.
UNKNOWN = "clone3 435 435"
NEWEST = 451  # what came to Linux after this call is unknown, too

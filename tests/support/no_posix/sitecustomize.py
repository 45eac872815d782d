"""With this folder in PYTHONPATH, this project's packages find nothing that Windows lacks, in every process of Python.

Other packages find what there is: they are known to work elsewhere. Every file that ours open must say its encoding.
"""

import builtins
import importlib
import os
import sys
import warnings
from types import ModuleType

OURS = ("autograder", "simpo_core")
MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
NAMES = {
    "os": "fork forkpty execve killpg getuid geteuid getgid getpgid setsid setuid uname mkfifo memfd_create nice wait3 "
    "sched_getaffinity pidfd_open posix_spawn O_TMPFILE O_PATH O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_CLOEXEC WNOHANG "
    "chown fchmod lchown statvfs wait4 waitid WIFEXITED getloadavg sysconf",
    "signal": "SIGALRM SIGKILL SIGHUP SIGUSR1 SIGUSR2 SIGCHLD SIGSTOP ITIMER_REAL alarm setitimer pthread_sigmask",
    "socket": "AF_UNIX SOCK_SEQPACKET socketpair send_fds recv_fds",
    "select": "poll epoll",
    "time": "tzset",
}
VALUES = {"sys": {"platform": "win32"}}


class Elsewhere(ModuleType):
    """A module as our packages see it."""

    def __init__(self, real):
        super().__init__(real.__name__)
        vars(self).update(_real=real, _lacks=set(NAMES.get(real.__name__, "").split()))
        vars(self).update(VALUES.get(real.__name__, {}))

    def __getattr__(self, name):
        if name in vars(self)["_lacks"]:
            raise AttributeError(f"{self.__name__} has no {name} on Windows")
        return getattr(vars(self)["_real"], name)

    def __setattr__(self, name, value):
        setattr(vars(self)["_real"], name, value)


seen = {name: Elsewhere(importlib.import_module(name)) for name in {*NAMES, *VALUES}}
real_import = builtins.__import__


def imported(name, globals=None, locals=None, fromlist=(), level=0):  # noqa: A002  (as Python calls it)
    importer = str((globals or {}).get("__name__")).partition(".")[0]
    if importer not in OURS or level:
        return real_import(name, globals, locals, fromlist, level)
    if name.partition(".")[0] in MODULES:
        raise ModuleNotFoundError(f"No module named {name!r}: Windows has none", name=name)
    module = real_import(name, globals, locals, fromlist, level)
    return seen.get(module.__name__, module)


builtins.__import__ = imported
warnings.filterwarnings("error", category=EncodingWarning, module="autograder|simpo_core")
os.environ["PYTHONWARNDEFAULTENCODING"] = "1"
sys.no_posix = True  # for a test to see that this has run

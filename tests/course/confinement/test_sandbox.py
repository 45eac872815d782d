"""What a student's process can't do, and what it still can."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from one_notebook import run_cells
from project import ROOT

from autograder.confinement import allowed, sandbox, syscalls
from autograder.confinement.sandbox import NoConfinement
from autograder.execution import run


def result(cell, tmp_path):
    """The value of a cell's last line, or the name of its error."""
    (outputs,) = run_cells([cell], tmp_path)
    last = outputs[-1]
    return last["data"]["text/plain"] if "data" in last else last["ename"]


def test_a_confined_process_can_break_out_nowhere(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("words")
    (tmp_path / "empty").mkdir()
    found = result(f"from autograder.confinement.probes import escapes\nescapes({str(secret)!r})", tmp_path / "empty")
    assert found == "[]"


def test_the_probes_do_find_an_open_door(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("words")
    script = (
        "from autograder.confinement.probes import *\nos.execv = lambda *a: None\n"
        f"print(*escapes({str(secret)!r}), sep='; ')"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    found = run.stdout.split("; ")
    for what in ("read a file outside its folder", "open a TCP socket", "start a process", "remove a file outside"):
        assert any(phrase.startswith(what) for phrase in found), what


def test_grading_refuses_where_a_probe_succeeds(tmp_path, monkeypatch):
    run.prove_confinement.cache_clear()
    monkeypatch.setattr(run, "_rules", lambda modules: {**sandbox.rules_for(()), "/tmp": sandbox.READ})
    with pytest.raises(NoConfinement, match="read a file outside its folder; list a folder"):
        run_cells(["1"], tmp_path)
    run.prove_confinement.cache_clear()


@pytest.mark.parametrize("place", ["solutions", "tests/benches", "classroom", "autograder", "docs"])
def test_the_courses_folders_are_out_of_sight(place, tmp_path):
    assert result(f"import os\nos.listdir({str(ROOT / place)!r})", tmp_path) in ("PermissionError", "FileNotFoundError")


@pytest.mark.parametrize("module", ["losses", "logps", "ranking"])
def test_reference_modules_are_out_of_sight(module, tmp_path):
    assert result(f"import simpo_core.{module}", tmp_path) in ("PermissionError", "ModuleNotFoundError")
    assert result(f"open({str(ROOT / 'simpo_core' / f'{module}.py')!r})", tmp_path) == "PermissionError"


def test_what_notebooks_import_works(tmp_path):
    cell = "from simpo_core import plots, toy\nimport sqlite3, ctypes, torch.optim, matplotlib.pyplot, asyncio, uuid\n1"
    assert result(cell, tmp_path) == "1"
    assert result("import asyncio\nasync def f(): return 7\nawait f()", tmp_path) == "7"
    assert result("import threading\nt = threading.Thread(target=print); t.start(); t.join()\n2", tmp_path) == "2"


def test_it_may_write_to_its_own_folder(tmp_path):
    cell = "import tempfile, pathlib, torch\ntorch.save(torch.ones(2), 'a.pt')\n"
    cell += "with tempfile.TemporaryFile() as f: f.write(b'x')\n"
    assert result(cell + "pathlib.Path('b').mkdir(); torch.load('a.pt').tolist()", tmp_path) == "[1.0, 1.0]"
    assert not list(tmp_path.iterdir())


def test_the_graders_environment_is_out_of_sight(tmp_path, monkeypatch):
    monkeypatch.setenv("A_TOKEN", "secret")
    assert result("import os\n'A_TOKEN' in os.environ, os.environ['HOME'] == os.getcwd()", tmp_path) == "(False, True)"


def test_memory_has_a_limit_and_the_next_cell_runs(tmp_path):
    hog, after = run_cells(["x = bytearray(1 << 33)", "'still here'"], tmp_path)
    assert hog[-1]["ename"] == "MemoryError"
    assert after[0]["data"]["text/plain"] == "'still here'"


def test_a_file_has_a_limit(tmp_path):
    assert result("open('big', 'wb').write(bytes(100_000_000))", tmp_path) == "OSError"


def test_many_files_are_too_many(tmp_path):
    cell = "import itertools\nfor i in itertools.count(): open(f'{i}', 'wb').write(bytes(10_000_000))"
    (outputs,) = run_cells([cell], tmp_path)
    assert outputs[-1]["ename"] == "ProcessDied"
    assert "too much" in outputs[-1]["evalue"]


def test_threads_have_a_limit(tmp_path):
    start = "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    cell = f"import threading, time\ntry:\n    for n in range(1000): {start}\nexcept RuntimeError: pass\nn < 200"
    assert result(cell, tmp_path) in ("True", "ProcessDied")


def _others_can_read_python():
    places = [Path(sys.base_prefix), Path(sys.prefix), ROOT]
    return all(path.stat().st_mode & 0o001 for place in places for path in (place, *place.parents))


@pytest.mark.skipif(os.getuid() != 0 or not _others_can_read_python(), reason="nobody else to become")
def test_it_holds_for_an_ordinary_user(tmp_path):
    program = "from autograder.execution.run import session\nwith session() as one:\n    print(one.run('6 * 7'))"
    become = "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])"
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", become, sys.executable, "-c", program]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "'text/plain': '42'" in run.stdout, run.stderr


def test_where_there_is_no_filter_the_refusal_is_a_sentence(monkeypatch):
    monkeypatch.setattr(syscalls.platform, "machine", lambda: "riscv64")
    with pytest.raises(NoConfinement, match="use Linux"):
        sandbox.confine("/nowhere", {}, sandbox.Limits())


HEADERS = {1: "/usr/include/*/asm/unistd_64.h", 2: "/usr/include/asm-generic/unistd.h"}


@pytest.mark.parametrize(("column", "machine"), [(1, "x86_64"), (2, "aarch64")])
def test_the_filters_numbers_are_the_kernels(column, machine):
    found = list(Path("/").glob(HEADERS[column].lstrip("/")))
    if not found:
        pytest.skip("the kernel's headers are not installed")
    if column == 1 and platform.machine() != machine:
        pytest.skip("these headers are for another processor")
    kernels = dict(re.findall(r"#define\s+__NR(?:3264)?_(\w+)\s+(\d+)", found[0].read_text()))
    kernels.setdefault("newfstatat", kernels.get("fstatat", ""))  # as the header names it for all its machines
    tables = [*(table for _, table in allowed.ALLOWED), *(rule.call for rule in allowed.RULES), allowed.UNKNOWN]
    ours = {name: number for table in tables for name, number in syscalls.numbers(table, column).items()}
    assert len(ours) > 100
    assert {name: number for name, number in ours.items() if str(number) != kernels.get(name)} == {}


CALL = "import ctypes, fcntl, os, socket\nlibc = ctypes.CDLL(None, use_errno=True)\n"
LIBRARY = "fd = os.open(os.__file__, os.O_RDONLY)\n"


@pytest.mark.parametrize(
    "cell",
    [
        LIBRARY + "fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)",
        LIBRARY + "fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)",
        "fcntl.fcntl(os.open(os.path.dirname(os.__file__), os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_ACCESS)",
        "fcntl.fcntl(os.pipe()[0], 1031, 1 << 20)",  # a larger pipe
        "fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getppid())",
        LIBRARY + "fcntl.ioctl(fd, 0x40086602, bytes(8))",  # a file's flags
        "fcntl.ioctl(os.pipe()[0], 0x5452, b'1   ')",  # FIOASYNC
        "near, far = socket.socketpair()\nnear.send(b'x', socket.MSG_OOB)",
        "near, far = socket.socketpair()\nnear.sendto(b'x', socket.MSG_OOB, '')",
        "near, far = socket.socketpair()\nnear.sendmsg([b'x'], [], socket.MSG_OOB)",
        "near, far = socket.socketpair()\nsocket.send_fds(near, [b'x'], [0])",  # a deleted file would go unseen
        "socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)",
        "socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)",
        LIBRARY + "os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)",
        "if libc.syncfs(0): raise PermissionError",
        "os.setpgid(0, 0)",
        "if libc.prctl(4, 0, 0, 0, 0): raise PermissionError",  # out of sight of who grades
        "if libc.fallocate(os.open('x', os.O_RDWR | os.O_CREAT), 1, 0, 1 << 30): raise PermissionError",
        "if libc.close_range(1000, 1001, 2): raise PermissionError",
        "if libc.syscall(ctypes.c_long(324), 1, 0, 0) < 0: raise PermissionError",  # membarrier
    ],
)
def test_what_others_would_feel_is_refused(cell, tmp_path):
    assert result(CALL + cell, tmp_path) == "PermissionError"


@pytest.mark.parametrize(
    "cell",
    [
        "import sqlite3\nbase = sqlite3.connect('a.db')\nbase.execute('create table t (a)')\nbase.commit()",
        "with open('l', 'w') as file:\n    fcntl.flock(file, fcntl.LOCK_EX)\n    fcntl.lockf(file, fcntl.LOCK_EX)",
        "import numpy\nm = numpy.memmap('m', mode='w+', shape=9)\nm[:] = 1\nm.flush()",
        "import torch\ntorch.set_num_threads(3)\ntorch.ones(500, 500) @ torch.ones(500, 500)",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(3) as p: list(p.map(abs, [1]))",
        "import asyncio, threading\nthreading.Thread(target=asyncio.run, args=(asyncio.sleep(0),)).start()",
        "import signal\nsignal.setitimer(signal.ITIMER_REAL, 9)\nsignal.setitimer(signal.ITIMER_REAL, 0)",
        "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.savefig('a.png')",
        "import shutil\nopen('a', 'w').close()\nshutil.copyfile('a', 'b')\nos.replace('b', 'c')\nos.remove('c')",
        "os.posix_fadvise(os.open('b', os.O_RDWR | os.O_CREAT), 0, 0, os.POSIX_FADV_SEQUENTIAL)",
        "os.posix_fallocate(os.open('b', os.O_RDWR | os.O_CREAT), 0, 1000)",
    ],
)
def test_what_honest_notebooks_do_is_allowed(cell, tmp_path):
    assert result(f"{CALL}{cell}\n'done'", tmp_path) == "'done'"

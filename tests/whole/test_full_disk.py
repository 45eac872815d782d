"""On a file system that is full every command says which file had no room and that running again goes on, and it does.

Nothing half written is left: each file is as it was, or as it will be. What needs another file system is tried where
one may be mounted, as root may; everywhere, files that may not grow stand for it, and a process that dies of that.
"""

import contextlib
import re
import resource
import shutil
import signal
import subprocess
import sys

import pytest
from small_class import LOSS, copied

from autograder.authoring.release import release
from autograder.cli import main
from autograder.course import CLASSROOM_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves

BYTES = 8_000_000
LITTLE = 100
FULL = 2  # the exit status; `pack` ends with 1 where a notebook would lose points
COMMANDS = {
    "grade": ("grade", "--force", "--jobs", "1"),
    "grade downloads": ("grade", "{root}/downloads", "--jobs", "1"),
    "feedback": ("feedback",),
    "report": ("report",),
    "report without names": ("report", "--anonymous"),
    "export": ("export", "--to", "csv"),
    "export for Gradescope": ("export", "--to", "gradescope", "--out", "{root}/scores"),
    "due": ("due", LOSS, "2030-01-01 12:00"),
    "an extension": ("due", LOSS, "2031-01-01", "--student", "ada"),
    "roster": ("roster", "{root}/list.csv"),
    "regrade": ("regrade", LOSS, "--apply"),
    "pack": ("pack", "--student", "ada", f"notebooks/{LOSS}.ipynb"),
    "release": ("release",),
    "new": ("new", "11_mine"),
    "demo": ("demo",),
}
NEED_NO_ROOM = (("status",), ("export", "--help"), ("release", "--check"))
SAID = r"No space left on device|database or disk is full|File too large"
GOES_ON = "make room, then run the same command again to go on"
ROSTER = "id,first name,last name\n" + "".join(f"s{number:04},Ann,Lee\n" for number in range(2000))
OWN_TIME = re.compile(r"\.lock|gradebook\.db|.*\.log|graded\.json|filler")  # as no other run would leave them


@pytest.fixture(scope="module")
def released(small_class, tmp_path_factory):
    """The small class with all that its course needs, downloads, and a list of who is in it."""
    course = copied(small_class, tmp_path_factory.mktemp("released"))
    for folder in (course.notebooks, course.notebooks / "zh"):
        for path in folder.glob("*.ipynb"):
            if path.stem not in course.exercises():
                path.unlink()
    release(course)
    (course.root / "list.csv").write_text(ROSTER)
    (course.root / "downloads").mkdir()
    shutil.copy(course.notebook("submitted", "ada", LOSS), course.root / "downloads" / f"zoe_{LOSS}.ipynb")
    return course


@pytest.fixture
def small_disk(released, tmp_path, monkeypatch):
    """The class on a file system of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={BYTES}", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False) if sys.platform == "linux" else None
    if done is None or done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip() if done else sys.platform}")
    try:
        course = copied(released, disk)
        monkeypatch.setenv(CLASSROOM_VARIABLE, str(course.classroom))
        monkeypatch.chdir(course.root)
        yield course
    finally:
        monkeypatch.undo()
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def autograder(monkeypatch, capsys):
    """`autograder ...` in this process: exit status and all that it prints."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["autograder", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr()
        return caught.value.code or 0, said.out + said.err

    return run


def fill(path):
    """Take all room that is left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def files(course):
    return {path: path.read_bytes() for path in course.root.parent.rglob("*") if path.is_file()}


def ready(name, course, autograder):
    """The command, when there is something for it to write."""
    if name == "an extension":
        assert autograder("due", LOSS, "2030-01-01 12:00")[0] == 0
    if name == "release":
        path = course.solutions / f"{LOSS}.ipynb"
        path.write_text(path.read_text("utf-8").replace("squared", "Squared", 1), "utf-8")
    return [word.format(root=course.root) for word in COMMANDS[name]]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_on_a_full_disk_says_so_leaves_nothing_half_and_goes_on_when_run_again(name, small_disk, autograder):
    command = ready(name, small_disk, autograder)
    before, filler = files(small_disk), small_disk.root / "filler"
    fill(filler)
    status, said = autograder(*command)
    filler.unlink()
    assert status == FULL, said
    assert re.search(SAID, said), said
    assert said.rstrip().endswith(GOES_ON)
    assert "Traceback" not in said
    stopped = files(small_disk)
    assert [path for path in stopped if path.suffix == ".part" or path.name.endswith("-journal")] == []
    assert autograder(*command)[0] != FULL
    after = files(small_disk)
    half = [path for path, content in stopped.items() if content not in (before.get(path), after.get(path))]
    assert [path for path in half if not OWN_TIME.fullmatch(path.name)] == []


@pytest.mark.parametrize("command", NEED_NO_ROOM)
def test_what_only_tells_needs_no_room(command, small_disk, autograder):
    fill(small_disk.root / "filler")
    assert autograder(*command)[0] == 0


@contextlib.contextmanager
def files_of_at_most(size):
    """For a while, this process may not write beyond so many bytes of any file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["report", "export", "roster", "pack", "new", "feedback"])
def test_a_file_that_may_not_grow_is_said_and_leaves_nothing_half(name, released, tmp_path, monkeypatch, autograder):
    course = copied(released, tmp_path)
    monkeypatch.setenv(CLASSROOM_VARIABLE, str(course.classroom))
    monkeypatch.chdir(course.root)
    command, before = ready(name, course, autograder), files(course)
    with files_of_at_most(LITTLE):
        status, said = autograder(*command)
    assert (status, said.rstrip().endswith(GOES_ON)) == (FULL, True), said
    assert re.search(r"autograder: \S+: File too large", said), said
    assert {path.name for path, content in files(course).items() if before.get(path) != content} <= {".lock"}
    assert autograder(*command)[0] != FULL


DIES = "import signal, sys\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\nfrom autograder.cli import main\nmain()"


@pytest.mark.parametrize("name", ["report", "export", "pack", "roster"])
def test_a_command_that_is_killed_while_it_writes_leaves_nothing_half(
    name, released, tmp_path, monkeypatch, autograder
):
    course = copied(released, tmp_path)
    monkeypatch.setenv(CLASSROOM_VARIABLE, str(course.classroom))
    monkeypatch.chdir(course.root)
    command, before = ready(name, course, autograder), files(course)
    done = subprocess.run(
        [sys.executable, "-P", "-c", DIES, *command],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LITTLE, LITTLE)),
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGXFSZ
    assert {path.name for path, content in files(course).items() if before.get(path) != content} <= {".lock"}
    assert autograder(*command)[0] != FULL

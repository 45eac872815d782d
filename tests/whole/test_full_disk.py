"""On a file system that is full every command says which file had no room and that running again goes on, and it does.

Nothing half written is left. What needs another file system is tried where one may be mounted, as root may.
"""

import contextlib
import re
import subprocess
import sys

import pytest
from small_class import LOSS, copied

from autograder.cli import main
from autograder.course import CLASSROOM_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves

BYTES = 8_000_000
COMMANDS = {
    "grade": ("grade", "--force", "--jobs", "1"),
    "feedback": ("feedback",),
    "report": ("report",),
    "export": ("export", "--to", "csv"),
    "export for Gradescope": ("export", "--to", "gradescope", "--out", "{root}/scores"),
    "due": ("due", LOSS, "2030-01-01 12:00"),
    "an extension": ("due", LOSS, "2031-01-01", "--student", "ada"),
    "roster": ("roster", "{root}/list.csv"),
    "regrade": ("regrade", LOSS, "--apply"),
}
SAID = r"No space left on device|database or disk is full"
ROSTER = "id,first name,last name\n" + "".join(f"s{number:04},Ann,Lee\n" for number in range(2000))


@pytest.fixture
def small_disk(small_class, tmp_path, monkeypatch):
    """The small class on a file system of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={BYTES}", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False) if sys.platform == "linux" else None
    if done is None or done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip() if done else sys.platform}")
    try:
        course = copied(small_class, disk)
        (course.root / "list.csv").write_text(ROSTER)
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


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_on_a_full_disk_says_so_leaves_nothing_half_and_goes_on_when_run_again(name, small_disk, autograder):
    command = [word.format(root=small_disk.root) for word in COMMANDS[name]]
    if name == "an extension":
        assert autograder("due", LOSS, "2030-01-01 12:00")[0] == 0
    before, filler = files(small_disk), small_disk.root / "filler"
    fill(filler)
    status, said = autograder(*command)
    filler.unlink()
    assert status == 2
    assert re.search(SAID, said), said
    assert said.rstrip().endswith("make room, then run the same command again to go on")
    assert "Traceback" not in said
    after = files(small_disk)
    assert [path for path in after if path.suffix == ".part" or path.name.endswith("-journal")] == []
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert {path.name for path in changed if path.suffix != ".lock"} <= {".lock", "gradebook.db"}
    assert autograder(*command)[0] == 0

"""What students of a hub can't read, and who teaches can."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from project import ROOT

from autograder.authoring import withhold as module
from autograder.authoring.withhold import SOLVING, keep_from_others, withhold
from autograder.course import UserError

NOBODY, TEACHERS = 65534, 54321
SECRET = (*(f"simpo_core/{name}.py" for name in SOLVING), "share/solutions/01_simpo_loss.ipynb")
SECRET = (*SECRET, "share/tests/benches/01_simpo_loss.toml")
OPEN = ("simpo_core/toy.py", "simpo_core/plots.py", "share/notebooks/01_simpo_loss.ipynb")


@pytest.fixture
def installed():
    """The files of an installation, where everybody may look."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(ROOT / "simpo_core", folder / "simpo_core")
        for part in ("notebooks", "solutions", "tests/benches"):
            shutil.copytree(ROOT / part, folder / "share" / part)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        yield folder


def reads(path, group):
    return subprocess.run(["cat", path], user=NOBODY, group=group, extra_groups=[], capture_output=True).returncode == 0


@pytest.mark.skipif(os.getuid() != 0, reason="nobody else to become")
def test_students_can_read_nothing_that_solves_an_exercise_and_teachers_can(installed):
    assert all(reads(installed / name, NOBODY) for name in (*SECRET, *OPEN))
    done = keep_from_others(installed / "simpo_core", installed / "share", TEACHERS)
    assert {installed / name for name in SECRET} <= set(done)
    assert [name for name in SECRET if reads(installed / name, NOBODY)] == []
    assert [name for name in OPEN if not reads(installed / name, NOBODY)] == []
    assert [name for name in (*SECRET, *OPEN) if not reads(installed / name, TEACHERS)] == []


def test_a_module_that_is_compiled_is_kept_too(installed):
    compiled = installed / "simpo_core" / "__pycache__" / "losses.cpython-399.pyc"
    compiled.parent.mkdir(exist_ok=True)
    compiled.touch(0o644)
    keep_from_others(installed / "simpo_core", installed / "share", os.getgid())
    assert compiled.stat().st_mode & 0o777 == 0o640


def test_in_a_clone_it_is_one_sentence():
    with pytest.raises(UserError, match="this runs from a clone"):
        withhold("root")


def test_a_group_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "course_files", lambda: tmp_path / "share" / "simpo-practice")
    with pytest.raises(UserError, match="there is no group 'nosuch' on this machine"):
        withhold("nosuch")

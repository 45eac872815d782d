"""How a package is fetched where pip is not installed. The fetch itself: tests/method/training/test_run.py."""

import subprocess
import sys

import pytest

from simpo_core.inputs import UserError
from simpo_core.language_models import fetch


@pytest.fixture
def without(monkeypatch):
    """As if these modules were not there."""

    def hide(*names):
        has = fetch._has
        monkeypatch.setattr(fetch, "_has", lambda name: name not in names and has(name))

    return hide


def test_this_environments_pip_comes_first():
    assert fetch._pip() == [sys.executable, "-m", "pip"]


def test_without_pip_the_one_that_comes_with_python_runs(without):
    without("pip")
    command = fetch._pip()
    if command[1:2] == ["tool"]:
        pytest.skip("this Python came without ensurepip")
    run = subprocess.run([*command, "download", "--help"], capture_output=True, text=True, check=True)
    assert "pip download" in run.stdout


def test_without_either_it_is_uvs_or_one_sentence(without, monkeypatch):
    without("pip", "ensurepip")
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert fetch._pip() == ["/bin/uv", "tool", "run", "pip"]
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UserError, match="there is neither pip nor uv here"):
        fetch._pip()

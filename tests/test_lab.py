"""How JupyterLab is started: from a clone, and from a student's copy."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from autograder.course import UserError
from autograder.lab import lab_environment, notebooks_folder


@pytest.mark.parametrize("place", ["", "notebooks", "notebooks/zh", "docs"])
def test_the_exercises_are_found_from_anywhere_in_the_course(monkeypatch, place):
    monkeypatch.chdir(ROOT / place)
    assert notebooks_folder() == ROOT / "notebooks"


def test_a_students_folder_needs_no_solutions(tmp_path, monkeypatch):
    shutil.copy(ROOT / "notebooks" / "00_start.ipynb", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert notebooks_folder() == tmp_path


def test_elsewhere_it_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no exercises here: .* have no notebooks/00_start.ipynb"):
        notebooks_folder()


def test_a_terminal_of_jupyterlab_finds_this_environments_programs():
    run = subprocess.run(["python", "-c", "import sys; print(sys.prefix)"], env=lab_environment(), capture_output=True)
    assert Path(run.stdout.decode().strip()) == Path(sys.prefix)

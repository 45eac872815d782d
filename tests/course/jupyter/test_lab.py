"""How JupyterLab is started: from a clone, and from a student's copy."""

import json
import shutil
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from browser import jupyterlab
from project import ROOT

from autograder.course import UserError
from autograder.jupyter.lab import lab_environment, notebooks_folder


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


@pytest.mark.slow
def test_plain_jupyter_lab_validates_in_sentences_where_make_has_installed_the_course(tmp_path):
    (tmp_path / "cut.ipynb").write_text('{"cells": [')
    with jupyterlab(tmp_path, plain=True, JUPYTER_CONFIG_DIR=str(tmp_path / "none")) as address:
        jar = CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        browser.open(f"{address}/lab").close()
        (token,) = (cookie.value for cookie in jar if cookie.name == "_xsrf")
        browser.addheaders = [("X-XSRFToken", token)]
        with browser.open(f"{address}/assignments/validate", b"path=cut.ipynb") as answer:
            (failed,) = json.load(answer)["value"]["failed"]
    assert "be run: it is not complete JSON (11 characters; cut off?)" in failed["error"]

"""What is in the zip file for Gradescope, and that its setup.sh installs it."""

import os
import subprocess
import zipfile

import pytest
from project import ROOT
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course import Course, UserError
from autograder.returns.gradescope_zip import TEMPLATES, points, write_zip

LOSS, ESSAY = "01_simpo_loss", "04_advantages"


def test_it_holds_the_grader_and_one_exercise(course, tmp_path):
    path = tmp_path / "autograder.zip"
    write_zip(course, LOSS, path, hidden="after_due_date")
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
        assert b'"hidden": "after_due_date"' in archive.read("settings.json")
    assert {"setup.sh", "run_autograder", f"project/solutions/{LOSS}.ipynb", "project/pyproject.toml"} <= names
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755
    assert [name for name in names if name.startswith("project/solutions/")] == [f"project/solutions/{LOSS}.ipynb"]
    assert not [name for name in names if "classroom" in name or ".venv" in name or "__pycache__" in name]


def test_points_of_people_are_apart(course):
    assert points(course, LOSS) == (10, 0)
    assert points(course, ESSAY) == (10, 6)


@pytest.mark.parametrize(
    ("exercise", "options", "words"),
    [("11_x", {}, "no exercise is named '11_x'"), (LOSS, {"hidden": "never"}, "must be one of after_published")],
)
def test_what_is_wrong_is_one_sentence(course, tmp_path, exercise, options, words):
    with pytest.raises(UserError, match=words):
        write_zip(course, exercise, tmp_path / "a.zip", **options)


def test_outside_of_a_clone_it_says_where_to_work(tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / f"{LOSS}.ipynb").write_bytes((ROOT / "solutions" / f"{LOSS}.ipynb").read_bytes())
    with pytest.raises(UserError, match="is no clone of the repository"):
        write_zip(Course(tmp_path, tmp_path / "classroom"), LOSS, tmp_path / "a.zip")


def test_the_command_says_what_to_set_in_gradescope(tmp_path):
    done = CliRunner().invoke(app, ["gradescope", ESSAY, "--out", str(tmp_path / "a.zip")])
    assert "set the assignment's autograder points to 10" in done.output
    assert "The essays' 6 points are not among them" in done.output
    assert (tmp_path / "a.zip").is_file()


@pytest.mark.parametrize("newest", ["python3", "python3.12"])
def test_setup_installs_the_project_into_a_python_of_its_own(tmp_path, newest):
    """With a stand-in for each program that it calls."""
    bin_folder, root = tmp_path / "bin", tmp_path / "autograder"
    bin_folder.mkdir()
    (root / "source" / "project").mkdir(parents=True)
    log = tmp_path / "log"
    fresh = f'echo "$0 $*" >> {log}; [ "$2" = venv ] && mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; exit 0'
    old = "exit 1"
    for name in ("python3", "python3.13", "python3.12", "python3.11", "apt-get"):
        is_there = name == newest or name == "apt-get"
        script = fresh if is_there else old
        (bin_folder / name).write_text(f"#!/bin/bash\n{script}\n")
        (bin_folder / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "AUTOGRADER_ROOT": str(root)}
    subprocess.run(["bash", TEMPLATES / "setup.sh"], env=environment, check=True, capture_output=True)
    lines = log.read_text().splitlines()
    assert f"{bin_folder / newest} -m venv {root}/venv" in lines
    assert lines[-1].startswith(f"{root}/venv/bin/python -m pip install")
    assert lines[-1].endswith(f"-c {root}/source/project/constraints.txt {root}/source/project[grade,torch]")
    assert (root / "source").stat().st_mode & 0o077 == 0


def test_without_any_python_setup_says_what_to_choose(tmp_path):
    for name in ("python3", "python3.13", "python3.12", "python3.11", "apt-get"):
        (tmp_path / name).write_text("#!/bin/bash\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "apt-get").write_text("#!/bin/bash\nexit 0\n")
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "AUTOGRADER_ROOT": str(tmp_path)}
    done = subprocess.run(
        ["bash", TEMPLATES / "setup.sh"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "choose a newer base image" in done.stderr

"""A student's day on a system without POSIX: start, work, check, Validate, pack; and simpo. See support/no_posix."""

import os
import subprocess
import sys

import pytest
from project import ROOT
from simpo_processes import SIMPO
from tiny import environment, write_run

from autograder.cells import read_notebook
from autograder.course import Course
from autograder.grading.benches import hand_in, load_bench

LOSS = "01_simpo_loss"
COPY = f"{LOSS} - 副本.ipynb"  # as Windows names one
NO_POSIX = ROOT / "tests" / "support" / "no_posix"
AUTOGRADER = [sys.executable, "-m", "autograder"]


def elsewhere(*command, cwd, encoding="utf-8", **environment):
    """Run a program on such a system; its exit status and what it said. encoding: of its terminal."""
    paths = os.pathsep.join([str(NO_POSIX), os.environ.get("PYTHONPATH", "")])
    system = {"PYTHONPATH": paths, "PYTHONWARNDEFAULTENCODING": "1", "PYTHONIOENCODING": encoding}
    system |= {"JUPYTER_PLATFORM_DIRS": "1", "PYTHONWARNINGS": "", "COLUMNS": "200"}
    there = {**os.environ, **system, **environment}
    done = subprocess.run(command, cwd=cwd, env=there, capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode(encoding)


def python(code, cwd):
    status, said = elsewhere(sys.executable, "-c", code, cwd=cwd)
    assert status == 0, said
    return said


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A student's folder, with one exercise done under the name that Windows gives a copy."""
    folder = tmp_path_factory.mktemp("学生") / "work"
    status, said = elsewhere(*AUTOGRADER, "start", str(folder), cwd=folder.parent)
    assert (status, "25 files written" in said) == (0, True), said
    course = Course(ROOT, folder / "classroom")
    right = next(answer for answer in load_bench(course, LOSS) if answer.is_right)
    (folder / f"{LOSS}.ipynb").unlink()
    (folder / COPY).write_text(hand_in(course, LOSS, right), encoding="utf-8")
    return folder


def test_the_system_lacks_what_it_should(tmp_path):
    (tmp_path / "autograder").mkdir()
    (tmp_path / "autograder" / "__init__.py").touch()  # else the one that is installed comes first
    lacking = {
        "import fcntl": "ModuleNotFoundError",
        "import os; os.fork": "AttributeError",
        "from socket import SOCK_SEQPACKET": "ImportError",
        "open(__file__)": "EncodingWarning",
    }
    for line, error in lacking.items():
        (tmp_path / "autograder" / "x.py").write_text(line)
        status, said = elsewhere(sys.executable, "-c", "import autograder.x", cwd=tmp_path)
        assert (status, error in said) == (1, True), said


def test_every_module_that_a_student_runs_can_be_imported(tmp_path):
    modules = ["autograder.cli", "autograder.checks", "autograder.pack", "autograder.doctor", "autograder.jupyter.lab"]
    modules += ["autograder.jupyter.server", "autograder.handing_in.progress"]
    modules += [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "simpo_core").rglob("*.py")]
    names = [name for name in modules if "__" not in name]
    python(f"import importlib\nfor name in {names}:\n    importlib.import_module(name)", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "cp936", "cp1252"])
def test_the_doctor_finds_a_students_computer_well(work, encoding):
    status, said = elsewhere(*AUTOGRADER, "doctor", cwd=work, encoding=encoding)
    assert status == 0, said
    assert "[OK] Python 3" in said
    assert not any(word in said for word in ("Linux", "confined", "[FAIL]"))


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "cp936", "cp1252"])
def test_a_copy_is_packed_whatever_the_terminal_can_show(work, encoding):
    status, said = elsewhere(*AUTOGRADER, "pack", COPY, cwd=work, encoding=encoding)
    assert status == 0, said
    assert f"handed in under the name {LOSS}.ipynb" in said
    assert (encoding == "cp1252") is not ("副本" in said)
    assert (work / "simpo-practice.zip").is_file()


@pytest.mark.slow
def test_validate_runs_the_notebook_and_says_what_passes(work):
    code = f"""from pathlib import Path
import autograder.jupyter.server
from autograder.jupyter.validation import validate
print(validate(Path({COPY!r})))"""
    said = python(code, work)
    assert "<h3>All " in said
    assert "visible checks pass.</h3>" in said


@pytest.mark.slow
def test_the_first_page_says_that_all_is_here_and_how_far_one_is(work):
    code = """import nbclient, nbformat
ran = nbclient.execute(nbformat.read("00_start.ipynb", 4))
nbformat.write(ran, "ran.json")"""
    python(code, work)
    cells = read_notebook(work / "ran.json").cells
    examined, done = (str(cell.outputs) for cell in cells if cell.cell_type == "code")
    assert "Everything is here" in examined
    assert LOSS in done
    assert "Traceback" not in examined + done


@pytest.mark.slow
def test_the_lab_starts_with_the_courses_settings(work):
    code = """from autograder.jupyter.lab import *
print(lab_command(notebooks_folder(), "/lab"), lab_environment()["JUPYTER_CONFIG_PATH"])"""
    said = python(code, work)
    assert "jupyterlab" in said
    assert "settings" in said


def test_grading_is_one_sentence(work):
    status, said = elsewhere(*AUTOGRADER, "grade", "--course", str(ROOT), cwd=work)
    assert (status, said.count("\n")) == (2, 1), said
    assert "grading runs on Linux alone" in said


@pytest.mark.slow
def test_simpo_checks_data_and_trains(tmp_path):
    folder = tmp_path / "练习"
    folder.mkdir()
    write_run(folder, steps=2)
    copy = folder / "pairs - 副本.jsonl"
    copy.write_bytes((folder / "pairs.jsonl").read_bytes())
    for encoding in ("cp936", "cp1252"):
        status, said = elsewhere(*SIMPO, "check-data", copy.name, cwd=folder, encoding=encoding)
        assert status == 0, said
    status, said = elsewhere(*SIMPO, "finetune", "run.toml", cwd=folder, encoding="cp936", **environment(folder))
    assert status == 0, said
    assert "step" in said

import importlib.metadata
import importlib.util
import subprocess
import sys

import pytest
from hidden import leaks
from project import ROOT, small_course
from rich.console import Console
from samples import drawn
from small_class import LOSS, submit
from typer.testing import CliRunner

from autograder.cells import read_notebook
from autograder.cli import app, main
from autograder.commands.common import console
from autograder.commands.results import results_table
from autograder.course import NEEDS_LINUX, Course
from autograder.doctor import WITHOUT_TORCH, examine, summary
from autograder.results import GRADED, RIGHT, WRONG, Check, Result

pytestmark = pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy warn of themselves
AUTOGRADER = [sys.executable, "-c", "from autograder.cli import main; main()"]


def test_help_names_every_command():
    run = CliRunner().invoke(app, ["--help"])
    for command in ("release", "grade", "feedback", "demo", "benches", "lab", "formgrader", "doctor", "status"):
        assert command in run.output
    for command in ("export", "report", "regrade"):
        assert command in run.output


def test_outside_a_course_one_sentence_and_status_2(tmp_path):
    run = subprocess.run([*AUTOGRADER, "grade"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("autograder: no course here:")
    assert run.stderr.count("\n") == 1


def test_a_folder_of_submissions_that_is_not_there_is_one_sentence(tmp_path):
    command = [*AUTOGRADER, "feedback", "--classroom", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "nothing is graded yet" in run.stderr


def test_words_in_brackets_are_not_taken_for_markup(capsys):
    check = Check("a", 0, 1, WRONG, "✗ Check failed: logits[t] scores tokens[t+1]")
    Console(width=100).print(results_table([Result("s[red]1", "01_simpo_loss", GRADED, (check,))]))
    out = capsys.readouterr().out
    assert "a: logits[t] scores tokens[t+1]" in out
    assert "s[red]1" in out


@pytest.mark.parametrize(("repairs", "words"), [("ab", "and 1 more repair\n"), ("abc", "and 2 more repairs\n")])
def test_one_repair_is_one(capsys, repairs, words):
    result = Result("s", "01_simpo_loss", GRADED, (Check("a", 1, 1, RIGHT, ""),), repairs=tuple(repairs))
    Console(width=100).print(results_table([result]))
    assert words in "".join(f"{line.strip(' │')}\n" for line in capsys.readouterr().out.splitlines())


def words_of(findings):
    return "\n".join(map(str, findings))


def without(monkeypatch, *names):
    """As if these packages were not installed."""
    known, find = importlib.metadata.version, importlib.util.find_spec

    def version(name):
        if name in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None if name in names else find(name, *more))


def test_the_doctor_finds_this_environment_well(course):
    findings = list(examine(course))
    assert all(finding.ok for finding in findings), words_of(f for f in findings if not f.ok)
    for part in ("[OK] Python 3", "[OK] nbgrader", "[OK] torch", "[OK] nh3", "kernel python3 runs", "is confined"):
        assert part in words_of(findings)
    assert "CPU cores" in words_of(findings) or "GPU:" in words_of(findings)


def test_to_a_student_the_doctor_says_nothing_of_grading():
    words = words_of(examine())
    assert "kernel python3 runs" in words
    assert not any(part in words for part in ("confined", "Landlock", "Linux", "nh3"))


def test_the_doctor_says_what_to_do_about_a_missing_package(monkeypatch):
    without(monkeypatch, "matplotlib")
    missing = [str(finding) for finding in examine() if not finding.ok]
    assert missing == ["[FAIL] matplotlib is missing: run `pip install -e .`"]


def test_grading_and_jupyterlab_are_missed_only_where_something_is_to_be_graded(course, monkeypatch):
    without(monkeypatch, "nbgrader", "nh3")
    assert [str(finding) for finding in examine(course) if not finding.ok] == [
        "[NOTE] JupyterLab and its Validate button are not here, for want of nbgrader: "
        '`pip install -e ".[lab]"` brings them',
        '[NOTE] nothing can be graded here, for want of nbgrader, nh3: `pip install -e ".[grade]"` brings them',
    ]
    submit(course, "ada", LOSS, "{}")
    assert '[FAIL] nh3 is missing: run `pip install -e ".[grade]"`' in words_of(examine(course))


def test_elsewhere_than_on_linux_the_doctor_says_so_of_grading_alone(course, monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert [str(finding) for finding in examine(course) if not finding.ok] == [f"[NOTE] {NEEDS_LINUX}"]
    submit(course, "ada", LOSS, "{}")
    assert f"[FAIL] {NEEDS_LINUX}" in words_of(examine(course))
    assert all(finding.ok for finding in examine())


def test_without_torch_the_doctor_says_which_exercises_work(monkeypatch):
    without(monkeypatch, "torch")
    assert "[FAIL] torch is missing: exercises 01, 02, 06, 09 work without it" in summary()
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert summary().startswith("[NOTE] no torch is published for Intel Macs any more: exercises 01, 02, 06, 09 work")


def test_the_exercises_that_work_without_torch_import_none():
    for path in (ROOT / "notebooks").glob("[0-9][1-9]_*.ipynb"):
        code = "".join(cell.source for cell in read_notebook(path).cells if cell.cell_type == "code")
        needs_torch = "import torch" in code or "simpo_core.toy" in code
        assert (path.name[:2] in WITHOUT_TORCH) is not needs_torch, path


def test_the_doctor_notices_another_autograder(monkeypatch):
    owners = {"autograder": ["simpo-practice", "autograder-of-others"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: owners)
    (finding,) = [finding for finding in examine() if not finding.ok]
    assert str(finding).startswith("[FAIL] autograder-of-others installs a package and a command of the same name")


def test_a_package_that_is_not_installed_is_one_sentence(monkeypatch, capsys):
    def fail(arguments):
        raise ModuleNotFoundError("No module named 'nbgrader.api'", name="nbgrader.api")

    monkeypatch.setattr("autograder.cli.app", fail)
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert said == 'autograder: nbgrader is not installed, which this command needs: run `pip install -e ".[grade]"`\n'


@pytest.mark.slow
def test_the_demo_grades_a_class_and_a_second_run_changes_nothing(tmp_path, monkeypatch, everything):
    exercises = Course(ROOT, tmp_path).exercises()
    small_course(tmp_path, *(exercises if everything else drawn(exercises, 2)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")  # of the process; the console here was made before
    monkeypatch.setattr(console, "width", 150)
    first = subprocess.run([*AUTOGRADER, "demo"], capture_output=True, text=True, check=True).stdout
    again = CliRunner().invoke(app, ["demo"])
    assert again.exit_code == 0, again.output
    second = again.stdout
    assert "not gradable: it is not complete JSON" in first
    assert "checks not attempted" in first
    assert first.count("10/10") >= 3
    pages = list((tmp_path / "classroom" / "demo" / "feedback").glob("*/*/*.html"))
    assert [(path, leaked) for path in pages if (leaked := leaks(Course(ROOT, tmp_path), path))] == []
    assert f"{len(pages)} pages written, 0 as before" in first
    assert f"0 pages written, {len(pages)} as before" in second
    assert "; 0 new," in second
    was, is_now = ([" ".join(line.split()) for line in said.splitlines() if "│" in line] for said in (first, second))
    assert is_now == [line for line in was if "not gradable" in line]
    assert f"Not in the table: {len(pages)} as before." in second

import subprocess
import sys

import pytest
from hidden import leaks
from project import ROOT, small_course
from rich.console import Console
from samples import drawn
from typer.testing import CliRunner

from autograder.cli import app
from autograder.commands.common import console
from autograder.commands.results import results_table
from autograder.course import Course
from autograder.doctor import examine
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
    check = Check("a", 0, 1, WRONG, "Check failed: logits[t] scores tokens[t+1]")
    Console(width=100).print(results_table([Result("s[red]1", "01_simpo_loss", GRADED, (check,))]))
    out = capsys.readouterr().out
    assert "a: logits[t] scores tokens[t+1]" in out
    assert "s[red]1" in out


@pytest.mark.parametrize(("repairs", "words"), [("ab", "and 1 more repair\n"), ("abc", "and 2 more repairs\n")])
def test_one_repair_is_one(capsys, repairs, words):
    result = Result("s", "01_simpo_loss", GRADED, (Check("a", 1, 1, RIGHT, ""),), repairs=tuple(repairs))
    Console(width=100).print(results_table([result]))
    assert words in "".join(f"{line.strip(' │')}\n" for line in capsys.readouterr().out.splitlines())


def test_the_doctor_finds_this_environment_well():
    findings = list(examine())
    assert all(finding.ok for finding in findings), [str(f) for f in findings if not f.ok]
    words = "\n".join(map(str, findings))
    for part in ("[OK] Python 3", "[OK] nbgrader", "[OK] torch", "kernel python3 runs", "CPU cores"):
        assert part in words or (part == "CPU cores" and "GPU:" in words)


def test_the_doctor_says_what_to_do_about_a_missing_package(monkeypatch):
    import importlib.metadata

    known = importlib.metadata.version

    def version(name):
        if name == "nbgrader":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    missing = [str(finding) for finding in examine() if not finding.ok]
    assert missing == ["[FAIL] nbgrader is missing: run `pip install -e .` in the repository"]


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

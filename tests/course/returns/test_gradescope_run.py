"""The autograder for Gradescope, run in a folder laid out as theirs: /autograder/source, submission, results."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from project import ROOT

from autograder.confinement.sandbox import NoConfinement
from autograder.course import UNSAFE_VARIABLE, Course
from autograder.execution import run as execution
from autograder.grading import grade as grading
from autograder.grading.benches import hand_in, load_bench
from autograder.results import GRADER_FAULT, Result
from autograder.returns.gradescope_run import Fault, run
from autograder.returns.gradescope_zip import write_zip

ESSAY = "04_advantages"
KEYS = {"name", "score", "max_score", "status", "visibility", "output", "output_format"}  # of a test, in their format
VISIBILITIES = {"visible", "hidden", "after_due_date", "after_published"}
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """What Gradescope makes of the zip file."""
    folder = tmp_path_factory.mktemp("gradescope")
    write_zip(Course(ROOT, folder / "classroom"), ESSAY, folder / "autograder.zip")
    root = folder / "autograder"
    with zipfile.ZipFile(folder / "autograder.zip") as archive:
        archive.extractall(root / "source")
        for entry in archive.infolist():  # unzip keeps modes, which Python's does not
            (root / "source" / entry.filename).chmod(entry.external_attr >> 16)
    shutil.copy(root / "source" / "run_autograder", root)
    (root / "results").mkdir()
    return root


@pytest.fixture
def root(unpacked):
    """The same for the next submission."""
    shutil.rmtree(unpacked / "submission", ignore_errors=True)
    (unpacked / "results" / "results.json").unlink(missing_ok=True)
    (unpacked / "submission").mkdir()
    return unpacked


def submit(root, name, answer, exercise=ESSAY):
    path = root / "submission" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(hand_in(Course(ROOT, root), exercise, answer), encoding="utf-8")


def bench(name=None):
    answers = load_bench(Course(ROOT, ROOT), ESSAY)
    return next(answer for answer in answers if answer.name == name or (name is None and answer.is_right))


def read(root):
    return json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))


def test_a_submission_is_graded_by_the_zip_files_own_code(root):
    submit(root, f"{ESSAY} (1).ipynb", load_bench(Course(ROOT, ROOT), ESSAY)[-1])
    environment = {**os.environ, "AUTOGRADER_ROOT": str(root), "AUTOGRADER_PYTHON": sys.executable}
    environment["PYTHONPATH"] = str(root / "source" / "project")  # not this clone's
    done = subprocess.run([root / "run_autograder"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = read(root)
    assert "was confined" in done.stdout
    assert results["stdout_visibility"] == "hidden"
    assert "leaderboard" not in results
    tests = results["tests"]
    assert all(set(test) <= KEYS and test["visibility"] in VISIBILITIES for test in tests)
    scored = [test for test in tests if "score" in test]
    assert sum(test["max_score"] for test in scored) == 10  # the essay's six are a person's
    assert results["score"] == sum(test["score"] for test in scored) < 10
    assert {test["visibility"] for test in tests} == {"visible", "after_published"}
    assert "The essay (6 points) is read by a person, and is not in this score." in results["output"]
    [failed, *_] = [test for test in tests if test.get("status") == "failed"]
    assert "expected" in failed["output"]
    assert "hint" in failed["output"].lower()


def test_a_right_answer_has_all_points_and_nothing_to_say(root):
    submit(root, f"work/{ESSAY}.ipynb", bench())
    results = run(root)
    assert results == read(root)
    assert results["score"] == 10
    assert {test.get("status") for test in results["tests"]} == {"passed", None}
    assert results["extra_data"] == {"exercise": ESSAY, "verdict": "graded", "confined": True}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "there is no notebook"),
        (("homework.ipynb",), "there is homework.ipynb. Hand in the notebook itself"),
        ((f"a {ESSAY}.ipynb", f"b {ESSAY}.ipynb"), "Several files could be 04_advantages.ipynb"),
    ],
)
def test_what_cannot_be_graded_gets_a_sentence(root, names, words):
    for name in names:
        submit(root, name, None, ESSAY if ESSAY in name else "01_simpo_loss")
    results = run(root)
    assert results["score"] == 0
    assert results["tests"] == []
    assert words in results["output"]


def test_a_file_that_is_cut_off_is_said(root):
    submit(root, f"{ESSAY}.ipynb", bench())
    path = root / "submission" / f"{ESSAY}.ipynb"
    path.write_text(path.read_text()[:5000])
    assert "could not be graded: it is not complete JSON" in run(root)["output"]


def test_where_the_container_allows_no_confinement_it_is_said_and_graded(root, monkeypatch, capsys):
    def refuse():
        raise NoConfinement("no Landlock here")

    monkeypatch.setattr(execution, "prove_confinement", refuse)
    monkeypatch.setenv(UNSAFE_VARIABLE, "")
    submit(root, f"{ESSAY}.ipynb", bench())
    results = run(root)
    assert results["score"] == 10
    assert results["extra_data"]["confined"] is False
    assert "NOT CONFINED: this container does not allow it (no Landlock here)" in capsys.readouterr().out


def test_a_fault_of_the_graders_scores_nobody(root, monkeypatch):
    fault = Result("student", ESSAY, GRADER_FAULT, reason="the disk is gone")
    monkeypatch.setattr(grading, "grade", lambda *_, **__: iter([(fault, True)]))
    submit(root, f"{ESSAY}.ipynb", bench())
    with pytest.raises(Fault, match="the disk is gone"):
        run(root)
    assert not (root / "results" / "results.json").exists()

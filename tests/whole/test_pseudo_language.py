"""Nothing that a student or a teacher is shown is left in English for other languages: by a language that marks it."""

import re
import shutil

import numpy as np
import pseudo
import pytest
import typer
from catalogues import sentences
from pseudo import prose, unmarked
from small_class import ESSAY, LOSS, copied
from typer.testing import CliRunner

import autograder.checks as checks
from autograder import doctor
from autograder.cells import read_notebook
from autograder.cli import app
from autograder.course import UserError
from autograder.handing_in.progress import progress
from autograder.jupyter.validation import lines, report
from autograder.nbgrader_setup import nbgrader_api
from autograder.pack import pack
from autograder.pages import class_known, feedback, feedback_list, feedback_page
from autograder.reports.report import render
from simpo_language.speech import speak

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves
TITLES = "Exercise The squared loss Advantages of SimPO over DPO"  # the authors'
NAMES = {
    *TITLES.split(),
    "SimPO",
    "autograder",
    "ada",
    "bob",
    "dee",
    "eve",
    "Eve",
    "Zhou",
    "Neil",
    "Python",
    "Linux",
    "Dask",
    "CPU",
    "root",
}


@pytest.fixture(scope="module", autouse=True)
def marked(small_class, tmp_path_factory):  # the class is graded before: other tests share it
    folder = tmp_path_factory.mktemp("catalogues")
    pseudo.make(folder)
    with pseudo.known(folder):
        speak(pseudo.CODE)
        yield


@pytest.fixture
def course(small_class, tmp_path):
    return copied(small_class, tmp_path / "class")


def run(*arguments):
    """What a command prints, in lines so wide that none is broken."""
    done = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "2000"})
    assert done.exception is None or isinstance(done.exception, SystemExit | UserError), done.output
    return done.output + (str(done.exception) if isinstance(done.exception, UserError) else "")


COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands) or None
CALLS = [
    lambda: checks.check_close(checks.answer("loss", 0.5), 0.25),
    lambda: checks.check_close(checks.answer("loss", np.zeros(3)), np.ones(3)),
    lambda: checks.check_close(checks.answer("loss", np.zeros(3)), 1.0),
    lambda: checks.check_close(checks.answer("loss", (0, 25)), 0.25),
    lambda: checks.check_close(checks.answer("loss", "0.5"), 0.25),
    lambda: checks.check_close(checks.answer("loss", ...), 0.25),
    lambda: checks.check_close(checks.answer("loss", None), 0.25),
    lambda: checks.check_close(checks.call(lambda x: x / 0, 1.0), 0.25),
    lambda: checks.check_close(checks.call(lambda x: x.pop() and 1.0, [1.0]), 1.0),
    lambda: checks.check_close(checks.gradient(lambda x: x.detach(), 1.0), 1.0),
    lambda: checks.check_shape(checks.answer("loss", 1.0), (2,)),
    lambda: checks.check_type(checks.answer("loss", 1.0), str, bool),
    lambda: checks.check_choice(checks.answer("larger", "x"), "dpo", options=("dpo", "simpo")),
    lambda: checks.check_choice(checks.answer("larger", "simpo"), "dpo", options=("dpo", "simpo")),
    lambda: checks.check_inputs_unchanged(lambda x: object(), 1.0),
    lambda: checks.need({}, "loss"),
    lambda: checks.compare_prediction("", ..., 1.0),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_a_check_that_fails(number):
    with pytest.raises((checks.CheckFailed, checks.NotAttempted)) as caught:
        CALLS[number]()
    said = re.sub(r"^! .*|^↳ (⟦[^⟧]*⟧).*", r"\1", str(caught.value), flags=re.MULTILINE)
    assert (
        unmarked(said, {"loss", "larger", "lambda", "gradient", "str", "bool", "float", "None", "dpo", "simpo"}) == []
    )


def test_a_check_that_passes(capsys):
    checks.passed(1, "7", more=True)
    checks.fresh_rng(3)
    checks.compare_prediction("7", 1.0, 2.0)
    assert unmarked(capsys.readouterr().out) == []


def helps():
    return [[], *([name] for name in sorted(typer.main.get_command(app).commands))]


@pytest.mark.parametrize("command", helps(), ids=lambda one: " ".join(one) or "autograder")
def test_the_help_of_a_command(command, monkeypatch):
    monkeypatch.setattr(typer.rich_utils, "MAX_WIDTH", 2000)
    shown = re.sub(r"│ (?:\*\s+)?[\w-]+ ", "│ ", run(*command, "--help"))  # names of commands and arguments
    shown = re.sub(r"⟦[^⟧│]*(?=│)", "", shown)  # of a command in the list, only the first paragraph is told
    shown = re.sub(r"⟦Usage: ⟧.*", "", shown)
    arguments = {one.name for one in typer.main.get_command(app).commands[command[0]].params} if command else set()
    assert unmarked(shown, NAMES | arguments) == []


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["status", "--foo"],
        ["grade"],
        ["grade", "nowhere"],
        ["feedback"],
        ["feedback", "--student", "nobody"],
        ["report"],
        ["export"],
        ["export", "--to", "nothing"],
        ["export", "--to", "gradescope"],
        ["export", "--to", "moodle"],
        ["due"],
        ["due", LOSS, "yesterday"],
        ["roster"],
        ["regrade", LOSS],
    ],
    ids=" ".join,
)
def test_what_a_teachers_command_prints(command, course, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shown = run(*command, "--classroom", course.classroom)
    assert unmarked(shown, {*NAMES, *command, "loss", "batch", "squared"}) == []


def test_the_report(course):
    html = render(course)
    assert unmarked(prose(html), {*NAMES, "anonymous", "report"}) == []


def test_the_pages_of_feedback(course, monkeypatch):
    monkeypatch.setattr(feedback, "language_of", lambda *_: pseudo.CODE)
    monkeypatch.setattr(feedback_page, "_language", lambda *_: pseudo.CODE)
    monkeypatch.setattr(feedback_list, "language_of_student", lambda *_: pseudo.CODE)
    with nbgrader_api(course).gradebook as gradebook:
        known = class_known.read_known(course, gradebook)
    chosen = class_known.graded(course)
    paths = [path for path, _ in feedback.write_pages(course, known, chosen, force=True)]
    paths += [path for path, _ in feedback_list.write_indexes(course, known, ["ada", "dee"], force=True)]
    graded = {word for said in sentences("checks") for word in pseudo.WORD.findall(said)}  # as handed in
    for path in paths:
        given = course.classroom / "release" / path.parent.name / f"{path.stem}.ipynb"
        authors = set(pseudo.WORD.findall(given.read_text("utf-8"))) if given.is_file() else set()  # titles, and tasks
        assert unmarked(prose(path.read_text("utf-8")), NAMES | authors | graded) == [], path


def test_pack_validate_progress_and_doctor(course, tmp_path):
    shutil.copy(course.notebooks / f"{LOSS}.ipynb", tmp_path)
    shutil.copy(course.notebooks / f"{ESSAY}.ipynb", tmp_path / "04_advantages-Copy1.ipynb")
    assert unmarked(repr(pack(folder=tmp_path)), NAMES) == []
    notebook = read_notebook(tmp_path / f"{LOSS}.ipynb")
    said = prose("\n".join(report(notebook)))
    for line in lines(notebook):
        said = said.replace(line.title, "")  # the author's
    assert unmarked(said, NAMES) == []
    assert unmarked(progress(pseudo.CODE, tmp_path), NAMES) == []
    assert unmarked(doctor.summary(pseudo.CODE), NAMES) == []


def test_what_is_not_marked_is_found():
    assert unmarked("⟦all is ⟦well⟧ here⟧ but this, 01_simpo_loss.ipynb, --to") == ["but", "this"]

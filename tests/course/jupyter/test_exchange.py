"""A course on a hub: nbgrader's own commands over an exchange folder, from release to a student's feedback."""

import shutil

import nbformat
import pytest
from jupyter_core.application import NoStart
from nbgrader.apps import NbGraderApp
from project import ROOT
from traitlets.config import PyFileConfigLoader

from autograder.authoring.release import prepare
from autograder.cells import read_notebook
from autograder.course import CLASSROOM_VARIABLE
from autograder.grading.benches import hand_in, load_bench
from autograder.grading.grade import grade
from autograder.nbgrader_setup import nbgrader_api
from autograder.pages.class_known import read_known
from autograder.pages.feedback import is_stale, write_pages

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
EXERCISES = ("01_simpo_loss", "02_simpo_vs_dpo")
STUDENT = "ada"


@pytest.fixture
def nbgrader(course, tmp_path, monkeypatch):
    """`nbgrader COMMAND ...` in this process, with a scratch exchange and this course's settings."""
    home, exchange = tmp_path / "home", tmp_path / "exchange"
    home.mkdir()
    exchange.mkdir()
    exchange.chmod(0o777)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv(CLASSROOM_VARIABLE, str(course.classroom))
    shutil.copy(ROOT / "nbgrader_config.py", home)

    def run(folder, *arguments):
        monkeypatch.chdir(folder)
        app = NbGraderApp.instance()
        try:
            app.initialize([*arguments, f"--Exchange.root={exchange}", "--log-level=ERROR"])
            with pytest.raises(NoStart):  # the subcommand has run and the main one has nothing to do
                app.start()
        finally:
            if app.subapp:
                app.subapp.clear_instance()
            app.clear_instance()

    run.home = home
    return run


def answers(course, exercise):
    right = next(answer for answer in load_bench(course, exercise) if answer.is_right)
    return hand_in(course, exercise, right, "zh")


def test_exercises_are_released_one_by_one_fetched_submitted_graded_and_explained(course, nbgrader):
    prepare(course, EXERCISES)
    for exercise in EXERCISES:  # as a term's calendar has it
        nbgrader(ROOT, "release_assignment", exercise, "--ReleaseEdition.language=zh")
        nbgrader(nbgrader.home, "fetch_assignment", exercise)
        fetched = nbgrader.home / exercise / f"{exercise}.ipynb"
        assert read_notebook(fetched) == read_notebook(ROOT / "notebooks" / "zh" / f"{exercise}.ipynb")

        fetched.write_text(answers(course, exercise), encoding="utf-8")
        nbgrader(nbgrader.home, "submit", exercise, "--student", STUDENT)
        nbgrader(ROOT, "collect", exercise)
        assert course.notebook("submitted", STUDENT, exercise).read_bytes() == fetched.read_bytes()

    assert [(result.student, result.points) for result, _ in grade(course)] == [(STUDENT, 10), (STUDENT, 10)]
    for exercise in EXERCISES:
        nbgrader(ROOT, "generate_feedback", exercise, "--FeedbackExporter.has_list=False")
        nbgrader(ROOT, "release_feedback", exercise)
        nbgrader(nbgrader.home, "fetch_feedback", exercise)
        pages = list((nbgrader.home / exercise / "feedback").rglob(f"{exercise}.html"))
        assert len(pages) == 1
        page = pages[0].read_text(encoding="utf-8")
        assert "10" in page
        assert "index.html" not in page

    with nbgrader_api(course).gradebook as gradebook:
        known = read_known(course, gradebook)
    keys = [(STUDENT, exercise) for exercise in EXERCISES]
    assert not any(is_stale(course, known.marks, *key) for key in keys)
    written = list(write_pages(course, known, keys))  # for a folder that holds the list, too
    assert all(is_new and "index.html" in path.read_text(encoding="utf-8") for path, is_new in written)
    assert not any(is_new for _, is_new in write_pages(course, known, keys))
    assert not any(is_stale(course, known.marks, *key) for key in keys)


def test_nothing_but_the_asked_exercise_is_released(course, nbgrader, tmp_path):
    prepare(course, EXERCISES)
    nbgrader(ROOT, "release_assignment", EXERCISES[0])
    outbound = tmp_path / "exchange" / "simpo_practice" / "outbound"
    assert [path.name for path in outbound.iterdir()] == [EXERCISES[0]]
    released = outbound / EXERCISES[0] / f"{EXERCISES[0]}.ipynb"
    assert nbformat.read(released, 4) == nbformat.read(ROOT / "notebooks" / f"{EXERCISES[0]}.ipynb", 4)
    text = released.read_text(encoding="utf-8")
    assert "BEGIN" not in text
    assert not list(outbound.rglob("*.db"))


def test_the_hubs_settings_load_and_name_one_course():
    """What nbgrader and JupyterHub look up by name: the service, the groups and the scopes of the roles."""
    folder = str(ROOT / "docs" / "jupyterhub")
    everybodys = PyFileConfigLoader("nbgrader_config.py", folder).load_config()
    course = everybodys.CourseDirectory.course_id
    assert not everybodys.FeedbackExporter.has_list
    hub = PyFileConfigLoader("jupyterhub_config.py", folder).load_config().JupyterHub
    groups = {f"formgrade-{course}", f"nbgrader-{course}"}
    assert set(hub.load_groups) == groups
    assert [service["name"] for service in hub.services] == [course]
    grader = hub.services[0]["user"]
    assert grader in hub.load_groups[f"formgrade-{course}"]["users"]
    roles = {role["name"]: role for role in hub.load_roles}
    assert f"access:services!service={course}" in roles["formgrader"]["scopes"]
    assert roles["formgrader"]["groups"] == [f"formgrade-{course}"]  # and no student
    assert roles["course-groups"]["scopes"] == [f"read:users:groups!user={grader}"]

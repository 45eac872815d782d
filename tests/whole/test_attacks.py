"""Hostile submissions, end to end, in one class with honest neighbours: none gains, sees or breaks anything.

A plain run draws a quarter of each kind.
"""

import html.parser
import json
import os
from math import ceil
from pathlib import Path

import nbformat
import pytest
from attack_corpus import EARNED, EXERCISE, MARKER, SECRET, attacks, hand_in_honest, make_course
from samples import drawn

from autograder.authoring.release import prepare
from autograder.grading.grade import grade
from autograder.nbgrader_setup import nbgrader_api
from autograder.pages.class_known import read_known
from autograder.pages.feedback import write_pages
from autograder.results import GRADED, GRADER_FAULT

ATTACKS = attacks()
HONEST = ("aa-honest", "honest", "zz-honest")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves


def hand_in_class(course, attackers):
    hand_in_honest(course, HONEST)
    for student, attack in attackers.items():
        path = course.notebook("submitted", student, EXERCISE)
        path.parent.mkdir(parents=True)
        attack.hand_in(course, path)


@pytest.fixture(scope="module")
def attackers(everything):
    """Each attacking student's attack."""
    by_kind = [[one for one in ATTACKS if one.kind == kind] for kind in dict.fromkeys(one.kind for one in ATTACKS)]
    chosen = ATTACKS if everything else [one for kind in by_kind for one in drawn(kind, ceil(len(kind) / 4))]
    return {f"attacker{ATTACKS.index(attack):03}": attack for attack in chosen}


@pytest.fixture(scope="module")
def graded(attackers, tmp_path_factory):
    """The class, graded by two workers, and the results by student."""
    course = make_course(tmp_path_factory.mktemp("course"))
    hand_in_class(course, attackers)
    prepare(course, [EXERCISE])
    os.environ["A_TOKEN"] = SECRET
    found = {result.student: result for result, _ in grade(course, jobs=2, cell_seconds=5)}
    del os.environ["A_TOKEN"]
    return course, found


def is_as_it_must_be(attack, result):
    """Whether a hostile submission got what it had earned, and the verdict and the words that are due."""
    said = [str(words) for words in (result.reason, *result.repairs)]
    return (
        attack.verdict in (result.verdict, "*")
        and result.verdict != GRADER_FAULT
        and ((result.points, result.max_points) == (EARNED, 10) if result.checks else bool(result.reason))
        and attack.words in "\n".join(said)
        and all(len(words) < 400 for words in said)
    )


def test_a_hostile_submission_gets_what_it_earned_and_a_verdict(graded, attackers):
    _, found = graded
    pairs = [(attack, found[student]) for student, attack in attackers.items()]
    assert [f"{attack.name}: {result}" for attack, result in pairs if not is_as_it_must_be(attack, result)] == []


@pytest.mark.parametrize("name", HONEST)
def test_honest_neighbours_have_all_their_points(graded, name):
    _, found = graded
    assert (found[name].verdict, found[name].points) == (GRADED, 10)


def test_the_gradebook_has_the_same_points(graded):
    course, found = graded
    with nbgrader_api(course).gradebook as gradebook:
        for name, result in found.items():
            if result.checks:
                assert gradebook.find_submission(EXERCISE, name).score == result.points, name


def test_no_secret_comes_out(graded, attackers):
    course, found = graded
    for student, attack in attackers.items():
        if not found[student].checks:
            continue
        notebook = nbformat.read(course.notebook("autograded", student, EXERCISE), 4)
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        shown = [output for output in outputs if output.output_type != "error"]
        messages = [check.message for check in found[student].checks]
        assert SECRET not in json.dumps(outputs), attack.name
        assert "SECRET" not in json.dumps(shown), attack.name  # printed where something worked that must not
        assert SECRET not in json.dumps(messages), attack.name


class Scripts(html.parser.HTMLParser):
    """Collects what a browser would run."""

    def __init__(self):
        super().__init__()
        self.inside = False
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.inside = tag == "script"
        values = [value or "" for name, value in attributes if name.startswith("on") or "javascript:" in (value or "")]
        self.found += [value for value in values if MARKER in value]

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside and MARKER in data:
            self.found.append(data)


def test_pages_of_feedback_run_and_show_nothing_of_the_attackers(graded, attackers):
    course, found = graded
    with nbgrader_api(course).gradebook as gradebook:
        known = read_known(course, gradebook)
    for student, attack in attackers.items():
        if found[student].checks and attack.kind in ("feedback", "secrets", "points", "changed notebook"):
            [(path, _)] = write_pages(course, known, [(student, EXERCISE)])
            page, scripts = path.read_text("utf-8"), Scripts()
            scripts.feed(page)
            assert scripts.found == [], attack.name
            assert SECRET not in page, attack.name


def test_what_was_to_be_protected_is_as_it_was(graded):
    course, _ = graded
    secret = course.root / "secret.txt"
    assert secret.read_text() == SECRET
    assert secret.stat().st_mtime > 1
    assert SECRET in (course.solutions / f"{EXERCISE}.ipynb").read_text("utf-8")
    assert not list(course.root.rglob("pwned"))
    assert not [path for folder in ("/tmp", "/dev/shm", "/var/tmp") for path in Path(folder).glob("trap-4711.py")]


def test_nothing_is_left_running(graded):
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"sleep\x004711" in words:
            left.append(process.name)
    assert left == []


def test_nothing_is_left_on_the_disk(graded):
    assert not [path for path in Path(os.environ.get("TMPDIR", "/tmp")).glob("notebook-*") if _is_orphan(path)]


def _is_orphan(path):
    return not Path(f"/proc/{path.name.split('-')[1]}").exists()

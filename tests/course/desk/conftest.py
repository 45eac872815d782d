import shutil

import essay_class
import pytest

from autograder.course import Course
from autograder.desk.desk import Desk

EXERCISE = "04_advantages"


@pytest.fixture(scope="session")
def class_of_eight(tmp_path_factory):
    """s001 to s008 have handed in an essay; nobody has read any."""
    folder = tmp_path_factory.mktemp("eight")
    essay_class.make(folder, 8, [EXERCISE])
    return folder


@pytest.fixture
def desk(class_of_eight, tmp_path):
    """A desk on a copy of that class."""
    shutil.copytree(class_of_eight, tmp_path / "course", symlinks=True)
    return Desk(Course(tmp_path / "course", tmp_path / "course" / "classroom"))


@pytest.fixture
def question(desk):
    return desk.question(EXERCISE, "essay")


@pytest.fixture
def ids(desk, question):
    """The essays' ids by student."""
    return {row.student: row.id for row in desk.rows(question)}


@pytest.fixture
def give(desk, question):
    """Give an essay a mark, as its page does, and return what stands there then."""

    def given(notebook, shares=None, **mark):
        card = desk.card(question, notebook)
        sent = {"digest": card["digest"], "version": card["version"], "mark": {"given": shares, **mark}}
        return desk.save(question, notebook, sent)

    return given

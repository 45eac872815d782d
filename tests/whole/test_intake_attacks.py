"""Hostile downloads: each beside an honest file, which is taken; what is said of each, and that nothing gets out."""

import os

import pytest
from attack_corpus import hand_in_honest
from intake_attacks import ATTACKS, EXERCISE
from small_class import empty

from autograder.course import Course
from autograder.handing_in.people import STUDENT
from autograder.handing_in.submissions import collect
from autograder.student_data.visible import visible


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return empty(tmp_path_factory.mktemp("course"), EXERCISE)


@pytest.fixture(scope="module")
def notebook(course):
    hand_in_honest(course, ["honest"])
    return course.notebook("submitted", "honest", EXERCISE).read_bytes()


THOROUGH = pytest.mark.thorough("to make the archive takes seconds; the others try the same place")
LONG = ("too many files", "a bomb")
PARAMETERS = [pytest.param(one, id=one.name, marks=[THOROUGH] * (one.name in LONG)) for one in ATTACKS]


@pytest.mark.parametrize("attack", PARAMETERS)
def test_a_hostile_download_gets_nothing_and_its_neighbour_is_taken(attack, course, notebook, tmp_path):
    class_ = Course(course.root, tmp_path / "classroom")
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / f"honest_{EXERCISE}.ipynb").write_bytes(notebook)
    attack.put(downloads, notebook)
    before = sorted(os.listdir(tmp_path))
    taken, left = collect(class_, downloads)
    assert "honest" in {one.student for one in taken}
    assert class_.notebook("submitted", "honest", EXERCISE).read_bytes() == notebook
    assert all(STUDENT.fullmatch(one.student) for one in taken)
    said = [f"{item.name}: {item.reason}" for item in left]
    assert any(attack.words in words for words in said) or not attack.words, said
    assert all(len(words) < 1500 and visible(words) == words for words in said)
    assert sorted(os.listdir(tmp_path)) == sorted({*before, "classroom"})
    written = [path for path in tmp_path.joinpath("classroom").rglob("*") if path.is_symlink()]
    assert written == []

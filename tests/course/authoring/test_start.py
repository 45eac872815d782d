"""A course in a folder of one's own."""

import shutil

import pytest
from project import ROOT

from autograder.authoring import start as module
from autograder.authoring.start import course_files, start
from autograder.course import Course, UserError, find_course
from autograder.pack import pack


def test_a_clone_gives_its_own_files():
    assert course_files() == ROOT


def test_students_get_the_notebooks_and_nothing_that_solves_them(tmp_path):
    written, kept = start(tmp_path / "work")
    names = {path.relative_to(tmp_path / "work").as_posix() for path in written}
    assert {"00_start.ipynb", "10_graded_preferences.ipynb", "zh/00_start.ipynb", "runs/one_sentence.toml"} <= names
    assert (len(names), kept) == (25, [])
    assert all(name.startswith(("zh/", "runs/")) or "/" not in name for name in names)


def test_what_a_student_has_written_stays(tmp_path):
    start(tmp_path)
    mine, lost = tmp_path / "01_simpo_loss.ipynb", tmp_path / "zh" / "02_simpo_vs_dpo.ipynb"
    mine.write_text("mine")
    lost.unlink()
    assert start(tmp_path) == ([lost], [mine])
    assert mine.read_text() == "mine"


def test_teachers_get_a_course(tmp_path):
    start(tmp_path, teach=True)
    course = find_course(folder=tmp_path)
    assert course == Course(tmp_path, tmp_path / "classroom")
    assert course.exercises() == Course(ROOT, tmp_path).exercises()
    assert {path.stem for path in course.benches.iterdir()} == set(course.exercises())
    assert course.outline == tmp_path / "notebooks" / "outline.json"


def test_a_wheels_files_are_found_beside_the_package(tmp_path, monkeypatch):
    package = tmp_path / "site" / "autograder"
    shutil.copytree(ROOT / "notebooks", tmp_path / "site" / "share" / "simpo-practice" / "notebooks")
    monkeypatch.setattr(module, "__file__", str(package / "authoring" / "start.py"))
    assert course_files() == tmp_path / "site" / "share" / "simpo-practice"


def test_where_they_were_not_installed_it_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "__file__", str(tmp_path / "autograder" / "authoring" / "start.py"))
    monkeypatch.setattr(module, "SHARE", module.SHARE / "none")
    with pytest.raises(UserError, match="share/simpo-practice was not installed"):
        start(tmp_path / "work")


def test_sources_that_are_kept_from_students_are_one_sentence(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)  # root may read everything
    with pytest.raises(UserError, match="is kept from you on this machine"):
        start(tmp_path / "course", teach=True)


def test_a_changed_course_packs_by_the_outline_that_it_gives_out(tmp_path):
    start(tmp_path)
    (tmp_path / "outline.json").write_text('{\n "01_simpo_loss": []\n}\n')
    for folder in (tmp_path, tmp_path / "zh"):
        assert [sheet.exercise for sheet in pack(folder=folder).sheets] == ["01_simpo_loss"]

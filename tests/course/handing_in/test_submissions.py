import json
import shutil
import stat
import zipfile

import pytest
from project import ROOT

from autograder.cells import read_notebook
from autograder.course import UserError
from autograder.documents.reading import read_student_notebook
from autograder.grading.records import key_of
from autograder.handing_in.submissions import collect, submitted

EXERCISE = "01_simpo_loss"
NOTEBOOK = ROOT / "notebooks" / f"{EXERCISE}.ipynb"


@pytest.fixture
def downloads(tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


def put(folder, name):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(NOTEBOOK, path)
    return path


def reasons(left):
    return {item.name: item.reason for item in left}


def test_a_flat_folder_is_taken(course, downloads):
    put(downloads, f"s1_{EXERCISE}.ipynb")
    put(downloads, f"two_words_{EXERCISE}.ipynb")
    taken, left = collect(course, downloads)
    assert [submission.student for submission in taken] == ["s1", "two_words"]
    assert left == []
    copy = course.notebook("submitted", "s1", EXERCISE)
    assert copy.read_bytes() == NOTEBOOK.read_bytes()
    assert copy in [submission.notebook for submission in submitted(course)]


def test_nbgraders_layout_is_taken_with_its_timestamp(course, downloads):
    put(downloads, f"s1/{EXERCISE}/{EXERCISE}.ipynb").with_name("timestamp.txt").write_text("2026-11-20 12:00:00 UTC")
    taken, left = collect(course, downloads)
    assert [(s.student, s.exercise) for s in taken] == [("s1", EXERCISE)]
    assert left == []
    assert course.notebook("submitted", "s1", EXERCISE).with_name("timestamp.txt").read_text().startswith("2026")


@pytest.mark.parametrize(
    "name",
    [f"s1_{EXERCISE} (1).ipynb", f"s1_{EXERCISE}-Copy1.ipynb", f"s1_{EXERCISE}-2.ipynb", f"s1/{EXERCISE}/p1 (1).ipynb"],
)
def test_a_notebook_of_another_name_is_known(course, downloads, name):
    put(downloads, name)
    taken, left = collect(course, downloads)
    assert [(s.student, s.exercise) for s in taken] == [("s1", EXERCISE)], left


def test_a_zip_file_is_taken(course, downloads, tmp_path):
    archive = tmp_path / "class.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(NOTEBOOK, f"export/s1_{EXERCISE}.ipynb")
        opened.write(NOTEBOOK, f"export/s2/{EXERCISE}/{EXERCISE}.ipynb")
        opened.write(NOTEBOOK, f"__MACOSX/export/._s1_{EXERCISE}.ipynb")
    taken, left = collect(course, archive)
    assert sorted(submission.student for submission in taken) == ["s1", "s2"]
    assert left == []


def test_unknown_files_are_listed_and_left(course, downloads):
    put(downloads, f"s1_{EXERCISE}.ipynb")
    put(downloads, "s2_99_other.ipynb")
    put(downloads, f"{EXERCISE}.ipynb")
    (downloads / "notes.txt").write_text("hello")
    taken, left = collect(course, downloads)
    assert len(taken) == 1
    assert reasons(left)["notes.txt"] == "unknown: not a notebook"
    assert "expected <student>_<exercise>.ipynb" in reasons(left)["s2_99_other.ipynb"]
    assert f"{EXERCISE}.ipynb" in reasons(left)


def test_a_second_submission_for_the_same_exercise_is_left(course, downloads):
    put(downloads, f"a/s1_{EXERCISE}.ipynb")
    put(downloads, f"b/s1/{EXERCISE}/{EXERCISE}.ipynb")
    taken, left = collect(course, downloads)
    assert len(taken) == 1
    assert left[0].reason.startswith(f"duplicate: a/s1_{EXERCISE}.ipynb is by the same student")


@pytest.mark.parametrize("student", ["*", "s[1]", "..", "-rf", " ", "a b", ""])
def test_a_student_whose_name_is_unsafe_in_paths_is_left(course, downloads, student):
    put(downloads, f"{student}_{EXERCISE}.ipynb")
    taken, left = collect(course, downloads)
    assert taken == []
    assert len(left) == (0 if student == ".." else 1)  # a name that begins with a dot is a hidden file
    assert not (course.classroom / "submitted").exists()


def test_names_in_other_scripts_are_taken(course, downloads):
    put(downloads, f"王小明_{EXERCISE}.ipynb")
    taken, _ = collect(course, downloads)
    assert taken[0].student == "王小明"


def test_a_cut_off_notebook_counts_as_handed_in_unless_a_whole_one_is_there(course, downloads):
    put(downloads, f"s1_{EXERCISE}.ipynb")
    whole = NOTEBOOK.read_text(encoding="utf-8")
    cut = downloads / f"s2_{EXERCISE}.ipynb"
    cut.write_text(whole[: len(whole) // 2], encoding="utf-8")
    (downloads / "s3_notes.ipynb").write_text(whole[: len(whole) // 2], encoding="utf-8")
    taken, left = collect(course, downloads)
    assert [submission.student for submission in taken] == ["s1", "s2"]
    assert [one.name for one in left] == ["s3_notes.ipynb"]
    assert collect(course, downloads)[0] == taken  # again, and nothing changes

    put(downloads, f"s2_{EXERCISE} (1).ipynb")
    taken, left = collect(course, downloads)
    assert reason_of(cut, left).startswith("unreadable: it is not complete JSON")
    assert read_notebook(taken[1].notebook).cells
    (downloads / f"s2_{EXERCISE} (1).ipynb").unlink()
    _, left = collect(course, downloads)
    assert reason_of(cut, left).endswith("cut off?); the classroom's notebook stays")


def reason_of(path, left):
    (reason,) = (one.reason for one in left if one.name == path.name)
    return reason


def test_links_are_left(course, downloads):
    (downloads / f"s1_{EXERCISE}.ipynb").symlink_to(NOTEBOOK)
    taken, left = collect(course, downloads)
    assert taken == []
    assert left[0].reason == "a link; only files are taken"


def test_archives_that_reach_outside_are_refused(course, tmp_path):
    archive = tmp_path / "class.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(NOTEBOOK, f"../s1_{EXERCISE}.ipynb")
        opened.writestr(zipfile.ZipInfo(f"/s2_{EXERCISE}.ipynb"), NOTEBOOK.read_bytes())
        link = zipfile.ZipInfo(f"s3_{EXERCISE}.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, str(NOTEBOOK))
    taken, left = collect(course, archive)
    assert taken == []
    assert all(item.reason.startswith("refused: ") and item.reason.endswith("outside the archive") for item in left)
    assert len(left) == 3


def test_a_cut_off_zip_file_is_one_sentence(course, downloads, tmp_path):
    archive = tmp_path / "class.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(NOTEBOOK, f"s1_{EXERCISE}.ipynb")
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(UserError, match="neither a folder nor a complete zip file"):
        collect(course, archive)


def test_a_damaged_file_in_a_zip_file_is_left_and_the_others_taken(course, tmp_path):
    archive = tmp_path / "class.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.write(NOTEBOOK, f"s1_{EXERCISE}.ipynb")
        opened.write(NOTEBOOK, f"s2_{EXERCISE}.ipynb")
    content = bytearray(archive.read_bytes())
    content[200:260] = bytes(60)
    archive.write_bytes(content)
    taken, left = collect(course, archive)
    assert [submission.student for submission in taken] == ["s2"]
    assert left[0].reason.startswith("unreadable: damaged in the zip file")


def test_a_folder_that_is_not_there_is_one_sentence(course, tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        collect(course, tmp_path / "missing")


def test_a_time_that_comes_later_has_the_submission_graded_again(course, downloads):
    notebook = put(downloads, f"s1/{EXERCISE}/{EXERCISE}.ipynb")
    [before] = collect(course, downloads)[0]
    key = key_of(course, before, notebook.read_bytes())
    notebook.with_name("timestamp.txt").write_text("2026-11-20 12:00:00 UTC")
    [after] = collect(course, downloads)[0]
    assert key_of(course, after, notebook.read_bytes()) != key


def test_collecting_again_rewrites_nothing(course, downloads):
    put(downloads, f"s1_{EXERCISE}.ipynb")
    collect(course, downloads)
    copy = course.notebook("submitted", "s1", EXERCISE)
    before = copy.stat().st_mtime_ns
    collect(course, downloads)
    assert copy.stat().st_mtime_ns == before


def test_what_is_in_the_classroom_is_not_read_again(course, downloads, monkeypatch):
    for name in (f"s1_{EXERCISE}.ipynb", f"s2/{EXERCISE}/HW 1.ipynb"):
        put(downloads, name)
    (downloads / f"s3_{EXERCISE}.ipynb").write_text("cut off")
    first = collect(course, downloads)
    assert [one.student for one in first[0]] == ["s1", "s2", "s3"]
    read = []

    def counted(path):
        read.append(path.name)
        return read_student_notebook(path)

    monkeypatch.setattr("autograder.handing_in.downloads.read_student_notebook", counted)
    assert collect(course, downloads) == first
    assert read == []
    (downloads / f"s1_{EXERCISE}.ipynb").write_bytes(NOTEBOOK.read_bytes() + b"\n")
    collect(course, downloads)
    assert read == [f"s1_{EXERCISE}.ipynb"]


def test_an_older_upload_of_canvas_never_replaces_a_newer_one(course, tmp_path):
    for number, (name, upload) in enumerate([("later", 90002), ("earlier", 90001), ("latest", 90003)]):
        (tmp_path / str(number)).mkdir()
        content = json.dumps({"cells": [{"cell_type": "code", "source": f"# {name}"}]})
        (tmp_path / str(number) / f"mullerzoe_1234_{upload}_{EXERCISE}.ipynb").write_text(content)
    taken, _ = collect(course, tmp_path / "0")
    older, left = collect(course, tmp_path / "1")
    assert (older, [item.reason for item in left]) == (
        [],
        ["older: the classroom has a later upload, Canvas's number 90002"],
    )
    assert "# later" in taken[0].notebook.read_text()
    collect(course, tmp_path / "2")
    assert "# latest" in taken[0].notebook.read_text()

"""What learning management systems give out, from the zip file to the classroom."""

import io
import os
import time
import zipfile
from dataclasses import replace

import pytest
from lms_downloads import Handed, canvas, gradescope, moodle, moodle_worksheet
from openpyxl import Workbook
from project import ROOT

from autograder.handing_in.archives import NOT_A_NOTEBOOK
from autograder.handing_in.people import Person
from autograder.handing_in.submissions import collect

EXERCISE = "01_simpo_loss"
CONTENT = (ROOT / "notebooks" / f"{EXERCISE}.ipynb").read_bytes()
LATER = CONTENT + b"\n"
ZOE = Handed("Zoë", "Müller-Lüdenscheidt", CONTENT, number=4711, email="zoe@uni.edu", sid="20261")
MING = Handed("小明", "王", CONTENT, number=4712, email="ming@uni.edu", sid="20262")


@pytest.fixture(autouse=True)
def berlin(monkeypatch):
    """The computer's zone, in which Moodle's worksheet is read."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def downloads(tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


@pytest.fixture
def with_roster(course, monkeypatch):
    """Put people on the roster without a gradebook."""

    def put(*people):
        monkeypatch.setattr("autograder.handing_in.submissions.load", lambda course: list(people))

    return put


def students(taken):
    return sorted(submission.student for submission in taken)


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [{}, {"trailing": ""}, {"folders": False}])
def test_moodles_zip_is_taken_with_names_in_any_script(course, tmp_path, shape):
    nested = replace(ZOE, file=f"my work/{EXERCISE}.ipynb")
    taken, left = collect(course, moodle(tmp_path / "course-assignment-17.zip", [nested, MING], **shape))
    assert left == []
    assert students(taken) == ["Zoë-Müller-Lüdenscheidt", "小明-王"]


def test_moodles_unpacked_folder_is_taken(course, tmp_path, downloads):
    with zipfile.ZipFile(moodle(tmp_path / "m.zip", [ZOE])) as opened:
        opened.extractall(downloads)
    taken, left = collect(course, downloads)
    assert (students(taken), left) == (["Zoë-Müller-Lüdenscheidt"], [])


def test_zip_files_are_opened_three_deep(course, tmp_path):
    deepest = zipped({"older.zip": zipped({f"{EXERCISE}.ipynb": LATER})})
    work = {"old.zip": deepest, f"{EXERCISE}.ipynb": CONTENT, "notes.pdf": b"x"}
    taken, left = collect(course, moodle(tmp_path / "m.zip", [replace(ZOE, file="work.zip", content=zipped(work))]))
    assert students(taken) == ["Zoë-Müller-Lüdenscheidt"]
    assert taken[0].notebook.read_bytes() == CONTENT
    assert [item.reason.split(":")[0] for item in left] == ["refused", "unknown"]


def test_a_notebook_of_another_name_is_known_by_its_cells(course, tmp_path):
    taken, left = collect(course, moodle(tmp_path / "m.zip", [replace(ZOE, file="Homework (final).ipynb")]))
    assert ([submission.exercise for submission in taken], left) == ([EXERCISE], [])


def test_a_notebook_of_another_course_is_left(course, tmp_path):
    other = b'{"nbformat": 4, "nbformat_minor": 5, "cells": [{"cell_type": "code", "source": "print(1)"}]}'
    taken, left = collect(course, moodle(tmp_path / "m.zip", [replace(ZOE, file="other.ipynb", content=other)]))
    assert taken == []
    assert "no notebook of this course, neither by its name nor by its cells" in left[0].reason


def test_moodles_worksheet_gives_ids_and_times(course, downloads):
    moodle(downloads / "m.zip", [ZOE, MING])
    usa = replace(MING, time="Monday, November 30, 2026, 11:59 PM")
    moodle_worksheet(downloads / "Grades-course-17.csv", [ZOE, usa])
    taken, left = collect(course, downloads)
    assert (students(taken), left) == (["20261", "20262"], [])
    stamps = {one.student: one.notebook.with_name("timestamp.txt").read_text() for one in taken}
    # Berlin in winter is an hour before UTC
    assert stamps == {"20261": "2026-11-30 13:14:00 UTC\n", "20262": "2026-11-30 22:59:00 UTC\n"}
    assert {one.time_from for one in taken} == {"Moodle's grading worksheet"}


@pytest.mark.parametrize(
    "time", ["2026年11月30日 星期一 14:14", "2026年11月30日 星期一 下午 2:14", "2026年11月30日 2:14 下午"]
)
def test_moodles_worksheet_in_chinese_gives_ids_and_times(course, downloads, time):
    moodle(downloads / "m.zip", [ZOE])
    sheet = f"识别码,姓名,学号,成绩,最后修改（学生）\n参与者 {ZOE.number},{ZOE.first} {ZOE.last},20261,,{time}\n"
    (downloads / "w.csv").write_text(sheet, encoding="utf-8-sig")
    taken, left = collect(course, downloads)
    assert (students(taken), left) == (["20261"], [])
    assert f"{taken[0].time:%H:%M}" == "13:14"


@pytest.mark.parametrize("called", ["Participant", "参与者"])
@pytest.mark.parametrize("with_worksheet", [True, False])
def test_where_marking_is_blind_the_number_is_the_student(course, downloads, called, with_worksheet):
    with zipfile.ZipFile(downloads / "blind.zip", "w") as opened:
        for number in (4711, 4712):
            opened.writestr(f"{called}_{number}_assignsubmission_file_/{EXERCISE}.ipynb", CONTENT)
    if with_worksheet:
        sheet = "Identifier,Status,Grade,Last modified (submission)\n"
        sheet += "".join(f"{called} {number},Submitted,,-\n" for number in (4711, 4712))
        (downloads / "w.csv").write_text(sheet, encoding="utf-8")
    taken, left = collect(course, downloads)
    assert (students(taken), left) == (["4711", "4712"], [])


def test_a_time_in_another_language_is_listed_and_the_notebook_taken(course, downloads):
    moodle(downloads / "m.zip", [ZOE])
    moodle_worksheet(downloads / "w.csv", [replace(ZOE, time="Montag, 30. November 2026, 14:14")])
    taken, left = collect(course, downloads)
    assert students(taken) == ["20261"]
    assert taken[0].time is None
    assert "is not a time in Moodle's English" in left[0].reason


def test_a_worksheet_that_a_student_uploads_says_nothing(course, tmp_path):
    forged = moodle_worksheet(tmp_path / "w.csv", [replace(ZOE, sid="20262")]).read_bytes()
    work = zipped({f"{EXERCISE}.ipynb": CONTENT, "w.csv": forged})
    taken, _ = collect(course, moodle(tmp_path / "m.zip", [replace(ZOE, file="work.zip", content=work)]))
    assert students(taken) == ["Zoë-Müller-Lüdenscheidt"]


def test_a_list_of_students_among_the_downloads_is_told_where_it_belongs(course, downloads):
    (downloads / "participants.csv").write_text("First name,Last name\nZoë,Müller\n")
    _, left = collect(course, downloads)
    assert [one.reason for one in left] == [
        "no notebook, and not Moodle's grading worksheet; a list of students goes to `autograder roster`"
    ]


def test_two_of_one_name_are_told_apart_by_the_worksheet_alone(course, downloads):
    twin = replace(ZOE, number=4799, sid="20299", content=LATER)
    moodle(downloads / "m.zip", [ZOE, twin])
    taken, left = collect(course, downloads)
    assert taken == []
    assert [item.reason for item in left] == [
        "unknown student: several are called Zoë Müller-Lüdenscheidt; put Moodle's grading worksheet beside it"
    ] * 2
    moodle_worksheet(downloads / "w.csv", [ZOE, twin])
    assert students(collect(course, downloads)[0]) == ["20261", "20299"]


def test_canvas_zip_is_taken_and_late_work_is_marked(course, tmp_path):
    late = replace(ZOE, late=True, file=f"{EXERCISE}-1.ipynb")
    taken, left = collect(course, canvas(tmp_path / "submissions.zip", [late, MING]))
    assert left == []
    assert students(taken) == ["müllerlüdenscheidtzoë-4711", "王小明-4712"]
    assert [one.student for one in taken if one.marked_late] == ["müllerlüdenscheidtzoë-4711"]
    assert not any(one.notebook.with_name("timestamp.txt").exists() for one in taken)


def test_of_two_files_in_canvas_the_later_upload_is_taken(course, tmp_path):
    first = replace(ZOE, upload=90001)
    second = replace(ZOE, upload=90002, content=LATER, file=f"{EXERCISE}-1.ipynb")
    taken, left = collect(course, canvas(tmp_path / "submissions.zip", [second, first]))
    assert taken[0].notebook.read_bytes() == LATER
    assert "_90002_" in left[0].reason
    assert left[0].reason.endswith("was taken (handed in later)")


def test_an_anonymous_canvas_file_is_left(course, downloads):
    (downloads / f"LATE_anon_aB3dE_90001_{EXERCISE}.ipynb").write_bytes(CONTENT)
    taken, left = collect(course, downloads)
    assert taken == []
    assert "Canvas made it anonymous" in left[0].reason


def test_a_students_number_before_the_exercise_is_not_canvas(course, downloads):
    (downloads / "anna_2026_10_graded_preferences.ipynb").write_bytes(CONTENT)
    taken, _ = collect(course, downloads)
    assert [(one.student, one.exercise) for one in taken] == [("anna_2026", "10_graded_preferences")]


def test_gradescopes_export_gives_each_of_a_group_the_submission(course, tmp_path):
    alone = replace(MING, number=501, sid="20263")
    taken, left = collect(course, gradescope(tmp_path / "g.zip", [[ZOE, MING], [alone]]))
    assert (students(taken), left) == (["20261", "20262", "20263"], [])
    assert taken[0].notebook.with_name("timestamp.txt").read_text() == "2026-11-30 21:13:43 UTC\n"


@pytest.mark.parametrize("system", ["gradescope", "nbgrader", "canvas", "moodle"])
def test_nobody_hands_in_for_another_by_the_names_in_their_upload(course, tmp_path, downloads, system):
    names = (f"{ZOE.first} {ZOE.last}_4711_assignsubmission_file_/x", "zoe_4711_90009_x", f"zoe/{EXERCISE}/x")
    work = zipped({name.replace("x", f"{EXERCISE}.ipynb"): CONTENT for name in names} | {f"{EXERCISE}.ipynb": LATER})
    if system == "nbgrader":
        folder = downloads / "20262" / EXERCISE
        folder.mkdir(parents=True)
        (folder / "work.zip").write_bytes(work)
        (folder / f"{EXERCISE}.ipynb").write_bytes(LATER)
    elif system == "gradescope":
        gradescope(downloads / "g.zip", [[replace(MING, file="work.zip", content=work)]])
    else:
        {"canvas": canvas, "moodle": moodle}[system](
            downloads / "l.zip", [replace(MING, file="work.zip", content=work)]
        )
    taken, left = collect(course, downloads)
    assert len(taken) == 1
    assert taken[0].student in ("20262", "王小明-4712", "小明-王")
    assert all(item.reason.startswith("duplicate: ") for item in left)


def test_several_systems_and_archives_lie_in_one_folder(course, downloads):
    moodle(downloads / "m.zip", [ZOE])
    canvas(downloads / "c.zip", [MING])
    gradescope(downloads / "g.zip", [[replace(ZOE, sid="g1")]])
    (downloads / f"flat_{EXERCISE}.ipynb").write_bytes(CONTENT)
    taken, left = collect(course, downloads)
    assert (students(taken), left) == (["Zoë-Müller-Lüdenscheidt", "flat", "g1", "王小明-4712"], [])


def test_with_a_roster_names_are_its_students_and_the_others_are_listed(course, downloads, with_roster):
    with_roster(
        Person("z1", "Zoe", "Mueller-Lüdenscheidt", lms_name="Zoë Müller-Lüdenscheidt"), Person("w1", "小明", "王")
    )
    moodle(downloads / "m.zip", [ZOE, replace(MING, first="No", last="Body")])
    canvas(downloads / "c.zip", [MING])
    taken, left = collect(course, downloads)
    assert students(taken) == ["w1", "z1"]
    assert [item.reason for item in left] == [
        "unknown student: No Body is not on the roster; add them, or this spelling as somebody's lms_name"
    ]


def test_an_older_download_replaces_nothing_newer(course, tmp_path):
    for name, content, when in (("new", LATER, "2:14 PM"), ("old", CONTENT, "1:14 PM")):
        folder = tmp_path / name
        folder.mkdir()
        one = replace(ZOE, content=content, time=f"Monday, 30 November 2026, {when}")
        moodle(folder / "m.zip", [one])
        moodle_worksheet(folder / "w.csv", [one])
    assert len(collect(course, tmp_path / "new")[0]) == 1
    taken, left = collect(course, tmp_path / "old")
    assert taken == []
    assert left[0].reason == "older: the classroom has a later one, handed in at 2026-11-30 13:14 UTC"
    assert course.notebook("submitted", "20261", EXERCISE).read_bytes() == LATER


@pytest.mark.parametrize("name", ["Grüße", "試験"])
def test_names_that_macos_writes_without_the_flag_for_utf8_are_read(course, tmp_path, name):
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as opened:
        member = zipfile.ZipInfo(f"{name} X_4711_assignsubmission_file_/{EXERCISE}.ipynb")
        opened.writestr(member, CONTENT)
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):  # the high byte of the member's flags, twice
        content[content.index(mark) + place] &= 0xF7
    path.write_bytes(content)
    assert students(collect(course, path)[0]) == [f"{name}-X"]


def test_names_in_gb18030_are_read_and_those_of_western_windows_stay(course, tmp_path, with_roster):
    """Neither sets the flag for UTF-8; Python takes both for cp437, in which ü is what German Windows writes."""
    with_roster(Person("2026001", "小明", "王"), Person("z1", "Zoë", "Müller"))
    path = tmp_path / "c.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for placeholder in ("AAAAAA", "BBBBBBBBBB"):
            opened.writestr(f"{placeholder}/{EXERCISE}.ipynb", CONTENT)
    content = path.read_bytes().replace(b"AAAAAA", "王小明".encode("gb18030"))
    path.write_bytes(content.replace(b"BBBBBBBBBB", "Zoë Müller".encode("cp437")))
    taken, left = collect(course, path)
    assert (students(taken), left) == (["2026001", "z1"], [])


@pytest.mark.parametrize("suffix", [".json", ".txt", ".ipynb.json"])
def test_a_notebook_under_the_suffix_that_a_browser_gave_it(course, downloads, suffix):
    (downloads / f"zoe_{EXERCISE}{suffix}").write_bytes(CONTENT)
    (downloads / f"bo_{EXERCISE}.txt").write_text("see my notebook")
    taken, left = collect(course, downloads)
    assert (students(taken), [one.name for one in left]) == (["zoe"], [f"bo_{EXERCISE}.txt"])


@pytest.mark.parametrize(
    "groups",
    [
        "group,student\nThink-Tank 7,s1\nThink-Tank 7,s2\n",
        "小组,学号\nThink-Tank 7,s1\nThink-Tank 7,s2\n",
        "name,canvas_user_id,user_id,login_id,sections,group_name,canvas_group_id,group_id\n"
        "Zoe,1,s1,z,A,Think-Tank 7,12,\nBo,2,s2,b,A,Think-Tank 7,12,\nCy,3,s3,c,A,,,\n",
    ],
)
@pytest.mark.parametrize("system", ["thinktank7_LATE_12_90001_{}", "Think-Tank 7_12_assignsubmission_file_/{}"])
def test_a_groups_work_is_each_members(course, downloads, groups, system):
    path = downloads / system.format(f"{EXERCISE}.ipynb")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(CONTENT)
    (downloads / "groups.csv").write_text(groups, encoding="utf-8")
    taken, left = collect(course, downloads)
    assert (students(taken), left) == (["s1", "s2"], [])


def test_a_worksheet_saved_as_a_workbook_is_read(course, downloads):
    moodle(downloads / "m.zip", [ZOE])
    book = Workbook()
    book.active.append(["Identifier", "Full name", "ID number", "Last modified (submission)"])
    book.active.append([f"Participant {ZOE.number}", f"{ZOE.first} {ZOE.last}", 20261, ZOE.time])
    book.save(downloads / "Grades.xlsx")
    taken, left = collect(course, downloads)
    assert (students(taken), left) == (["20261"], [])
    assert taken[0].time_from == "Moodle's grading worksheet"


def test_a_bomb_is_refused_and_the_others_are_taken(course, downloads):
    with zipfile.ZipFile(downloads / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        for number in range(21):
            opened.writestr(f"s{number}_{EXERCISE}.ipynb", bytes(10_000_000))
    moodle(downloads / "m.zip", [ZOE])
    taken, left = collect(course, downloads)
    assert students(taken) == ["Zoë-Müller-Lüdenscheidt"]
    assert left[0].name == "bomb.zip"
    assert "would unpack to 210,000,000; expected at most 200,000,000" in left[0].reason


def test_a_file_with_a_password_is_refused(course, tmp_path):
    path = moodle(tmp_path / "m.zip", [ZOE, MING])
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag for encryption, of the first member, here and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    taken, left = collect(course, path)
    assert students(taken) == ["小明-王"]
    assert "locked with a password" in left[0].reason


def test_a_cut_off_zip_file_among_others_is_listed(course, downloads):
    moodle(downloads / "m.zip", [ZOE])
    (downloads / "s.zip").write_bytes(zipped({f"s1_{EXERCISE}.ipynb": CONTENT})[:-40])
    taken, left = collect(course, downloads)
    assert len(taken) == 1
    assert left[0].reason.startswith("unreadable: not a complete zip file")


METADATA = "submission_1: {':submitters': [{':sid': somebody}]}"
BOMB = (
    "a0: &a0 [x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    + "? *a29\n: x\n"
)
BAD_METADATA = {
    "aliases that multiply": BOMB,
    "an alias": "a: &a {b: 1}\nc: *a",
    "nested deeply": "[" * 100_000,
    "deep keys": "a: " + "{b: " * 900 + "1" + "}" * 900,
    "a time before all times": 'x: {":created_at": 0001-01-01 00:00:00 +14:00, ":submitters": []}',
    "keys that multiply": "a: &a {b: 1}\nc: &c {<<: [*a, *a]}\nd: {<<: [*c, *c]}",
    "keys that multiply, by their tag": "a: &a {b: 1}\nd: {!!merge x: [*a, *a]}",
    "a number to the base 60": "x: 1" + ":1" * 200,
    "not a mapping": "- 1",
}


@pytest.mark.parametrize("text", BAD_METADATA.values(), ids=BAD_METADATA)
def test_metadata_that_a_student_made_stops_nobody(course, tmp_path, text):
    upload = zipped({"submission_metadata.yml": text.encode(), f"{EXERCISE}.ipynb": CONTENT})
    taken, left = collect(course, moodle(tmp_path / "m.zip", [replace(ZOE, file="work.zip", content=upload), MING]))
    assert len(taken) == 2
    assert [one.reason for one in left] == [NOT_A_NOTEBOOK]  # it is not the export's own, and not read
    (tmp_path / "m.zip").write_bytes(
        zipped({"submission_metadata.yml": text.encode(), f"zoe_{EXERCISE}.ipynb": CONTENT})
    )
    taken, left = collect(course, tmp_path / "m.zip")
    assert len(taken) == 1
    assert "it is not Gradescope's metadata" in left[0].reason


def test_metadata_in_a_students_upload_names_nobody(course, tmp_path):
    upload = zipped({"submission_metadata.yml": METADATA.encode(), f"submission_1/{EXERCISE}.ipynb": CONTENT})
    taken, _ = collect(course, moodle(tmp_path / "m.zip", [replace(ZOE, file="work.zip", content=upload)]))
    assert "somebody" not in students(taken)


def test_a_zip_file_of_very_many_files_is_refused_among_others(course, downloads):
    many = {f"{number}.ipynb": b"{}" for number in range(3001)}
    (downloads / f"many_{EXERCISE}.zip").write_bytes(zipped(many))
    moodle(downloads / "m.zip", [ZOE])
    taken, left = collect(course, downloads)
    assert len(taken) == 1
    assert "holds 3,001 files; expected at most 3,000; if it is a whole class's" in left[0].reason


def test_a_table_that_a_student_uploads_is_no_worksheet(course, downloads):
    (downloads / f"mueller_77_4711_{EXERCISE}.ipynb").write_bytes(CONTENT)
    sheet = "Identifier,Full name,Last modified (submission),ID number\nParticipant 4712,X,-,somebody\n"
    (downloads / "mueller_77_4712_grades.csv").write_text(sheet)
    moodle(downloads / "m.zip", [MING])
    taken, left = collect(course, downloads)
    assert "somebody" not in students(taken)
    assert [one.name for one in left] == ["mueller_77_4712_grades.csv"]


def test_moodles_worksheet_of_a_course_with_numbers_in_its_name_is_read(course, downloads):
    sheet = "Identifier,Full name,Last modified (submission),ID number\nParticipant 4712,小明 王,-,20262\n"
    (downloads / "Grades-PHYS_101_2024_A-Homework 1-4711.csv").write_text(sheet)
    moodle(downloads / "m.zip", [MING])
    assert students(collect(course, downloads)[0]) == ["20262"]


def test_many_small_archives_in_a_large_one_are_taken(course, tmp_path):
    notebook = zipped({f"{EXERCISE}.ipynb": CONTENT + b" " * 19_000_000})
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as opened:  # 300 MB at most, of which these are 247
        opened.writestr("padding.txt", os.urandom(15_000_000))
        for number in range(12):
            opened.writestr(f"s{number}_{EXERCISE}.zip", notebook)
    _, left = collect(course, tmp_path / "class.zip")
    assert not [one for one in left if "unpack" in one.reason]


def test_names_of_any_length_and_archives_in_archives_have_a_limit(course, downloads):
    inner = zipped({f"{EXERCISE}.ipynb": bytes(19_000_000)})
    many = {f"{number}.zip": inner for number in range(20)}
    (downloads / "many.zip").write_bytes(zipped({**many, "a/" * 500 + "x.ipynb": b"", "b" * 2000 + ".ipynb": b""}))
    moodle(downloads / "m.zip", [ZOE])
    taken, left = collect(course, downloads)
    assert students(taken) == ["Zoë-Müller-Lüdenscheidt"]
    assert sum("refused: its name has" in one.reason for one in left) == 2
    assert sum("would unpack to 19,000,000" in one.reason for one in left) == 10

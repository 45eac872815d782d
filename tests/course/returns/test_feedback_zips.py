"""Feedback on its way back: what is in the zip files, and where Moodle and Canvas put it, by their source."""

import re
import zipfile
from pathlib import PurePosixPath

import pytest
from lms_downloads import Handed, canvas, moodle, moodle_worksheet
from small_class import ESSAY, LOSS, copied
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course import UserError
from autograder.handing_in.people import Person
from autograder.handing_in.received import RECEIVED, Received
from autograder.handing_in.roster import add
from autograder.handing_in.submissions import collect
from autograder.returns.feedback_zips import from_worksheet, parcels

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves
PEOPLE = {"ada": ("Ada", "O'Neil"), "bob": ("Bob_", "van Berg"), "cy": ("小明", "王"), "dee": ("Dee", "Ray")}
# what a page would load, or links to files that lie beside it; a link to the web is followed by who clicks it
OUTSIDE = re.compile(r"""src\s*=\s*["'](?!data:)|href\s*=\s*["'](?!#|https?:)|url\(|@import|<script|<link|<iframe""")


def moodles(names, participants, *, since):
    """Where Moodle puts the files of a zip file: mod/assign/feedback/file/importziplib.php, of 4.1 and before it."""
    placed = {}
    for name in names:
        parts, base = name.split("/"), name.rsplit("/")[-1]
        if base.startswith((".", "~")):
            continue
        while parts:
            info = parts.pop(0).split("_", 4)
            if len(info) < (4 if since >= 4.1 else 5) or not info[1].isdecimal() or int(info[1]) not in participants:
                continue
            if info[2] not in ("assignsubmission", "assignfeedback") or info[3] not in ("file", "onlinetext"):
                continue
            rest = info[4] if len(info) > 4 else ""
            parts = [rest, *parts] if rest or since >= 4.1 else parts
            path = PurePosixPath("/" + "/".join(parts).lstrip("/"))  # clean_param makes one slash of two
            placed[participants[int(info[1])], str(path)] = name
            break
    return placed


def canvases(names, submissions):
    """Where Canvas puts them, and what it ignores: infer_comment_context_from_filename. submissions: user: uploads."""
    placed, ignored = {}, []
    for name in names:
        parts = [part for part in PurePosixPath(name).name.split("_") if part != "LATE"]
        user, upload = [*[int(part) for part in parts if re.fullmatch(r"\d+", part)], 0, 0][:2]
        if parts[-1].startswith("link") or name.startswith("._") or upload not in submissions.get(user, ()):
            ignored.append(name)
        else:
            placed.setdefault((user, upload), []).append(name)
    return placed, ignored


@pytest.fixture
def there(small_class, tmp_path):
    """The small class with names, which a copy of its submissions comes to from a system."""
    course = copied(small_class, tmp_path)
    add(course, [Person(who, *name, f"{who}@example.org") for who, name in PEOPLE.items()])
    return course


def handed(course, exercise, **numbers):
    return [
        Handed(*PEOPLE[who], course.notebook("submitted", who, exercise).read_bytes(), f"{exercise}.ipynb", number)
        for who, number in numbers.items()
    ]


def run(course, *options):
    done = CliRunner().invoke(app, ["feedback", "--classroom", str(course.classroom), *options])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def opened(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.mark.parametrize("since", [3.1, 4.1])
@pytest.mark.parametrize("form", [{}, {"trailing": ""}, {"folders": False}], ids=str)
def test_each_file_comes_to_its_participant_in_moodle(there, tmp_path, form, since):
    numbers = {"ada": 4711, "bob": 4712, "cy": 4713, "dee": 4714}
    moodle(tmp_path / "homework.zip", handed(there, LOSS, **numbers), **form)
    collect(there, tmp_path / "homework.zip")
    said = run(there, "--to", "moodle", "--out", str(tmp_path), "--exercise", LOSS)
    files = opened(tmp_path / "feedback.moodle.zip")
    placed = moodles(files, {number: who for who, number in numbers.items()}, since=since)
    assert set(placed) == {(who, "/feedback.html") for who in numbers}  # one each; the next upload replaces it
    for (who, _), name in placed.items():
        _first, last = PEOPLE[who]
        assert files[name].count("<title>") == 1
        assert f"({who})" in files[name]
        assert last.replace("'", "&#39;") in files[name]
        assert not OUTSIDE.search(files[name])
        assert not [other for other in PEOPLE if other != who and f"({other})" in files[name]]
    assert "could not be graded" in files[placed["dee", "/feedback.html"]]  # the cut-off file's owner is told, too
    assert "4 students' files" in said
    assert "not in a zip file" not in said


def test_two_activities_are_two_zip_files(there, tmp_path):
    moodle(tmp_path / "one.zip", handed(there, LOSS, ada=11, bob=12, cy=13))
    collect(there, tmp_path / "one.zip")
    moodle(tmp_path / "two.zip", handed(there, ESSAY, ada=21, cy=23))
    collect(there, tmp_path / "two.zip")
    run(there, "--to", "moodle", "--out", str(tmp_path))
    first, second = (opened(tmp_path / f"feedback.moodle.{name}.zip") for name in (LOSS, ESSAY))
    assert sorted(map(number_of, first)) == [11, 12, 13]
    assert sorted(map(number_of, second)) == [21, 23]


def number_of(name):
    return int(name.split("_")[1])


def test_what_one_upload_held_is_one_file(there, tmp_path):
    both = [*handed(there, LOSS, ada=31, bob=32), *handed(there, ESSAY, ada=31, cy=33)]
    moodle(tmp_path / "both.zip", both)
    collect(there, tmp_path / "both.zip")
    said = run(there, "--to", "moodle", "--out", str(tmp_path))
    files = opened(tmp_path / "feedback.moodle.zip")
    assert sorted(map(number_of, files)) == [31, 32, 33]
    ada = files[next(name for name in files if number_of(name) == 31)]
    assert f'id="{LOSS}"' in ada
    assert f'id="{ESSAY}"' in ada
    ids = re.findall(r'\bid="([^"]+)"', ada)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', ada)) <= set(ids)
    assert "not in a zip file: cy, 01_simpo_loss; dee, 01_simpo_loss: nothing says how Moodle calls them" in said


def test_canvas_finds_each_upload_and_ignores_none(there, tmp_path):
    numbers = {"ada": 1234, "bob": 1235, "cy": 1236}
    came = [
        Handed(*PEOPLE[who], one.content, one.file, number, upload=number + 50_000, late=who == "bob")
        for (who, number), one in zip(numbers.items(), handed(there, LOSS, **numbers), strict=True)
    ]
    canvas(tmp_path / "submissions.zip", came)
    collect(there, tmp_path / "submissions.zip")
    said = run(there, "--to", "canvas", "--out", str(tmp_path))
    files = opened(tmp_path / "feedback.canvas.zip")
    with zipfile.ZipFile(tmp_path / "submissions.zip") as archive:  # the download's own names, but for what they are
        assert sorted(files) == sorted(name.replace(".ipynb", ".html") for name in archive.namelist())
    placed, ignored = canvases(files, {number: {number + 50_000} for number in numbers.values()})
    assert len(placed) == 3
    assert not ignored
    assert "(bob)" in files[placed[1235, 51235][0]]
    assert "dee, 01_simpo_loss" in said


def test_the_worksheet_alone_says_who_is_which_participant(there, tmp_path):
    sheet = moodle_worksheet(tmp_path / "worksheet.csv", handed(there, LOSS, ada=61, bob=62, cy=63))
    said = run(there, "--to", "moodle", "--worksheet", str(sheet), "--out", str(tmp_path), "--exercise", LOSS)
    files = opened(tmp_path / "feedback.moodle.zip")
    assert moodles(files, {61: "ada", 62: "bob", 63: "cy"}, since=3.1).keys() == {
        (who, "/feedback.html") for who in ("ada", "bob", "cy")
    }
    assert "dee, 01_simpo_loss: the worksheet has no row of theirs" in said


def test_blind_marking_keeps_the_number_alone(tmp_path):
    path = tmp_path / "worksheet.csv"
    path.write_text("识别码,状态,成绩\n参与者77,已提交,\n", encoding="utf-8")
    found = from_worksheet(path, [("77", LOSS)], lambda row: "77")
    assert found == {("77", LOSS): Received("Participant_77_assignsubmission_file", "77")}


def test_another_table_is_no_worksheet(tmp_path):
    path = tmp_path / "grades.csv"
    path.write_text("id,first_name\nada,Ada\n", encoding="utf-8")
    with pytest.raises(UserError, match="no grading worksheet of Moodle's"):
        from_worksheet(path, [], lambda row: "")


def test_a_groups_upload_is_one_file_and_the_others_are_named():
    one = Received("group1_5_900", "5", "01_simpo_loss")
    [parcel] = parcels({("ada", LOSS): one, ("bob", LOSS): one}, "canvas")
    assert parcel.files == {"group1_5_900_01_simpo_loss": ("ada", [LOSS])}
    assert parcel.shared == ["bob"]


def test_what_somebody_spoilt_in_the_memory_of_names_is_passed_over(there, tmp_path):
    (there.classroom / RECEIVED).write_text('["not", "what", "was written"]')
    assert "nothing says how Moodle calls them" in run(there, "--to", "moodle", "--out", str(tmp_path))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "blackboard"], "must be one of moodle, canvas"),
        (["--pdf"], "go with --to"),
        (["--to", "canvas", "--worksheet", "w.csv"], "--worksheet is Moodle's"),
    ],
)
def test_options_that_do_not_go_together_are_refused(there, options, words):
    done = CliRunner().invoke(app, ["feedback", "--classroom", str(there.classroom), *options])
    assert words in str(done.exception)

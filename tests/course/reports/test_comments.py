"""Comments in Moodle's grading worksheet: what they say, whose they are, and that nothing else changes."""

import csv
import io

import pytest
from small_class import ESSAY, LOSS, copied
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course import UserError
from autograder.nbgrader_setup import nbgrader_api
from autograder.pages.class_known import read_known
from autograder.reports.comments import comment_of, is_ours
from autograder.reports.sheets import Options, fill, notes

from .test_sheets import SCORES, WORKSHEET

POINTS = {("ada", LOSS): 9.5, ("bob", LOSS): 7.0}


def filled(path, text, comments=lambda student, exercise: f'<p>SimPO practice · {student}, so; "{exercise}"</p>'):
    path.write_text(text, encoding="utf-8")
    options = Options({"Grade": LOSS}, comments=comments)
    done = fill(path, SCORES, lambda *of: POINTS.get(of), options)
    return done, list(csv.reader(io.StringIO(done.content.decode("utf-8-sig")))), list(notes(done, SCORES, options))


def test_the_comment_stands_in_its_column_and_a_teachers_stays(tmp_path):
    done, rows, said = filled(tmp_path / "w.csv", WORKSHEET)
    before = list(csv.reader(io.StringIO(WORKSHEET.removeprefix("\ufeff"))))
    assert rows[1][:4] + rows[1][5:] == before[1][:4] + before[1][5:]  # "Well, yes" is ada's, of a person
    assert rows[2][-1] == f'<p>SimPO practice · bob, so; "{LOSS}"</p>'
    assert rows[3] == before[3]  # eve has no points, so nothing is said
    assert (done.comments, done.remarks) == (1, ["ada"])
    assert said[-2:] == ["1 comment written beside the points", "1 comment of somebody else's left: ada"]


def test_our_own_comment_is_written_anew(tmp_path):
    _, first, _ = filled(tmp_path / "w.csv", WORKSHEET.replace("Well, yes", ""))
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(first)
    _, second, said = filled(tmp_path / "w.csv", text.getvalue(), lambda *of: "<p>SimPO practice · new</p>")
    assert [row[-1] for row in second[1:]] == ["<p>SimPO practice · new</p>"] * 2 + [""]
    assert "2 comments written beside the points" in said


def test_a_worksheet_without_the_column_says_where_to_switch_it_on(tmp_path):
    with pytest.raises(UserError, match=r"w\.csv: it has 0 columns called Feedback comments .*switch on Feedback comm"):
        filled(tmp_path / "w.csv", WORKSHEET.replace(',"Feedback comments"', ""))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy warn of themselves
def test_a_comment_says_the_points_the_mistakes_and_what_a_person_wrote(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    with nbgrader_api(course).gradebook as gradebook:
        gradebook.find_grade("essay", ESSAY, ESSAY, "ada").manual_score = 2.0
        gradebook.find_comment("essay", ESSAY, ESSAY, "ada").manual_comment = "Good.\nSay <why>, not how."
        gradebook.db.commit()
        known = read_known(course, gradebook)
    ada = comment_of(course, known, "ada", ESSAY)
    assert ada.startswith("<p>SimPO practice · ")
    assert "Good.<br>Say &lt;why&gt;, not how." in ada
    assert "Essay: 2 of 6 points" in ada
    assert "\n" not in ada
    assert is_ours(ada)
    bob = comment_of(course, known, "bob", LOSS)  # the Chinese edition
    assert "分" in bob
    assert "✗" in bob
    assert comment_of(course, known, "dee", LOSS) == ""  # could not be graded: there are no points, either


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_export_fills_points_and_comments_in_one_file(small_class, tmp_path):
    sheet, out = tmp_path / "w.csv", tmp_path / "out.csv"
    sheet.write_text(WORKSHEET.replace("Bob Byte", "bob").replace("Well, yes", ""), encoding="utf-8")
    options = ["--into", str(sheet), "--out", str(out), "--exercise", LOSS, "--comments"]
    done = CliRunner().invoke(app, ["export", "--classroom", str(small_class.classroom), *options])
    assert "comments written" in done.output, done.output + str(done.exception)
    ada = next(csv.DictReader(io.StringIO(out.read_text("utf-8-sig"))))
    assert ada["Grade"] == "10"
    assert "10 of 10 points" in ada["Feedback comments"]
    refused = CliRunner().invoke(app, ["export", "--classroom", str(small_class.classroom), "--comments"])
    assert "goes with --into FILE" in str(refused.exception)

"""Files of learning management systems, filled: the layouts are those of their documentation and source."""

import pytest

from autograder.course import UserError
from autograder.gradebook.scores import ClassScores, GradedCell, Score, Student
from autograder.reports.lms_csv import fill, notes

STUDENTS = (
    Student("ada", "Ada", "Lovelace", "ada@example.org", "101"),
    Student("bob", "Bob", "Byte", "bob@example.org", "102"),
    Student("bob2", "Bob", "Byte", "", "103"),
    Student("eve", "Eve", "Zhou", "eve@example.org", ""),
)
POINTS = {("ada", "01_simpo_loss"): 9.5, ("ada", "03_gradient"): 0.0, ("bob", "01_simpo_loss"): 7.0}


def score(points):
    return Score((GradedCell("a", points, 10.0, by_hand=False, waits=False, is_essay=False),))


SCORES = ClassScores(
    STUDENTS, {"01_simpo_loss": 10.0, "03_gradient": 10.0}, {key: score(points) for key, points in POINTS.items()}
)


def filled(text, columns=None, scale=False):
    return fill(text, SCORES, lambda *of: POINTS.get(of), columns or {}, scale)


CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,01 SimPO Loss (4711),03_gradient (4712),Essay (9),Final Points\r\n"
    ",,,,,Manual Posting,,,\r\n"
    "    Points Possible,,,,,10.00,10.00,5.00,(read only)\r\n"
    '"Lovelace, Ada",101,sis1,ada,"S1, S2",,3.00,4.00,12\r\n'
    '"Byte, Bob",102,sis2,bob,S1,2.00,EX,,\r\n'
    '"Student, Test",999,,abc,S1,,,,\r\n'
)


def test_canvas_columns_are_filled_and_every_other_byte_stays():
    done = filled(CANVAS)
    assert done.text == CANVAS.replace('"S1, S2",,3.00,', '"S1, S2",9.5,0,').replace("S1,2.00,EX", "S1,7,EX")
    assert done.cells == 3
    assert done.nobody == ["Student, Test"]


def test_canvas_with_semicolons_as_some_languages_have_it():
    text = "Student;ID;SIS Login ID;Section;01_simpo_loss (4711)\nLovelace, Ada;101;ada;S1;\n"
    assert filled(text).text == text.replace("S1;\n", "S1;9.5\n")


@pytest.mark.parametrize("row", ["Nobody,999,ada,login", "Nobody,999,sis,ada", "Nobody,101,sis,login"])
def test_a_canvas_row_is_found_by_any_of_its_ids_which_stay_where_they_are(row):
    text = f"Student,ID,SIS User ID,SIS Login ID,Section,01_simpo_loss (4711)\n{row},S1,\n"
    assert filled(text).text == text.replace("S1,\n", "S1,9.5\n")


def test_a_file_in_another_language_is_refused_in_one_sentence():
    with pytest.raises(UserError, match=r"Vorname, Nachname.*another language, switch the system to English and down"):
        filled("Vorname,Nachname,01_simpo_loss\nAda,Lovelace,\n")


@pytest.mark.parametrize(
    "text",
    [
        "名,姓氏,学号,01_simpo_loss\nAda,Lovelace,ada,\n",
        "姓名,电子邮件地址,01_simpo_loss\nsomebody,ada@example.org,\n",
        "学生姓名,学号/工号,01_simpo_loss\nLovelace Ada,9,\n",
    ],
)
def test_chinese_headings_are_known(text):
    assert filled(text).text == text.removesuffix("\n") + "9.5\n"


def test_moodles_worksheet_in_chinese_is_filled_with_its_maximum():
    text = "识别码,姓名,成绩,最高成绩\n参与者 5001,Ada Lovelace,,100.00\n"
    done = filled(text, {"成绩": "01_simpo_loss"}, scale=True)
    assert done.text == text.replace("Lovelace,,", "Lovelace,95,")


def test_a_worksheet_without_names_is_matched_by_the_participants_number():
    text = "Identifier,Status,Grade,Maximum grade\nParticipant 101,Submitted,,10.00\nParticipant 9,Submitted,,10.00\n"
    done = filled(text, {"Grade": "01_simpo_loss"})
    assert done.text == text.replace("101,Submitted,", "101,Submitted,9.5")
    assert done.nobody == ["Participant 9"]


def test_names_are_compared_as_for_downloads():
    text = "Student,ID,Section,01_simpo_loss\nLOVELACE ADA,9,S1,\nÁda  Lovelace,8,S1,\n"
    assert filled(text).text == text.replace("S1,", "S1,9.5")


WORKSHEET = (
    '\ufeffIdentifier,"Full name","Email address",Status,Grade,"Maximum grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\n'
    '"Participant 5001","Ada Lovelace",ada@example.org,"Submitted for grading",,100.00,Yes,'
    '"Wednesday, 23 September 2026, 9:00 PM",-,"Well, yes"\n'
    '"Participant 101","Bob Byte",bob@example.org,"Submitted for grading","2.00",100.00,Yes,-,-,\n'
    '"Participant 5003","Eve Zhou",eve@example.org,"No submission",,100.00,Yes,-,-,\n'
)


def test_a_moodle_worksheet_keeps_what_moodle_needs_to_take_it_back():
    done = filled(WORKSHEET, {"Grade": "01_simpo_loss"})
    assert done.text == WORKSHEET.replace('grading",,', 'grading",9.5,').replace('"2.00"', '"7"')
    # Participant 101 is a number of Moodle's for this assignment, not ada's number in another system
    assert done.nobody == []
    assert list(notes(done, SCORES, False)) == [
        "01_simpo_loss gives up to 10 points, but the maximum there is 100: change it there, or export with --scale"
    ]


def test_points_are_scaled_where_asked():
    done = filled(WORKSHEET, {"Grade": "01_simpo_loss"}, scale=True)
    assert 'grading",95,100.00' in done.text
    assert '"70",100.00' in done.text


def test_an_anonymous_worksheet_is_matched_by_the_participants_number():
    text = "Identifier,Full name,Grade\nParticipant 101,Participant 101,\n"
    assert filled(text, {"Grade": "01_simpo_loss"}).text.endswith("Participant 101,9.5\n")


def test_a_moodle_grade_export_has_points_in_its_real_columns_only():
    header = '"First name","Last name","ID number","Email address","Assignment: 01_simpo_loss (Real)",'
    header += '"Assignment: 01_simpo_loss (Percentage)","Course total (Real)"\n'
    row = 'Ada,Lovelace,,ADA@example.org,-,"95,00 %",-\n'
    assert filled(header + row).text == header + row.replace("org,-,", "org,9.5,")


def test_a_name_that_two_students_have_is_nobodys():
    text = 'Student,ID,SIS Login ID,Section,01_simpo_loss\n"Byte, Bob",,,S1,\n"Zhou, Eve",,,S1,\nAda Lovelace,,,S1,\n'
    done = filled(text)
    assert done.text == text.replace("Ada Lovelace,,,S1,", "Ada Lovelace,,,S1,9.5")


def test_students_without_a_row_are_named():
    done = filled("Student,ID,Section,01_simpo_loss\nAda,101,S1,\n")
    assert list(notes(done, SCORES, False)) == ["1 student with points has no row there: bob"]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("name,mark\nada,\n", {}, "its first row is name, mark: expected Canvas's"),
        ("", {}, "its first row is : expected Canvas's"),
        (CANVAS.replace("01 SimPO", "1").replace("03_", ""), {}, "none of its columns is named after an exercise"),
        (CANVAS, {"Home": "01_simpo_loss"}, "no column is named 'Home'; there are Student, ID"),
        (CANVAS, {"Essay (9)": "1"}, "no exercise is named '1'; there are 01_simpo_loss, 03_gradient"),
    ],
)
def test_a_file_that_cannot_be_filled_is_one_sentence(text, columns, message):
    with pytest.raises(UserError, match=message):
        filled(text, columns)


def test_a_person_can_say_which_column_is_which_exercise():
    assert '"S1, S2",,0,9.5,12' in filled(CANVAS, {"Essay (9)": "01_simpo_loss"}).text

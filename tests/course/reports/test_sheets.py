"""Files of learning management systems, filled: the layouts are those of their documentation and source."""

import pytest

from autograder.course import UserError
from autograder.gradebook.scores import ClassScores, GradedCell, Score, Student
from autograder.handing_in.people import Person
from autograder.reports.sheets import Options, fill, notes

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


@pytest.fixture
def filled(tmp_path):
    """Fill a file with this text; give what came of it, and the new text."""

    def put(text, columns=None, *, encoding="utf-8", scores=SCORES, roster=(), name="sheet.csv", **options):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        done = fill(path, scores, lambda *of: POINTS.get(of), Options(columns or {}, **options), roster)
        assert path.read_bytes() == text.encode(encoding)
        return done, done.content.decode(encoding)

    return put


CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,01 SimPO Loss (4711),03_gradient (4712),Essay (9),Final Points\r\n"
    ",,,,,Manual Posting,,,\r\n"
    "    Points Possible,,,,,10.00,10.00,5.00,(read only)\r\n"
    '"Lovelace, Ada",101,sis1,ada,"S1, S2",,3.00,4.00,12\r\n'
    '"Byte, Bob",102,sis2,bob,S1,7.00,EX,,\r\n'
    '"Student, Test",999,,abc,S1,,,,\r\n'
)


def test_canvas_columns_are_filled_and_every_other_byte_stays(filled):
    done, text = filled(CANVAS)
    assert text == CANVAS.replace('"S1, S2",,3.00,', '"S1, S2",9.5,0,')  # bob's 7.00 is what we have
    assert done.cells == 3
    assert done.nobody == ["Student, Test"]


@pytest.mark.parametrize("word", ["EX", "Excused", "缺考", "缓考", "A+", "see me"])
def test_a_word_in_the_place_of_points_stays_and_is_said(filled, word):
    text = f"Student,ID,Section,01_simpo_loss (4711)\nAda,101,S1,{word}\nBob,102,S1,\n"
    done, after = filled(text)
    assert after == text.removesuffix("\n") + "7\n"
    assert list(notes(done, SCORES, Options())) == [
        f"1 cell left, with words in place of points: ada, 01_simpo_loss: {word}"
    ]


@pytest.mark.parametrize(
    "word", ["", "-", "–", "--", "/", "未批阅", "未提交", "待批阅", "Needs Grading", "Needs Grading(8.00)"]
)
def test_a_word_for_no_points_yet_is_written_over(filled, word):
    text = f"Student,ID,Section,01_simpo_loss (4711)\nAda,101,S1,{word}\n"
    assert filled(text)[1] == text.replace(f"S1,{word}\n", "S1,9.5\n")


def test_other_points_are_said_and_kept_where_asked(filled):
    text = "Student,ID,Section,01_simpo_loss (4711)\nAda,101,S1,3.00\nBob,102,S1,7.0\n"
    done, after = filled(text)
    assert after == text.replace("3.00", "9.5")
    assert list(notes(done, SCORES, Options())) == [
        "1 cell with other points written over (not so by --keep): ada, 01_simpo_loss: 3.00, now 9.5"
    ]
    done, after = filled(text, keep=True)
    assert (after, done.cells) == (text, 1)
    assert list(notes(done, SCORES, Options(keep=True))) == [
        "1 cell left, with other points than ours: ada, 01_simpo_loss: 3.00, here 9.5"
    ]


def test_canvas_with_semicolons_as_some_languages_have_it(filled):
    text = "Student;ID;SIS Login ID;Section;01_simpo_loss (4711)\nLovelace, Ada;101;ada;S1;\n"
    assert filled(text)[1] == text.replace("S1;\n", "S1;9.5\n")


@pytest.mark.parametrize("row", ["Nobody,999,ada,login", "Nobody,999,sis,ada", "Nobody,101,sis,login"])
def test_a_canvas_row_is_found_by_any_of_its_ids_which_stay_where_they_are(filled, row):
    text = f"Student,ID,SIS User ID,SIS Login ID,Section,01_simpo_loss (4711)\n{row},S1,\n"
    assert filled(text)[1] == text.replace("S1,\n", "S1,9.5\n")


def test_a_file_in_another_language_is_refused_in_one_sentence(filled):
    with pytest.raises(UserError, match=r"Vorname, Nachname.*another language, switch the system to English and down"):
        filled("Vorname,Nachname,01_simpo_loss\nAda,Lovelace,\n")


@pytest.mark.parametrize(
    "text",
    [
        "名,姓氏,学号,01_simpo_loss\nAda,Lovelace,ada,\n",
        "姓名,电子邮件地址,01_simpo_loss\nsomebody,ada@example.org,\n",
        "学生姓名,学号/工号,01_simpo_loss\nLovelace Ada,9,\n",
        "学号,姓名,01_simpo_loss 成绩\nada,,\n",
        "学号,姓名,01_simpo_loss\nada,Ada\n",  # a row that ends before the column
    ],
)
def test_chinese_headings_are_known(filled, text):
    end = "\n" if text.endswith(",\n") else ",\n"
    assert filled(text)[1] == text.removesuffix("\n") + end.replace("\n", "9.5\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16-le"])
def test_rows_above_the_headings_and_the_encoding_stay(filled, encoding):
    """雨课堂: a title, and the maximum in the heading."""
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    text = f"{mark}机器学习 作业 01_simpo_loss,,,\r\n学号,姓名,提交时间,得分 (总:20.0分)\r\nada,Ada,-,\r\n平均,,,\r\n"
    done, after = filled(text, encoding=encoding, scale=True)
    assert after == text.replace("Ada,-,\r", "Ada,-,19\r")
    assert done.maxima == {"01_simpo_loss": 20.0}


def test_two_rows_of_headings_are_one(filled):
    """智慧树: what spans 成绩（满分：130） and 状态 says which exercise it is."""
    text = (
        "学生姓名,学生学号,自定义标签,作业：03_gradient,,01_simpo_loss,\n"
        ",,,成绩（满分：130）,状态,成绩（满分：130）,状态\n"
        "Ada,ada,,,未提交,,已提交\n"
    )
    done, after = filled(text, scale=True)
    assert after == text.replace("Ada,ada,,,未提交,,", "Ada,ada,,0,未提交,123.5,")
    assert done.maxima == {"03_gradient": 130.0, "01_simpo_loss": 130.0}
    renamed = text.replace("作业：03_gradient", "作业1").replace("01_simpo_loss", "作业2")
    assert "未提交,9.5," in filled(renamed, {"作业2": "01_simpo_loss"})[1]
    assert "未提交,9.5," in filled(renamed, {"作业2 / 成绩（满分：130）": "01_simpo_loss"})[1]
    with pytest.raises(
        UserError, match=r"--column \"作业1 / 成绩（满分：130）=01_simpo_loss\". Its columns are 学生姓名,"
    ):
        filled(renamed)
    with pytest.raises(UserError, match="2 columns are named '成绩（满分：130）'"):
        filled(renamed, {"成绩（满分：130）": "01_simpo_loss"})


def test_blackboards_columns_are_named_with_maximum_and_number(filled):
    """Its .xls is text in UTF-16, parted by tabs."""
    text = '\ufeff"Last Name"\t"First Name"\t"Username"\t"01_simpo_loss [Total Pts: 20 Score] |1281892"\n'
    text += '"Lovelace"\t"Ada"\t"ada"\t"Needs Grading"\n'
    done, after = filled(text, encoding="utf-16-le", name="gc_course_fullgc_2026-11-30.xls", scale=True)
    assert after == text.replace('"Needs Grading"', '"19"')
    assert done.maxima == {"01_simpo_loss": 20.0}


def test_moodles_worksheet_in_chinese_is_filled_with_its_maximum(filled):
    text = "识别码,姓名,成绩,最高成绩\n参与者 5001,Ada Lovelace,,100.00\n"
    assert filled(text, {"成绩": "01_simpo_loss"}, scale=True)[1] == text.replace("Lovelace,,", "Lovelace,95,")


def test_a_sheet_of_one_exercise_is_filled_where_something_says_which(filled):
    text = "学号,姓名,成绩\nada,Ada,\n"
    with pytest.raises(UserError, match="of one exercise, and this one doesn't say of which: say so, as in --exercise"):
        filled(text)
    filled_text = text.removesuffix("\n") + "9.5\n"
    assert filled(text, scores=SCORES.only(["01_simpo_loss"]))[1] == filled_text
    assert filled(text, name="成绩_01_simpo_loss.csv")[1] == filled_text


def test_a_worksheet_without_names_is_matched_by_the_participants_number(filled):
    text = "Identifier,Status,Grade,Maximum grade\nParticipant 101,Submitted,,10.00\nParticipant 9,Submitted,,10.00\n"
    done, after = filled(text, {"Grade": "01_simpo_loss"})
    assert after == text.replace("101,Submitted,", "101,Submitted,9.5")
    assert done.nobody == ["Participant 9"]


def test_names_are_compared_as_for_downloads(filled):
    text = "Student,ID,Section,01_simpo_loss\nLOVELACE ADA,9,S1,\nÁda  Lovelace,8,S1,\nThe Countess,7,S1,\n"
    roster = [Person("ada", lms_name="The Countess")]
    assert filled(text, roster=roster)[1] == text.replace("S1,", "S1,9.5")


WORKSHEET = (
    '\ufeffIdentifier,"Full name","Email address",Status,Grade,"Maximum grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\n'
    '"Participant 5001","Ada Lovelace",ada@example.org,"Submitted for grading",,100.00,Yes,'
    '"Wednesday, 23 September 2026, 9:00 PM",-,"Well, yes"\n'
    '"Participant 101","Bob Byte",bob@example.org,"Submitted for grading","2.00",100.00,Yes,-,-,\n'
    '"Participant 5003","Eve Zhou",eve@example.org,"No submission",,100.00,Yes,-,-,\n'
)


def test_a_moodle_worksheet_keeps_what_moodle_needs_to_take_it_back(filled):
    done, after = filled(WORKSHEET, {"Grade": "01_simpo_loss"})
    assert after == WORKSHEET.replace('grading",,', 'grading",9.5,').replace('"2.00"', '"7"')
    # Participant 101 is a number of Moodle's for this assignment, not ada's number in another system
    assert done.nobody == []
    assert list(notes(done, SCORES, Options())) == [
        "01_simpo_loss gives up to 10 points, but the maximum there is 100: change it there, or export with --scale",
        "1 cell with other points written over (not so by --keep): bob, 01_simpo_loss: 2.00, now 7",
    ]


def test_points_are_scaled_where_asked(filled):
    _, after = filled(WORKSHEET, {"Grade": "01_simpo_loss"}, scale=True)
    assert 'grading",95,100.00' in after
    assert '"70",100.00' in after


def test_an_anonymous_worksheet_is_matched_by_the_participants_number(filled):
    text = "Identifier,Full name,Grade\nParticipant 101,Participant 101,\n"
    assert filled(text, {"Grade": "01_simpo_loss"})[1].endswith("Participant 101,9.5\n")


def test_a_moodle_grade_export_has_points_in_its_real_columns_only(filled):
    header = '"First name","Last name","ID number","Email address","Assignment: 01_simpo_loss (Real)",'
    header += '"Assignment: 01_simpo_loss (Percentage)","Course total (Real)"\n'
    row = 'Ada,Lovelace,,ADA@example.org,-,"95,00 %",-\n'
    assert filled(header + row)[1] == header + row.replace("org,-,", "org,9.5,")


def test_a_name_that_two_students_have_is_nobodys(filled):
    text = 'Student,ID,SIS Login ID,Section,01_simpo_loss\n"Byte, Bob",,,S1,\n"Zhou, Eve",,,S1,\nAda Lovelace,,,S1,\n'
    assert filled(text)[1] == text.replace("Ada Lovelace,,,S1,", "Ada Lovelace,,,S1,9.5")


def test_students_without_a_row_are_named(filled):
    done, _ = filled("Student,ID,Section,01_simpo_loss\nAda,101,S1,\n")
    assert list(notes(done, SCORES, Options())) == ["1 student with points has no row there: bob"]


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
def test_a_file_that_cannot_be_filled_is_one_sentence(filled, text, columns, message):
    with pytest.raises(UserError, match=message):
        filled(text, columns)


def test_a_person_can_say_which_column_is_which_exercise(filled):
    assert '"S1, S2",,0,9.5,12' in filled(CANVAS, {"Essay (9)": "01_simpo_loss"})[1]

import pytest
from lms_downloads import Handed, canvas_gradebook, moodle_worksheet
from sqlalchemy import event
from sqlalchemy.orm import Session

from autograder.course import UserError
from autograder.handing_in.people import People, Person, Sender
from autograder.handing_in.roster import add, load, read
from autograder.nbgrader_setup import nbgrader_api


def test_moodles_worksheet_is_a_roster(tmp_path):
    handed = [
        Handed("Zoë", "van der Müller", b"", sid="20261", email="zoe@uni.edu"),
        Handed("Li", "Wei", b"", number=2),
    ]
    people = read(moodle_worksheet(tmp_path / "w.csv", handed))
    assert people[0] == Person("20261", "Zoë van der", "Müller", "zoe@uni.edu", "", "Zoë van der Müller")
    assert people[1].id == "Li-Wei"  # neither number nor address
    assert People(people).find(Sender(name="Zoë van der Müller")) == "20261"


def test_moodles_participants_are_a_roster(tmp_path):
    path = tmp_path / "participants.csv"
    path.write_text('﻿"First name";"Last name";"Email address";Groups\r\nZoë;Müller;zoe@uni.edu;"A;B"\r\n', "utf-8")
    assert read(path) == [Person("zoe@uni.edu", "Zoë", "Müller", "zoe@uni.edu")]


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("名,姓氏,学号,电子邮件地址\n小明,王,2026,w@uni.edu\n", Person("2026", "小明", "王", "w@uni.edu")),
        ("姓,名,ID号,Email地址\n王,小明,2026,w@uni.edu\n", Person("2026", "小明", "王", "w@uni.edu")),
        ("姓名,用户名\n王 小明,wxm\n", Person("wxm", "王", "小明", lms_name="王 小明")),
        ("全名,电子邮件\n王小明,w@uni.edu\n", Person("w@uni.edu", "", "王小明", "w@uni.edu", lms_name="王小明")),
    ],
)
def test_chinese_headings_are_understood(tmp_path, text, person):
    path = tmp_path / "participants.csv"
    path.write_text(text, "utf-8")
    assert read(path) == [person]


@pytest.mark.parametrize(
    ("text", "students"),
    [
        ("First Name,Last Name,SID,Email,Role\nZ,M,1,z@x,Student\nP,X,,p@x,Instructor\nT,Y,,t@x,TA\n", ["1"]),
        ("First name / Last name,Email address,Roles\nZoë Müller,z@x,Student\nTeach Er,t@x,Teacher\n", ["z@x"]),
        ("Name,Login ID,SIS ID,Section,Role\nZoë M,zm1,s1,A,Student\nProf X,p,p1,A,Teacher\n", ["s1"]),
        ("学生姓名,学号/工号,成绩\n张三,2023001,9\n平均分,,9\n合计,,9\n", ["2023001"]),
        ("学号,姓名\n2023001,张三\n--,李四\n", ["2023001", "李四"]),  # 雨课堂, of who has given no number
        ("学号,姓名\n2023001,张三\n2023001,张三\n", ["2023001"]),  # in two classes
    ],
)
def test_rows_that_are_no_other_students(tmp_path, text, students):
    path = tmp_path / "r.csv"
    path.write_text(text, "utf-8")
    assert [person.id for person in read(path)] == students


def test_a_username_beside_the_id_is_another_name(tmp_path):
    """Blackboard's list has both, and its downloads the username; its .xls is text in UTF-16."""
    text = '"Last Name"\t"First Name"\t"Username"\t"Student ID"\n"Müller"\t"Zoë"\t"zm1"\t"20261"\n'
    path = tmp_path / "gc_course_fullgc.xls"
    path.write_bytes(text.encode("utf-16"))
    assert read(path) == [Person("20261", "Zoë", "Müller", lms_name="zm1")]
    assert People(read(path)).find(Sender(id="zm1")) == "20261"


def test_canvas_test_student_is_nobody(tmp_path):
    handed = [
        Handed("Zoë", "Müller", b"", sid="20261"),
        Handed("Test", "Student", b"", email="b1946ac92492d2347c6235b4d2611184"),
    ]
    assert [person.id for person in read(canvas_gradebook(tmp_path / "g.csv", handed))] == ["20261"]
    named_so = [Handed("Test", "Student", b"", sid="20262")]
    assert [person.id for person in read(canvas_gradebook(tmp_path / "g.csv", named_so))] == ["20262"]


@pytest.mark.parametrize(
    ("name", "last", "first"),
    [
        ("O'Neil, Jr., Seán", "O'Neil, Jr.", "Seán"),
        ("King, Martin, Jr.", "King", "Martin, Jr."),
        ("Müller, Zoë", "Müller", "Zoë"),
    ],
)
def test_a_name_is_split_at_its_last_comma(tmp_path, name, last, first):
    path = tmp_path / "r.csv"
    path.write_text(f'Student,ID,SIS User ID,Section\n"{name}",1,s1,A\n', "utf-8")
    assert read(path) == [Person("s1", first, last, "", "1", name)]


def test_canvas_gradebook_is_a_roster(tmp_path):
    handed = [Handed("Zoë", "Müller", b"", number=4711, sid="20261", email="zoe@uni.edu"), Handed("Li", "Wei", b"")]
    people = read(canvas_gradebook(tmp_path / "g.csv", handed))
    assert people == [
        Person("20261", "Zoë", "Müller", "zoe@uni.edu", "4711", "Müller, Zoë"),
        Person("1001", "Li", "Wei", "", "1001", "Wei, Li"),  # of ids there is Canvas's own alone
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"id,email\na b,x\n", r"line 2: the id 'a b' must be letters"),
        (b"id,name\ns1,A\ns1,B\n", r"line 3: a second student with the id 's1'"),
        (b"id\n", "holds no students"),
        (
            b"Vorname,Nachname,Matrikel Nr\nZoe,M,7\n",
            "no column says who a student is. Its headings are Vorname, Nachname, Matrikel Nr; expected at least one "
            "of id, ID number, .*学号",
        ),
        (b"id,section_name\n,A\n", "line 2: nothing says who this is; fill in an id"),
        (b"", "holds no students"),
        (
            b"id,first_name\ns1,Zo\xff\xff\n",
            "is neither UTF-8 nor another encoding known here; in a spreadsheet, save it as CSV UTF-8",
        ),
        (b'id\n"' + b"x" * 200_000, "is not a CSV file: a quotation mark in line 2 is never closed"),
    ],
)
def test_what_is_no_roster_is_one_sentence(tmp_path, text, words):
    path = tmp_path / "r.csv"
    path.write_bytes(text)
    with pytest.raises(UserError, match=words) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy warn of themselves
def test_the_gradebook_and_the_rosters_file_have_the_students(course):
    add(course, [Person("z1", "Zoë", "Müller", "zoe@uni.edu", "4711"), Person("z2", "Zoa", "Müller")])
    add(course, [Person("other", "", "Mueller", "zoe@uni.edu"), Person("li", "Wei", "Li")])  # known by the address
    with nbgrader_api(course).gradebook as gradebook:
        zoe = gradebook.find_student("z1")
        assert (zoe.first_name, zoe.last_name, zoe.email, zoe.lms_user_id) == ("Zoë", "Mueller", "zoe@uni.edu", "4711")
        assert sorted(student.id for student in gradebook.students) == ["li", "z1", "z2"]
    assert [person.id for person in load(course)] == ["li", "z1", "z2"]


@pytest.mark.filterwarnings("ignore")
def test_a_class_is_written_in_one_transaction(course):
    add(course, [Person("s0")])  # makes the gradebook
    commits = []

    def count(session):
        commits.append(session)

    event.listen(Session, "after_commit", count)
    try:
        add(course, [Person(f"s{number}", "Ada", "Lee") for number in range(50)])
    finally:
        event.remove(Session, "after_commit", count)
    with nbgrader_api(course).gradebook as gradebook:
        assert len(gradebook.students) == 50
    assert len(commits) < 5  # the gradebook's opening has some of its own

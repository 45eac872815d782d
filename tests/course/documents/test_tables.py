"""Class lists as people have them: any encoding, workbooks, banners, numbers that a spreadsheet has shortened."""

import re
import zipfile

import pytest
from openpyxl import Workbook

from autograder.course import UserError
from autograder.documents.tables import read_sheets
from autograder.handing_in.roster import read

ROWS = [["2024-2025学年机器学习成绩单", "", ""], ["学号/工号", "学生姓名", "班级"], ["2023001", "张三", "1班"]]
CSV = "\n".join(",".join(row) for row in ROWS) + "\n"


def people(path):
    return [(person.id, person.lms_name) for person in read(path)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_a_chinese_list_below_a_banner_in_any_encoding(tmp_path, encoding):
    (tmp_path / "list.csv").write_bytes(CSV.encode(encoding))
    assert people(tmp_path / "list.csv") == [("2023001", "张三")]


def test_a_list_from_western_windows(tmp_path):
    (tmp_path / "list.csv").write_bytes("id;Name\nz1;Zoë Müller\n".encode("cp1252"))
    assert people(tmp_path / "list.csv") == [("z1", "Zoë Müller")]


def workbook(path, rows, *, dimension=""):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    if dimension:
        with zipfile.ZipFile(path) as opened:
            parts = {name: opened.read(name) for name in opened.namelist()}
        with zipfile.ZipFile(path, "w") as opened:
            for name, part in parts.items():
                opened.writestr(name, re.sub(rb'<dimension ref="[^"]*"', dimension.encode(), part))
    return path


@pytest.mark.parametrize("dimension", ["", '<dimension ref="A1"'])
def test_a_workbook_whatever_size_it_claims(tmp_path, dimension):
    rows = [ROWS[0], ROWS[1], [2023001, "张三", "1班"], [2023002.0, "李四", None]]
    path = workbook(tmp_path / "list.xlsx", rows, dimension=dimension)
    assert people(path) == [("2023001", "张三"), ("2023002", "李四")]


def test_the_sheet_with_the_headings_is_taken(tmp_path):
    book = Workbook()
    book.active.append(["说明"])
    sheet = book.create_sheet("作业")
    for row in (["学生姓名", "学生学号", "自定义标签"], ["王小明", "2026001", ""]):
        sheet.append(row)
    book.save(tmp_path / "list.xlsx")
    assert people(tmp_path / "list.xlsx") == [("2026001", "王小明")]


@pytest.mark.parametrize("number", ["2.02301E+11", "2,02301E+11", "2e11"])
def test_a_number_that_a_spreadsheet_has_shortened_is_refused_with_the_cure(tmp_path, number):
    (tmp_path / "list.csv").write_text(f'学号,姓名\n"{number}",张三\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"line 2: .* a spreadsheet has shortened; format its column as text"):
        read(tmp_path / "list.csv")


def test_so_is_one_that_has_lost_its_last_digits_in_a_workbook(tmp_path):
    with pytest.raises(UserError, match="a spreadsheet has shortened"):
        read(workbook(tmp_path / "list.xlsx", [["学号", "姓名"], [202301010101010101, "张三"]]))


def test_apostrophes_and_composed_letters(tmp_path):
    text = "id,First name,Last name\naoife.o'neill@uni.ie,Aoife,O'Neill\nzoe\u0308,Zoe\u0308,M\n"
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    assert [person.id for person in read(tmp_path / "list.csv")] == ["aoife.o'neill@uni.ie", "zoë"]


@pytest.mark.parametrize(
    "rows",
    [
        [["学生姓名", "学生学号", "作业1", None], [None, None, "成绩（满分：130）", "状态"]],
        [["学生信息", None, "作业1", None], ["学生姓名", "学生学号", "成绩（满分：130）", "状态"]],
        [["学生姓名", "学生学号", "作业1", "作业1"], ["学生姓名", "学生学号", "成绩（满分：130）", "状态"]],
    ],
)
def test_headings_in_two_rows(tmp_path, rows):
    """As 智慧树 has them, and two other ways to merge their cells."""
    path = workbook(tmp_path / "list.xlsx", [*rows, ["张三", 2023001, 120, "已提交"]])
    assert people(path) == [("2023001", "张三")]
    [sheet] = read_sheets(path)
    assert (sheet.headings[2:], sheet.groups[2:]) == (["成绩（满分：130）", "状态"], ["作业1", "作业1"])


@pytest.mark.parametrize(
    "text",
    [
        "学号：,* 姓 名\n2023001,张三\n",
        "学号 (Student ID),姓名（必填）\n2023001,张三\n",
        "学号,姓名\n'2023001,张三\n",
        '学号,姓名\n"=""2023001""",张三\n',
        "学号\t,姓名\n\t2023001,张三\n",
        "学号,姓名\n２０２３００１,张三\n",
        "sep=;\n学号;姓名\n2023001;张三\n",
    ],
)
def test_headings_and_numbers_as_people_and_spreadsheets_write_them(tmp_path, text):
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    assert people(tmp_path / "list.csv") == [("2023001", "张三")]


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "a file of an old Office"), (b"<html><table>", "a web page")],
)
def test_what_is_called_xls_is_told_apart(tmp_path, content, kind):
    (tmp_path / "list.xls").write_bytes(content)
    with pytest.raises(UserError, match=f"{kind}: open it in a spreadsheet and save it as .xlsx"):
        read(tmp_path / "list.xls")


def test_what_only_looks_like_a_workbook_is_one_sentence(tmp_path):
    with zipfile.ZipFile(tmp_path / "list.xlsx", "w") as opened:
        opened.writestr("x", "y")
    with pytest.raises(UserError, match="can't be read as a workbook"):
        read(tmp_path / "list.xlsx")

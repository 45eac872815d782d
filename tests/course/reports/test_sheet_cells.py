"""Workbooks as Chinese platforms give them out, filled: cell for cell the rest stays."""

import io
import re
import zipfile

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.comments import Comment
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Font, PatternFill

from autograder.course import UserError
from autograder.gradebook.scores import ClassScores, GradedCell, Score, Student
from autograder.reports.sheet_cells import Cell, with_cells
from autograder.reports.sheets import Options, fill

EXERCISE = "01_simpo_loss"
SCORES = ClassScores(
    (Student("2023001", "三", "张"), Student("2023002", "四", "李")),
    {EXERCISE: 10.0},
    {(who, EXERCISE): Score((GradedCell("a", 0.0, 10.0, False, False, False),)) for who in ("2023001", "2023002")},
)
POINTS = {"2023001": 9.5, "2023002": 7.0}


def chaoxing(path):
    """学习通: a banner of four rows, of which one is merged; ids are texts."""
    book = Workbook()
    sheet = book.active
    sheet.title = "作业"
    for row in (
        ["课程：机器学习"],
        ["班级：1班", None, "任课教师：王"],
        ["导出时间：2026-11-30"],
        [],
        ["学生姓名", "学号/工号", "院系", "成绩", "备注"],
        ["张三", "2023001", "计算机", None, "=D6*2"],
        ["李四", "2023002", "计算机", "未批阅", None],
    ):
        sheet.append(row)
    sheet.merge_cells("A1:E1")
    sheet["A1"].font = Font(bold=True, size=18)
    sheet["D6"].number_format, sheet["D6"].fill = "0.0", PatternFill("solid", start_color="FFFF00")
    sheet["D7"].number_format = "@"
    sheet["E7"].comment = Comment("看一看", "王")
    sheet.column_dimensions["B"].width = 31
    sheet.conditional_formatting.add("D6:D7", CellIsRule(operator="lessThan", formula=["6"], font=Font(bold=True)))
    book.create_sheet("说明")["A1"] = "不要改"
    book.save(path)
    return path


def zhihuishu(path):
    """智慧树: three sheets, each with two rows of headings."""
    book = Workbook()
    for name, title in (("作业", f"作业：{EXERCISE}"), ("考试", "期末考试"), ("课堂活动", "签到")):
        sheet = book.create_sheet(name)
        sheet.append(["学生姓名", "学生学号", "自定义标签", title, None])
        sheet.append([None, None, None, "成绩（满分：130）", "状态"])
        sheet.append(["张三", 2023001, None, None, "已提交"])
        sheet.append(["李四", 2023002, None, None, "已提交"])
        sheet.merge_cells("D1:E1")
    del book["Sheet"]
    book.save(path)
    return path


def yuketang(path):
    """雨课堂: a title, then headings with the maximum in one."""
    book = Workbook()
    for row in (
        ["课程作业得分"],
        ["学号", "姓名", "提交时间", "得分 (总:10.0分)"],
        ["2023001", "张三", "2026-11-30 12:00", None],
        ["2023002", "李四", "--", "--"],
    ):
        book.active.append(row)
    book.save(path)
    return path


def everything(path_or_bytes):
    """Every cell of a workbook with its value and format; merged cells, widths and notes."""
    book = load_workbook(io.BytesIO(path_or_bytes) if isinstance(path_or_bytes, bytes) else path_or_bytes)
    cells = {
        (sheet.title, cell.coordinate): (
            cell.value,
            cell.number_format,
            repr(cell.font),
            repr(cell.fill),
            str(cell.comment),
        )
        for sheet in book
        for row in sheet
        for cell in row
    }
    looks = {
        sheet.title: (
            str(sheet.merged_cells),
            {name: column.width for name, column in sheet.column_dimensions.items()},
            [str(rules.sqref) for rules in sheet.conditional_formatting],
        )
        for sheet in book
    }
    return cells, looks


@pytest.mark.parametrize("wrong_size", [False, True])
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (chaoxing, {("作业", "D6"): 9.5, ("作业", "D7"): "7"}),  # a text where the column is of texts
        (zhihuishu, {("作业", "D3"): 9.5, ("作业", "D4"): 7.0}),
        (yuketang, {("Sheet", "D3"): 9.5, ("Sheet", "D4"): 7.0}),
    ],
)
def test_points_stand_where_the_platform_expects_them_and_all_else_as_it_was(tmp_path, make, expected, wrong_size):
    path = make(tmp_path / "成绩.xlsx")
    if wrong_size:
        claim_one_cell(path)
    before, looks = everything(path)
    done = fill(path, SCORES, lambda student, _: POINTS[student], Options())
    after, looks_after = everything(done.content)
    changed = {place: after[place][0] for place in after if after[place] != before.get(place)}
    assert changed == expected
    assert {place: cell[1:] for place, cell in after.items()} == {place: cell[1:] for place, cell in before.items()}
    assert looks_after == looks
    assert (done.cells, done.nobody, done.without_row) == (2, [], [])


def claim_one_cell(path):
    """Say in a workbook that its sheets have one cell each, as some platforms do."""
    with zipfile.ZipFile(path) as opened:
        parts = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(path, "w") as opened:
        for name, part in parts.items():
            opened.writestr(name, re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', part))


def test_points_that_stand_there_and_words_are_seen_in_a_workbook_too(tmp_path):
    path = yuketang(tmp_path / "成绩.xlsx")
    book = load_workbook(path)
    book.active["D3"], book.active["D4"] = 9.5, "缺考"
    book.save(path)
    done = fill(path, SCORES, lambda student, _: POINTS[student], Options())
    assert (done.words, done.others, done.cells) == ([f"2023002, {EXERCISE}: 缺考"], [], 1)


def test_a_cell_that_is_merged_into_another_is_left(tmp_path):
    book = Workbook()
    book.active.append(["学号", "成绩"])
    book.active.merge_cells("B2:B3")
    book.save(tmp_path / "x.xlsx")
    content = with_cells(tmp_path / "x.xlsx", {Cell("Sheet", 1, 1): "9", Cell("Sheet", 2, 1): "8"})
    sheet = load_workbook(io.BytesIO(content)).active
    assert (sheet["B2"].value, sheet["B3"].value) == (9, None)


def test_bytes_that_would_not_come_back_are_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xff\xfeid,\0n")  # UTF-16 by its mark alone
    with pytest.raises(UserError, match="holds bytes that are no UTF-16-LE; in a spreadsheet, save it as CSV UTF-8"):
        with_cells(tmp_path / "x.csv", {})

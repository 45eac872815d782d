import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.course import UserError
from autograder.reports.csv_files import disarmed, number, parse, read_text, spreadsheet, value

CELLS = st.lists(st.lists(st.text(alphabet="a,;\t\"'\n\r =é中", max_size=6), min_size=1, max_size=4), min_size=1)


@settings(deadline=None)
@given(CELLS, st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n")]), st.booleans())
def test_a_file_taken_apart_is_the_same_file_and_says_what_csv_says(rows, spelling, ends):
    quoting, end = spelling
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=end).writerows([["a", "b", "c,d"], *rows])
    file = text.getvalue() if ends else text.getvalue().removesuffix(end)
    table = parse(file)
    assert str(table) == file
    said = [[value(cell) for cell in cells] for cells, _ in table.rows]
    assert said == list(csv.reader(io.StringIO(file, newline="")))


@settings(deadline=None)
@given(st.text(alphabet='a,"\r\n;', max_size=30))
def test_any_text_at_all_taken_apart_is_the_same_text(text):
    assert str(parse(text)) == text


def test_a_byte_order_mark_is_kept_and_no_part_of_the_first_name():
    table = parse('\ufeff"Identifier","Full name"\r\n"Participant 1","Ann, Bo"\r\n')
    assert [value(cell) for cell in table.rows[0][0]] == ["Identifier", "Full name"]
    assert value(table.rows[1][0][1]) == "Ann, Bo"
    assert str(table).startswith('\ufeff"Identifier"')


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1"])
def test_what_a_spreadsheet_would_run_is_disarmed(words):
    assert disarmed(words) == "'" + words


def test_names_stay_as_they_are():
    assert [disarmed(name) for name in ("O'Neil, Jr.", "李小龙", "a=b", "")] == ["O'Neil, Jr.", "李小龙", "a=b", ""]


@pytest.mark.parametrize(("points", "words"), [(0.0, "0"), (10.0, "10"), (100.0, "100"), (9.5, "9.5"), (1 / 3, "0.33")])
def test_points_are_written_without_idle_zeros(points, words):
    assert number(points) == words


def test_cells_with_commas_quotes_and_line_ends_come_back_from_csv():
    rows = [["a,b", 'say "x"', "two\nlines"], ["", "0", "é"]]
    assert list(csv.reader(io.StringIO(spreadsheet(rows), newline=""))) == rows


def test_a_file_that_is_not_utf8_is_one_sentence(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_bytes("Student,ID\nMüller,1\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"theirs\.csv is not UTF-8 text \(byte 12\): save it as CSV UTF-8"):
        read_text(path)

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.documents.csv_text import is_open, parse, value

CELLS = st.lists(st.lists(st.text(alphabet="a,;\t\"'\n\r =é中", max_size=6), min_size=1, max_size=4), min_size=1)


@settings(deadline=None)
@given(CELLS, st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n")]), st.booleans())
def test_a_file_taken_apart_is_the_same_file_and_says_what_csv_says(rows, spelling, ends):
    quoting, end = spelling
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=end).writerows([["a", "b", "c,d"], *rows])
    file = text.getvalue() if ends else text.getvalue().removesuffix(end)
    table = parse(file, ",")
    assert str(table) == file
    said = [[value(cell) for cell in cells] for cells, _ in table.rows]
    assert said == list(csv.reader(io.StringIO(file, newline="")))


@settings(deadline=None)
@given(st.text(alphabet='a,"\r\n;', max_size=30))
def test_any_text_at_all_taken_apart_is_the_same_text(text):
    assert str(parse(text, ",")) == text


def test_a_byte_order_mark_is_kept_and_no_part_of_the_first_name():
    table = parse('\ufeff"Identifier","Full name"\r\n"Participant 1","Ann, Bo"\r\n', ",")
    assert [value(cell) for cell in table.rows[0][0]] == ["Identifier", "Full name"]
    assert value(table.rows[1][0][1]) == "Ann, Bo"
    assert str(table).startswith('\ufeff"Identifier"')


@pytest.mark.parametrize(("cell", "found"), [('"a', True), ('\ufeff"', True), ('"a"b"', False), ('a"', False)])
def test_a_quotation_mark_that_is_never_closed_is_seen(cell, found):
    assert is_open(cell) is found

import csv
import io

import pytest

from autograder.reports.csv_files import disarmed, number, spreadsheet


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

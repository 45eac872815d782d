import pytest

from simpo_core.inputs import UserError
from simpo_core.records.bad_rows import RowError, leave_out


def errors(count, reason="is empty"):
    return [RowError(f"line {n}", reason if isinstance(reason, str) else reason(n)) for n in range(1, count + 1)]


def complaint(*args, **kwargs):
    with pytest.raises(UserError) as caught:
        leave_out(*args, **kwargs, notes=[])
    return str(caught.value)


def test_one_bad_row_is_its_own_sentence():
    assert complaint(errors(1), 1, skip_bad=False) == "line 1: is empty"


def test_ten_bad_rows_are_named_and_the_others_counted():
    said = complaint(errors(12, lambda n: f"{n} is odd"), 20, skip_bad=False)
    assert said.startswith("12 of 20 rows can't be used; with skip_bad = true they are left out:\n  line 1: 1 is odd\n")
    assert said.endswith("  line 10: 10 is odd\n  and 2 more")
    assert complaint(errors(3), 9, skip_bad=False).endswith("left out: line 1, line 2, line 3: is empty")


def test_bad_rows_are_left_out_and_counted():
    notes = []
    leave_out([], 4, skip_bad=True, notes=notes)
    assert notes == []
    leave_out(errors(2), 4, skip_bad=True, notes=notes)
    assert notes == ["2 of 4 rows left out, as skip_bad says: line 1, line 2: is empty"]


def test_if_no_row_is_left_that_is_an_error():
    assert complaint(errors(2), 2, skip_bad=True) == "2 of 2 rows can't be used: line 1, line 2: is empty"

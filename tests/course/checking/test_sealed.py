import numpy as np
import pytest

from autograder.checking.sealed import Sealed, seal_numbers, seal_word, sealed
from autograder.student_data.values import difference

NUMBERS = [0.25, -0.4, 42.0, 148.4131591, 0.126928, 9.9998, 10.0003, 1e-4, 128.0, 1 / 3, 99999.9]


def sealed_number(right, rtol):
    return sealed(seal_numbers("x", right, rtol))


@pytest.mark.parametrize("rtol", [1e-6, 1e-3, 5e-3, 2e-2])
@pytest.mark.parametrize("right", NUMBERS)
def test_a_sealed_number_accepts_what_the_number_accepts(right, rtol):
    hidden = sealed_number(right, rtol)
    for share in (0.0, 0.3, -0.3, 0.8, -0.8):
        got = np.asarray(right * (1 + share * rtol))
        assert difference(got, np.asarray(right), rtol, None) is None
        assert hidden.is_close("x", got, rtol, None), share
    for share in (1.05, -1.05, 3, -3, 1000, -2 / rtol):
        assert not hidden.is_close("x", np.asarray(right * (1 + share * rtol)), rtol, None), share


def test_zero_is_compared_as_in_the_open():
    hidden = sealed_number(0.0, 1e-6)
    for got, is_right in ((0.0, True), (-0.0, True), (1e-8, True), (1e-5, False), (float("nan"), False)):
        assert hidden.is_close("x", np.asarray(got), 1e-6, None) is is_right
        assert (difference(np.asarray(got), np.asarray(0.0), 1e-6, None) is None) is is_right


def test_a_list_is_compared_in_order_and_in_shape():
    hidden = sealed(seal_numbers("x", [1.0, 1.0, 3.5], 1e-3))
    assert hidden.shape == (3,)
    assert len(set(hidden.digests)) == 3  # equal numbers don't look equal
    assert hidden.is_close("x", np.array([1.0, 1.0002, 3.5]), 1e-3, None)
    for other in (np.array([1.0, 3.5, 1.0]), np.array([1.0, 1.0]), np.asarray(1.0), np.ones((1, 3))):
        assert not hidden.is_close("x", other, 1e-3, None)


def test_the_name_is_the_salt():
    assert seal_word("x", "dpo") != seal_word("y", "dpo")
    assert not sealed_number(0.25, 1e-6).is_close("y", np.asarray(0.25), 1e-6, None)
    assert Sealed(seal_word("x", True)).is_word("x", True)
    assert not Sealed(seal_word("x", True)).is_word("x", 1)


def test_tables_are_refused():
    with pytest.raises(ValueError, match=r"x has shape \(2, 2\); only numbers and lists"):
        seal_numbers("x", np.eye(2), 1e-6)

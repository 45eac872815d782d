import numpy as np
import pytest

from autograder.checking.relations import of_value

RIGHT = np.array([0.28, -1.53, 2.71])


def told(got, right, *, is_shown=True):
    got, right = np.asarray(got, dtype=float), np.asarray(right, dtype=float)
    return of_value(
        got, lambda tried: tried.shape == right.shape and np.allclose(tried, right), right if is_shown else None
    )


@pytest.mark.parametrize(
    ("got", "right", "words"),
    [
        (-RIGHT, RIGHT, "opposite sign"),
        (25.0, 0.25, "no percentage"),
        (0.25, 25.0, "a percentage is asked for"),
        (np.log10(3), np.log(3), "not the one to base 10"),
        (np.log2(3), np.log(3), "not the one to base 2"),
        (RIGHT[::-1], RIGHT, "opposite order"),
        (0.12, 0.88, "1 minus"),
        (3.0, 1 / 3, "1 over"),
        (2 * RIGHT, RIGHT, "twice"),
        (RIGHT / 2, RIGHT, "half"),
        (np.exp(1.7), 1.7, "e to the power"),
        (np.log(1.7), 1.7, "the logarithm of"),
        (1.7**2, 1.7, "the square of"),
        (1.7**0.5, 1.7, "the square root of"),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 3.0], [2.0, 4.0]], "Rows and columns"),
        (1.0, 1.41667, "fraction is dropped"),
        (np.abs(RIGHT), RIGHT, "sign is lost"),
        (np.maximum(RIGHT, 0), RIGHT, "cut off"),
        (RIGHT.sum(), RIGHT, "the sum of"),
        (RIGHT.mean(), RIGHT, "the mean of"),
        (RIGHT[1:], RIGHT, "first number is missing"),
        (RIGHT[:-1], RIGHT, "last number is missing"),
        ([9.0, *RIGHT], RIGHT, "too many, the first"),
        ([*RIGHT, 9.0], RIGHT, "too many, the last"),
        (0.1269, 0.126928, "rounded"),
        ([np.nan, 1.0, 2.0], RIGHT, "0 / 0"),
        (np.inf, 3.0, "inf comes of"),
    ],
)
def test_what_a_value_is_to_the_right_one(got, right, words):
    assert words in told(got, right)


def test_another_value_is_nothing_to_it():
    assert told(0.4711, 1.7) == ""
    assert told([1.0, 2.0], [5.0, 7.0]) == ""
    assert told(1.0, 0.0).startswith("This is e to the power of")
    assert told(np.inf, np.inf) == ""


def test_of_a_value_that_must_not_be_shown_only_what_gives_no_range_away_is_told():
    assert "opposite sign" in told(-0.25, 0.25, is_shown=False)
    assert told(0.5, 0.25, is_shown=False) == ""
    assert told(0.75, 0.25, is_shown=False) == ""

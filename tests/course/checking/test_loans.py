import numpy as np
import pytest
import torch

from autograder.checking.loans import Kept, Loans, is_shared

ARRAY, TENSOR, LIST = np.arange(6.0), torch.arange(6.0), [1, 2]


@pytest.mark.parametrize(
    ("argument", "result"),
    [
        (ARRAY, ARRAY),
        (ARRAY, ARRAY[2:]),
        (ARRAY, ARRAY[::-1].reshape(2, 3)),
        (ARRAY, torch.from_numpy(ARRAY)),
        (TENSOR, TENSOR[0]),
        (TENSOR, TENSOR.numpy()),
        (TENSOR, TENSOR.detach()),
        ([ARRAY], [0, [ARRAY]]),
        (LIST, LIST),
        (LIST, [[0], LIST]),
    ],
)
def test_an_argument_given_back_or_a_view_of_it_is_kept(argument, result):
    assert is_shared(result, argument)
    assert Loans().returned([3.0, argument], result) == Kept((1,))


@pytest.mark.parametrize(
    ("argument", "result"),
    [
        (ARRAY, ARRAY.copy()),
        (ARRAY, ARRAY[0]),  # a number of its own
        (TENSOR, TENSOR.clone()),
        (TENSOR, -TENSOR),
        (LIST, list(LIST)),
        (LIST, 1),
        (ARRAY, {"policy": ARRAY * 2, "reference": ARRAY}),
        (ARRAY, (ARRAY * 2, ARRAY)),
        (np.zeros(0), np.zeros(0)),
        ("word", "word"),
    ],
)
def test_what_is_made_anew_is_not(argument, result):
    assert not is_shared(result, argument)
    assert Loans().returned([argument], result) == Kept()


def test_what_changes_after_its_call_is_told_once():
    loans, first = Loans(), np.zeros(2)
    assert loans.returned([first], 0.0) == Kept()
    first += 1
    assert loans.returned([np.ones(2)], 0.0) == Kept(is_late=True)
    assert loans.returned([np.ones(2)], 0.0) == Kept()

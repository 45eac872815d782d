import numpy as np
import torch

from autograder.checking.calls import as_code, call_text


def loss(*args, **kwargs):
    return args, kwargs


def test_a_call_can_be_copied_and_gives_the_same_arguments():
    args = (
        np.array([[1.0, -2.5], [0.0, 3.0]]),
        torch.tensor([1.5, 2.0], dtype=torch.float64),
        torch.tensor([True, False]),
        torch.tensor(2.0),
        [3, 1],
        0.25,
        "sgd",
    )
    text = call_text(loss, args, {"beta": np.array([2])})
    assert text == (
        "loss(np.array([[1.0, -2.5], [0.0, 3.0]]), torch.tensor([1.5, 2.0], dtype=torch.float64), "
        "torch.tensor([True, False]), torch.tensor(2.0), [3, 1], 0.25, 'sgd', beta=np.array([2]))"
    )
    again, named = eval(text, {"loss": loss, "np": np, "torch": torch})
    for before, after in zip((*args, np.array([2])), (*again, named["beta"]), strict=True):
        assert type(before) is type(after)
        assert getattr(before, "dtype", None) == getattr(after, "dtype", None)
        assert np.array_equal(before, after)


def test_what_is_large_is_described():
    assert as_code(np.zeros((5, 4))) == "an array of shape (5, 4)"
    assert call_text(loss, (loss,), {}) == "loss(loss)"

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simpo_core.logps import IGNORED, mean_logps, sum_logps


def slowly(logits, labels):
    """The sum and the length of each response, with Python loops."""
    sums, lengths = [], []
    for row in range(len(labels)):
        total, length = 0.0, 0
        for t in range(1, len(labels[row])):
            if labels[row][t] != IGNORED:
                scores = np.asarray(logits[row][t - 1], dtype=np.float64)
                total += scores[labels[row][t]] - np.log(np.sum(np.exp(scores - scores.max()))) - scores.max()
                length += 1
        sums.append(total)
        lengths.append(length)
    return np.array(sums), np.array(lengths)


def ragged_batch(seed, batch=4, seq=9, vocab=6):
    """Logits and labels with prompts, responses and padding of different lengths."""
    rng = np.random.default_rng(seed)
    labels = np.full((batch, seq), IGNORED)
    for row in range(batch):
        start = rng.integers(1, seq)
        end = rng.integers(start + 1, seq + 1)
        labels[row, start:end] = rng.integers(0, vocab, end - start)
    return rng.normal(0, 3, (batch, seq, vocab)), labels


def test_by_hand():
    # After position 0 the two tokens have probability 0.9 and 0.1, after position 1 they have 0.4 and 0.6.
    logits = np.log(np.array([[[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]]]))
    labels = np.array([[IGNORED, 0, 1]])
    assert sum_logps(logits, labels) == pytest.approx([np.log(0.9 * 0.6)])
    assert mean_logps(logits, labels) == pytest.approx([np.log(0.9 * 0.6) / 2])


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_against_loops(seed):
    logits, labels = ragged_batch(seed)
    sums, lengths = slowly(logits, labels)
    assert sum_logps(logits, labels) == pytest.approx(sums, rel=1e-12)
    assert mean_logps(logits, labels) == pytest.approx(sums / lengths, rel=1e-12)


def test_torch_and_numpy_agree():
    logits, labels = ragged_batch(3)
    for logps in (sum_logps, mean_logps):
        in_torch = logps(torch.tensor(logits), torch.tensor(labels))
        np.testing.assert_allclose(in_torch.numpy(), logps(logits, labels), rtol=1e-14)


def test_prompt_and_padding_do_not_count():
    logits, labels = ragged_batch(5)
    outside = np.concatenate([labels[:, 1:] == IGNORED, np.ones((len(labels), 1), bool)], axis=1)
    changed = np.where(outside[..., None], 7.0 * logits + 1, logits)
    assert sum_logps(changed, labels).tolist() == sum_logps(logits, labels).tolist()


def test_a_constant_added_to_the_logits_changes_nothing():
    logits, labels = ragged_batch(6)
    assert sum_logps(logits + 1e4, labels) == pytest.approx(sum_logps(logits, labels), rel=1e-9)


def test_extreme_logits_do_not_overflow_in_float32():
    logits = torch.tensor([[[1e4, -1e4], [0.0, 0.0]]])
    # log softmax([1e4, -1e4])[1] = -2e4
    assert sum_logps(logits, torch.tensor([[IGNORED, 1]])).tolist() == [-2e4]


def test_a_response_said_twice_doubles_the_sum_and_keeps_the_mean():
    once = np.tile(np.log([0.2, 0.8]), (1, 3, 1))
    twice = np.tile(np.log([0.2, 0.8]), (1, 5, 1))
    said_once, said_twice = np.array([[IGNORED, 1, 0]]), np.array([[IGNORED, 1, 0, 1, 0]])
    assert sum_logps(twice, said_twice) == pytest.approx(2 * sum_logps(once, said_once))
    assert mean_logps(twice, said_twice) == pytest.approx(mean_logps(once, said_once))


def test_half_precision_is_computed_in_float32():
    logits, labels = ragged_batch(7, vocab=5000)
    rounded = torch.tensor(logits, dtype=torch.bfloat16)
    got = sum_logps(rounded, torch.tensor(labels))
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got, sum_logps(rounded.double(), torch.tensor(labels)), rtol=1e-5)


def test_gradients_agree_with_finite_differences():
    logits, labels = ragged_batch(8, batch=2, seq=4, vocab=3)
    logits = torch.tensor(logits, requires_grad=True)
    for logps in (sum_logps, mean_logps):
        assert torch.autograd.gradcheck(lambda x, logps=logps: logps(x, torch.tensor(labels)), logits)


def test_empty_responses_raise_instead_of_nan():
    logits, labels = ragged_batch(9)
    labels[2] = IGNORED
    for logps in (sum_logps, mean_logps):
        with pytest.raises(ValueError, match="the response is empty in 1 of 4 rows, first in row 2"):
            logps(logits, labels)


def test_shapes_that_disagree_raise():
    logits, labels = ragged_batch(10)
    with pytest.raises(ValueError, match=r"logits \(4, 8, 6\) and labels \(4, 9\) disagree"):
        sum_logps(logits[:, :-1], labels)
    with pytest.raises(ValueError, match="expected \\(batch, seq, vocab\\)"):
        sum_logps(logits[0], labels[0])


def test_labels_that_are_no_tokens_raise():
    logits, labels = ragged_batch(11)
    for wrong in (6, -1):
        broken = labels.copy()
        broken[0, -1] = wrong
        with pytest.raises(ValueError, match="neither a token id from 0 to 5 nor -100"):
            sum_logps(logits, broken)


def test_a_response_at_position_0_raises():
    logits, labels = ragged_batch(12)
    labels[1, 0] = 2
    with pytest.raises(ValueError, match="begins at position 0"):
        mean_logps(logits, labels)

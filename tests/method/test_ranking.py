"""Several levels: worked by hand, against brute force, against finite differences, and at the edges."""

import itertools
import math

import numpy as np
import pytest
import torch

from simpo_core.losses import dpo_loss, squared_loss
from simpo_core.ranking import graded_squared_loss, kendall_tau, ordered_pairs, plackett_luce_loss

KINDS = [np.array, torch.tensor]


def brute_force_probability(scores, order):
    """Plackett-Luce as it is told: pick the best of those left, again and again."""
    probability, left = 1.0, list(order)
    while left:
        weights = [math.exp(scores[k]) for k in left]
        probability *= weights[0] / sum(weights)
        left.pop(0)
    return probability


def finite_differences(f, x, h=1e-6):
    gradient = np.zeros_like(x)
    for k in range(len(x)):
        step = np.zeros_like(x)
        step[k] = h
        gradient[k] = (f(x + step) - f(x - step)) / (2 * h)
    return gradient


def autograd(f, x):
    leaf = torch.tensor(x, requires_grad=True)
    f(leaf).backward()
    return leaf.grad.numpy()


# ordered_pairs


def test_pairs_by_hand():
    # 3 beats 1, 1 and 0; each 1 beats 0; the two 1s tie: five pairs of six
    assert ordered_pairs([3, 1, 1, 0]) == [(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)]


def test_the_better_response_comes_first_wherever_it_stands():
    assert ordered_pairs([0, 2, 1]) == [(1, 0), (1, 2), (2, 0)]


@pytest.mark.parametrize("levels", [[], [1], [2, 2, 2]])
def test_no_pair_without_two_different_levels(levels):
    assert ordered_pairs(levels) == []


@pytest.mark.parametrize("kind", KINDS)
def test_levels_may_be_arrays_of_fractions_and_negative(kind):
    assert ordered_pairs(kind([-0.5, 0.25])) == [(1, 0)]


def test_every_two_responses_are_a_pair_once_or_tie():
    rng = np.random.default_rng(0)
    for _ in range(50):
        levels = rng.integers(0, 4, size=rng.integers(2, 8)).tolist()
        pairs = set(ordered_pairs(levels))
        for i, j in itertools.combinations(range(len(levels)), 2):
            assert ((i, j) in pairs) + ((j, i) in pairs) == (levels[i] != levels[j])
        assert all(levels[i] > levels[j] for i, j in pairs)


def test_pairs_reject_levels_that_are_no_ranking():
    with pytest.raises(ValueError, match=r"levels \(2, 2\): expected one number per response"):
        ordered_pairs(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"levels\[1\] is nan"):
        ordered_pairs([1.0, math.nan])


# graded_squared_loss


@pytest.mark.parametrize("kind", KINDS)
def test_graded_by_hand(kind):
    # levels 3, 1, 0 and beta 0.5: targets 1 (0 over 1), 1.5 (0 over 2), 0.5 (1 over 2)
    # scores 2, 1.5, -1: margins 0.5, 3, 2.5; losses (-0.5)^2, 1.5^2, 2^2
    losses = graded_squared_loss(kind([2.0, 1.5, -1.0]), [3, 1, 0], beta=0.5)
    assert isinstance(losses, type(kind([0.0])))
    assert losses.tolist() == [0.25, 2.25, 4.0]


def test_graded_with_levels_one_and_zero_is_the_squared_loss():
    rng = np.random.default_rng(1)
    for _ in range(20):
        better, worse, beta = rng.normal(0, 3, size=3)
        graded = graded_squared_loss(np.array([better, worse]), [1, 0], beta=float(beta))
        assert graded == pytest.approx([squared_loss(better - worse, beta=float(beta))])


def test_graded_against_a_double_loop():
    rng = np.random.default_rng(2)
    for _ in range(20):
        scores, levels = rng.normal(0, 3, size=6), rng.integers(0, 4, size=6)
        expected = [
            (scores[i] - scores[j] - 0.7 * (levels[i] - levels[j])) ** 2
            for i in range(6)
            for j in range(6)
            if levels[i] > levels[j]
        ]
        assert graded_squared_loss(scores, levels, beta=0.7) == pytest.approx(expected)


def test_graded_is_zero_where_scores_follow_the_levels():
    # s = 0.3 + 2 * level: any constant, slope beta
    assert graded_squared_loss(np.array([6.3, 2.3, 2.3, 0.3]), [3, 1, 1, 0], beta=2.0) == pytest.approx(np.zeros(5))


def test_one_target_for_all_pairs_of_three_levels_cannot_be_met():
    # the margins add up: r02 = r01 + r12. Nearest to target 1 for all three: r01 = r12 = 2/3, mean loss
    # (1/9 + 1/9 + 1/9) / 3 = 1/9, where the targets 1, 2, 1 of graded_squared_loss reach zero
    steps = np.linspace(0, 1, 31)
    best = min((squared_loss(np.array([a, b, a + b]), 1.0).mean(), a, b) for a in steps for b in steps)
    assert best == pytest.approx((1 / 9, 2 / 3, 2 / 3))


def test_graded_without_a_pair_is_empty():
    assert graded_squared_loss(np.array([1.0, 2.0]), [4, 4]).shape == (0,)
    assert graded_squared_loss(torch.tensor([1.0, 2.0]), [4, 4]).shape == (0,)


def test_graded_gradient_against_finite_differences():
    scores, levels = np.random.default_rng(3).normal(0, 2, size=5), [2, 0, 1, 1, 3]
    exact = autograd(lambda s: graded_squared_loss(s, levels, 1.5).sum(), scores)
    assert exact == pytest.approx(
        finite_differences(lambda s: graded_squared_loss(s, levels, 1.5).sum(), scores), rel=1e-6
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_graded_keeps_the_type_and_survives_extreme_scores(dtype):
    # margin 2e4, target 1: (2e4 - 1)^2 = 399960001
    losses = graded_squared_loss(np.array([1e4, -1e4], dtype=dtype), [1, 0])
    assert losses.dtype == dtype
    assert losses == pytest.approx([399960001.0], rel=1e-6)


def test_graded_rejects_scores_that_do_not_fit():
    with pytest.raises(ValueError, match=r"scores \(3,\) and levels \(2,\) disagree"):
        graded_squared_loss(np.zeros(3), [1, 0])
    with pytest.raises(ValueError, match=r"scores \(2, 1\) and levels \(2,\) disagree"):
        graded_squared_loss(np.zeros((2, 1)), [1, 0])
    with pytest.raises(TypeError, match="scores is of type int64: expected a floating type"):
        graded_squared_loss(np.array([1, 0]), [1, 0])
    with pytest.raises(TypeError, match="beta is ndarray: expected one number"):
        graded_squared_loss(np.zeros(2), [1, 0], beta=np.ones(2))


# plackett_luce_loss


@pytest.mark.parametrize("kind", KINDS)
def test_plackett_luce_by_hand(kind):
    # weights 3, 2, 1 in the right order: 3/6 * 2/3 * 1/1 = 1/3; in the opposite one: 1/6 * 2/5 * 3/3 = 1/15
    losses = plackett_luce_loss(kind([[math.log(3), math.log(2), 0.0], [0.0, math.log(2), math.log(3)]]))
    assert isinstance(losses, type(kind([0.0])))
    assert losses.tolist() == pytest.approx([math.log(3), math.log(15)], rel=1e-6)


def test_equal_scores_make_all_orders_equally_likely():
    # 4! = 24 orders
    assert float(plackett_luce_loss(np.full(4, 7.0))) == pytest.approx(math.log(24))


def test_probabilities_of_all_orders_sum_to_one_and_match_brute_force():
    rng = np.random.default_rng(4)
    for responses in range(1, 6):
        scores = rng.normal(0, 2, size=responses)
        total = 0.0
        for order in itertools.permutations(range(responses)):
            probability = math.exp(-plackett_luce_loss(scores[list(order)]))
            assert probability == pytest.approx(brute_force_probability(scores, order))
            total += probability
        assert total == pytest.approx(1.0)


def test_two_responses_are_dpo():
    # exp(s) / (exp(s) + exp(t)) = sigmoid(s - t)
    pairs = np.random.default_rng(5).normal(0, 5, size=(20, 2))
    assert plackett_luce_loss(pairs) == pytest.approx(dpo_loss(pairs[:, 0] - pairs[:, 1]))


def test_a_common_constant_changes_nothing():
    scores = np.random.default_rng(6).normal(0, 2, size=5)
    assert plackett_luce_loss(scores + 50) == pytest.approx(plackett_luce_loss(scores), rel=1e-12)


def test_a_tie_broken_at_random_pulls_the_tied_scores_together():
    # both orders half of the time: the mean of -log sigmoid(d) and -log sigmoid(-d) is lowest at d = 0
    def loss(d):
        return (plackett_luce_loss(np.array([d, 0.0])) + plackett_luce_loss(np.array([0.0, d]))) / 2

    assert loss(0.0) < min(loss(-0.1), loss(0.1))


@pytest.mark.parametrize("kind", KINDS)
def test_plackett_luce_survives_extreme_scores_in_single_precision(kind):
    float32 = np.float32 if kind is np.array else torch.float32
    # in order: each pick is certain, loss 0. In the opposite order: the first pick costs 2e4, the second 1e4
    right = plackett_luce_loss(kind([1e4, 0.0, -1e4], dtype=float32))
    wrong = plackett_luce_loss(kind([-1e4, 0.0, 1e4], dtype=float32))
    assert right.dtype == wrong.dtype == float32
    assert (float(right), float(wrong)) == (0.0, 30000.0)


def test_large_scores_that_lie_close_together_keep_their_digits():
    # float32 near 1e4 steps by 1/1024, so these differences are exact: 0.5, then 0.25
    near = plackett_luce_loss(np.array([10000.75, 10000.25, 10000.0], dtype=np.float32))
    assert float(near) == pytest.approx(float(plackett_luce_loss(np.array([0.75, 0.25, 0.0]))), rel=1e-6)


def test_plackett_luce_gradient_against_finite_differences():
    scores = np.random.default_rng(7).normal(0, 2, size=5)
    assert autograd(plackett_luce_loss, scores) == pytest.approx(
        finite_differences(plackett_luce_loss, scores), rel=1e-6
    )


def test_plackett_luce_gradient_by_hand_and_at_the_extremes():
    # two responses: -sigmoid(-d) and its opposite. At d = 0 that is -1/2 and 1/2; at -2e4 -1 and 1; at 2e4 0
    assert autograd(plackett_luce_loss, np.array([0.0, 0.0])) == pytest.approx([-0.5, 0.5])
    assert autograd(plackett_luce_loss, np.array([-1e4, 1e4], dtype=np.float32)) == pytest.approx([-1.0, 1.0])
    assert autograd(plackett_luce_loss, np.array([1e4, -1e4], dtype=np.float32)) == pytest.approx([0.0, 0.0])


def test_one_response_is_ranked_with_certainty():
    assert float(plackett_luce_loss(np.array([3.0]))) == 0.0


def test_plackett_luce_rejects_what_is_no_list_of_scores():
    with pytest.raises(ValueError, match=r"scores \(2, 0\): expected \(\.\.\., responses\)"):
        plackett_luce_loss(np.zeros((2, 0)))
    with pytest.raises(ValueError, match=r"scores \(\): expected \(\.\.\., responses\)"):
        plackett_luce_loss(1.0)
    with pytest.raises(TypeError, match="scores is of type int64: expected a floating type"):
        plackett_luce_loss(np.array([1, 0]))


# kendall_tau


def test_tau_by_hand():
    # five ordered pairs of levels 3, 1, 1, 0; the scores agree on (0, 1) and (0, 2), and disagree on the three
    # pairs with response 3: (2 - 3) / 5
    assert kendall_tau([3, 1, 1, 0], [5.0, 4.0, 0.0, 6.0]) == pytest.approx(-1 / 5)
    # two pairs agree, (1, 2) does not: (2 - 1) / 3
    assert kendall_tau([2, 1, 0], [-1.0, -3.0, -2.0]) == pytest.approx(1 / 3)


def test_tau_against_brute_force():
    rng = np.random.default_rng(8)
    for _ in range(50):
        levels, scores = rng.integers(0, 4, size=6), rng.integers(0, 4, size=6)
        signs = [
            np.sign(levels[i] - levels[j]) * np.sign(scores[i] - scores[j])
            for i, j in itertools.combinations(range(6), 2)
            if levels[i] != levels[j]
        ]
        if signs:
            assert kendall_tau(levels, scores) == pytest.approx(np.mean(signs))


def test_tau_is_one_for_the_levels_themselves_and_minus_one_reversed():
    levels = np.array([0, 2, 2, 5, 1])
    assert kendall_tau(levels, levels) == 1.0
    assert kendall_tau(levels, -levels) == -1.0
    assert kendall_tau(levels, np.zeros(5)) == 0.0  # scores that say nothing


def test_tau_takes_tensors():
    assert kendall_tau(torch.tensor([1, 0]), torch.tensor([0.5, 0.2], requires_grad=True).detach()) == 1.0


def test_tau_rejects_what_cannot_be_compared():
    with pytest.raises(ValueError, match=r"levels \(2,\) and scores \(3,\) disagree"):
        kendall_tau([1, 0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="all levels are equal"):
        kendall_tau([1, 1], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"scores\[0\] is nan"):
        kendall_tau([1, 0], [math.nan, 2.0])

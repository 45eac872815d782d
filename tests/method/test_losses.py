from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from simpo_core.losses import dpo_loss, nll_loss, orpo_loss, preference_score, simpo_loss, squared_loss

MARGINS = np.concatenate(
    [np.random.default_rng(0).normal(0, 5, 200), [0.0, 1.0, -1.0, 40.0, -40.0, 700.0, -700.0, 1e4, -1e4]]
)
DTYPES = [np.float32, np.float64, torch.float32, torch.float64]
margins = st.floats(-1e4, 1e4)


def of_type(values, dtype):
    return torch.tensor(values, dtype=dtype) if isinstance(dtype, torch.dtype) else np.asarray(values, dtype=dtype)


def exact(formula, *columns):
    """The formula at 50 digits, row by row."""
    with mpmath.workdps(50):
        return np.array([float(formula(*map(mpmath.mpf, map(float, row)))) for row in zip(*columns, strict=True)])


def log1pexp(x):
    return mpmath.log1p(mpmath.exp(x))


def assert_close(got, expected, dtype):
    single = "32" in str(dtype)
    # Below the smallest normal number a loss may round to zero.
    tiny = 1e-37 if single else 1e-300
    np.testing.assert_allclose(np.asarray(got, dtype=np.float64), expected, rtol=1e-6 if single else 1e-13, atol=tiny)


def test_squared_loss_by_hand():
    # (1.5 - 1)^2 = 0.25; (-2 - 0.5)^2 = 6.25
    assert squared_loss(1.5, beta=1.0) == 0.25
    assert squared_loss(np.array([-2.0]), beta=0.5).tolist() == [6.25]


def test_dpo_loss_by_hand():
    # r = 0: -log(1/2); r = 2: sigmoid(2) = 0.880797, -log of it 0.126928
    assert dpo_loss(np.array([0.0, 2.0])) == pytest.approx([np.log(2), 0.126928], abs=1e-6)


def test_dpo_loss_scales_the_margin_by_beta():
    # beta * r = 0.1 * 20 = 2
    assert dpo_loss(20.0, beta=0.1) == pytest.approx(0.126928, abs=1e-6)


def test_simpo_loss_by_hand():
    # margin = 2 * (-1.0 - -1.5) = 1 = gamma, so the loss is -log sigmoid(0) = log 2
    assert simpo_loss(np.array([-1.0]), np.array([-1.5]), beta=2.0, gamma=1.0) == pytest.approx(np.log(2))


def test_label_smoothing_by_hand():
    # 0.9 * -log sigmoid(2) + 0.1 * -log sigmoid(-2) = 0.9 * 0.126928 + 0.1 * 2.126928; SimPO's z is 2 * 1.5 - 1 = 2
    assert dpo_loss(2.0, label_smoothing=0.1) == pytest.approx(0.326928, abs=1e-6)
    assert simpo_loss(-1.0, -2.5, beta=2.0, gamma=1.0, label_smoothing=0.1) == pytest.approx(0.326928, abs=1e-6)


def test_orpo_loss_by_hand():
    # p of 0.5 and 0.25: odds 1 and 1/3, sigmoid(log 3) = 3/4; loss log 2 - 0.1 * log(3/4) = 0.693147 + 0.028768
    assert orpo_loss(np.log([0.5]), np.log([0.25])).tolist() == pytest.approx([0.721915], abs=1e-6)


def test_nll_loss_by_hand():
    assert nll_loss(np.array([-1.5, 0.0])).tolist() == [1.5, 0.0]


def test_preference_score_by_hand():
    # (-10 + 11) - (-12 + 12.5) = 1 - 0.5
    got = preference_score(np.array([-10.0]), np.array([-12.0]), np.array([-11.0]), np.array([-12.5]))
    assert got.tolist() == [0.5]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_squared_loss_against_50_digits(dtype):
    r = of_type(MARGINS, dtype)
    beta = 0.5  # exact in every type, so that only the formula is compared
    difference_matters = np.abs(np.asarray(r, dtype=np.float64) - beta) > 1e-2
    got = np.asarray(squared_loss(r, beta), dtype=np.float64)
    want = exact(lambda r: (r - beta) ** 2, r)
    assert_close(got[difference_matters], want[difference_matters], dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dpo_loss_against_50_digits(dtype):
    r = of_type(MARGINS, dtype)
    assert_close(dpo_loss(r), exact(lambda r: log1pexp(-r), r), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_simpo_loss_against_50_digits(dtype):
    chosen = of_type(np.round(MARGINS, 1) * 2**-4, dtype)
    rejected = of_type(np.zeros(len(MARGINS)), dtype)  # so that the subtraction is exact
    want = exact(lambda w, _: log1pexp(-(2 * w - mpmath.mpf(0.5))), chosen, rejected)
    got = np.asarray(simpo_loss(chosen, rejected, beta=2.0, gamma=0.5), dtype=np.float64)
    # 2w - 0.5 is rounded once, which the exponential turns into a relative error of |2w| epsilon.
    rtol = 1e-4 if "32" in str(dtype) else 1e-12
    np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-37 if "32" in str(dtype) else 1e-300)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_label_smoothing_against_50_digits(dtype):
    r = of_type(MARGINS, dtype)
    e = 0.125  # exact in every type
    want = exact(lambda r: (1 - e) * log1pexp(-r) + e * log1pexp(r), r)
    assert_close(dpo_loss(r, label_smoothing=e), want, dtype)
    assert_close(simpo_loss(r, 0 * r, beta=1.0, gamma=0.0, label_smoothing=e), want, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_orpo_loss_against_50_digits(dtype):
    chosen = of_type([-1e-3, -0.1, -0.7, -3.0, -30.0, -1e4], dtype)
    rejected = of_type([-5.0, -0.1, -1e-3, -3.0, -2.0, -1e4], dtype)

    def formula(w, l):  # noqa: E741
        odds = [mpmath.exp(x) / (1 - mpmath.exp(x)) if x > -1e3 else mpmath.exp(x) for x in (w, l)]
        return -w + mpmath.mpf("0.25") * mpmath.log1p(odds[1] / odds[0])

    got = np.asarray(orpo_loss(chosen, rejected, beta=0.25), dtype=np.float64)
    np.testing.assert_allclose(got, exact(formula, chosen, rejected), rtol=1e-5 if "32" in str(dtype) else 1e-12)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_orpo_of_a_certain_response_is_finite_and_so_is_its_gradient(dtype):
    certain = of_type([0.0, 0.0], dtype)
    # odds of 1 / eps against themselves: log 2; the term of fine-tuning is 0
    assert np.asarray(orpo_loss(certain, certain, beta=1.0)).tolist() == pytest.approx([np.log(2)] * 2)
    if isinstance(certain, torch.Tensor):
        certain.requires_grad_()
        orpo_loss(certain, of_type([-1.0, -2.0], dtype)).sum().backward()
        assert torch.isfinite(certain.grad).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_type_and_kind_are_kept(dtype):
    r = of_type([0.5, 2.0], dtype)
    smoothed = (dpo_loss(r, label_smoothing=0.1), simpo_loss(r, r, label_smoothing=0.1))
    for loss in (squared_loss(r, 1.0), dpo_loss(r), simpo_loss(r, r), orpo_loss(-r, -2 * r), nll_loss(-r), *smoothed):
        assert type(loss) is type(r)
        assert loss.dtype == r.dtype
        assert loss.shape == (2,)


@given(margins, st.floats(0.1, 10))
def test_squared_loss_is_symmetric_about_beta(apart, beta):
    assert squared_loss(beta + apart, beta) == pytest.approx(squared_loss(beta - apart, beta), rel=1e-6, abs=1e-12)


@given(margins)
def test_dpo_losses_of_r_and_minus_r_differ_by_r(r):
    # -log sigmoid(-r) = r - log sigmoid(r)
    assert dpo_loss(-r) == pytest.approx(r + dpo_loss(r), rel=1e-9, abs=1e-9)


@given(margins, st.floats(1e-3, 10))
def test_dpo_and_simpo_fall_as_the_margin_grows(r, step):
    zero = np.float64(0.0)
    for loss in (dpo_loss, lambda r: simpo_loss(r, zero)):
        lower, higher = loss(np.float64(r)), loss(np.float64(r + step))
        assert higher < lower or higher == lower == 0.0  # exp(-r) underflows above 745


@given(st.floats(-50, 0), st.floats(-50, 0), st.floats(0.1, 10), st.floats(0, 3))
def test_simpo_is_dpo_of_the_margin_less_gamma(chosen, rejected, beta, gamma):
    margin = beta * (chosen - rejected) - gamma
    assert simpo_loss(chosen, rejected, beta=beta, gamma=gamma) == pytest.approx(dpo_loss(margin), rel=1e-12)


@pytest.mark.parametrize(
    "loss",
    [
        lambda r: squared_loss(r, 0.7),
        lambda r: dpo_loss(r, 0.3),
        lambda r: simpo_loss(r, -r, beta=2.5, gamma=1.4),
        lambda r: preference_score(r, 2 * r, 3 * r, r**2),
        lambda r: dpo_loss(r, 0.3, label_smoothing=0.2),
        lambda r: simpo_loss(r, -r, beta=2.5, gamma=1.4, label_smoothing=0.2),
        lambda r: orpo_loss(-(r / 10).exp(), -2 * (-r / 20).exp(), beta=0.5),
        nll_loss,
    ],
    ids=["squared", "dpo", "simpo", "preference_score", "smoothed dpo", "smoothed simpo", "orpo", "nll"],
)
def test_gradients_agree_with_finite_differences(loss):
    r = torch.tensor([-30.0, -1.5, 0.0, 0.8, 30.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, r)
    assert torch.autograd.gradgradcheck(loss, r)


def test_gradients_by_hand():
    r = torch.tensor([1.8, 1.8], dtype=torch.float64, requires_grad=True)
    squared_loss(r[:1], 2.0).backward(torch.ones(1, dtype=torch.float64))
    dpo_loss(r[1:]).backward(torch.ones(1, dtype=torch.float64))
    # 2 * (1.8 - 2) = -0.4; sigmoid(1.8) - 1 = 0.858149 - 1
    assert r.grad.tolist() == pytest.approx([-0.4, -0.141851], abs=1e-6)


def test_gradients_stay_finite_and_right_at_extreme_margins():
    r = torch.tensor([-1e4, 0.0, 1e4], requires_grad=True)
    dpo_loss(r).sum().backward()
    assert r.grad.tolist() == [-1.0, -0.5, 0.0]  # sigmoid(r) - 1


@pytest.mark.filterwarnings("ignore")
def test_simpo_and_dpo_agree_with_trl():
    from trl.experimental.cpo import CPOTrainer

    rng = np.random.default_rng(1)
    chosen, rejected = (torch.tensor(rng.uniform(-4, -0.1, 500)) for _ in range(2))
    beta, gamma = 2.5, 1.375
    trainer = SimpleNamespace(
        alpha=0.0, beta=beta, simpo_gamma=gamma, label_smoothing=0.0, loss_type="simpo",
        accelerator=SimpleNamespace(device="cpu"),
    )  # fmt: skip
    theirs, _, _ = CPOTrainer.cpo_loss(trainer, chosen, rejected)
    torch.testing.assert_close(simpo_loss(chosen, rejected, beta=beta, gamma=gamma), theirs, rtol=1e-6, atol=0)
    trainer.label_smoothing = 0.1
    theirs, _, _ = CPOTrainer.cpo_loss(trainer, chosen, rejected)
    ours = simpo_loss(chosen, rejected, beta=beta, gamma=gamma, label_smoothing=0.1)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)
    trainer.loss_type = "sigmoid"
    theirs, _, _ = CPOTrainer.cpo_loss(trainer, chosen, rejected)
    torch.testing.assert_close(dpo_loss(chosen - rejected, beta, label_smoothing=0.1), theirs, rtol=1e-6, atol=0)
    trainer.label_smoothing = 0.0
    theirs, _, _ = CPOTrainer.cpo_loss(trainer, chosen, rejected)
    torch.testing.assert_close(dpo_loss(chosen - rejected, beta=beta), theirs, rtol=1e-6, atol=0)
    trainer.loss_type = "ipo"  # the squared loss with TRL's beta as tau
    theirs, _, _ = CPOTrainer.cpo_loss(trainer, chosen, rejected)
    torch.testing.assert_close(squared_loss(chosen - rejected, beta=1 / (2 * beta)), theirs, rtol=1e-6, atol=0)


@pytest.mark.filterwarnings("ignore")
def test_orpo_agrees_with_trl():
    from trl.experimental.orpo import ORPOTrainer

    rng = np.random.default_rng(2)
    chosen, rejected = (torch.tensor(rng.uniform(-4, -0.1, 500), dtype=torch.float32) for _ in range(2))
    trainer = SimpleNamespace(beta=0.1, accelerator=SimpleNamespace(device="cpu"))
    odds_ratio, *_ = ORPOTrainer.odds_ratio_loss(trainer, chosen, rejected)
    torch.testing.assert_close(orpo_loss(chosen, rejected, beta=0.1), -chosen - odds_ratio, rtol=1e-6, atol=1e-7)


@given(margins)
def test_label_smoothing_asks_for_a_margin_that_is_not_endless(r):
    # the least of (1 - e) a(r) + e a(-r), a = -log sigmoid, is at r = log((1 - e) / e)
    best = np.log(0.9 / 0.1)
    assert dpo_loss(r, label_smoothing=0.1) >= dpo_loss(best, label_smoothing=0.1) - 1e-12


@pytest.mark.parametrize("label_smoothing", [-0.1, 0.5, float("nan")])
def test_label_smoothing_is_a_chance_below_a_half(label_smoothing):
    for loss in (lambda **e: dpo_loss(np.zeros(3), **e), lambda **e: simpo_loss(np.zeros(3), np.zeros(3), **e)):
        with pytest.raises(ValueError, match=r"it must be from 0 to below 0\.5"):
            loss(label_smoothing=label_smoothing)


def test_shapes_that_would_broadcast_raise():
    with pytest.raises(ValueError, match=r"chosen_logps \(4,\), rejected_logps \(4, 1\)"):
        simpo_loss(np.zeros(4), np.zeros((4, 1)))
    with pytest.raises(ValueError, match=r"reference_rejected_logps \(1,\)"):
        preference_score(np.zeros(4), np.zeros(4), np.zeros(4), np.zeros(1))


def test_a_beta_for_each_pair_is_refused():
    with pytest.raises(TypeError, match="beta is ndarray: expected one number"):
        squared_loss(np.zeros(3), np.ones(3))


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan")])
def test_beta_must_be_above_zero(beta):
    with pytest.raises(ValueError, match="it must be above 0"):
        dpo_loss(np.zeros(3), beta=beta)
    with pytest.raises(ValueError, match="it must be above 0"):
        simpo_loss(np.zeros(3), np.zeros(3), beta=beta)


def test_integers_and_mixed_kinds_are_refused():
    with pytest.raises(TypeError, match="r is of type int64: expected a floating type"):
        dpo_loss(np.array([1, 2]))
    with pytest.raises(TypeError, match="chosen_logps ndarray, rejected_logps Tensor"):
        simpo_loss(np.zeros(2), torch.zeros(2))
    with pytest.raises(TypeError, match="r list"):
        dpo_loss([1.0, 2.0])

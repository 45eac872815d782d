from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from simpo_core.losses import dpo_loss, preference_score, simpo_loss, squared_loss

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
def test_type_and_kind_are_kept(dtype):
    r = of_type([0.5, 2.0], dtype)
    for loss in (squared_loss(r, 1.0), dpo_loss(r), simpo_loss(r, r)):
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
    ],
    ids=["squared", "dpo", "simpo", "preference_score"],
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
    trainer.loss_type = "sigmoid"
    theirs, _, _ = CPOTrainer.cpo_loss(trainer, chosen, rejected)
    torch.testing.assert_close(dpo_loss(chosen - rejected, beta=beta), theirs, rtol=1e-6, atol=0)
    trainer.loss_type = "ipo"  # the squared loss with TRL's beta as tau
    theirs, _, _ = CPOTrainer.cpo_loss(trainer, chosen, rejected)
    torch.testing.assert_close(squared_loss(chosen - rejected, beta=1 / (2 * beta)), theirs, rtol=1e-6, atol=0)


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

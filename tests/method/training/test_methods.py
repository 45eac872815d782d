import inspect
import math
from types import SimpleNamespace

import pytest
import torch
from tiny import token_pairs

from simpo_core.inputs import UserError
from simpo_core.scoring.packing import means, pack, sums
from simpo_core.training.methods import METHODS, loss_settings

POLICY = torch.tensor([[-1.0, -1.5], [-2.0, -0.5], [-0.25, -3.0]])
REFERENCE = torch.tensor([[-1.5, -1.5], [-1.0, -1.0], [-2.0, -1.0]])


# -- The table -------------------------------------------------------------------------------------------------------


def test_simpo_and_orpo_take_means_and_no_reference_the_others_sums_and_one():
    assert {name: (method.score, method.needs_reference) for name, method in METHODS.items()} == {
        "simpo": (means, False),
        "dpo": (sums, True),
        "squared": (sums, True),
        "orpo": (means, False),
    }


def test_simpo_by_hand():
    # beta 2, gamma 1; margins 2 * 0.5 = 1, 2 * -1.5 = -3, 2 * 2.75 = 5.5; losses log(1 + e^(1 - margin))
    losses, rewards = METHODS["simpo"].loss(POLICY, None, beta=2.0, gamma=1.0)
    expected = [math.log(2), math.log1p(math.exp(4)), math.log1p(math.exp(-4.5))]
    assert losses.tolist() == pytest.approx(expected)
    assert rewards.tolist() == [[-2.0, -3.0], [-4.0, -1.0], [-0.5, -6.0]]


def test_dpo_by_hand():
    # log-ratios (0.5, 0), (-1, 0.5), (1.75, -2): margins 0.5, -1.5, 3.75
    losses, rewards = METHODS["dpo"].loss(POLICY, REFERENCE, beta=2.0)
    assert losses.tolist() == pytest.approx([math.log1p(math.exp(-2 * r)) for r in (0.5, -1.5, 3.75)])
    assert rewards.tolist() == [[1.0, 0.0], [-2.0, 1.0], [3.5, -4.0]]


def test_squared_by_hand():
    losses, rewards = METHODS["squared"].loss(POLICY, REFERENCE, beta=2.0)
    assert losses.tolist() == [2.25, 12.25, 3.0625]  # (0.5 - 2)^2, (-1.5 - 2)^2, (3.75 - 2)^2
    assert rewards.tolist() == [[0.5, 0.0], [-1.0, 0.5], [1.75, -2.0]]


def test_orpo_by_hand():
    # p of chosen and rejected 1/2 and 1/4, odds 1 and 1/3: loss log 2 - 0.5 * log(3 / 4)
    losses, rewards = METHODS["orpo"].loss(torch.tensor([[0.5, 0.25]]).log(), None, beta=0.5)
    assert losses.tolist() == pytest.approx([math.log(2) - 0.5 * math.log(0.75)])
    assert rewards.tolist() == [pytest.approx([-0.5 * math.log(2), -math.log(2)])]


def test_longer_answers_count_more_for_dpo_and_not_for_simpo():
    # two tokens of -1 against one of -1: equal means, sums -2 and -1
    packed = pack(token_pairs((1, 2, 1)))
    logps = torch.full((3,), -1.0)
    assert METHODS["simpo"].score(logps, packed).tolist() == [[-1.0, -1.0]]
    assert METHODS["dpo"].score(logps, packed).tolist() == [[-2.0, -1.0]]


# -- TRL's numbers for the same inputs -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trl_loss():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
        from trl.experimental.cpo import CPOTrainer

    def compute(scores, **settings):
        here = SimpleNamespace(device=torch.device("cpu"))
        trainer = SimpleNamespace(alpha=0.0, label_smoothing=0.0, accelerator=here, **settings)
        losses, chosen, rejected = CPOTrainer.cpo_loss(trainer, scores[:, 0], scores[:, 1])
        return losses, torch.stack([chosen, rejected], 1)

    return compute


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "gamma"), [(2.0, 1.0), (2.5, 1.375), (10.0, 3.0), (0.1, 0.5)])
def test_simpo_is_trls(trl_loss, beta, gamma):
    expected = trl_loss(POLICY, loss_type="simpo", beta=beta, simpo_gamma=gamma)
    for found, theirs in zip(METHODS["simpo"].loss(POLICY, None, beta=beta, gamma=gamma), expected, strict=True):
        torch.testing.assert_close(found, theirs)


@pytest.mark.slow
def test_dpo_is_trls_sigmoid_of_log_ratios(trl_loss):
    expected = trl_loss(POLICY - REFERENCE, loss_type="sigmoid", beta=0.1)
    for found, theirs in zip(METHODS["dpo"].loss(POLICY, REFERENCE, beta=0.1), expected, strict=True):
        torch.testing.assert_close(found, theirs)


@pytest.mark.slow
def test_squared_is_trls_ipo_with_tau_of_1_over_2_beta(trl_loss):
    # the rewards differ: TRL's are times tau, ours are the log-ratios that beta is compared with
    expected, _ = trl_loss(POLICY - REFERENCE, loss_type="ipo", beta=1 / (2 * 5.0))
    torch.testing.assert_close(METHODS["squared"].loss(POLICY, REFERENCE, beta=5.0)[0], expected)


# -- Settings --------------------------------------------------------------------------------------------------------


def test_what_is_not_given_has_the_losses_own_default():
    assert loss_settings("simpo", {}) == {"beta": 2.0, "gamma": 1.0, "label_smoothing": 0.0}
    assert loss_settings("dpo", {}) == {"beta": 0.1, "label_smoothing": 0.0}
    assert loss_settings("orpo", {}) == {"beta": 0.1}
    assert loss_settings("squared", {"beta": 3}) == {"beta": 3.0}


@pytest.mark.parametrize(
    ("beta", "ratio", "gamma"),
    [(2.0, 0.8, 1.6), (2.5, 0.1, 0.25), (2.0, 0.5, 1.0), (2.5, 0.55, 1.375), (10, 0.3, 3.0), (10, 0.5, 5.0)],
)
def test_the_published_ratios_become_gammas(beta, ratio, gamma):
    # Mistral-Base, Mistral-Instruct, Llama-3-Base, Llama-3-Instruct, its v0.2, Gemma: the authors' README
    settings = loss_settings("simpo", {"beta": beta, "gamma_beta_ratio": ratio})
    assert (settings["beta"], settings["gamma"]) == (beta, gamma)


def test_the_ratio_without_beta_takes_the_default_beta():
    assert loss_settings("simpo", {"gamma_beta_ratio": 0.25})["gamma"] == 0.5


def test_every_setting_reaches_the_loss():
    for name, method in METHODS.items():
        accepted = inspect.signature(method.loss).parameters
        assert set(loss_settings(name, {})) <= set(accepted)
        losses, rewards = method.loss(POLICY, REFERENCE, **loss_settings(name, {}))
        assert (losses.shape, rewards.shape) == ((3,), (3, 2))


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        ("simpo", {"bata": 2.0}, "bata: simpo has no such setting; it has beta, gamma, label_smoothing, gamma_beta_"),
        ("dpo", {"gamma": 1.0}, "loss_args.gamma: dpo has no such setting; it has beta, label_smoothing"),
        ("dpo", {"label_smoothing": 0.5}, "loss_args.label_smoothing is 0.5: it must be from 0 to below 0.5"),
        ("squared", {"label_smoothing": 0.1}, "loss_args.label_smoothing: squared has no such setting; it has beta"),
        ("squared", {"gamma_beta_ratio": 1.0}, "loss_args.gamma_beta_ratio: squared has no such setting; it has beta"),
        ("simpo", {"gamma": 1.0, "gamma_beta_ratio": 0.5}, "gamma and gamma_beta_ratio: give one, they say the same"),
        ("simpo", {"beta": 0}, "loss_args.beta is 0.0: it must be above 0"),
        ("dpo", {"beta": -0.1}, "loss_args.beta is -0.1: it must be above 0"),
        ("simpo", {"beta": math.nan}, "loss_args.beta is nan: it must be a finite number"),
        ("simpo", {"gamma": math.inf}, "loss_args.gamma is inf: it must be a finite number"),
        ("simpo", {"gamma": True}, "loss_args.gamma is True: it must be a finite number"),
        ("simpo", {"gamma": "1"}, "loss_args.gamma is '1': it must be a finite number"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(method, given, words):
    with pytest.raises(UserError) as caught:
        loss_settings(method, given)
    assert words in str(caught.value)

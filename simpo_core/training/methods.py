"""The methods of fine-tuning: how each scores a response, and what it makes of the scores.

A difference between methods is a row in METHODS. Scores are log-probabilities, shape (pairs, 2): chosen, rejected.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from simpo_core.inputs import UserError
from simpo_core.losses import dpo_loss, orpo_loss, preference_score, simpo_loss, squared_loss
from simpo_core.scoring.packing import Pack, means, sums


@dataclass(frozen=True)
class Method:
    """How a method turns scores into losses.

    score: Log-probabilities of response tokens, shape (N,), to one score a response, shape (pairs, 2).
    loss: (policy's scores, reference's scores, its own settings) to the losses (pairs,) and the rewards (pairs, 2).
    """

    score: Callable[[Tensor, Pack], Tensor]
    loss: Callable[..., tuple[Tensor, Tensor]]
    needs_reference: bool


def simpo(
    policy: Tensor, reference: Tensor | None, *, beta: float = 2.0, gamma: float = 1.0, label_smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The published SimPO: rewards are beta times mean log-probabilities; gamma is in units of reward."""
    losses = simpo_loss(policy[:, 0], policy[:, 1], beta=beta, gamma=gamma, label_smoothing=label_smoothing)
    return losses, beta * policy


def dpo(policy: Tensor, reference: Tensor, *, beta: float = 0.1, label_smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    """DPO: rewards are beta times the log-ratio to the reference, summed over tokens."""
    losses = dpo_loss(_margin(policy, reference), beta, label_smoothing=label_smoothing)
    return losses, beta * (policy - reference)


def squared(policy: Tensor, reference: Tensor, *, beta: float = 5.0) -> tuple[Tensor, Tensor]:
    """The handout's squared loss, IPO's with tau = 1 / (2 * beta): the margin of log-ratios should be beta nats."""
    return squared_loss(_margin(policy, reference), beta), policy - reference


def orpo(policy: Tensor, reference: Tensor | None, *, beta: float = 0.1) -> tuple[Tensor, Tensor]:
    """ORPO: rewards are beta times mean log-probabilities, as in TRL."""
    return orpo_loss(policy[:, 0], policy[:, 1], beta=beta), beta * policy


def _margin(policy: Tensor, reference: Tensor) -> Tensor:
    return preference_score(policy[:, 0], policy[:, 1], reference[:, 0], reference[:, 1])


METHODS = {
    "simpo": Method(score=means, loss=simpo, needs_reference=False),
    "dpo": Method(score=sums, loss=dpo, needs_reference=True),
    "squared": Method(score=sums, loss=squared, needs_reference=True),
    "orpo": Method(score=means, loss=orpo, needs_reference=False),
}


def loss_settings(method: str, given: Mapping[str, float]) -> dict[str, float]:
    """All settings of a method's loss: what was given, defaults for the rest.

    SimPO's `gamma_beta_ratio`, which the authors' code and others take, becomes gamma = ratio * beta.

    Raises:
        UserError: A name that the loss doesn't have, a value that is not a number, or both gamma and its ratio.

    >>> loss_settings("simpo", {"beta": 2.5, "gamma_beta_ratio": 0.55})["gamma"]  # Llama-3-Base-8B's published values
    1.375
    """
    defaults, accepted = _defaults(method), setting_names(method)
    for name, value in given.items():
        if name not in accepted:
            raise UserError(f"loss_args.{name}: {method} has no such setting; it has {', '.join(accepted)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
            raise UserError(f"loss_args.{name} is {value!r}: it must be a finite number")
    settings = defaults | {name: float(value) for name, value in given.items()}
    if settings["beta"] <= 0:
        raise UserError(f"loss_args.beta is {settings['beta']}: it must be above 0")
    if not 0 <= settings.get("label_smoothing", 0) < 0.5:
        raise UserError(f"loss_args.label_smoothing is {settings['label_smoothing']}: it must be from 0 to below 0.5")
    if "gamma_beta_ratio" in settings:
        if "gamma" in given:
            raise UserError("loss_args has gamma and gamma_beta_ratio: give one, they say the same")
        settings["gamma"] = round(settings.pop("gamma_beta_ratio") * settings["beta"], 12)
    return settings


def setting_names(method: str) -> list[str]:
    """What a method's loss_args may hold."""
    defaults = _defaults(method)
    return [*defaults, *(["gamma_beta_ratio"] if "gamma" in defaults else [])]


def _defaults(method: str) -> dict[str, float]:
    parameters = inspect.signature(METHODS[method].loss).parameters.values()
    return {x.name: x.default for x in parameters if x.kind is inspect.Parameter.KEYWORD_ONLY}

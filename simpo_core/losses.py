"""Preference losses: from margins or log-probabilities to one loss per pair.

`squared_loss` is what the handout of this course calls L_SimPO; it has the form of IPO. `dpo_loss` is DPO.
`simpo_loss` is the published SimPO, and `orpo_loss` ORPO; these two need no reference model. `nll_loss` is the term
of supervised fine-tuning that can be added to any of them. Each formula is written once, for numpy and torch alike
(the array API).
"""

import array_api_compat

from simpo_core.inputs import Array, require_number, same_shape


def preference_score(
    policy_chosen_logps: Array,
    policy_rejected_logps: Array,
    reference_chosen_logps: Array,
    reference_rejected_logps: Array,
) -> Array:
    """The handout's r: how much more the policy than the reference prefers the chosen response.

        r = (log pi(y_w) - log pi_ref(y_w)) - (log pi(y_l) - log pi_ref(y_l))

    Args:
        policy_chosen_logps: Log-probability of each chosen response under the policy, in nats,
            summed over its tokens (`sum_logps`), shape (batch,).
        policy_rejected_logps: The same of each rejected response.
        reference_chosen_logps: Log-probability of each chosen response under the reference model.
        reference_rejected_logps: The same of each rejected response.

    Returns:
        The margin r of each pair, in nats, shape (batch,), of the inputs' kind.

    Raises:
        ValueError: The shapes differ (they would broadcast silently).

    Source: Rafailov et al. 2023, https://arxiv.org/abs/2305.18290, eq. 7 without its beta.

    >>> float(preference_score(-10.0, -12.0, -11.0, -12.5))  # (-10 + 11) - (-12 + 12.5)
    0.5
    """
    policy_chosen, policy_rejected, reference_chosen, reference_rejected = same_shape(
        policy_chosen_logps=policy_chosen_logps,
        policy_rejected_logps=policy_rejected_logps,
        reference_chosen_logps=reference_chosen_logps,
        reference_rejected_logps=reference_rejected_logps,
    )
    return (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)


def squared_loss(r: Array, beta: float = 1.0) -> Array:
    """The squared loss of the handout (its L_SimPO): bring the margin to the target beta.

        loss = (r - beta)^2

    This is not the published SimPO (see `simpo_loss`) but the form of IPO with tau = 1 / (2 * beta).

    Args:
        r: Margin of each pair, in nats, shape (batch,). From `preference_score`.
        beta: The margin to reach, in nats.

    Returns:
        The loss of each pair, in nats squared, shape (batch,), of the input's kind.

    Raises:
        TypeError: r is not of a floating type, or beta is not a number.

    Source: the handout, problem 1; Azar et al. 2023, https://arxiv.org/abs/2310.12036, eq. 17.

    >>> float(squared_loss(1.5, beta=1.0))
    0.25
    """
    require_number("beta", beta)
    (r,) = same_shape(r=r)
    return (r - beta) ** 2


def dpo_loss(r: Array, beta: float = 1.0, *, label_smoothing: float = 0.0) -> Array:
    """DPO: the negative log-likelihood that chosen beats rejected, in a Bradley-Terry model.

        loss = -log sigmoid(beta * r)
        with label smoothing e: -(1 - e) log sigmoid(beta * r) - e log sigmoid(-beta * r)

    Args:
        r: Margin of each pair, in nats, shape (batch,). From `preference_score`.
        beta: Strength of the tie to the reference model, above 0. The handout folds it into r: beta = 1.
        label_smoothing: The chance that a pair is the wrong way round, from 0 to below 0.5.

    Returns:
        The loss of each pair, in nats, shape (batch,), of the input's kind.

    Raises:
        TypeError: r is not of a floating type, or beta or label_smoothing is not a number.
        ValueError: beta is not above 0, or label_smoothing not from 0 to below 0.5.

    Source: Rafailov et al. 2023, https://arxiv.org/abs/2305.18290, eq. 7; with label smoothing Mitchell 2023,
    https://ericmitchell.ai/cdpo.pdf, eq. 3.

    >>> round(float(dpo_loss(2.0)), 6)  # sigmoid(2) = 0.880797, -log of it
    0.126928
    """
    require_number("beta", beta, above_zero=True)
    (r,) = same_shape(r=r)
    return _preference_nll(beta * r, label_smoothing)


def simpo_loss(
    chosen_logps: Array,
    rejected_logps: Array,
    *,
    beta: float = 2.0,
    gamma: float = 1.0,
    label_smoothing: float = 0.0,
) -> Array:
    """SimPO as published: the reward is the mean log-probability; ask for a margin between rewards.

        loss = -log sigmoid(z), where z = beta * (chosen_logps - rejected_logps) - gamma
        with label smoothing e: -(1 - e) log sigmoid(z) - e log sigmoid(-z)

    Args:
        chosen_logps: Mean log-probability per token of each chosen response, in nats, shape (batch,).
            From `mean_logps`, not `sum_logps`.
        rejected_logps: The same of each rejected response.
        beta: Reward per nat, above 0. The authors use 2.0 to 10.
        gamma: Reward by which chosen should beat rejected, in units of reward.
            (The authors' code takes gamma / beta instead.)
        label_smoothing: The chance that a pair is the wrong way round, from 0 to below 0.5.

    Returns:
        The loss of each pair, in nats, shape (batch,), of the inputs' kind.

    Raises:
        TypeError: The log-probabilities are not of a floating type, or a setting is not a number.
        ValueError: The two shapes differ (they would broadcast silently), beta is not above 0, or label_smoothing
            not from 0 to below 0.5.

    Source: Meng, Xia and Chen 2024, https://arxiv.org/abs/2405.14734, eq. 6; label smoothing as in the authors' code,
    https://github.com/princeton-nlp/SimPO/blob/main/scripts/simpo_trainer.py (`simpo_loss`).

    >>> round(float(simpo_loss(-1.0, -1.5, beta=2.0, gamma=1.0)), 6)  # margin = gamma: log 2
    0.693147
    """
    require_number("beta", beta, above_zero=True)
    require_number("gamma", gamma)
    chosen, rejected = same_shape(chosen_logps=chosen_logps, rejected_logps=rejected_logps)
    return _preference_nll(beta * (chosen - rejected) - gamma, label_smoothing)


def orpo_loss(chosen_logps: Array, rejected_logps: Array, *, beta: float = 0.1) -> Array:
    """ORPO: supervised fine-tuning on chosen, and odds of it above those of rejected; no reference model.

        loss = -chosen_logps - beta * log sigmoid(log odds(chosen) - log odds(rejected))
        where log odds(y) = log p - log(1 - p), and log p is the mean log-probability of y

    Args:
        chosen_logps: Mean log-probability per token of each chosen response, in nats, at most 0, shape (batch,).
            From `mean_logps`, not `sum_logps`. What is nearer to 0 than the type's precision counts as that.
        rejected_logps: The same of each rejected response.
        beta: Weight of the odds ratio, above 0; the paper's lambda.

    Returns:
        The loss of each pair, in nats, shape (batch,), of the inputs' kind.

    Raises:
        TypeError: The log-probabilities are not of a floating type, or beta is not a number.
        ValueError: The two shapes differ (they would broadcast silently), or beta is not above 0.

    Source: Hong, Lee and Thorne 2024, https://arxiv.org/abs/2403.07691, eq. 6 and 7.

    >>> import math
    >>> round(float(orpo_loss(math.log(0.5), math.log(0.25), beta=1.0)), 6)  # odds 1 and 1/3: log 2 - log(3/4)
    0.980829
    """
    require_number("beta", beta, above_zero=True)
    chosen, rejected = same_shape(chosen_logps=chosen_logps, rejected_logps=rejected_logps)
    return -chosen + beta * _negative_log_sigmoid(_log_odds(chosen) - _log_odds(rejected))


def nll_loss(chosen_logps: Array) -> Array:
    """The negative log-likelihood of chosen, per token: added with a weight, it keeps chosen from becoming unlikely.

        loss = -chosen_logps

    Args:
        chosen_logps: Mean log-probability per token of each chosen response, in nats, shape (batch,).
            From `mean_logps`, not `sum_logps`.

    Returns:
        The loss of each pair, in nats per token, shape (batch,), of the input's kind.

    Raises:
        TypeError: The log-probabilities are not of a floating type.

    Source: Pang et al. 2024, https://arxiv.org/abs/2404.19733, eq. 1. TRL and SimPO's authors average over all chosen
    tokens of a batch instead, which weighs long responses more.

    >>> float(nll_loss(-1.5))
    1.5
    """
    (chosen,) = same_shape(chosen_logps=chosen_logps)
    return -chosen


def _log_odds(logps: Array) -> Array:
    """log(p / (1 - p)) of log-probabilities; of 1 - p no less is taken than the type can tell from 0."""
    xp = array_api_compat.array_namespace(logps)
    below_one = xp.minimum(logps, xp.full_like(logps, -xp.finfo(logps.dtype).eps))
    return below_one - xp.log(-xp.expm1(below_one))


def _preference_nll(x: Array, label_smoothing: float) -> Array:
    """-log sigmoid(x), mixed with -log sigmoid(-x) by the chance that a pair is the wrong way round."""
    require_number("label_smoothing", label_smoothing)
    if not 0 <= label_smoothing < 0.5:
        raise ValueError(f"label_smoothing is {label_smoothing}: it must be from 0 to below 0.5")
    if not label_smoothing:
        return _negative_log_sigmoid(x)
    return (1 - label_smoothing) * _negative_log_sigmoid(x) + label_smoothing * _negative_log_sigmoid(-x)


def _negative_log_sigmoid(x: Array) -> Array:
    """-log sigmoid(x) = log(e^0 + e^-x), which neither overflows nor rounds to 0 too early."""
    xp = array_api_compat.array_namespace(x)
    return xp.logaddexp(xp.zeros_like(x), -x)

"""Held-out scores: how a model ranks pairs that it was not trained on, and whether its answers keep a rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from simpo_core.answers.generate import answers
from simpo_core.answers.rules import Rule, count_words
from simpo_core.models import check_fit
from simpo_core.preferences import TokenPair
from simpo_core.scoring.choice import choose_scorer
from simpo_core.scoring.packing import means, pack, plan_packs, sums


@dataclass(frozen=True)
class Interval:
    """A mean, and where 95 % of the means of resampled data lie."""

    mean: float
    low: float
    high: float


def bootstrap(values: Sequence[float] | np.ndarray, *, resamples: int = 10_000, seed: int = 0) -> Interval:
    """The mean of some values with its 95 % percentile bootstrap interval.

    Covered: which prompts or pairs were drawn. Not covered: another training run; and where all values
    are equal, as with 0 of 120, the interval has no width, though another draw could differ.

    Source: Efron 1979, https://doi.org/10.1214/aos/1176344552

    >>> bootstrap([1.0, 1.0, 1.0])
    Interval(mean=1.0, low=1.0, high=1.0)
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or not len(data):
        raise ValueError(f"values of shape {data.shape}: expected (n,) with n at least 1")
    rows = np.random.default_rng(seed).integers(len(data), size=(resamples, len(data)))
    low, high = np.quantile(data[rows].mean(axis=1), [0.025, 0.975])
    return Interval(float(data.mean()), float(low), float(high))


# -- Pairs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairLogps:
    """Log-probabilities of pairs, in nats; every array is (pairs, 2): chosen, rejected."""

    sums: np.ndarray  # of each response
    means: np.ndarray  # per token
    tokens: np.ndarray  # tokens of each response, the end of turn included


@dataclass(frozen=True, kw_only=True)
class PairReport:
    """How a model ranks pairs."""

    pairs: int
    accuracy: Interval  # share of pairs whose chosen has the larger mean log-probability
    accuracy_of_sums: Interval  # the same with sums, which favour the shorter response
    margin: Interval  # mean log-probability of chosen less that of rejected, nats per token
    chosen_logps: Interval  # mean log-probability of chosen, nats per token
    rejected_logps: Interval
    chosen_tokens: float  # mean length
    rejected_tokens: float


def evaluate_pairs(model: Any, pairs: Sequence[TokenPair]) -> PairReport:
    """Accuracy, margin and log-probabilities of a model on held-out pairs."""
    logps = pair_logps(model, pairs)
    return PairReport(
        pairs=len(pairs),
        accuracy=bootstrap(logps.means[:, 0] > logps.means[:, 1]),
        accuracy_of_sums=bootstrap(logps.sums[:, 0] > logps.sums[:, 1]),
        margin=bootstrap(logps.means[:, 0] - logps.means[:, 1]),
        chosen_logps=bootstrap(logps.means[:, 0]),
        rejected_logps=bootstrap(logps.means[:, 1]),
        chosen_tokens=float(logps.tokens[:, 0].mean()),
        rejected_tokens=float(logps.tokens[:, 1].mean()),
    )


def pair_logps(model: Any, pairs: Sequence[TokenPair], *, budget: int = 2048) -> PairLogps:
    """Log-probabilities of each pair's two responses, in the order of the pairs.

    Args:
        model: In any float type; it is put into evaluation mode meanwhile.
        pairs: Tokenised pairs.
        budget: Tokens scored at a time.
    """
    check_fit(model, pairs)
    result = np.zeros((2, len(pairs), 2))
    was_training = model.training
    try:
        scorer, _ = choose_scorer(model, pairs)  # which puts it into evaluation mode
        with torch.inference_mode():
            for numbers in plan_packs(pairs, budget):
                packed = pack([pairs[number] for number in numbers]).to(model.device)
                logps = scorer(packed)
                result[0, numbers] = sums(logps, packed).double().cpu().numpy()
                result[1, numbers] = means(logps, packed).double().cpu().numpy()
    finally:
        model.train(was_training)
    tokens = np.array([(len(pair.chosen), len(pair.rejected)) for pair in pairs])
    return PairLogps(sums=result[0], means=result[1], tokens=tokens)


# -- Answers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckedAnswer:
    """An answer to a prompt, and whether it keeps the rule: one that was cut off never does."""

    prompt: str
    text: str
    tokens: int
    finished: bool
    keeps: bool


@dataclass(frozen=True, kw_only=True)
class AnswerReport:
    """How the answers to held-out prompts look."""

    rule: str
    keeps: Interval  # share of the answers that keep the rule
    tokens: Interval  # mean length, an answer that was cut off counting as long as the limit
    words: float  # mean length
    distinct: int  # different answers
    unfinished: int  # answers cut off at the limit
    answers: tuple[CheckedAnswer, ...]


def evaluate_answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    rule: Rule,
    *,
    max_new_tokens: int = 96,
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int = 64,
    settings: dict[str, Any] | None = None,
) -> AnswerReport:
    """Ask a model the bare prompts, as a user's message, and check its answers.

    Greedy by default; the other arguments are those of `answers`.
    """
    chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
    given = answers(
        model,
        tokenizer,
        chats,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
        batch_size=batch_size,
        settings=settings,
    )
    checked = tuple(
        CheckedAnswer(prompt, answer.text, answer.tokens, answer.finished, answer.finished and rule.keeps(answer.text))
        for prompt, answer in zip(prompts, given, strict=True)
    )
    return AnswerReport(
        rule=rule.name,
        keeps=bootstrap([answer.keeps for answer in checked]),
        tokens=bootstrap([answer.tokens for answer in checked]),
        words=float(np.mean([count_words(answer.text) for answer in checked])),
        distinct=len({answer.text for answer in checked}),
        unfinished=sum(not answer.finished for answer in checked),
        answers=checked,
    )

"""Where preference training goes wrong in practice: what a run's numbers say of it, in a sentence.

Rewards and margins can rise all the while. The thresholds are this project's: of the runs in docs/results.md chosen
became less likely in one alone, by 1.3 nats per token, and that one came to write broken English.
"""

from collections.abc import Mapping, Sequence
from typing import Any

FALL = 0.5  # nats per token by which chosen may become less likely
GROWTH = 1.5  # times that answers may grow, and by
TOKENS = 10  # tokens at least
ALIKE = 0.5  # share of answers that may equal another's
STEPS = 20  # that a run has taken before its own steps, whose pairs differ, are compared


def symptoms(rows: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any]], tokens: float) -> list[str]:
    """What a person should be warned of; empty while nothing is seen.

    Args:
        rows: A run's metrics, step by step.
        evaluations: Those of held-out pairs, the first from before training.
        tokens: By what `logps/chosen` is divided to be per token: 1 for means.
    """
    found = []
    before, now = _chosen(rows, evaluations, tokens)
    if before - now > FALL:
        found.append(
            f"chosen answers have become less likely: {before:.2f} nats per token at first, {now:.2f} now. A lower "
            "learning_rate or fewer steps, nll_weight = 0.1 to 1 (the term of fine-tuning), or pairs whose answers "
            "differ more help against it"
        )
    if len(evaluations) > 1:
        found += _answers(evaluations[0], evaluations[-1])
    return found


def _chosen(
    rows: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any]], tokens: float
) -> tuple[float, float]:
    """Chosen's log-probability per token, at first and now: of held-out pairs if there are any, else of the steps'."""
    if len(evaluations) > 1:
        first, last = (row["eval_logps/chosen"] for row in (evaluations[0], evaluations[-1]))
        return first / tokens, last / tokens
    if evaluations or len(rows) < STEPS:
        return 0.0, 0.0
    window = len(rows) // 4
    first, last = (sum(row["logps/chosen"] for row in some) / window for some in (rows[:window], rows[-window:]))
    return first / tokens, last / tokens


def _answers(first: Mapping[str, Any], last: Mapping[str, Any]) -> list[str]:
    found = []
    length, distinct = "eval_completions/mean_length", "eval_completions/distinct"
    if length not in first or length not in last:
        return []
    if last[length] > max(GROWTH * first[length], first[length] + TOKENS):
        found.append(
            f"answers grow: {first[length]:.0f} tokens before training, {last[length]:.0f} now. simpo check-data says "
            "by how much chosen is the longer; less of that in the pairs, or a lower learning_rate, helps against it"
        )
    if last[distinct] < min(ALIKE, first[distinct]):
        found.append(
            f"answers are alike: {last[distinct]:.0%} of those to different prompts differ, {first[distinct]:.0%} "
            "before training. The learning_rate is too high, or there are too many steps"
        )
    return found

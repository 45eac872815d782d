"""Held-out pairs on the way of a run: the loss and what TRL logs with it, and what the model answers."""

import contextlib
import math
from typing import Any

import torch

from simpo_core import devices
from simpo_core.inputs import UserError
from simpo_core.language_models.decoding import continue_prompts
from simpo_core.training.config import KEEP_BEST
from simpo_core.training.passes import mean_of
from simpo_core.training.preparation import HeldOut, Training

MOST_TOKENS = 96  # of an answer, which is cut there


def evaluate(training: Training) -> dict[str, float]:
    """The held-out pairs under the weights as they are, by TRL's names; all processes must call it.

    `eval_completions/mean_length` are tokens, and `eval_completions/distinct` the share of answers that no other
    equals; answers are left out where several processes share the weights, and of models without a cache.
    """
    held_out = training.held_out
    if held_out is None:
        raise ValueError("the run has no held-out pairs")
    training.scorer.eval()
    found = mean_of(training, held_out.pairs, held_out.reference)
    if devices.world_size() == 1 and training.config.eval_answers:
        with contextlib.suppress(UserError):
            found |= _answers(training, held_out)
    return {f"eval_{name}": value for name, value in found.items()}


def _answers(training: Training, held_out: HeldOut) -> dict[str, float]:
    """Greedy answers to the first held-out prompts: how long they are, and how many differ."""
    prompts = list(dict.fromkeys(pair.prompt for pair in held_out.pairs))[: training.config.eval_answers]
    stops = {pair.chosen[-1] for pair in held_out.pairs if not pair.truncated} | held_out.ends
    no_luck = torch.zeros(len(prompts), MOST_TOKENS, device=training.device)
    with (
        torch.no_grad(),
        torch.compiler.set_stance("force_eager"),  # each length would be compiled anew
        torch.autocast(training.device.type, torch.bfloat16, enabled=training.config.precision == "bfloat16"),
    ):
        answers = continue_prompts(prompts, training.scorer.model, stops, 0.0, no_luck)
    contents = [tuple(answer[:-1]) if answer[-1] in stops else tuple(answer) for answer in answers]
    return {
        "completions/mean_length": sum(map(len, contents)) / len(contents),
        "completions/distinct": len(set(contents)) / len(contents),
    }


def best(evaluations: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    """The evaluation that is best by one of KEEP_BEST, the earliest of equals; None if none gave a number."""
    sign = 1 if name == KEEP_BEST[0] else -1
    numbers = (row for row in evaluations if math.isfinite(row.get(name, math.nan)))
    return min(numbers, key=lambda row: sign * row[name], default=None)

"""Fine-tune a causal language model on preferences: one loop that yields its numbers.

    training = prepare(config)
    for step in finetune(training):
        print(step.number, step.metrics["loss"])
    save(training)

No trainer, no callbacks: the caller prints, plots, saves or stops. Everything that a step depends on (its pairs, its
learning rate, its random numbers) follows from the settings and the step's number, so a run that goes on from a
checkpoint takes the same steps as one that was never stopped.
"""

import functools
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from simpo_core import devices
from simpo_core.language_models.saved_models import newest_model
from simpo_core.preferences import TokenPair
from simpo_core.scoring.flops import flop_counter
from simpo_core.scoring.packing import length, plan_packs
from simpo_core.scoring.scorers import PlainScorer
from simpo_core.training.checkpoint import save_checkpoint
from simpo_core.training.config import FinetuneConfig
from simpo_core.training.passes import LOGGED, Pass, logged, mean_of, passes, plan_passes
from simpo_core.training.preparation import Training, TrainingError, explaining_memory, training_mode

METRICS = (*LOGGED, "grad_norm", "learning_rate")


@dataclass(frozen=True)
class Step:
    """One update. Times in seconds; tokens as a plain implementation would process them, prompts twice."""

    number: int  # from 1
    metrics: dict[str, float]
    tokens: int
    seconds: float
    flops: float | None  # arithmetic really done, forward and backward; None for models that can't be counted


def finetune(training: Training) -> Iterator[Step]:
    """Take the run's remaining steps, one update each.

    Yields:
        What each update came to, after it was taken.

    Raises:
        TrainingError: The loss or the gradient is not a number any more (the weights are those of the step
            before), after the last step the loss of its pairs under the new weights is not, or memory ran out.
    """
    config = training.config
    parameters = [x for x in training.scorer.parameters() if x.requires_grad]
    count = flop_counter(training.scorer.model, plain=isinstance(training.scorer, PlainScorer))
    ahead: tuple[int, Batch] | None = None
    while training.step < config.steps:
        started = time.perf_counter()
        number = training.step
        with explaining_memory(config):
            batch = ahead[1] if ahead and ahead[0] == number else make_batch(training, number)
            training_mode(training.scorer)  # whatever the caller did between steps
            for group in training.optimizer.param_groups:
                group["lr"] = learning_rate(number, config)
            totals = devices.add_up(_accumulate_gradients(training, batch)) / len(batch.pairs)
            grad_norm = _update(training.optimizer, parameters, totals[0], config.max_grad_norm)
            # while a GPU works on what it was told so far
            ahead = (number + 1, make_batch(training, number + 1)) if number + 1 < config.steps else None
        means, norm = totals.tolist(), float(grad_norm)
        training.optimizer.zero_grad(set_to_none=True)
        if not (math.isfinite(means[0]) and math.isfinite(norm)):
            raise TrainingError(_not_finite(number + 1, means[0], norm, config))
        training.step += 1
        metrics = dict(zip(logged(training), means, strict=True))
        metrics |= {"grad_norm": norm, "learning_rate": learning_rate(number, config)}
        flops = math.fsum(map(count, batch.packs)) if count else None
        yield Step(training.step, metrics, batch.tokens, time.perf_counter() - started, flops)
        if training.step == config.steps:
            with explaining_memory(config):
                loss = mean_of(training, batch.pairs, batch.reference)["loss"]
            if not math.isfinite(loss):
                raise TrainingError(_not_finite(training.step + 1, loss, norm, config))


def save(training: Training, *, only_model: bool = False) -> Path:
    """Write a checkpoint of where the run stands now; returns its folder. `only_model`: no run can go on from it."""
    return save_checkpoint(
        Path(training.config.output),
        training.step,
        training.scorer,
        training.optimizer,
        training.tokenizer,
        training.identity,
        dtype=torch.bfloat16 if training.config.save_dtype == "bfloat16" else torch.float32,
        only_model=only_model,
    )


@dataclass(frozen=True)
class Batch:
    """A step's pairs, and all that can be made of them before the step."""

    pairs: list[TokenPair]
    reference: Tensor | None  # the reference's scores of them
    packs: list[list[TokenPair]]  # of all processes
    passes: list[Pass]  # of this one

    @property
    def tokens(self) -> int:
        """As a plain implementation would process them."""
        return sum(length(pair) + len(pair.prompt) for pair in self.pairs)


def make_batch(training: Training, step: int) -> Batch:
    """The batch of a step, counted from 0."""
    config = training.config
    numbers = batch_numbers(step, config.batch_pairs, len(training.pairs), config.seed)
    pairs = [training.pairs[number] for number in numbers]
    reference = None if training.reference is None else training.reference[numbers]
    packs = [[pairs[row] for row in rows] for rows in plan_packs(pairs, config.pack_tokens)]
    return Batch(pairs, reference, packs, list(plan_passes(training, pairs, reference)))


def _accumulate_gradients(training: Training, batch: Batch) -> Tensor:
    """A forward and backward pass for each pack of this process's share of the batch.

    The loss is the mean over the pairs of the whole batch, however they are packed or shared out.
    Returns this process's sums of what is logged, shape (names,).
    """
    workers = devices.world_size()
    totals = torch.zeros(len(logged(training)), device=training.device)
    with closing(passes(training, batch.passes)) as each:
        for weight, losses, sums in each:
            (losses.sum() * (weight * workers / len(batch.pairs))).backward()  # FSDP averages over the processes
            totals += weight * sums
    return totals


def _update(optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor], loss: Tensor, longest: float) -> Tensor:
    """Cut the gradient to a length and update the weights, unless the loss or that length is no number; returns it.

    torch's fused AdamW divides gradients by `grad_scale` and leaves all as it is where `found_inf` is 1, which
    torch.amp.GradScaler makes use of as well: so no pass over all gradients is needed to cut them, and no GPU has to
    be waited for to know whether there is a number.
    """
    if devices.world_size() > 1:
        norm = torch.nn.utils.clip_grad_norm_(parameters, longest)
        norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
        if torch.isfinite(norm) and torch.isfinite(loss):
            optimizer.step()
        return norm
    norm = torch.nn.utils.get_total_norm([x.grad for x in parameters if x.grad is not None])
    fused: Any = optimizer
    fused.grad_scale = ((norm + 1e-6) / longest).clamp(min=1).float()  # as `clip_grad_norm_` has it
    fused.found_inf = (~(torch.isfinite(norm) & torch.isfinite(loss))).float()
    try:
        optimizer.step()
    finally:
        del fused.grad_scale, fused.found_inf
    return norm


# -- What follows from the step's number -----------------------------------------------------------------------------


def learning_rate(step: int, config: FinetuneConfig) -> float:
    """The learning rate of a step, counted from 0: a linear warm-up, then the schedule, down to 0."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    factor = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}[config.schedule]
    return config.learning_rate * factor


def batch_numbers(step: int, batch_pairs: int, total: int, seed: int) -> list[int]:
    """The numbers of a step's pairs: each epoch is a shuffle of all, and a batch may reach into the next."""
    places = range(step * batch_pairs, (step + 1) * batch_pairs)
    return [_shuffled(total, seed, place // total)[place % total] for place in places]


@functools.lru_cache(maxsize=4)
def _shuffled(total: int, seed: int, epoch: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(total, generator=generator).tolist()


# -- What is said of a step -------------------------------------------------------------------------------------------


def _not_finite(step: int, loss: float, norm: float, config: FinetuneConfig) -> str:
    kept = newest_model(Path(config.output), before=step - 1)  # that of the step before has these very weights
    if step == 1:
        return (
            f"step 1: the loss is {loss:.4g} and the length of the gradient {norm:.4g}, expected finite numbers. No "
            "update was made yet, so look at the model's own weights and at [loss_args]"
        )
    return (
        f"step {step}: the loss is {loss:.4g} and the length of the gradient {norm:.4g}, expected finite numbers. "
        f"Start again in another output with a lower learning_rate (now {config.learning_rate:g}) or more warmup_steps "
        f"(now {config.warmup_steps}); "
        + (f"{kept} is from before it went wrong" if kept else "there is no checkpoint from before it went wrong")
    )

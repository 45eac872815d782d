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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from simpo_core import devices
from simpo_core.activations import keep_less, share_casts
from simpo_core.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint
from simpo_core.config import FinetuneConfig
from simpo_core.inputs import UserError
from simpo_core.lora import add_lora
from simpo_core.methods import METHODS, Method, loss_settings
from simpo_core.models import check_fit, load_model
from simpo_core.packing import length, pack, plan_packs
from simpo_core.pair_files import read_pairs
from simpo_core.preferences import TokenPair, fingerprint, tokenize_pairs
from simpo_core.reference import reference_key, reference_scores, weights_hash
from simpo_core.scorers import PairScorer, PlainScorer, choose_scorer

METRICS = (  # TRL's names; the first seven are means over the pairs of a step
    "loss",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/accuracies",
    "rewards/margins",
    "logps/chosen",
    "logps/rejected",
    "grad_norm",
    "learning_rate",
)


class TrainingError(UserError):
    """The run can't go on; the last checkpoint is whole."""


@dataclass
class Training:
    """A run: what it works on and how far it has come. Made by `prepare`."""

    config: FinetuneConfig
    scorer: PairScorer | PlainScorer
    tokenizer: Any
    optimizer: torch.optim.Optimizer
    pairs: list[TokenPair]
    method: Method
    loss_args: dict[str, float]
    device: torch.device
    reference: Tensor | None  # the reference model's scores, shape (pairs, 2); None for SimPO
    identity: dict[str, str]  # hashes: "pairs", and where the weights before training matter later, "base"
    step: int  # updates taken
    notes: list[str]  # what a person should be told about the preparation


@dataclass(frozen=True)
class Step:
    """One update. Times in seconds; tokens as a plain implementation would process them, prompts twice."""

    number: int  # from 1
    metrics: dict[str, float]
    tokens: int
    seconds: float
    flops: float | None  # arithmetic really done, forward and backward; None for models that can't be counted


def prepare(config: FinetuneConfig, *, resume: bool = False) -> Training:
    """Load the model and the pairs, compute the reference's scores, and go to where the last checkpoint left off.

    Args:
        resume: Go on from the newest checkpoint in `config.output`, if there is one.

    Raises:
        UserError: Model, data or checkpoint can't be used; the message says why.
    """
    device = devices.choose_device(config.device)
    devices.join_processes(device)
    torch.manual_seed(config.seed)  # a fresh model's weights
    records = read_pairs(Path(config.data))
    model, tokenizer = load_model(config.model, fresh=config.fresh)
    lengths = {"max_length": config.max_length, "max_prompt_length": config.max_prompt_length}
    pairs, notes = tokenize_pairs(records, tokenizer, **lengths)
    training = assemble(config, model, tokenizer, pairs)
    training.notes[:0] = notes
    checkpoint = newest_checkpoint(Path(config.output)) if resume else None
    if checkpoint:
        training.step = load_checkpoint(checkpoint, training.scorer, training.optimizer, training.identity)
    return training


def assemble(config: FinetuneConfig, model: Any, tokenizer: Any, pairs: list[TokenPair]) -> Training:
    """A run at its first step, of a model and tokenised pairs that are there already.

    `config.model` and `config.data` are not read. Raises UserError for a model that can't be trained.
    """
    device = devices.choose_device(config.device)
    notes: list[str] = []
    if device.type == "cpu":
        devices.keep_freed_memory()
        if config.precision == "bfloat16" and not devices.has_bfloat16("cpu"):
            notes.append('this CPU is slow at bfloat16: with precision = "float32" a step takes seconds, not minutes')
    torch.manual_seed(config.seed)  # adapters
    method = METHODS[config.method]
    if hasattr(model, "peft_config"):
        raise UserError(f"model {config.model!r} is a LoRA adapter: train on from what `simpo merge` makes of it")
    if config.lora_rank:
        model = add_lora(model, rank=config.lora_rank, alpha=config.lora_alpha or None, dropout=config.lora_dropout)
    check_fit(model, pairs)
    with _memory(config):
        scorer, why_plain = choose_scorer(model.to(device), pairs)
    if why_plain:
        notes.append(why_plain)
    identity = {"pairs": fingerprint(pairs)}
    if config.lora_rank or method.needs_reference:
        identity["base"] = weights_hash(scorer)
    key = reference_key(scorer, pairs, config, identity["base"]) if method.needs_reference else ""
    layers = _layers(model)
    if device.type == "cpu":
        keep_less(model)
        if config.compile:
            notes.append("compile = true is left out: on a CPU every pack would be compiled anew")
    elif config.compile:
        for layer in layers:
            layer.compile(dynamic=False)
    else:
        share_casts(model)
    devices.shard(scorer, layers)
    with _memory(config):
        reference = reference_scores(scorer, pairs, config, key, notes) if method.needs_reference else None
    optimizer = torch.optim.AdamW(
        _parameter_groups(scorer, config.weight_decay),
        lr=config.learning_rate,
        betas=(0.9, 0.999),
        fused=devices.world_size() == 1 or device.type == "cuda",
    )
    return Training(
        config=config,
        scorer=_training_mode(scorer),
        tokenizer=tokenizer,
        optimizer=optimizer,
        pairs=pairs,
        method=method,
        loss_args=loss_settings(config.method, config.loss_args),
        device=device,
        reference=reference,
        identity=identity,
        step=0,
        notes=notes,
    )


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
    while training.step < config.steps:
        started = time.perf_counter()
        number = training.step
        _training_mode(training.scorer)  # whatever the caller did between steps
        for group in training.optimizer.param_groups:
            group["lr"] = learning_rate(number, config)
        batch = batch_numbers(number, config.batch_pairs, len(training.pairs), config.seed)
        with _memory(config):
            totals = _accumulate_gradients(training, batch)
            grad_norm = torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        means = (devices.add_up(totals) / len(batch)).tolist()
        norm = float(grad_norm.full_tensor() if hasattr(grad_norm, "full_tensor") else grad_norm)
        if not (math.isfinite(means[0]) and math.isfinite(norm)):
            raise TrainingError(_not_finite(number + 1, means[0], norm, config))
        with _memory(config):
            training.optimizer.step()
        training.optimizer.zero_grad(set_to_none=True)
        training.step += 1
        devices.finish(training.device)
        metrics = dict(zip(METRICS, [*means, norm, learning_rate(number, config)], strict=True))
        tokens = sum(length(pair) + len(pair.prompt) for pair in (training.pairs[i] for i in batch))
        yield Step(training.step, metrics, tokens, time.perf_counter() - started, _flops(training, batch))
        if training.step == config.steps:
            with _memory(config):
                loss = _loss(training, batch)
            if not math.isfinite(loss):
                raise TrainingError(_not_finite(training.step + 1, loss, norm, config))


def save(training: Training) -> Path:
    """Write a checkpoint of where the run stands now; returns its folder."""
    output, identity = Path(training.config.output), training.identity
    return save_checkpoint(output, training.step, training.scorer, training.optimizer, training.tokenizer, identity)


def _accumulate_gradients(training: Training, batch: Sequence[int]) -> Tensor:
    """One forward and backward pass for each pack of this process's share of the batch.

    The loss is the mean over the pairs of the whole batch, however they are packed or shared out.
    Returns this process's sums of the first seven METRICS, shape (7,).
    """
    workers = devices.world_size()
    totals = torch.zeros(7, device=training.device)
    for weight, losses, rewards, policy in _passes(training, batch):
        (losses.sum() * (weight * workers / len(batch))).backward()  # FSDP averages over the processes
        totals += weight * _sums(losses.detach(), rewards.detach(), policy.detach())
    return totals


def _loss(training: Training, batch: Sequence[int]) -> float:
    """The mean loss of the batch's pairs under the weights as they are now."""
    total = torch.zeros(1, device=training.device)
    with torch.no_grad():
        for weight, losses, _, _ in _passes(training, batch):
            total += weight * losses.sum()
    devices.reshard(training.scorer)
    return float(devices.add_up(total)) / len(batch)


def _passes(training: Training, batch: Sequence[int]) -> Iterator[tuple[float, Tensor, Tensor, Tensor]]:
    """A forward pass for each pack of this process's share: its weight, losses (pairs,), rewards and scores (pairs, 2).

    Every process must take part in as many passes as the others; one that only keeps them company has weight 0.
    """
    config, device, workers = training.config, training.device, devices.world_size()
    chosen = [training.pairs[number] for number in batch]
    plan = plan_packs(chosen, config.pack_tokens)
    for place in range(devices.rank(), len(plan) + -len(plan) % workers, workers):
        rows = plan[place % len(plan)]
        packed = pack([chosen[row] for row in rows]).to(device)
        torch.manual_seed((config.seed * 1_000_003 + training.step) * 1_000_003 + place)  # dropout
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            policy = training.method.score(training.scorer(packed), packed)
        reference = None if training.reference is None else training.reference[[batch[row] for row in rows]].to(device)
        losses, rewards = training.method.loss(policy, reference, **training.loss_args)
        yield float(place < len(plan)), losses, rewards, policy


def _sums(losses: Tensor, rewards: Tensor, policy: Tensor) -> Tensor:
    margins = rewards[:, 0] - rewards[:, 1]
    columns = [losses, rewards[:, 0], rewards[:, 1], (margins > 0).float(), margins, policy[:, 0], policy[:, 1]]
    return torch.stack(columns).sum(1)


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


# -- Preparation -----------------------------------------------------------------------------------------------------


def _training_mode(scorer: PairScorer | PlainScorer) -> PairScorer | PlainScorer:
    """The model's own dropout stays off, as is usual in preference training; the adapters' is on."""
    scorer.eval()
    for name, module in scorer.named_modules():
        if "lora_dropout" in name:
            module.train()
    return scorer


def _parameter_groups(scorer: PairScorer | PlainScorer, weight_decay: float) -> list[dict[str, Any]]:
    """What is trained, for the optimiser: weights of norms and biases don't decay."""
    trained = [x for x in scorer.parameters() if x.requires_grad]
    decayed, others = [x for x in trained if x.ndim > 1], [x for x in trained if x.ndim < 2]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _layers(model: Any) -> Any:
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    return getattr(causal.base_model, "layers", [])


def _flops(training: Training, batch: Sequence[int]) -> float | None:
    """The arithmetic of all processes' passes over the batch."""
    from simpo_core.flops import pack_flops

    chosen = [training.pairs[number] for number in batch]
    packs = [[chosen[row] for row in rows] for rows in plan_packs(chosen, training.config.pack_tokens)]
    plain = isinstance(training.scorer, PlainScorer)
    counts = [pack_flops(training.scorer.model, pairs, plain=plain) for pairs in packs]
    return None if None in counts else math.fsum(x for x in counts if x is not None)


@contextmanager
def _memory(config: FinetuneConfig) -> Iterator[None]:
    """Turn running out of memory into a TrainingError that says what to change."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not devices.is_out_of_memory(error):
            raise
        raise TrainingError(
            f"memory ran out with pack_tokens = {config.pack_tokens}: set a lower pack_tokens (the result is the "
            "same), a lower max_length, or lora_rank = 16"
        ) from error


def _not_finite(step: int, loss: float, norm: float, config: FinetuneConfig) -> str:
    kept = newest_checkpoint(Path(config.output), before=step - 1)  # that of the step before has these very weights
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

"""What a run needs before its first step: model, pairs, reference scores, optimiser; and where it left off."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from simpo_core import devices
from simpo_core.inputs import UserError
from simpo_core.language_models import model_parts
from simpo_core.language_models.saved_models import newest_checkpoint
from simpo_core.models import check_fit, end_tokens, load_model, stop_at_end_of_turn
from simpo_core.preferences import TokenPair, fingerprint
from simpo_core.scoring.activations import keep_less, share_casts
from simpo_core.scoring.choice import choose_scorer, why_not_compiled
from simpo_core.scoring.scorers import PairScorer, PlainScorer
from simpo_core.training.checkpoint import load_checkpoint
from simpo_core.training.config import FinetuneConfig
from simpo_core.training.lora import add_lora, continue_lora, hold_base
from simpo_core.training.methods import METHODS, Method, loss_settings
from simpo_core.training.pairs import read_records, set_template, tokens_of
from simpo_core.training.reference import reference_key, reference_scores, weights_hash


class TrainingError(UserError):
    """The run can't go on; the message says what to change, and which checkpoint is good."""


@dataclass(frozen=True)
class HeldOut:
    """Pairs that a run is measured on and not trained with."""

    pairs: list[TokenPair]
    reference: Tensor | None  # as in `Training`
    ends: set[int]  # tokens that end an answer, beside those that end the pairs'


@dataclass
class Training:
    """A run: what it works on and how far it has come. Made by `prepare`."""

    config: FinetuneConfig  # with its updates counted in steps
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
    held_out: HeldOut | None = None
    evaluations: list[dict[str, Any]] = field(default_factory=list)  # of the held-out pairs so far, by step

    @property
    def epochs(self) -> float:
        """How often the whole run sees each pair, on average."""
        return self.config.steps * self.config.batch_pairs / len(self.pairs)


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
    notes: list[str] = []
    records = read_records(config, notes)
    held_out = replace(config, data=config.eval_data) if config.eval_data else None
    other_notes: list[str] = []
    other_records = read_records(held_out, other_notes) if held_out else []
    model, tokenizer = load_model(config.model, fresh=config.fresh)
    set_template(config, tokenizer)
    if config.chat_template:
        stop_at_end_of_turn(model, tokenizer)
    pairs = tokens_of(records, config, tokenizer, notes)
    others = tokens_of(other_records, held_out, tokenizer, other_notes) if held_out else []
    training = assemble(config, model, tokenizer, pairs, others)
    training.notes[:0] = [*notes, *(f"eval_data: {note}" for note in other_notes)]
    checkpoint = newest_checkpoint(Path(config.output)) if resume else None
    if checkpoint:
        training.step = load_checkpoint(checkpoint, training.scorer, training.optimizer, training.identity)
    return training


def assemble(
    config: FinetuneConfig, model: Any, tokenizer: Any, pairs: list[TokenPair], held_out: Sequence[TokenPair] = ()
) -> Training:
    """A run at its first step, of a model and tokenised pairs that are there already.

    `config.model`, `config.data` and `config.eval_data` are not read. Raises UserError for a model that can't be
    trained.
    """
    config = _in_steps(config, len(pairs))
    device = devices.choose_device(config.device)
    notes: list[str] = []
    if device.type == "cpu":
        devices.keep_freed_memory()
        if config.precision == "bfloat16" and not devices.has_bfloat16("cpu"):
            notes.append('this CPU is slow at bfloat16: with precision = "float32" a step takes seconds, not minutes')
    torch.manual_seed(config.seed)  # adapters
    method = METHODS[config.method]
    notes += _left_out(model)
    continued = hasattr(model, "peft_config")  # a checkpoint's adapter is trained on
    model = _adapted(model, config, device)
    check_fit(model, [*pairs, *held_out])
    with explaining_memory(config):
        scorer, why_plain = choose_scorer(model.to(device), [*pairs, *held_out], training=_products(config))
    if why_plain:
        notes.append(why_plain)
    identity = {"pairs": fingerprint(pairs)}
    if continued or config.lora_rank or method.needs_reference:
        identity["base"] = weights_hash(scorer, adapters=continued)
    layers = model_parts.layers(model)
    notes += _suit(scorer, pairs, layers, config)
    devices.shard(scorer, layers)

    def reference(some: Sequence[TokenPair]) -> Tensor | None:
        if not method.needs_reference:
            return None
        with explaining_memory(config):
            key = reference_key(scorer, some, config, identity["base"])
            return reference_scores(scorer, some, config, key, notes)

    scores = reference(pairs)
    others = HeldOut(list(held_out), reference(held_out), end_tokens(model, tokenizer)) if held_out else None
    return Training(
        config=config,
        scorer=training_mode(scorer),
        tokenizer=tokenizer,
        optimizer=_optimizer(scorer, device, config),
        pairs=pairs,
        method=method,
        loss_args=loss_settings(config.method, config.loss_args),
        device=device,
        reference=scores,
        identity=identity,
        step=0,
        notes=notes,
        held_out=others,
    )


def _in_steps(config: FinetuneConfig, pairs: int) -> FinetuneConfig:
    """The settings with `epochs` and `warmup_ratio` counted in updates."""
    steps = math.ceil(config.epochs * pairs / config.batch_pairs) if config.epochs else config.steps
    warmup = math.ceil(config.warmup_ratio * steps) if config.warmup_ratio else config.warmup_steps
    return replace(config, steps=steps, epochs=0.0, warmup_steps=warmup, warmup_ratio=0.0)


def _left_out(model: Any) -> list[str]:
    """What a person should be told of weights that are not loaded, or not trained; these are frozen."""
    notes = []
    kind = type(model_parts.causal_model(model)).__name__
    if lost := getattr(model_parts.causal_model(model), "weights_left_out", []):
        notes.append(
            f"{len(lost)} of the checkpoint's weights are not loaded, such as {lost[0]}: {kind} has no place for them, "
            "and what is saved is without them"
        )
    parameters, outside = dict(model.named_parameters()), model_parts.outside_the_language_model(model)
    for name in outside:
        parameters[name].requires_grad_(False)
    if outside:
        notes.append(
            f"{len(outside)} of the weights are not trained, such as {outside[0]}: text alone does not reach them"
        )
    return notes


def _adapted(model: Any, config: FinetuneConfig, device: torch.device) -> Any:
    """The model with adapters, if the run has any, and the weights under them held as it says."""
    continued = hasattr(model, "peft_config")
    if continued and config.lora_rank:
        raise UserError(
            f"model {config.model!r} is a LoRA adapter, which is trained on as it is: leave lora_rank out. "
            "For a new adapter on it, name what `simpo merge` makes of it"
        )
    if config.base_weights != "float32":
        if not (continued or config.lora_rank):
            raise UserError(f"base_weights is {config.base_weights!r}, for weights under adapters: set lora_rank")
        if config.base_weights == "4bit" and (continued or devices.world_size() > 1):
            raise UserError('base_weights = "4bit" is for a new adapter and one process: take "bfloat16"')
        hold_base(model, config.base_weights, device)
    if continued:
        continue_lora(model, config.model)
        return model
    if not config.lora_rank:
        return model
    return add_lora(
        model,
        rank=config.lora_rank,
        alpha=config.lora_alpha or None,
        dropout=config.lora_dropout,
        targets=config.lora_targets,
        dora=config.lora_dora,
        rslora=config.lora_rslora,
    )


def _suit(
    scorer: PairScorer | PlainScorer, pairs: Sequence[TokenPair], layers: Any, config: FinetuneConfig
) -> list[str]:
    """Have the model's layers do what is fast, and keeps little, on its device; what to tell about it."""
    if next(scorer.parameters()).device.type == "cpu":
        keep_less(scorer.model)
        return ["compile = true is left out: on a CPU every pack would be compiled anew"] if config.compile else []
    if config.compile:
        for layer in layers:
            layer.compile(dynamic=False)
        reason = "" if isinstance(scorer, PlainScorer) else why_not_compiled(scorer, pairs, _products(config))
        if not reason:
            return []
        for layer in layers:
            layer._compiled_call_impl = None
    share_casts(scorer.model)
    return [f"compile = true is left out, for compiled layers do not fit: {reason}"] if config.compile else []


def _products(config: FinetuneConfig) -> torch.dtype:
    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32


def _optimizer(scorer: PairScorer | PlainScorer, device: torch.device, config: FinetuneConfig) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        _parameter_groups(scorer, config.weight_decay),
        lr=config.learning_rate,
        betas=(0.9, 0.999),
        fused=devices.world_size() == 1 or device.type == "cuda",
    )


def training_mode(scorer: Any) -> Any:
    """The model's own dropout stays off, as is usual in preference training; the adapters' is on."""
    if not hasattr(scorer, "dropouts"):
        scorer.dropouts = [module for name, module in scorer.named_modules() if "lora_dropout" in name]
    if scorer.training or scorer.model.training or not all(module.training for module in scorer.dropouts):
        scorer.eval()
        for module in scorer.dropouts:
            module.train()
    return scorer


def _parameter_groups(scorer: PairScorer | PlainScorer, weight_decay: float) -> list[dict[str, Any]]:
    """What is trained, for the optimiser: weights of norms and biases don't decay."""
    trained = [x for x in scorer.parameters() if x.requires_grad]
    decayed, others = [x for x in trained if x.ndim > 1], [x for x in trained if x.ndim < 2]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


@contextmanager
def explaining_memory(config: FinetuneConfig) -> Iterator[None]:
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

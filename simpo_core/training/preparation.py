"""What a run needs before its first step: model, pairs, reference scores, optimiser; and where it left off."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from simpo_core import devices, model_parts
from simpo_core.inputs import UserError
from simpo_core.models import check_fit, load_model, stop_at_end_of_turn
from simpo_core.preferences import TokenPair, fingerprint
from simpo_core.saved_models import newest_checkpoint
from simpo_core.scoring.activations import keep_less, share_casts
from simpo_core.scoring.choice import choose_scorer, why_not_compiled
from simpo_core.scoring.scorers import PairScorer, PlainScorer
from simpo_core.training.checkpoint import load_checkpoint
from simpo_core.training.config import FinetuneConfig
from simpo_core.training.lora import add_lora
from simpo_core.training.methods import METHODS, Method, loss_settings
from simpo_core.training.pairs import read_records, set_template, tokens_of
from simpo_core.training.reference import reference_key, reference_scores, weights_hash


class TrainingError(UserError):
    """The run can't go on; the message says what to change, and which checkpoint is good."""


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
    model, tokenizer = load_model(config.model, fresh=config.fresh)
    if config.chat_template:
        set_template(config, tokenizer)
        stop_at_end_of_turn(model, tokenizer)
    pairs = tokens_of(records, config, tokenizer, notes)
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
    with explaining_memory(config):
        scorer, why_plain = choose_scorer(model.to(device), pairs, training=_products(config))
    if why_plain:
        notes.append(why_plain)
    identity = {"pairs": fingerprint(pairs)}
    if config.lora_rank or method.needs_reference:
        identity["base"] = weights_hash(scorer)
    key = reference_key(scorer, pairs, config, identity["base"]) if method.needs_reference else ""
    layers = model_parts.layers(model)
    notes += _suit(scorer, pairs, layers, config)
    devices.shard(scorer, layers)
    with explaining_memory(config):
        reference = reference_scores(scorer, pairs, config, key, notes) if method.needs_reference else None
    return Training(
        config=config,
        scorer=training_mode(scorer),
        tokenizer=tokenizer,
        optimizer=_optimizer(scorer, device, config),
        pairs=pairs,
        method=method,
        loss_args=loss_settings(config.method, config.loss_args),
        device=device,
        reference=reference,
        identity=identity,
        step=0,
        notes=notes,
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


def training_mode(scorer: PairScorer | PlainScorer) -> PairScorer | PlainScorer:
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

"""The reference model's scores: computed once before training, and kept for the next run on the same data."""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from simpo_core import devices
from simpo_core.language_models.fetch import cache_folder
from simpo_core.preferences import TokenPair, fingerprint
from simpo_core.scoring.packing import pack, plan_packs
from simpo_core.training.config import FinetuneConfig
from simpo_core.training.methods import METHODS


def reference_scores(
    scorer: Any, pairs: Sequence[TokenPair], config: FinetuneConfig, key: str, notes: list[str]
) -> Tensor:
    """The scores of all pairs under the model as it is before training, shape (pairs, 2), on the CPU.

    New adapters are switched off; one that is trained on is part of the model before training. The scores are
    cached under `key`, from `reference_key`; where that can't be done, `notes` gets a line for a person. All
    processes must call it.
    """
    path = cache_folder() / "reference" / f"{key}.pt"
    cached = _read(path, len(pairs))
    here = torch.tensor(float(cached is not None), device=next(scorer.parameters()).device)
    if devices.add_up(here) == devices.world_size() and cached is not None:  # all processes, or none
        return cached
    scores = _compute(scorer, pairs, config)
    if devices.rank() == 0:
        partial = path.with_suffix(f".{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(scores, partial)
            partial.replace(path)
        except (OSError, RuntimeError) as error:  # torch.save has a RuntimeError for a full disk
            notes.append(f"the reference's scores can't be kept for the next run: {str(error).splitlines()[0]}")
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
    devices.wait_for_all()
    return scores


def _read(path: Path, pairs: int) -> Tensor | None:
    """The cached scores, or None where there are none or the file is damaged."""
    try:
        scores = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch.load raises errors of a dozen kinds for damaged files
        return None
    return scores if isinstance(scores, Tensor) and scores.shape == (pairs, 2) else None


def reference_key(scorer: Any, pairs: Sequence[TokenPair], config: FinetuneConfig, weights: str) -> str:
    """A hash of all that the scores depend on: the model's weights (their `weights_hash`) and settings, the tokens,
    the precision.
    """
    settings = scorer.model.config.to_json_string()  # heads, norms and positions can differ where no weight does
    score = METHODS[config.method].score.__name__
    parts = [weights, settings, fingerprint(pairs), config.precision, score]
    return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()


def weights_hash(scorer: Any, *, adapters: bool = False) -> str:
    """A hash of the model's weights, the adapters' left out unless asked for: 32 hexadecimal digits.

    To be taken before the weights are spread over processes.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, x in sorted(scorer.named_parameters()):
        if adapters or "lora_" not in name:
            digest.update(name.replace("base_model.model.", "").replace("base_layer.", "").encode())
            digest.update(x.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _compute(scorer: Any, pairs: Sequence[TokenPair], config: FinetuneConfig) -> Tensor:
    device = next(scorer.parameters()).device
    plan = plan_packs(pairs, config.pack_tokens)
    workers = devices.world_size()
    scores = torch.zeros(len(pairs), 2, device=device)
    scorer.eval()
    with torch.no_grad(), _adapters_off(scorer.model, config):
        for place in range(devices.rank(), len(plan) + -len(plan) % workers, workers):
            rows = plan[place % len(plan)]
            packed = pack([pairs[row] for row in rows]).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
                token_logps = scorer(packed)
            if place < len(plan):
                scores[rows] = METHODS[config.method].score(token_logps, packed)
    devices.reshard(scorer)
    return devices.add_up(scores).cpu()


def _adapters_off(model: Any, config: FinetuneConfig) -> Any:
    return model.disable_adapter() if config.lora_rank else contextlib.nullcontext()

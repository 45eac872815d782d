"""The log-probability of every response token of a pack: by the fast path, and by the plain one that it must equal.

The fast path computes a prompt once (attention.py), and only the positions that predict a response token go through
the output layer (output_layer.py). Which of the two fits a model says choice.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from simpo_core.language_models.model_parts import causal_model
from simpo_core.scoring.attention import packed_attention, pair_layout, prepare_for_gpu
from simpo_core.scoring.output_layer import ChunkedLogps
from simpo_core.scoring.packing import Pack

ATTENTION = "packed_pairs"  # our attention's name among transformers'


class PairScorer(torch.nn.Module):
    """A causal language model that scores packs; a pass raises ValueError where the model needs more than this does."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.causal = [causal_model(model)]  # a list: not a submodule
        from transformers import AttentionInterface

        AttentionInterface.register(ATTENTION, packed_attention)
        self._switched: list[Any] = []  # the settings that name the attention, once they are known

    def ready(self, packed: Pack, device: torch.device) -> Pack:
        """The pack on a device; for a GPU with all that a pass needs, so that it can be made while another runs."""
        if device.type != "cuda":
            return packed.to(device)
        packed = prepare_for_gpu(packed).to(device)
        return replace(packed, layout=pair_layout(packed))

    @contextmanager
    def _attending(self) -> Iterator[None]:
        """Our attention in place of the model's own."""
        if not self._switched:
            self._switched = _switched(self.causal[0])
        usual = [settings._attn_implementation for settings in self._switched]
        try:
            for settings in self._switched:
                settings._attn_implementation = ATTENTION
            yield
        finally:
            for settings, implementation in zip(self._switched, usual, strict=True):
                settings._attn_implementation = implementation

    def forward(self, packed: Pack) -> Tensor:
        """Log-probability of each response token, in nats, float32: shape (N,), in the order of `packed.targets`."""
        if packed.layout is None and packed.pair_of.is_cuda:
            packed = self.ready(packed, packed.pair_of.device)
        causal = self.causal[0]
        with self._attending():
            states = causal.base_model(
                input_ids=packed.input_ids,
                position_ids=packed.position_ids,
                use_cache=False,  # with a cache transformers takes the row for one sequence
                pair_layout=pair_layout(packed) if packed.layout is None else packed.layout,
            ).last_hidden_state
        hidden = states[0].index_select(0, packed.predictors)
        head = causal.get_output_embeddings()
        if getattr(head, "bias", None) is not None:
            raise ValueError("its output layer has a bias")
        kind = hidden.device.type
        if torch.is_autocast_enabled(kind):
            hidden = hidden.to(torch.get_autocast_dtype(kind))
        with torch.autocast(kind, enabled=False):
            return ChunkedLogps.apply(hidden, head.weight, packed.targets)


def _switched(model: Any) -> list[Any]:
    """The settings in which transformers notes a model's attention, outer ones first; they stay as they are.

    Its own way to set it walks over all modules, which on a GPU takes as long as many a kernel: so it is gone once.
    """
    known = [model.config]
    for settings in known:  # which grows meanwhile
        known += [sub for name in settings.sub_configs if (sub := getattr(settings, name, None)) is not None]
    known += [module.config for module in model.modules() if hasattr(module, "config")]
    distinct = [x for x in {id(x): x for x in known}.values() if hasattr(x, "_attn_implementation")]
    usual = [settings._attn_implementation for settings in distinct]
    model.set_attn_implementation(ATTENTION)
    changed = [x for x in distinct if x._attn_implementation == ATTENTION]
    for settings, implementation in zip(distinct, usual, strict=True):
        settings._attn_implementation = implementation
    return changed


class PlainScorer(torch.nn.Module):
    """The same numbers the plain way: each response behind its own prompt, padded, all logits at once."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def ready(self, packed: Pack, device: torch.device) -> Pack:
        """As `PairScorer.ready`."""
        return packed.to(device)

    def forward(self, packed: Pack) -> Tensor:
        """As `PairScorer.forward`."""
        rows = [(pair.prompt, response) for pair in packed.pairs for response in (pair.chosen, pair.rejected)]
        width = max(len(prompt) + len(response) for prompt, response in rows)
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for row, (prompt, response) in enumerate(rows):
            tokens = torch.tensor([*prompt, *response])
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        device = packed.input_ids.device
        logits = self.model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False).logits
        logps = torch.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), -1)
        return torch.cat(
            [
                logps[row, len(prompt) - 1 : len(prompt) + len(response) - 1].gather(
                    -1, ids[row, len(prompt) : len(prompt) + len(response), None].to(device)
                )[:, 0]
                for row, (prompt, response) in enumerate(rows)
            ]
        )

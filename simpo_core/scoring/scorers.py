"""The log-probability of every response token of a pack: by the fast path, and by the plain one that it must equal.

The fast path computes a prompt once (attention.py), and only the positions that predict a response token go through
the output layer (output_layer.py). `choose_scorer` compares the two on the model at hand.
"""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simpo_core.devices import exact_products, is_out_of_memory
from simpo_core.preferences import TokenPair
from simpo_core.scoring.attention import packed_attention, pair_layout, prepare_for_gpu
from simpo_core.scoring.output_layer import ChunkedLogps
from simpo_core.scoring.packing import Pack, length, pack

FAST_PATH_TOLERANCE = 1e-3  # nats of a token's log-probability, in float32, between the fast and the plain path


# -- The two scorers -------------------------------------------------------------------------------------------------


class PairScorer(torch.nn.Module):
    """A causal language model that scores packs; a pass raises ValueError where the model needs more than this does."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.causal = [model.get_base_model() if hasattr(model, "get_base_model") else model]  # a list: not a submodule
        from transformers import AttentionInterface

        AttentionInterface.register("packed_pairs", packed_attention)

    def forward(self, packed: Pack) -> Tensor:
        """Log-probability of each response token, in nats, float32: shape (N,), in the order of `packed.targets`."""
        if packed.pair_of.is_cuda:
            packed = prepare_for_gpu(packed)
        causal = self.causal[0]
        usual = causal.config._attn_implementation
        causal.set_attn_implementation("packed_pairs")
        try:
            hidden = causal.base_model(
                input_ids=packed.input_ids,
                position_ids=packed.position_ids,
                use_cache=False,  # with a cache transformers takes the row for one sequence
                pair_layout=pair_layout(packed),
            ).last_hidden_state[0, packed.predictors]
        finally:
            causal.set_attn_implementation(usual)
        head = causal.get_output_embeddings()
        if getattr(head, "bias", None) is not None:
            raise ValueError("its output layer has a bias")
        kind = hidden.device.type
        if torch.is_autocast_enabled(kind):
            hidden = hidden.to(torch.get_autocast_dtype(kind))
        with torch.autocast(kind, enabled=False):
            return ChunkedLogps.apply(hidden, head.weight, packed.targets)


class PlainScorer(torch.nn.Module):
    """The same numbers the plain way: each response behind its own prompt, padded, all logits at once."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

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


# -- Which of the two fits a model ------------------------------------------------------------------------------------


def choose_scorer(model: Any, pairs: Sequence[TokenPair]) -> tuple["PairScorer | PlainScorer", str]:
    """The fast path if it gives this model's own numbers on three of the pairs, else the plain one, and then why."""
    fast, plain = PairScorer(model), PlainScorer(model)
    reason = _why_not_fast(fast, plain, pairs)
    if not reason:
        return fast, ""
    name = type(fast.causal[0]).__name__
    return plain, f"the fast path does not fit {name}: {reason}. The plain path is taken, slower and as right"


def _why_not_fast(fast: PairScorer, plain: PlainScorer, pairs: Sequence[TokenPair]) -> str:
    config = fast.causal[0].config.get_text_config()
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    longest = max(len(pair.prompt) + max(len(pair.chosen), len(pair.rejected)) for pair in pairs)
    for window in windows:
        if window and window < longest:
            return f"a token sees {window} tokens, and the longest pair has {longest}"
    device = next(plain.parameters()).device
    by_length = sorted(pairs, key=length)
    with torch.no_grad(), exact_products():
        for some, scores in ((by_length[:2], plain), (by_length[-1:], functools.partial(_last_scores, plain.model))):
            packed = pack(some).to(device)
            try:
                expected = scores(packed)
                worst = float((fast(packed)[-len(expected) :] - expected).abs().max())
            except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
                if is_out_of_memory(error):
                    raise
                return f"{type(error).__name__}: {error}"
            if worst > FAST_PATH_TOLERANCE:
                return f"it is off by {worst:.3g} nats"
    return ""


def _last_scores(model: Any, packed: Pack) -> Tensor:
    """The plain way's scores of a long pair's last tokens, which a window of any name would change: 16 at most.

    Of so few positions the logits of any vocabulary find room.
    """
    pair = packed.pairs[-1]
    count = min(16, len(pair.rejected))
    ids = torch.tensor([[*pair.prompt, *pair.rejected]], device=packed.input_ids.device)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=count + 1).logits[0, :-1]
    return torch.log_softmax(logits.float(), -1).gather(-1, ids[0, -count:, None])[:, 0]

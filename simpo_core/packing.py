"""The fast path: from pairs of tokens to the log-probability of every response token, in one short row.

A pair's prompt is computed once. Behind it stand the chosen and the rejected response; both continue the
positions of the prompt, and neither sees the other. Several pairs follow one another in a row, and none sees
another. Only the positions that predict a response token go through the output layer, some at a time, so
that no tensor of all tokens by the whole vocabulary ever exists.

    tokens      p p p c c r r r | p p c c c r
    positions   0 1 2 3 4 3 4 5 | 0 1 2 3 4 2

`PlainScorer` computes the same numbers the plain way; tests hold the two together.
Prefix sharing: https://arxiv.org/abs/2410.20305.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from simpo_core.preferences import TokenPair

LOGITS_BYTES = 2**27  # the logits of one chunk: 128 MiB
NO_PAIR = -1


@dataclass(frozen=True)
class Pack:
    """Several pairs in one row.

    T is the number of tokens, N the number of response tokens, B the number of pairs.
    """

    pairs: tuple[TokenPair, ...]
    input_ids: Tensor  # (1, T)
    position_ids: Tensor  # (1, T): restart with each prompt; both responses continue it
    pair_of: Tensor  # (T,): which pair a token belongs to, NO_PAIR for filling
    part_of: Tensor  # (T,): 0 prompt, 1 chosen, 2 rejected
    predictors: Tensor  # (N,): the position whose hidden state predicts the response token
    targets: Tensor  # (N,): that response token
    response_of: Tensor  # (N,): 2 * pair for a token of its chosen response, 2 * pair + 1 of its rejected one

    def to(self, device: torch.device) -> "Pack":
        tensors = {name: x.to(device, non_blocking=True) for name, x in vars(self).items() if isinstance(x, Tensor)}
        return Pack(pairs=self.pairs, **tensors)


def length(pair: TokenPair) -> int:
    """Tokens of a pair in a pack: the prompt counts once."""
    return len(pair.prompt) + len(pair.chosen) + len(pair.rejected)


def plan_packs(pairs: Sequence[TokenPair], budget: int) -> list[list[int]]:
    """Which pairs share a row of at most `budget` tokens: the longest first, each into the first row with room.

    Returns the numbers of the pairs in each row; a pair longer than the budget gets a row of its own.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for number in sorted(range(len(pairs)), key=lambda i: -length(pairs[i])):
        need = length(pairs[number])
        row = next((i for i, left in enumerate(room) if need <= left), None)
        if row is None:
            rows.append([number])
            room.append(budget - need)
        else:
            rows[row].append(number)
            room[row] -= need
    return rows


def pack(pairs: Sequence[TokenPair], *, fill_to: int = 0) -> Pack:
    """Put pairs into one row, filled up to `fill_to` tokens (a fixed length, for compiled code).

    Raises ValueError for a pair without a prompt or with an empty response: nothing would predict its tokens.
    """
    ids: list[int] = []
    positions: list[int] = []
    pair_of: list[int] = []
    part_of: list[int] = []
    predictors: list[int] = []
    targets: list[int] = []
    response_of: list[int] = []
    for number, pair in enumerate(pairs):
        if not pair.prompt or not pair.chosen or not pair.rejected:
            raise ValueError(f"pair {number} has an empty prompt or response: each needs a token")
        prompt_end = len(ids) + len(pair.prompt)
        for part, tokens in enumerate((pair.prompt, pair.chosen, pair.rejected)):
            start = len(ids)
            offset = 0 if part == 0 else len(pair.prompt)
            ids += tokens
            positions += range(offset, offset + len(tokens))
            pair_of += [number] * len(tokens)
            part_of += [part] * len(tokens)
            if part > 0:  # the prompt's last token predicts a response's first
                predictors += [prompt_end - 1, *range(start, start + len(tokens) - 1)]
                targets += tokens
                response_of += [2 * number + part - 1] * len(tokens)
    filling = max(0, fill_to - len(ids))
    ids += [0] * filling
    positions += [0] * filling
    pair_of += [NO_PAIR] * filling
    part_of += [0] * filling
    return Pack(
        pairs=tuple(pairs),
        input_ids=torch.tensor([ids]),
        position_ids=torch.tensor([positions]),
        pair_of=torch.tensor(pair_of),
        part_of=torch.tensor(part_of),
        predictors=torch.tensor(predictors),
        targets=torch.tensor(targets),
        response_of=torch.tensor(response_of),
    )


def sums(token_logps: Tensor, packed: Pack) -> Tensor:
    """Log-probability of each response, in nats: (N,) of tokens to (B, 2) of chosen and rejected."""
    empty = torch.zeros(2 * len(packed.pairs), dtype=token_logps.dtype, device=token_logps.device)
    return empty.index_add(0, packed.response_of, token_logps).view(-1, 2)


def means(token_logps: Tensor, packed: Pack) -> Tensor:
    """Mean log-probability per token of each response, in nats: (N,) of tokens to (B, 2) of chosen and rejected."""
    return sums(token_logps, packed) / sums(torch.ones_like(token_logps), packed)


# -- From hidden states to log-probabilities, a chunk at a time ------------------------------------------------------


class ChunkedLogps(torch.autograd.Function):
    """log softmax(hidden @ weight.T)[target] of each row, with logits of only some rows alive at a time.

    The logits are computed again in the backward pass. Softmax and the sum of the weight's gradients
    are in float32 (or float64) even where the product is in bfloat16.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """hidden (N, H) and targets (N,), weight (V, H) of any float type; returns (N,)."""
        low = weight.to(hidden.dtype)
        normalisers = []
        logps = []
        for rows in _chunks(len(hidden), len(weight)):
            logits = _logits(hidden[rows], low)
            normalisers.append(logits.logsumexp(-1))
            logps.append(logits.gather(-1, targets[rows, None])[:, 0] - normalisers[-1])
        ctx.save_for_backward(hidden, weight, targets, torch.cat(normalisers))
        return torch.cat(logps)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        hidden, weight, targets, normalisers = ctx.saved_tensors
        low = weight.to(hidden.dtype)
        hidden_grad = torch.empty_like(hidden)
        weight_grad = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for rows in _chunks(len(hidden), len(weight)):
            logits = _logits(hidden[rows], low)
            chance = logits.sub_(normalisers[rows, None]).exp_()
            slope = chance.mul_(-grad[rows, None])
            slope.scatter_add_(-1, targets[rows, None], grad[rows, None])
            slope = slope.to(hidden.dtype)
            hidden_grad[rows] = slope @ low
            if weight_grad is not None:
                weight_grad += slope.T @ hidden[rows]
        return hidden_grad, weight_grad, None


def _logits(hidden: Tensor, weight: Tensor) -> Tensor:
    logits = hidden @ weight.T
    return logits if logits.dtype == torch.float64 else logits.float()


def _chunks(rows: int, vocabulary: int) -> list[slice]:
    size = max(1, LOGITS_BYTES // (4 * vocabulary))
    return [slice(start, start + size) for start in range(0, rows, size)]


# -- Attention within a pack -----------------------------------------------------------------------------------------


def packed_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **kwargs: Any
) -> tuple[Tensor, None]:
    """transformers' attention interface: (1, heads, T, D) to (1, T, heads, D), each token seeing its own pair."""
    layout = kwargs["pair_layout"]
    scale = kwargs.get("scaling")
    if not isinstance(layout, list):
        return _flex(query, key, value, layout, scale).transpose(1, 2).contiguous(), None
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    parts = [
        scaled_dot_product_attention(query[:, :, rows], key[:, :, rows], value[:, :, rows], attn_mask=mask, scale=scale)
        for rows, mask in layout
    ]
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


def pair_layout(packed: Pack) -> Any:
    """What `packed_attention` needs: on a GPU a block mask; elsewhere the rows of each pair, with a mask (t, t)."""
    pair_of, part_of = packed.pair_of, packed.part_of
    if pair_of.is_cuda:
        from torch.nn.attention.flex_attention import create_block_mask

        def visible(batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
            return (pair_of[q] == pair_of[k]) & (q >= k) & ~((part_of[q] == 2) & (part_of[k] == 1))

        size = len(pair_of)
        return create_block_mask(visible, None, None, size, size, device=str(pair_of.device))
    layout: list[tuple[slice, Tensor | None]] = []
    start = 0
    for pair in packed.pairs:
        size = length(pair)
        part = part_of[start : start + size]
        mask = torch.ones(size, size, dtype=torch.bool).tril() & ~((part[:, None] == 2) & (part == 1))
        layout.append((slice(start, start + size), mask))
        start += size
    if start < len(pair_of):
        layout.append((slice(start, len(pair_of)), None))
    return layout


def _flex(query: Tensor, key: Tensor, value: Tensor, layout: Any, scale: float | None) -> Tensor:
    global _compiled_flex
    if _compiled_flex is None:
        from torch.nn.attention.flex_attention import flex_attention

        _compiled_flex = torch.compile(flex_attention, dynamic=False)
    return _compiled_flex(query, key, value, block_mask=layout, scale=scale, enable_gqa=True)


_compiled_flex: Any = None


# -- The two scorers -------------------------------------------------------------------------------------------------


class PairScorer(torch.nn.Module):
    """A causal language model that scores packs. Raises UserError if the model's attention can't be replaced."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.causal = [model.get_base_model() if hasattr(model, "get_base_model") else model]  # a list: not a submodule
        from transformers import AttentionInterface

        AttentionInterface.register("packed_pairs", packed_attention)

    def forward(self, packed: Pack) -> Tensor:
        """Log-probability of each response token, in nats, float32: shape (N,), in the order of `packed.targets`."""
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
        kind = hidden.device.type
        if torch.is_autocast_enabled(kind):
            hidden = hidden.to(torch.get_autocast_dtype(kind))
        with torch.autocast(kind, enabled=False):
            return ChunkedLogps.apply(hidden, causal.get_output_embeddings().weight, packed.targets)


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

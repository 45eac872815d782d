"""From packs to the log-probability of every response token: the fast path, and the plain one that it must equal.

The fast path lets each token see only its own pair, its prompt and its own response; and only the positions that
predict a response token go through the output layer, some at a time, so that no tensor of all tokens by the whole
vocabulary ever exists. `choose_scorer` compares the two on the model at hand.
"""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from simpo_core.devices import exact_products, is_out_of_memory
from simpo_core.packing import NO_PAIR, Pack, fill, length, pack
from simpo_core.preferences import TokenPair

LOGITS_BYTES = 2**27  # the logits of one chunk, in float32
GPU_LOGITS_BYTES = 2**30  # on a GPU: each chunk adds to the whole gradient of the output layer, which takes time
BLOCK = 128  # tokens of a block of flex_attention's mask
ROW = 4 * BLOCK  # on a GPU a row's length is a multiple of this at least: kernels are compiled for each length
MOST_LENGTHS = 64  # that torch compiles for before it gives up and computes the slow way
FAST_PATH_TOLERANCE = 1e-3  # nats of a token's log-probability, in float32, between the fast and the plain path


# -- From hidden states to log-probabilities, a chunk at a time ------------------------------------------------------


class ChunkedLogps(torch.autograd.Function):
    """log softmax(hidden @ weight.T)[target] of each row, with logits of only some rows alive at a time.

    Where the rows need several chunks, the logits are computed again in the backward pass. Softmax and the sum of
    the weight's gradients are in float32 (or float64) even where the product is in bfloat16.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """hidden (N, H) and targets (N,), weight (V, H) of any float type; returns (N,)."""
        low = weight.to(hidden.dtype)
        normaliser, chance = _softmax_steps(hidden.device)
        normalisers = []
        logps = []
        chunks = _chunks(hidden, weight)
        for rows in chunks:
            logits = hidden[rows] @ low.T
            normalisers.append(normaliser(logits))
            logps.append(_wide(logits.gather(-1, targets[rows, None])[:, 0]) - normalisers[-1])
        once = len(chunks) == 1 and ctx.needs_input_grad[0]
        chances = chance(logits, normalisers[0], None) if once else None
        result = torch.cat(logps)
        ctx.save_for_backward(hidden, weight, targets, torch.cat(normalisers), result, chances)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        hidden, weight, targets, normalisers, logps, chances = ctx.saved_tensors
        target_slope = -grad * torch.expm1(logps)  # 1 - p, exact where p is near 1
        low = weight.to(hidden.dtype)
        _, chance = _softmax_steps(hidden.device)
        hidden_grad = torch.empty_like(hidden)
        weight_grad = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for rows in _chunks(hidden, weight):
            if chances is None:
                slope = chance(hidden[rows] @ low.T, normalisers[rows], -grad[rows])
            else:
                slope = (chances * -grad[:, None]).to(hidden.dtype)
            slope.scatter_(-1, targets[rows, None], target_slope[rows, None].to(hidden.dtype))
            hidden_grad[rows] = slope @ low
            if weight_grad is not None:
                weight_grad += slope.T @ hidden[rows]
        return hidden_grad, weight_grad, None


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _normaliser(logits: Tensor) -> Tensor:
    """The logarithm of each row's sum of exponentials, in float32: (N, V) to (N,)."""
    return _wide(logits).logsumexp(-1)


def _chance(logits: Tensor, normalisers: Tensor, factors: Tensor | None) -> Tensor:
    """Each row's softmax, times its factor if there is one: (N, V) of the logits' type, perhaps in their memory."""
    wide = _wide(logits).sub_(normalisers[:, None]).exp_()
    return (wide if factors is None else wide.mul_(factors[:, None])).to(logits.dtype)


def _softmax_steps(device: torch.device) -> tuple[Any, Any]:
    """The two passes over a chunk's logits; on a GPU each is compiled to one kernel, without copies in float32."""
    return _compiled(_normaliser, _chance) if device.type == "cuda" else (_normaliser, _chance)


@functools.cache
def _compiled(*functions: Any) -> tuple[Any, ...]:
    return tuple(torch.compile(function, dynamic=True) for function in functions)


def _chunks(hidden: Tensor, weight: Tensor) -> list[slice]:
    size = max(1, (GPU_LOGITS_BYTES if hidden.is_cuda else LOGITS_BYTES) // (4 * len(weight)))
    return [slice(start, start + size) for start in range(0, len(hidden), size)]


# -- Attention within a pack -----------------------------------------------------------------------------------------


def packed_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **kwargs: Any
) -> tuple[Tensor, None]:
    """transformers' attention interface: (1, heads, T, D) to (1, T, heads, D), each token seeing its own pair."""
    if kwargs.get("softcap") or kwargs.get("s_aux") is not None:
        raise ValueError("its attention has soft-capping or sinks")
    layout = kwargs["pair_layout"]
    scale = kwargs.get("scaling")
    query, key = query.to(value.dtype), key.to(value.dtype)  # under autocast the rotation leaves them in float32
    if not isinstance(layout, list):
        return _flex(query, key, value, layout, scale).transpose(1, 2).contiguous(), None
    if value.dtype == torch.bfloat16 and torch.is_grad_enabled():  # its scores take much memory and little time
        parts = checkpoint(_each_part, query, key, value, layout, scale, use_reentrant=False, preserve_rng_state=False)
        return parts, None
    return _each_part(query, key, value, layout, scale), None


def _each_part(query: Tensor, key: Tensor, value: Tensor, layout: Any, scale: float | None) -> Tensor:
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    parts = [
        _attend(query[:, :, rows], _columns(key, columns), _columns(value, columns), mask, scale)
        for rows, columns, mask in layout
    ]
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous()


def _columns(x: Tensor, columns: Sequence[slice]) -> Tensor:
    return x[:, :, columns[0]] if len(columns) == 1 else torch.cat([x[:, :, part] for part in columns], dim=2)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float | None) -> Tensor:
    """Attention of some rows to some columns; mask (rows, columns), True where a row may look."""
    if query.dtype != torch.bfloat16:
        causal = mask.shape[0] == mask.shape[1]  # of a prompt and what follows it, or of filling
        return scaled_dot_product_attention(
            query, key, value, attn_mask=None if causal else mask, is_causal=causal, scale=scale
        )
    # torch's own kernel for CPUs is no quicker in bfloat16 than in float32; products of matrices are
    scores = (query * (scale or query.shape[-1] ** -0.5)) @ key.transpose(-1, -2)
    chances = torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=-1, dtype=torch.float32)
    return chances.to(value.dtype) @ value


def pair_layout(packed: Pack) -> Any:
    """What `packed_attention` needs: on a GPU a block mask; elsewhere rows, their columns and a mask.

    Each pair has two entries: prompt and chosen, which see themselves, and rejected, which sees prompt and itself.
    """
    pair_of, part_of = packed.pair_of, packed.part_of
    if pair_of.is_cuda:
        return block_mask(pair_of, part_of)
    layout = []
    start = 0
    for pair in packed.pairs:
        prompt_end = start + len(pair.prompt)
        chosen_end = prompt_end + len(pair.chosen)
        end = start + length(pair)
        layout.append(_block(start, chosen_end, [slice(start, chosen_end)]))
        layout.append(_block(chosen_end, end, [slice(start, prompt_end), slice(chosen_end, end)]))
        start = end
    if start < len(pair_of):
        layout.append(_block(start, len(pair_of), [slice(start, len(pair_of))]))
    return layout


def _block(start: int, end: int, columns: list[slice]) -> tuple[slice, list[slice], Tensor]:
    """Rows start to end, the columns that they look at, and the mask (rows, columns): none after itself."""
    seen = torch.cat([torch.arange(part.start, part.stop) for part in columns])
    return slice(start, end), columns, torch.arange(start, end)[:, None] >= seen


def block_mask(pair_of: Tensor, part_of: Tensor) -> Any:
    """flex_attention's mask of a pack: which blocks of keys a block of queries looks at, and at which it looks whole.

    Made of the blocks themselves; torch's `create_block_mask` first makes a tensor of all tokens by all tokens.
    """
    from torch.nn.attention.flex_attention import BlockMask

    def visible(batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return (pair_of[q] == pair_of[k]) & (q >= k) & ~((part_of[q] == 2) & (part_of[k] == 1))

    size = len(pair_of)
    missing = -size % BLOCK
    pairs = torch.where(pair_of == NO_PAIR, size, pair_of)  # filling comes last, so pairs only rise
    pairs, parts = (torch.cat([x, x[-1:].expand(missing)]).view(-1, BLOCK) for x in (pairs, part_of))
    first, last = pairs[:, 0], pairs[:, -1]
    number = torch.arange(len(pairs), device=pair_of.device)
    same = (first == last)[:, None] & (first[:, None] == last) & (first == last)  # both of one and the same pair
    rejected, chosen = (parts == 2)[:, None], (parts == 1)[None]
    some = (number[:, None] >= number) & (last >= first[:, None])
    some &= ~(same & rejected.all(-1) & chosen.all(-1))
    whole = same & (number[:, None] > number) & ~(rejected.any(-1) & chosen.any(-1))
    whole &= ((number + 1) * BLOCK <= size)[:, None]
    return BlockMask.from_kv_blocks(
        *_listed(some & ~whole), *_listed(whole), BLOCK_SIZE=BLOCK, mask_mod=visible, seq_lengths=(size, size)
    )


def _listed(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """How many blocks of each row are True, and their numbers in front: (1, 1, R) and (1, 1, R, C)."""
    order = blocks.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
    return blocks.sum(-1).int()[None, None], order.int()[None, None].contiguous()


def _flex(query: Tensor, key: Tensor, value: Tensor, layout: Any, scale: float | None) -> Tensor:
    return _compiled_flex(query, key, value, block_mask=layout, scale=scale, enable_gqa=True)


def _prepare_for_gpu(packed: Pack) -> Pack:
    """Have flex_attention compiled when it is first called, and fill the row up to one of few lengths."""
    global _compiled_flex
    if _compiled_flex is None:
        from torch.nn.attention.flex_attention import flex_attention

        torch._dynamo.config.cache_size_limit = max(torch._dynamo.config.cache_size_limit, MOST_LENGTHS)
        _compiled_flex = torch.compile(flex_attention, dynamic=False)
    return fill(packed, row_multiple(len(packed.pair_of)))


def row_multiple(size: int) -> int:
    """To a multiple of what a row of this many tokens is filled up: beyond 8192, eight lengths for each doubling."""
    return max(ROW, (1 << size.bit_length()) >> 4)


_compiled_flex: Any = None


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
            packed = _prepare_for_gpu(packed)
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

"""Attention within a pack: each token sees only its own pair, its prompt and its own response."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from simpo_core.scoring.packing import NO_PAIR, Pack, fill, length

BLOCK = 128  # tokens of a block of flex_attention's mask
ROW = 4 * BLOCK  # on a GPU a row has this length at least, or one of few others: kernels are compiled for each
MOST_LENGTHS = 128  # that torch compiles for before it gives up: 25 up to 64k tokens, each with and without gradients


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
    options = kernel_options(query.shape[-1], query.dtype)
    return _compiled_flex(query, key, value, block_mask=layout, scale=scale, enable_gqa=True, kernel_options=options)


def kernel_options(width: int, dtype: torch.dtype) -> dict[str, Any] | None:
    """What the kernel is told beside its inputs, for heads of this width.

    With the 4 warps that torch takes for heads of 64 numbers the forward kernel of sm_90 spills 864 bytes of
    registers a thread, with 8 none (torch 2.11, triton 3.6).
    """
    return {"fwd_num_warps": 8} if width == 64 and dtype == torch.bfloat16 else None


def prepare_for_gpu(packed: Pack) -> Pack:
    """Have flex_attention compiled when it is first called, and fill the row up to one of few lengths."""
    global _compiled_flex
    if _compiled_flex is None:
        from torch.nn.attention.flex_attention import flex_attention

        torch._dynamo.config.cache_size_limit = max(torch._dynamo.config.cache_size_limit, MOST_LENGTHS)
        torch._dynamo.config.fail_on_recompile_limit_hit = True  # and not the slow way in silence
        _compiled_flex = torch.compile(flex_attention, dynamic=False)
    return fill(packed, row_length(len(packed.pair_of)))


def row_length(size: int) -> int:
    """What a row of this many tokens is filled up to: two lengths for each doubling, four beyond 2048."""
    doubled = max(ROW, 1 << (size - 1).bit_length())  # the next power of two
    step = doubled // 4 if doubled <= 4 * ROW else doubled // 8
    return max(ROW, size + -size % step)


_compiled_flex: Any = None

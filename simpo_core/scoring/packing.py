"""Packs: several preference pairs in one row of tokens, each pair's prompt only once.

Behind a prompt stand the chosen and the rejected response; both continue the positions of the prompt.

    tokens      p p p c c r r r | p p c c c r
    positions   0 1 2 3 4 3 4 5 | 0 1 2 3 4 2

attention.py sees to it that neither response sees the other, and no pair another.
Prefix sharing: https://arxiv.org/abs/2410.20305.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from simpo_core.preferences import TokenPair

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
    layout: Any = None  # what attention.py's `pair_layout` makes of it, where that was done beforehand

    def to(self, device: torch.device) -> "Pack":
        """The pack on a device, without its layout; to a GPU it goes all at once, and nothing waits for it."""
        tensors = {name: x for name, x in vars(self).items() if isinstance(x, Tensor)}
        if device.type == "cuda" and not self.input_ids.is_cuda:
            moved = in_one_buffer(tensors, lambda buffer: buffer.pin_memory().to(device, non_blocking=True))
        else:
            moved = {name: x.to(device) for name, x in tensors.items()}
        return Pack(pairs=self.pairs, **moved)


def in_one_buffer(tensors: Mapping[str, Tensor], move: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """Whole numbers moved as one buffer of 32 bits: a copy and a cast in place of as many as there are tensors."""
    buffer = move(torch.cat([x.flatten() for x in tensors.values()]).int()).long()
    parts = buffer.split([x.numel() for x in tensors.values()])
    return {name: part.view(x.shape) for (name, x), part in zip(tensors.items(), parts, strict=True)}


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


def pack(pairs: Sequence[TokenPair]) -> Pack:
    """Put pairs into one row.

    Raises ValueError for a pair without a prompt or with an empty response: nothing would predict its tokens.
    """
    for number, pair in enumerate(pairs):
        if not pair.prompt or not pair.chosen or not pair.rejected:
            raise ValueError(f"pair {number} has an empty prompt or response: each needs a token")
    tokens, parts = array("q"), [(len(pair.prompt), len(pair.chosen), len(pair.rejected)) for pair in pairs]
    for pair in pairs:
        for part in (pair.prompt, pair.chosen, pair.rejected):
            tokens.extend(part)
    ids, place = torch.tensor(tokens), torch.arange(len(tokens))
    lengths = torch.tensor(parts)  # (B, 3)
    part_of = torch.arange(3).repeat(len(pairs)).repeat_interleave(lengths.flatten())
    pair_of = torch.arange(len(pairs)).repeat_interleave(lengths.sum(1))
    starts = (lengths.flatten().cumsum(0) - lengths.flatten()).repeat_interleave(lengths.flatten())
    prompts = lengths[pair_of, 0]
    prompt_ends = (lengths.sum(1).cumsum(0) - lengths.sum(1) + lengths[:, 0])[pair_of]
    before = torch.where(place == starts, prompt_ends, place) - 1  # the prompt's last token predicts a response's first
    response = part_of > 0
    return Pack(
        pairs=tuple(pairs),
        input_ids=ids[None],
        position_ids=(place - starts + torch.where(response, prompts, 0))[None],
        pair_of=pair_of,
        part_of=part_of,
        predictors=before[response],
        targets=ids[response],
        response_of=(2 * pair_of + part_of - 1)[response],
    )


def fill(packed: Pack, multiple: int) -> Pack:
    """The pack with tokens behind it that belong to no pair, so that its length is a multiple of `multiple`."""
    missing = -packed.input_ids.shape[1] % multiple
    return replace(
        packed,
        input_ids=pad(packed.input_ids, (0, missing)),
        position_ids=pad(packed.position_ids, (0, missing)),
        pair_of=pad(packed.pair_of, (0, missing), value=NO_PAIR),
        part_of=pad(packed.part_of, (0, missing)),
    )


def sums(token_logps: Tensor, packed: Pack) -> Tensor:
    """Log-probability of each response, in nats: (N,) of tokens to (B, 2) of chosen and rejected."""
    empty = torch.zeros(2 * len(packed.pairs), dtype=token_logps.dtype, device=token_logps.device)
    return empty.index_add(0, packed.response_of, token_logps).view(-1, 2)


def means(token_logps: Tensor, packed: Pack) -> Tensor:
    """Mean log-probability per token of each response, in nats: (N,) of tokens to (B, 2) of chosen and rejected."""
    return sums(token_logps, packed) / sums(torch.ones_like(token_logps), packed)

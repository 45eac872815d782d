"""Packs: several preference pairs in one row of tokens, each pair's prompt only once.

Behind a prompt stand the chosen and the rejected response; both continue the positions of the prompt.

    tokens      p p p c c r r r | p p c c c r
    positions   0 1 2 3 4 3 4 5 | 0 1 2 3 4 2

attention.py sees to it that neither response sees the other, and no pair another.
Prefix sharing: https://arxiv.org/abs/2410.20305.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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


def pack(pairs: Sequence[TokenPair]) -> Pack:
    """Put pairs into one row.

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

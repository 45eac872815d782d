"""A model goes on from prompts, token by token, many prompts at a time."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from simpo_core.inputs import UserError


def _choose(logits: Tensor, temperature: float, luck: Tensor) -> Tensor:
    """One token a row, (rows,), from logits (rows, vocab); `luck`, (rows,), is uniform between 0 and 1."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    reached = torch.softmax(logits.float() / temperature, dim=-1).cumsum(dim=-1)
    return torch.searchsorted(reached, luck[:, None] * reached[:, -1:], right=True)[:, 0].clamp(max=logits.shape[1] - 1)


def continue_prompts(
    prompts: Sequence[tuple[int, ...]], model: Any, stops: set[int], temperature: float, luck: Tensor
) -> list[list[int]]:
    """The tokens that follow each prompt, the stop token included where one came in time.

    Args:
        prompts: Tokens. The model reads a prompt that stands there several times once.
        stops: Tokens that end an answer.
        temperature: 0 for the likeliest token each time, else the logits are divided by it before sampling.
        luck: A number between 0 and 1 for each token, shape (prompts, most new tokens), on the model's device.

    Raises:
        UserError: The model keeps no cache of keys and values, as recurrent ones don't.
    """
    distinct = list(dict.fromkeys(prompts))
    input_ids, attended = _pad_left(distinct, model.device)
    positions = (attended.cumsum(dim=1) - 1).clamp(min=0)
    out = model(input_ids=input_ids, attention_mask=attended, position_ids=positions, use_cache=True, logits_to_keep=1)
    cache: Any = getattr(out, "past_key_values", None)
    if cache is None or not hasattr(cache, "batch_select_indices"):
        raise UserError(f"{type(model).__name__} keeps no cache of keys and values, which answering needs")
    copies = torch.tensor([distinct.index(prompt) for prompt in prompts], device=model.device)
    cache.batch_select_indices(copies)
    attended, position, logits = attended[copies], positions[copies, -1:], out.logits[copies, -1]

    rows: list[list[int]] = [[] for _ in prompts]
    open_rows = list(range(len(prompts)))  # which row each line of the tensors belongs to
    for step in range(luck.shape[1]):
        tokens = _choose(logits, temperature, luck[open_rows, step])
        for row, token in zip(open_rows, tokens.tolist(), strict=True):
            if not rows[row] or rows[row][-1] not in stops:
                rows[row].append(token)
        going = [line for line, row in enumerate(open_rows) if rows[row][-1] not in stops]
        if not going or step + 1 == luck.shape[1]:
            break
        if len(going) < 0.8 * len(open_rows):  # a copy of the cache, so only when enough rows are finished
            keep = torch.tensor(going, device=model.device)
            cache.batch_select_indices(keep)
            tokens, attended, position = tokens[keep], attended[keep], position[keep]
            open_rows = [open_rows[line] for line in going]
        attended = torch.cat([attended, attended.new_ones(len(tokens), 1)], dim=1)
        position = position + 1
        logits = model(
            input_ids=tokens[:, None],
            attention_mask=attended,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
    return rows


def _pad_left(prompts: Sequence[tuple[int, ...]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, (rows, longest), so that every prompt ends in the last column."""
    longest = max(map(len, prompts))
    padding = [longest - len(prompt) for prompt in prompts]
    ids = [[0] * missing + list(prompt) for missing, prompt in zip(padding, prompts, strict=True)]
    attended = [[0] * missing + [1] * (longest - missing) for missing in padding]
    return torch.tensor(ids, device=device), torch.tensor(attended, device=device)

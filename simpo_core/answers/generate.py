"""Answers to prompts, greedy or sampled, many at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from simpo_core.inputs import UserError
from simpo_core.models import end_tokens
from simpo_core.preferences import Prompt, end_of_turn, tokenize_prompt


@dataclass(frozen=True)
class Answer:
    """What a model answered.

    `tokens` doesn't count the end-of-turn token. An answer that is not `finished` was cut at the limit.
    """

    text: str
    tokens: int
    finished: bool


def answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    *,
    max_new_tokens: int = 128,
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int = 64,
) -> list[Answer]:
    """One answer to each prompt, in the order of the prompts.

    A prompt that stands there several times gets several answers and is read once a batch. The model answers
    as it is: on its device, in its type (on a CPU with bf16 instructions a bfloat16 copy is about twice as fast).

    Args:
        model: A causal language model in Hugging Face's form. It is put into evaluation mode meanwhile.
        tokenizer: Its tokenizer.
        prompts: Strings, or chats that end with the user's message.
        max_new_tokens: Where an answer is cut.
        temperature: 0 for the likeliest token each time, else the logits are divided by it before sampling.
        seed: Of the sampling alone; torch's own generator is neither used nor changed. Each token of each
            answer has a random number of its own, so the batch size changes answers by rounding at most.
        batch_size: Answers written at a time.

    Raises:
        UserError: The model keeps no cache of keys and values, as recurrent ones don't.
        ValueError: The temperature is below 0, or max_new_tokens or batch_size below 1.
    """
    if temperature < 0 or max_new_tokens < 1 or batch_size < 1:
        raise ValueError(
            f"temperature {temperature}, max_new_tokens {max_new_tokens}, batch_size {batch_size}: "
            "expected at least 0, 1 and 1"
        )
    tokenized = [tuple(tokenize_prompt(prompt, tokenizer)) for prompt in prompts]
    stops = {end_of_turn(tokenizer, chat=not isinstance(prompt, str)) for prompt in prompts}
    stops |= end_tokens(model, tokenizer)
    by_length = sorted(range(len(prompts)), key=lambda number: (len(tokenized[number]), tokenized[number]))
    luck = torch.rand(len(prompts), max_new_tokens, generator=torch.Generator().manual_seed(seed)).to(model.device)
    done: dict[int, Answer] = {}
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(by_length), batch_size):
                batch = by_length[start : start + batch_size]
                rows = _continue([tokenized[n] for n in batch], model, stops, temperature, luck[batch])
                done |= {number: _answer(row, tokenizer, stops) for number, row in zip(batch, rows, strict=True)}
    finally:
        model.train(was_training)
    return [done[number] for number in range(len(prompts))]


def _choose(logits: Tensor, temperature: float, luck: Tensor) -> Tensor:
    """One token a row, (rows,), from logits (rows, vocab); `luck`, (rows,), is uniform between 0 and 1."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    reached = torch.softmax(logits.float() / temperature, dim=-1).cumsum(dim=-1)
    return torch.searchsorted(reached, luck[:, None] * reached[:, -1:], right=True)[:, 0].clamp(max=logits.shape[1] - 1)


def _continue(
    prompts: Sequence[tuple[int, ...]], model: Any, stops: set[int], temperature: float, luck: Tensor
) -> list[list[int]]:
    """The tokens that follow each prompt, the stop token included where one came in time.

    luck: A number between 0 and 1 for each token, shape (prompts, max_new_tokens).
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


def _answer(tokens: list[int], tokenizer: Any, stops: set[int]) -> Answer:
    finished = tokens[-1] in stops
    content = tokens[:-1] if finished else tokens
    return Answer(tokenizer.decode(content, skip_special_tokens=True).strip(), len(content), finished)

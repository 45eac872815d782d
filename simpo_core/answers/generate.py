"""Answers to prompts, greedy or sampled, many at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from simpo_core.language_models.decoding import continue_prompts
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
    settings: dict[str, Any] | None = None,
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
        settings: For the chat template, such as {"enable_thinking": False}.

    Raises:
        UserError: The model keeps no cache of keys and values, as recurrent ones don't.
        ValueError: The temperature is below 0, or max_new_tokens or batch_size below 1.
    """
    if temperature < 0 or max_new_tokens < 1 or batch_size < 1:
        raise ValueError(
            f"temperature {temperature}, max_new_tokens {max_new_tokens}, batch_size {batch_size}: "
            "expected at least 0, 1 and 1"
        )
    tokenized = [tuple(tokenize_prompt(prompt, tokenizer, settings)) for prompt in prompts]
    kinds = {isinstance(prompt, str) for prompt in prompts}
    stops = {end_of_turn(tokenizer, chat=not is_text, settings=settings) for is_text in kinds}
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
                rows = continue_prompts([tokenized[n] for n in batch], model, stops, temperature, luck[batch])
                done |= {number: _answer(row, tokenizer, stops) for number, row in zip(batch, rows, strict=True)}
    finally:
        model.train(was_training)
    return [done[number] for number in range(len(prompts))]


def _answer(tokens: list[int], tokenizer: Any, stops: set[int]) -> Answer:
    finished = tokens[-1] in stops
    content = tokens[:-1] if finished else tokens
    return Answer(tokenizer.decode(content, skip_special_tokens=True).strip(), len(content), finished)

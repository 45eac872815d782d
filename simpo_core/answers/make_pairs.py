"""Preference pairs that a model makes itself, by asking it twice: with the wish, and without.

Chosen is an answer to "What is friction? Answer in one sentence." that keeps the rule, rejected an answer to
"What is friction?" that breaks it. The pair holds the bare prompt, so training teaches the model to do
unasked what it can do when asked.

Source: RLCD, Yang et al. 2023, https://arxiv.org/abs/2307.12950 (contrasting prompts).
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from simpo_core.answers.generate import Answer, answers
from simpo_core.answers.rules import Rule, sentences
from simpo_core.inputs import UserError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the answers are sampled."""

    wished: int = 6  # answers to each prompt with the wish
    bare: int = 2  # answers to each prompt without it
    temperature: float = 0.7
    max_tokens: int = 64  # a longer wished answer counts as unfinished
    max_rejected_tokens: int = 56  # a bare answer is cut here
    agreement: float = 0.1  # share of its words that a chosen answer shares, on average, with the others that pass
    pairs_per_prompt: int = 1
    batch_size: int = 128
    seed: int = 0


SAMPLING = {  # by rule: how the committed pairs were sampled
    "one-sentence": Sampling(),
    "three-lines": Sampling(wished=10, max_tokens=48, agreement=0, pairs_per_prompt=2),  # few keep it, none alike
}


@dataclass(frozen=True)
class Yields:
    """How many answers were left after each step."""

    prompts: int
    wished: int  # answers sampled with the wish
    kept_rule: int  # of these: finished, and keep the rule
    clean: int  # of these: pass `is_clean`
    bare: int  # answers sampled without the wish
    bare_kept_rule: int  # of these: keep the rule unasked, so can't be rejected
    prompts_with_pair: int
    pairs: int


def read_prompts(split: str) -> list[str]:
    """The project's own prompts of one split: "train", "validation" or "test". Their topics are disjoint."""
    if split not in SPLITS:
        raise UserError(f"split is {split!r}: it must be one of {', '.join(SPLITS)}")
    text = (resources.files("simpo_core") / "data" / "prompts.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    return [record["prompt"] for record in records if record["split"] == split]


def make_pairs(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    rule: Rule,
    sampling: Sampling | None = None,
    *,
    settings: dict[str, Any] | None = None,
) -> tuple[list[dict[str, Any]], Yields]:
    """Pairs in TRL's conversational format, in the order of the prompts, and what was left after each step.

    Of the answers to one prompt that pass, those that agree most with the others come first: what a small
    model says again and again is more often true than what it says once.

    `settings` are for the chat template, such as {"enable_thinking": False}; the pairs carry them too.
    The same prompts and sampling give the same pairs, on the same machine and versions.
    """
    sampling = sampling or SAMPLING.get(rule.name, Sampling())
    with_wishes = [f"{prompt} {rule.wish}" for prompt in prompts]
    wished = _sample(model, tokenizer, with_wishes, sampling, wish=True, settings=settings)
    bare = _sample(model, tokenizer, prompts, sampling, wish=False, settings=settings)
    records = []
    counts: Counter[str] = Counter()
    for prompt, with_wish, without in zip(prompts, wished, bare, strict=True):
        kept = [a.text for a in with_wish if a.finished and rule.keeps(a.text)]
        clean = [text for text in kept if is_clean(text, prompt)]
        rejected = [text for text in map(whole_sentences, without) if text and not rule.keeps(text)]
        chosen = most_agreed(clean, sampling.agreement)[: sampling.pairs_per_prompt]
        pairs = [_record(prompt, *texts) for texts in zip(chosen, dict.fromkeys(rejected), strict=False)]
        records += [pair | ({"chat_template_kwargs": settings} if settings else {}) for pair in pairs]
        counts.update(
            kept_rule=len(kept),
            clean=len(clean),
            bare_kept_rule=sum(a.finished and rule.keeps(a.text) for a in without),
            prompts_with_pair=bool(pairs),
        )
    yields = Yields(
        prompts=len(prompts),
        wished=len(prompts) * sampling.wished,
        kept_rule=counts["kept_rule"],
        clean=counts["clean"],
        bare=len(prompts) * sampling.bare,
        bare_kept_rule=counts["bare_kept_rule"],
        prompts_with_pair=counts["prompts_with_pair"],
        pairs=len(records),
    )
    return records, yields


def _sample(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    sampling: Sampling,
    *,
    wish: bool,
    settings: dict[str, Any] | None,
) -> list[list[Answer]]:
    """Several answers to each prompt."""
    samples = sampling.wished if wish else sampling.bare
    chats = [[{"role": "user", "content": prompt}] for prompt in prompts for _ in range(samples)]
    flat = answers(
        model,
        tokenizer,
        chats,
        max_new_tokens=sampling.max_tokens if wish else sampling.max_rejected_tokens,
        temperature=sampling.temperature,
        seed=2 * sampling.seed + (0 if wish else 1),
        batch_size=sampling.batch_size,
        settings=settings,
    )
    return [flat[start : start + samples] for start in range(0, len(flat), samples)]


def _record(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def whole_sentences(answer: Answer) -> str:
    """The answer, without its last sentence if that was cut off: training puts an end of turn behind it."""
    if answer.finished:
        return answer.text
    last = sentences(answer.text)[-1:]
    return answer.text.removesuffix(last[0]).rstrip() if last else ""


# -- What a chosen answer must look like, apart from the rule ----------------------------------------------------

_ECHO = re.compile(r"\b(sentences?|answers?|questions?|poems?|haikus?|lines?|assistant|AI|SmolLM|I|I'm|my)\b")
_MARKUP = re.compile(r"[^\x20-\x7e\n‘’“”–—°é]|[*#_`<>{}\[\]|\\]|https?:|:$", re.MULTILINE)
_COMMON_WORDS = (  # they say nothing of what a question is about
    "the and are was for you can not its that this they into such which what why how does did have make made "
    "work used use with from when people keep other there their our know need find often important"
)
_COMMON = frozenset(_COMMON_WORDS.split())


def is_clean(answer: str, prompt: str) -> bool:
    """Whether an answer is worth learning from, as far as a program can tell. It can't tell whether it is true.

    It is about the prompt (shares a word with it), doesn't echo the wish or speak of itself, has no markup,
    starts with a capital, and doesn't repeat itself.
    """
    return (
        re.match(r"[A-Z][\w'’-]|A ", answer) is not None
        and _MARKUP.search(answer) is None
        and _ECHO.search(answer) is None
        and bool(_stems(prompt) & _stems(answer))
        and not repeats(answer, allowed=_stems(prompt))
    )


def repeats(text: str, *, allowed: frozenset[str] = frozenset()) -> bool:
    """Whether three words in a row, or one long word, come twice; stems in `allowed` may come twice."""
    words = re.findall(r"[\w'’-]+", text.lower())
    threes = list(zip(words, words[1:], words[2:], strict=False))
    if len(set(threes)) < len(threes):
        return True
    counts = Counter(word for word in words if len(word) > 4)
    return any(count > (2 if word[:4] in allowed else 1) for word, count in counts.items())


def _stems(text: str) -> frozenset[str]:
    """The first four letters of each word that carries meaning, which is stemming enough here."""
    words = re.findall(r"[a-z]{3,}", text.lower())
    return frozenset(word[:4] for word in words if word not in _COMMON)


def most_agreed(texts: Sequence[str], least: float = 0.0) -> list[str]:
    """The distinct texts, those first that share most of their words with the others; `least` is the share asked.

    >>> most_agreed(["Ice is cold water.", "Ice is frozen water.", "Penguins are frozen water birds."])[0]
    'Ice is frozen water.'
    """
    stems = [_stems(text) for text in texts]
    agreement: dict[str, float] = defaultdict(float)
    for number, text in enumerate(texts):
        others = stems[:number] + stems[number + 1 :]
        shared = sum(len(stems[number] & other) / max(1, len(stems[number] | other)) for other in others)
        agreement[text] = shared / max(1, len(others))
    return sorted((text for text in agreement if agreement[text] >= least), key=lambda text: -agreement[text])

"""What is in a file of pairs, before a run is spent on it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from simpo_core.preferences import Pair, TokenPair, adds_bos, cut, response_parts, tokenize_whole

Parts = tuple[str, str, str]  # of `response_parts`
ROLES = {"system", "developer", "user", "assistant", "tool", "ipython"}  # those that published templates know


class Lengths(NamedTuple):
    """Numbers of tokens."""

    shortest: int
    median: float
    longest: int


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """What `check_pairs` found. Lengths are those before anything is cut, end-of-turn token included.

    The fields that are tuples name the pairs, such as "prefs.jsonl line 12".
    """

    pairs: int
    prompt: Lengths
    chosen: Lengths
    rejected: Lengths
    longer_chosen: float  # tokens by which chosen is longer than rejected, on average
    truncated: tuple[str, ...]  # cut to max_length or max_prompt_length
    duplicates: tuple[str, ...]  # an earlier pair has the same prompt and answers
    equal_answers: tuple[str, ...]  # the same tokens, after cutting: nothing to learn from
    double_bos: tuple[str, ...]  # the text brings a BOS that would come twice; the extra one is left out
    double_eos: tuple[str, ...]  # an answer brings its end-of-turn token; the extra one is left out
    special_text: tuple[str, ...]  # other special tokens stand written in a chat's prompt or inside an answer
    repeated_prompt: tuple[str, ...]  # both answers begin with the prompt, a string: it would be there twice
    other_roles: tuple[str, ...]  # a message's role is not in ROLES; many a template writes it out all the same


def check_pairs(pairs: Sequence[Pair], tokenizer: Any, *, max_length: int, max_prompt_length: int) -> DataReport:
    """Tokenise all pairs and count what a run would meet.

    Raises:
        UserError: As `tokenize_pair`, for the first pair that can't be used.
        ValueError: There are no pairs.
    """
    if not pairs:
        raise ValueError("there are no pairs: expected at least one")
    keep_bos = adds_bos(tokenizer)
    whole = [tokenize_whole(pair, tokenizer) for pair in pairs]
    fitted = [cut(x, max_length=max_length, max_prompt_length=max_prompt_length, keep_bos=keep_bos) for x in whole]
    answers = [
        [response_parts(text, tokenizer, x.chosen[-1]) for text in (pair.chosen, pair.rejected)]
        for pair, x in zip(pairs, whole, strict=True)
    ]  # the last token of a whole response is its end of turn

    def named(flags: Sequence[bool]) -> tuple[str, ...]:
        return tuple(pair.where for pair, flag in zip(pairs, flags, strict=True) if flag)

    return DataReport(
        pairs=len(pairs),
        prompt=_lengths([len(x.prompt) for x in whole]),
        chosen=_lengths([len(x.chosen) for x in whole]),
        rejected=_lengths([len(x.rejected) for x in whole]),
        longer_chosen=statistics.fmean(len(x.chosen) - len(x.rejected) for x in whole),
        truncated=named([x.truncated for x in fitted]),
        duplicates=named(_repeats(whole)),
        equal_answers=named([x.chosen == x.rejected for x in fitted]),
        double_bos=named([_double_bos(pair, parts, tokenizer) for pair, parts in zip(pairs, answers, strict=True)]),
        double_eos=named([any(ends for _, _, ends in parts) for parts in answers]),
        special_text=named([_special_text(pair, parts, tokenizer) for pair, parts in zip(pairs, answers, strict=True)]),
        repeated_prompt=named([_repeats_prompt(pair) for pair in pairs]),
        other_roles=named([_roles(pair) - ROLES != set() for pair in pairs]),
    )


def report_lines(report: DataReport) -> list[str]:
    """The report for a reader: one finding a line; nothing of findings that no pair has."""
    lines = [f"{report.pairs} pairs"]
    for name, x in (("prompt", report.prompt), ("chosen", report.chosen), ("rejected", report.rejected)):
        lines.append(f"{name}: {x.shortest} to {x.longest} tokens, median {x.median:g}")
    longer = "longer" if report.longer_chosen >= 0 else "shorter"
    lines.append(f"chosen is {abs(report.longer_chosen):.1f} tokens {longer} than rejected on average")
    findings = (
        ("cut to fit", report.truncated),
        ("the same as an earlier pair", report.duplicates),
        ("with two equal answers: nothing to learn from", report.equal_answers),
        ("with a BOS of their own: left out", report.double_bos),
        ("with an end-of-turn token or EOS of their own: left out", report.double_eos),
        ("with a special token written inside the text", report.special_text),
        ("with a prompt that both answers repeat: take it off them", report.repeated_prompt),
        ("with a role that models don't know, such as human for user", report.other_roles),
    )
    return lines + [f"{len(where)} {what} ({_some(where)})" for what, where in findings if where]


def _some(where: Sequence[str]) -> str:
    return ", ".join(where[:3]) + (", …" if len(where) > 3 else "")


def _lengths(lengths: Sequence[int]) -> Lengths:
    return Lengths(min(lengths), statistics.median(lengths), max(lengths))


def _repeats(pairs: Sequence[TokenPair]) -> list[bool]:
    seen: set[TokenPair] = set()
    return [pair in seen or bool(seen.add(pair)) for pair in pairs]  # type: ignore[func-returns-value]


def _double_bos(pair: Pair, answers: Sequence[Parts], tokenizer: Any) -> bool:
    before = ""
    if isinstance(pair.prompt, str) and tokenizer.bos_token:
        before = tokenizer.bos_token * (1 if adds_bos(tokenizer) else 2)
    return any(bos for bos, _, _ in answers) or bool(before and str(pair.prompt).startswith(before))


def _special_text(pair: Pair, answers: Sequence[Parts], tokenizer: Any) -> bool:
    """Whether what should be plain text names a special token. A prompt that is a string may well do so."""
    messages = [] if isinstance(pair.prompt, str) else pair.prompt
    plain = [message["content"] for message in messages] + [content for _, content, _ in answers]
    names = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    return any(name in text for name in names for text in plain)


def _repeats_prompt(pair: Pair) -> bool:
    return isinstance(pair.prompt, str) and all(text.startswith(pair.prompt) for text in (pair.chosen, pair.rejected))


def _roles(pair: Pair) -> set[str]:
    return set() if isinstance(pair.prompt, str) else {message["role"] for message in pair.prompt}

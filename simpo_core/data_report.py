"""What is in a file of pairs, before a run is spent on it."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from simpo_core.chats.templates import chat_template
from simpo_core.chats.tokens import TURN_ENDS, AnswerParts, adds_bos, answer_parts
from simpo_core.preferences import Pair, TokenPair, WholePair, fit, tokenize_whole
from simpo_core.records.bad_rows import RowError, leave_out

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
    too_long: tuple[str, ...]  # can't be cut without cutting into the chat template's markup: left out
    duplicates: tuple[str, ...]  # an earlier pair has the same prompt and answers
    equal_answers: tuple[str, ...]  # the same tokens, after cutting: nothing to learn from
    double_bos: tuple[str, ...]  # the text brings a BOS that would come twice; the extra one is left out
    double_eos: tuple[str, ...]  # an answer brings its end-of-turn token; the extra one is left out
    special_text: tuple[str, ...]  # other special tokens stand written in a chat's prompt or inside an answer
    repeated_prompt: tuple[str, ...]  # both answers begin with the prompt, a string: it would be there twice
    other_roles: tuple[str, ...]  # a message's role is not in ROLES; many a template writes it out all the same
    other_models: tuple[str, ...]  # a string that was rendered for a model with other special tokens
    unread: tuple[str, ...]  # the chat template doesn't know a setting that the pair brings, such as enable_thinking
    parted: tuple[str, ...]  # the template asks for an answer with something that it doesn't write before this one
    left_out: str  # what that is in the first of them, such as "<think>\n"


def check_pairs(
    pairs: Sequence[Pair],
    tokenizer: Any,
    *,
    max_length: int,
    max_prompt_length: int,
    skip_bad: bool = False,
    notes: list[str] | None = None,
) -> tuple[DataReport, list[TokenPair | None]]:
    """Tokenise all pairs and count what a run meets.

    Returns:
        What was found, and the pairs cut to fit, as `tokenize_pair` gives them; of those that can be used.

    Raises:
        UserError: As `tokenize_pair`, for the pairs that can't be used. With `skip_bad` they are left out, and `notes`
            says so.
        ValueError: There are no pairs.
    """
    if not pairs:
        raise ValueError("there are no pairs: expected at least one")
    good, whole, fitted = [], [], []
    errors: list[RowError] = []
    for pair in pairs:
        try:
            tokens = tokenize_whole(pair, tokenizer)
            fitted.append(fit(pair, tokens, tokenizer, max_length=max_length, max_prompt_length=max_prompt_length))
            good.append(pair)
            whole.append(tokens)
        except RowError as error:
            errors.append(error)
    leave_out(errors, len(pairs), skip_bad=skip_bad, notes=[] if notes is None else notes)
    return _report(good, whole, fitted, tokenizer), fitted


def _report(
    pairs: Sequence[Pair], whole: Sequence[WholePair], fitted: Sequence[TokenPair | None], tokenizer: Any
) -> DataReport:
    answers = [[answer_parts(text, tokenizer) for text in _texts(pair)] for pair in pairs]
    tokens = [x.tokens for x in whole]

    def named(flags: Iterable[bool]) -> tuple[str, ...]:
        return tuple(pair.where for pair, flag in zip(pairs, flags, strict=True) if flag)

    return DataReport(
        pairs=len(pairs),
        prompt=_lengths([len(x.prompt) for x in tokens]),
        chosen=_lengths([len(x.chosen) for x in tokens]),
        rejected=_lengths([len(x.rejected) for x in tokens]),
        longer_chosen=statistics.fmean(len(x.chosen) - len(x.rejected) for x in tokens),
        truncated=named(x is not None and x.truncated for x in fitted),
        too_long=named(x is None for x in fitted),
        duplicates=named(_repeats(tokens)),
        equal_answers=named(x is not None and x.chosen == x.rejected for x in fitted),
        double_bos=named(_double_bos(pair, parts, tokenizer) for pair, parts in zip(pairs, answers, strict=True)),
        double_eos=named(any(part.ends for part in parts) for parts in answers),
        special_text=named(_special_text(pair, parts, tokenizer) for pair, parts in zip(pairs, answers, strict=True)),
        repeated_prompt=named(_repeats_prompt(pair) for pair in pairs),
        other_roles=named(_roles(pair) - ROLES != set() for pair in pairs),
        other_models=named(_other_model(pair, tokenizer) for pair in pairs),
        unread=named(bool(pair.settings and chat_template(tokenizer).unread(pair.settings)) for pair in pairs),
        parted=named(bool(x.left_out) for x in whole),
        left_out=next((x.left_out for x in whole if x.left_out), ""),
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
        ("too long, by more than can be cut outside the chat template's markup: left out", report.too_long),
        ("with two equal answers: nothing to learn from", report.equal_answers),
    )
    return lines + _counted(findings) + odd_lines(report)


def odd_lines(report: DataReport) -> list[str]:
    """What is odd about the pairs that a run is spent on: one finding a line."""
    asked = repr(report.left_out)
    findings = (
        ("the same as an earlier pair", report.duplicates),
        ("with a BOS of their own: left out", report.double_bos),
        ("with an end-of-turn token or EOS of their own: left out", report.double_eos),
        ("with a special token written inside the text", report.special_text),
        ("with a prompt that both answers repeat: take it off them", report.repeated_prompt),
        ("with a role that models don't know, such as human for user", report.other_roles),
        ("rendered with special tokens that this model doesn't have", report.other_models),
        ("with chat_template_kwargs that the chat template doesn't read", report.unread),
        (
            f"whose chat template asks for an answer with {asked} and doesn't write this before a whole one: there the "
            "prompt ends before it, and the response begins",
            report.parted,
        ),
    )
    return _counted(findings)


def _counted(findings: Sequence[tuple[str, tuple[str, ...]]]) -> list[str]:
    return [f"{len(where)} {what} ({_some(where)})" for what, where in findings if where]


def _some(where: Sequence[str]) -> str:
    return ", ".join(where[:3]) + (", …" if len(where) > 3 else "")


def _lengths(lengths: Sequence[int]) -> Lengths:
    return Lengths(min(lengths), statistics.median(lengths), max(lengths))


def _repeats(pairs: Sequence[TokenPair]) -> list[bool]:
    seen: set[TokenPair] = set()
    return [pair in seen or bool(seen.add(pair)) for pair in pairs]  # type: ignore[func-returns-value]


def _texts(pair: Pair) -> list[str]:
    return [x if isinstance(x, str) else x.get("content", "") for x in (pair.chosen, pair.rejected)]


def _double_bos(pair: Pair, answers: Sequence[AnswerParts], tokenizer: Any) -> bool:
    before = ""
    if isinstance(pair.prompt, str) and tokenizer.bos_token:
        before = tokenizer.bos_token * (1 if adds_bos(tokenizer) else 2)
    return any(part.bos for part in answers) or bool(before and str(pair.prompt).startswith(before))


def _special_text(pair: Pair, answers: Sequence[AnswerParts], tokenizer: Any) -> bool:
    """Whether what should be plain text names a special token. A prompt that is a string may well do so."""
    specials = chat_template(tokenizer).specials
    messages = [] if isinstance(pair.prompt, str) else pair.prompt
    plain = [message.get("content", "") for message in messages] + [part.content for part in answers]
    return any(specials.search(text) for text in plain)


def _other_model(pair: Pair, tokenizer: Any) -> bool:
    known = chat_template(tokenizer).specials
    texts = [str(pair.prompt), *_texts(pair)] if isinstance(pair.prompt, str) else []
    return any(name in text and not known.fullmatch(name) for name in TURN_ENDS for text in texts)


def _repeats_prompt(pair: Pair) -> bool:
    return isinstance(pair.prompt, str) and all(text.startswith(pair.prompt) for text in _texts(pair))


def _roles(pair: Pair) -> set[str]:
    return set() if isinstance(pair.prompt, str) else {message["role"] for message in pair.prompt}

"""A preference pair and its tokens: the prompt, then two responses that each continue it.

A response is its content and exactly one end-of-turn token. It is tokenised apart from the prompt, so no token
ever spans the boundary; the beginning-of-sequence token (BOS) stands once, before the prompt.
"""

import datetime
import hashlib
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simpo_core.inputs import UserError

# What is today for templates that write the date into a chat (Llama 3.2's): pairs must be the same tokens tomorrow.
DATE = datetime.date(2025, 1, 1)

Message = dict[str, str]  # {"role": "user", "content": "What is friction?"}
Prompt = str | list[Message]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A prompt, and the answer that is preferred to the other. For chat, the answers are the assistant's content."""

    prompt: Prompt
    chosen: str
    rejected: str
    where: str  # "prefs.jsonl line 12"


@dataclass(frozen=True)
class TokenPair:
    """The tokens of a pair. `truncated`: the prompt or a response was cut."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    truncated: bool


def tokenize_pair(pair: Pair, tokenizer: Any, *, max_length: int, max_prompt_length: int) -> TokenPair:
    """The tokens of a pair, cut to fit.

    Args:
        max_length: Tokens of the prompt and one response. A longer response loses its end, and with it the
            end-of-turn token: the model must not learn to stop there.
        max_prompt_length: Tokens of the prompt. A longer one loses its beginning, but not its BOS.

    Raises:
        UserError: No room would be left for a response, or the tokenizer can't handle the pair (see
            `tokenize_prompt` and `end_of_turn`); names the pair.
    """
    whole = tokenize_whole(pair, tokenizer)
    return cut(whole, max_length=max_length, max_prompt_length=max_prompt_length, keep_bos=adds_bos(tokenizer))


def tokenize_pairs(
    pairs: Sequence[Pair], tokenizer: Any, *, max_length: int, max_prompt_length: int
) -> tuple[list[TokenPair], list[str]]:
    """The tokens of the pairs whose two answers differ, and what a person should be told about the others and the cuts.

    Raises:
        UserError: As `tokenize_pair`; or no pair is left.
    """
    lengths = {"max_length": max_length, "max_prompt_length": max_prompt_length}
    everything = [tokenize_pair(pair, tokenizer, **lengths) for pair in pairs]
    different = [pair for pair in everything if pair.chosen != pair.rejected]
    notes = []
    if not different:
        raise UserError(f"no pair is left: both answers are equal in all {len(everything)}, as far as max_length goes")
    if len(different) < len(everything):
        notes.append(f"{len(everything) - len(different)} pairs left out: their two answers are equal")
    cut_pairs = sum(pair.truncated for pair in different)
    if cut_pairs:
        notes.append(
            f"{cut_pairs} of {len(different)} pairs are cut: a prompt to max_prompt_length = {max_prompt_length} "
            f"tokens, or prompt and response to max_length = {max_length}"
        )
    return different, notes


def tokenize_whole(pair: Pair, tokenizer: Any) -> TokenPair:
    """The tokens of a pair at full length. Raises UserError as `tokenize_pair`."""
    try:
        prompt = tokenize_prompt(pair.prompt, tokenizer)
        end = end_of_turn(tokenizer, chat=not isinstance(pair.prompt, str))
        gap, trims = ("", False) if isinstance(pair.prompt, str) else _around(pair.prompt, tokenizer)
        chosen = _tokenize_response("chosen", pair.chosen, tokenizer, end, gap, trims)
        rejected = _tokenize_response("rejected", pair.rejected, tokenizer, end, gap, trims)
    except UserError as error:
        raise UserError(f"{pair.where}: {error}") from None
    return TokenPair(tuple(prompt), chosen, rejected, truncated=False)


def cut(pair: TokenPair, *, max_length: int, max_prompt_length: int, keep_bos: bool) -> TokenPair:
    """The pair cut to fit, as in `tokenize_pair`; `keep_bos`: the prompt's first token stays, whatever its length."""
    if not 1 <= max_prompt_length < max_length:
        raise UserError(
            f"max_prompt_length is {max_prompt_length} and max_length {max_length}: "
            "a prompt needs a token, and a response room behind it"
        )
    prompt = pair.prompt
    if len(prompt) > max_prompt_length:
        kept = 1 if keep_bos and max_prompt_length > 1 else 0
        prompt = prompt[:kept] + prompt[len(prompt) - max_prompt_length + kept :]
    room = max_length - len(prompt)
    truncated = len(prompt) < len(pair.prompt) or room < max(len(pair.chosen), len(pair.rejected))
    return TokenPair(prompt, pair.chosen[:room], pair.rejected[:room], truncated)


def fingerprint(token_pairs: Sequence[TokenPair]) -> str:
    """A hash of all tokens and of where each part begins: 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    for pair in token_pairs:
        for tokens in (pair.prompt, pair.chosen, pair.rejected):
            digest.update(array("q", (len(tokens), *tokens)).tobytes())
    return digest.hexdigest()


# -- Tokens --------------------------------------------------------------------------------------------------------


def tokenize_prompt(prompt: Prompt, tokenizer: Any) -> list[int]:
    """The tokens that a response continues: for messages the chat template's, up to where the assistant speaks.

    BOS comes first if the tokenizer puts it before text, and then once, whether or not the text or the
    template brings it too.

    Raises:
        UserError: Messages for a tokenizer without a chat template, or that its template refuses;
            or a prompt without tokens.
    """
    text = prompt if isinstance(prompt, str) else _render(prompt, tokenizer, add_generation_prompt=True)
    tokens = _encode(text, tokenizer)
    bos = tokenizer.bos_token_id
    if adds_bos(tokenizer) and tokens[:1] != [bos]:
        tokens.insert(0, bos)
    while bos is not None and tokens[:2] == [bos, bos]:
        del tokens[0]
    if not tokens:
        raise UserError("the prompt has no tokens: the tokenizer knows none of its characters")
    return tokens


def end_of_turn(tokenizer: Any, chat: bool) -> int:
    """The token that ends a response: for chat the first special one that the template puts behind it, else EOS.

    Raises UserError if the tokenizer has neither.
    """
    if chat:
        probe: list[Message] = [{"role": "user", "content": "question"}, {"role": "assistant", "content": _PROBE}]
        behind = _render(probe, tokenizer, add_generation_prompt=False).rpartition(_PROBE)[2]
        special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        for token in _encode(behind, tokenizer):
            if token in special:
                return token
    if tokenizer.eos_token_id is None:
        raise UserError("the tokenizer has no end-of-sequence token: set eos_token, or no response would ever end")
    return int(tokenizer.eos_token_id)


_PROBE = "theanswer"


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer puts BOS before text of its own accord."""
    bos = tokenizer.bos_token_id
    return bos is not None and tokenizer("", verbose=False)["input_ids"][:1] == [bos]


def response_parts(text: str, tokenizer: Any, end: int) -> tuple[str, str, str]:
    """An answer's text as BOS, content, ends: what a data set may have written around the content, if it did.

    `ends` are end-of-turn tokens and EOS, with white space behind them.
    """
    bos = tokenizer.bos_token or ""
    bos = bos if text.startswith(bos) else ""
    names = [name for name in (tokenizer.convert_ids_to_tokens(end), tokenizer.eos_token) if name]
    content = text = text.removeprefix(bos)
    while name := next((name for name in names if content.rstrip().endswith(name)), ""):
        content = content.rstrip().removesuffix(name)
    return bos, content, text[len(content) :]


def _tokenize_response(field: str, text: str, tokenizer: Any, end: int, gap: str, trims: bool) -> tuple[int, ...]:
    _, content, _ = response_parts(text, tokenizer, end)
    if trims:
        content = content.strip()
    if gap:
        content = gap + content.lstrip()
    tokens = _encode_inside(content, tokenizer) if content.strip() else []
    if not tokens:
        raise UserError(f"{field!r} has no tokens of its own; write an answer or remove the pair")
    return (*tokens, end)


def _render(messages: list[Message], tokenizer: Any, *, add_generation_prompt: bool) -> str:
    from jinja2 import TemplateError

    if not getattr(tokenizer, "chat_template", None):
        raise UserError("the tokenizer has no chat template, which messages need: give strings, or use another model")
    try:
        text = tokenizer.apply_chat_template(
            messages,
            chat_template=_undated(tokenizer.get_chat_template()),
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
        )
    except (TemplateError, TypeError, ValueError) as error:
        raise UserError(f"the chat template refuses the messages: {str(error).partition(chr(10))[0]}") from None
    return str(text)


def _undated(template: str) -> str:
    """The template with DATE in place of the day on which it is rendered."""
    return re.sub(r"""strftime_now\(\s*(["'])(.*?)\1\s*\)""", lambda found: repr(DATE.strftime(found[2])), template)


def _around(prompt: list[Message], tokenizer: Any) -> tuple[str, bool]:
    """The whitespace that the template puts between the prompt and the answer, such as Llama 2's space; and whether
    it takes away the answer's own at its ends, as many do.

    Anything else before it (an empty <think></think>) is not the response's.
    """
    before = _render(prompt, tokenizer, add_generation_prompt=True)
    spaced = f"\t{_PROBE}\t"
    whole = _render([*prompt, {"role": "assistant", "content": spaced}], tokenizer, add_generation_prompt=False)
    trims = spaced not in whole
    between = whole.rpartition(_PROBE if trims else spaced)[0].removeprefix(before)
    return "" if between.strip() else between, trims


def _encode(text: str, tokenizer: Any, *, specials: bool = True) -> list[int]:
    """The text's tokens and no others; without `specials`, "<|im_end|>" in it is just ten characters."""
    out = tokenizer(text, add_special_tokens=False, split_special_tokens=not specials, verbose=False)
    return list(out["input_ids"])


def _encode_inside(text: str, tokenizer: Any) -> list[int]:
    """The tokens that the text has in the middle of other text, special ones excluded.

    Tokenizers made by SentencePiece begin all text with a space that is not there. So a line break goes before the
    text, and its tokens are taken away again. Not covered: templates that end in a special token after
    which such a tokenizer adds the space too (Phi-3).
    """
    if tokenizer.convert_ids_to_tokens(_encode("a", tokenizer))[:1] in (["▁a"], ["▁"], ["Ġa"]):
        line_break = _encode("\n", tokenizer)
        tokens = _encode("\n" + text, tokenizer, specials=False)
        if tokens[: len(line_break)] == line_break:
            return tokens[len(line_break) :]
    return _encode(text, tokenizer, specials=False)

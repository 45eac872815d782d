"""A preference pair and its tokens: the prompt, then two responses that each continue it.

For chat, both are what the model's chat template writes: the prompt up to where the rendering with the answer and the
one that asks for it part, the response all that follows, up to and with the token that ends the turn. Strings are
taken as they are, the response with exactly one token that ends it. No token spans the boundary.
"""

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from simpo_core.chats.messages import Message
from simpo_core.chats.templates import DATE as DATE
from simpo_core.chats.templates import Answered, chat_template, common_length
from simpo_core.chats.tokens import adds_bos, answer_parts, encode, encode_behind, eos, turn_end
from simpo_core.inputs import UserError
from simpo_core.records.bad_rows import RowError

Prompt = str | list[Message]
Answer = str | Message


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A prompt, and the answer that is preferred to the other. For chat, the answers are the assistant's content, or
    its whole message where that holds more, such as tool calls.
    """

    prompt: Prompt
    chosen: Answer
    rejected: Answer
    where: str  # "prefs.jsonl line 12"
    settings: dict[str, Any] = field(default_factory=dict)  # for the chat template: "tools", "enable_thinking", ...


@dataclass(frozen=True)
class TokenPair:
    """The tokens of a pair. `truncated`: the prompt or a response was cut."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    truncated: bool


@dataclass(frozen=True)
class WholePair:
    """The tokens of a pair at full length, and what is to be known of them."""

    tokens: TokenPair
    # of each response, where its words begin and end, in tokens: reasoning and content; none with tool calls
    words: tuple[tuple[tuple[int, int], ...], ...]
    left_out: str  # what the template asks with and doesn't write before a whole answer, such as "<think>\n"


def tokenize_pair(pair: Pair, tokenizer: Any, *, max_length: int, max_prompt_length: int) -> TokenPair | None:
    """The tokens of a pair, cut to fit; None if it can't be cut without cutting into the template's markup.

    Args:
        max_length: Tokens of the prompt and one response. A longer response loses its end, and with it the
            end-of-turn token: the model must not learn to stop there.
        max_prompt_length: Tokens of the prompt. Of a longer chat the longest message loses its beginning; a longer
            string does, but not its BOS.

    Raises:
        UserError: No room would be left for a response, or the tokenizer or its template can't handle the pair (see
            `tokenize_prompt` and `end_of_turn`); names the pair.
    """
    whole = tokenize_whole(pair, tokenizer)
    return fit(pair, whole, tokenizer, max_length=max_length, max_prompt_length=max_prompt_length)


def tokenize_pairs(
    pairs: Sequence[Pair], tokenizer: Any, *, max_length: int, max_prompt_length: int
) -> tuple[list[TokenPair], list[str]]:
    """The tokens of the pairs whose two answers differ, and what a person should be told about the others and the cuts.

    Raises:
        UserError: As `tokenize_pair`; or no pair is left.
    """
    lengths = {"max_length": max_length, "max_prompt_length": max_prompt_length}
    return usable([tokenize_pair(pair, tokenizer, **lengths) for pair in pairs], **lengths)


def usable(
    fitted: Sequence[TokenPair | None], *, max_length: int, max_prompt_length: int
) -> tuple[list[TokenPair], list[str]]:
    """Of all pairs, as `tokenize_pair` gives them, those to train on; and notes and errors as `tokenize_pairs`."""
    fitting = [pair for pair in fitted if pair]
    different = [pair for pair in fitting if pair.chosen != pair.rejected]
    notes = []
    if not fitting:
        raise UserError(
            f"no pair is left: all {len(fitted)} are longer than max_prompt_length = {max_prompt_length} or max_length "
            f"= {max_length} by more than can be cut outside the chat template's markup; set higher ones"
        )
    if not different:
        raise UserError(f"no pair is left: both answers are equal in all {len(fitting)}, as far as max_length goes")
    if len(fitting) < len(fitted):
        notes.append(
            f"{len(fitted) - len(fitting)} of {len(fitted)} pairs left out: to fit max_prompt_length = "
            f"{max_prompt_length} and max_length = {max_length}, the chat template's markup would have to be cut"
        )
    if len(different) < len(fitting):
        notes.append(f"{len(fitting) - len(different)} pairs left out: their two answers are equal")
    cut_pairs = sum(pair.truncated for pair in different)
    if cut_pairs:
        notes.append(
            f"{cut_pairs} of {len(different)} pairs are cut: a prompt to max_prompt_length = {max_prompt_length} "
            f"tokens, or prompt and response to max_length = {max_length}"
        )
    return different, notes


def fingerprint(token_pairs: Sequence[TokenPair]) -> str:
    """A hash of all tokens and of where each part begins: 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    for pair in token_pairs:
        for tokens in (pair.prompt, pair.chosen, pair.rejected):
            digest.update(array("q", (len(tokens), *tokens)).tobytes())
    return digest.hexdigest()


# -- A pair at full length -------------------------------------------------------------------------------------------


def tokenize_whole(pair: Pair, tokenizer: Any) -> WholePair:
    """The tokens of a pair at full length. Raises UserError as `tokenize_pair`."""
    try:
        if isinstance(pair.prompt, str):
            return _whole_strings(pair.prompt, pair, tokenizer)
        return _whole_chat(pair.prompt, pair, tokenizer)
    except UserError as error:
        raise RowError(pair.where, str(error)) from None


def _whole_chat(prompt: list[Message], pair: Pair, tokenizer: Any) -> WholePair:
    template = chat_template(tokenizer)
    answered = []
    for name, answer in (("chosen", pair.chosen), ("rejected", pair.rejected)):
        answered.append(template.answered(prompt, _answer(name, answer, tokenizer), pair.settings))
    before = template.generation_prompt(prompt, pair.settings)
    if all(x.text.startswith(before) for x in answered):
        at, tokens = len(before), encode(before, tokenizer)
        responses = [_encode_answered(x, at, tokenizer) for x in answered]
    else:
        tokens, responses = _parted(before, answered, tokenizer)
        at = min(common_length(before, x.text) for x in answered)
    if not tokens:
        raise UserError("the chat template writes nothing alike with an answer and where it asks for one: no prompt")
    closed = [x if y.closed else (*x, eos(tokenizer)) for x, y in zip(responses, answered, strict=True)]
    words = tuple(_words(x, at, tokenizer) for x in answered)
    return WholePair(TokenPair(tokens, closed[0], closed[1], truncated=False), words, left_out=before[at:])


def _words(answered: Answered, at: int, tokenizer: Any) -> tuple[tuple[int, int], ...]:
    """Where the answer's reasoning and content stand behind character `at`, in tokens."""
    spans = (answered.thought, (answered.start, answered.end))
    places = [[len(encode(answered.text[at:place], tokenizer)) for place in span] for span in spans if span[0] >= at]
    return tuple((start, end) for start, end in places if start < end)


def _answer(name: str, answer: Answer, tokenizer: Any) -> Message:
    """The answer as a message, without the tokens that a data set may have written around its content."""
    message: Message = {"role": "assistant", "content": answer} if isinstance(answer, str) else dict(answer)
    if "content" in message and "tool_calls" not in message:
        message["content"] = answer_parts(message["content"], tokenizer).content
        if not message["content"].strip():
            raise UserError(f"{name!r} has no tokens of its own; write an answer or remove the pair")
    return message


def _parted(before: str, answered: Sequence[Answered], tokenizer: Any) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Prompt and responses where the conversations don't begin with `before`: the tokens up to where they part, but
    none of an answer's content; and those behind.
    """
    wholes = [_encode_answered(x, 0, tokenizer) for x in answered]
    asked = encode(before, tokenizer)
    shared = min(common_length(asked, whole) for whole in wholes)
    for x in answered:
        shared = min(shared, len(encode(x.text[: min(x.start, common_length(before, x.text))], tokenizer)))
    return tuple(asked[:shared]), [whole[shared:] for whole in wholes]


def _whole_strings(text: str, pair: Pair, tokenizer: Any) -> WholePair:
    prompt = tokenize_prompt(text, tokenizer)
    texts = [x if isinstance(x, str) else x.get("content", "") for x in (pair.chosen, pair.rejected)]
    parts = [answer_parts(x, tokenizer) for x in texts]
    end = _end_of_string(text, [x.ends for x in parts], tokenizer)
    # a prompt that was rendered already names its special tokens, and so do its answers
    specials = bool(chat_template(tokenizer).specials.search(text))
    responses = []
    for name, part in zip(("chosen", "rejected"), parts, strict=True):
        tokens = encode_behind(part.content, tokenizer, specials=specials) if part.content.strip() else ()
        if not tokens:
            raise UserError(f"{name!r} has no tokens of its own; write an answer or remove the pair")
        responses.append((*tokens, end))
    words = tuple(((0, len(response)),) for response in responses)
    return WholePair(TokenPair(tuple(prompt), responses[0], responses[1], truncated=False), words, left_out="")


def _end_of_string(prompt: str, ends: Sequence[str], tokenizer: Any) -> int:
    """The token that ends the answers to a string: the chat template's where prompt or answers bring it, else EOS."""
    turn = turn_end(tokenizer)
    if turn and any(turn in text for text in (prompt, *ends)):
        return int(tokenizer.convert_tokens_to_ids(turn))
    return eos(tokenizer)


# -- Cutting to fit --------------------------------------------------------------------------------------------------


def fit(pair: Pair, whole: WholePair, tokenizer: Any, *, max_length: int, max_prompt_length: int) -> TokenPair | None:
    """The pair cut to fit, as `tokenize_pair`; `whole` is what `tokenize_whole` makes of it."""
    if not 1 <= max_prompt_length < max_length:
        raise UserError(
            f"max_prompt_length is {max_prompt_length} and max_length {max_length}: "
            "a prompt needs a token, and a response room behind it"
        )
    prompt = whole.tokens.prompt
    if len(prompt) > max_prompt_length:
        if isinstance(pair.prompt, str):
            kept = 1 if adds_bos(tokenizer) and max_prompt_length > 1 else 0
            prompt = prompt[:kept] + prompt[len(prompt) - max_prompt_length + kept :]
        elif shorter := _shorter_chat(pair.prompt, pair, whole, tokenizer, max_prompt_length):
            whole = shorter
            prompt = whole.tokens.prompt
        else:
            return None
    room = max_length - len(prompt)
    responses = (whole.tokens.chosen, whole.tokens.rejected)
    chosen, rejected = (_cut(tokens, words, room) for tokens, words in zip(responses, whole.words, strict=True))
    if not (chosen and rejected):
        return None
    cut = (len(prompt), len(chosen), len(rejected)) != (len(whole.tokens.prompt), *map(len, responses))
    truncated = cut or whole.tokens.truncated
    return TokenPair(prompt, chosen, rejected, truncated)


def _cut(tokens: tuple[int, ...], words: Sequence[tuple[int, int]], room: int) -> tuple[int, ...]:
    """A response cut inside its reasoning or its content, or at the end of one; empty where only markup has room."""
    if len(tokens) <= room:
        return tokens
    last = next((min(room, end) for start, end in reversed(words) if room > start), 0)
    return tokens[:last]


def _shorter_chat(
    prompt: list[Message], pair: Pair, whole: WholePair, tokenizer: Any, max_prompt_length: int
) -> WholePair | None:
    """The pair with less of its longest message but system's; None where that is not enough."""
    messages = [dict(message) for message in prompt]
    lengths = [0 if x["role"] in ("system", "developer") else len(x.get("content", "")) for x in messages]
    longest = messages[lengths.index(max(lengths))]
    tokens = encode(longest.get("content", ""), tokenizer, specials=False)
    excess = len(whole.tokens.prompt) - max_prompt_length
    while excess > 0:
        tokens = tokens[excess:]
        if not tokens:
            return None
        longest["content"] = tokenizer.decode(tokens).lstrip("\ufffd")  # half a character, where one was cut
        if not longest["content"].strip():
            return None
        whole = tokenize_whole(replace(pair, prompt=messages), tokenizer)
        excess = len(whole.tokens.prompt) - max_prompt_length
    return replace(whole, tokens=replace(whole.tokens, truncated=True))


# -- Prompts and ends ------------------------------------------------------------------------------------------------


def tokenize_prompt(prompt: Prompt, tokenizer: Any, settings: dict[str, Any] | None = None) -> list[int]:
    """The tokens that a response continues: for messages the chat template's, up to where the assistant speaks.

    Before a string BOS comes first if the tokenizer puts it before text, and then once, whether or not the text brings
    it too. Before messages it stands if the template writes it. `settings` are those of a `Pair`.

    Raises:
        UserError: Messages for a tokenizer without a chat template, or that its template refuses or drops;
            or a prompt without tokens.
    """
    if not isinstance(prompt, str):
        return list(encode(chat_template(tokenizer).generation_prompt(prompt, settings or {}), tokenizer))
    tokens, bos = list(encode(prompt, tokenizer)), tokenizer.bos_token_id
    if adds_bos(tokenizer) and tokens[:1] != [bos]:
        tokens.insert(0, bos)
    while bos is not None and tokens[:2] == [bos, bos]:
        del tokens[0]
    if not tokens:
        raise UserError("the prompt has no tokens: the tokenizer knows none of its characters")
    return tokens


def end_of_turn(tokenizer: Any, chat: bool, settings: dict[str, Any] | None = None) -> int:
    """The token that ends a response: for chat the first special one that the template puts behind it, else EOS.

    `settings` are those of a `Pair`.

    Raises UserError if the tokenizer has neither.
    """
    name = chat_template(tokenizer).end_of_turn(settings or {}) if chat else ""
    return int(tokenizer.convert_tokens_to_ids(name)) if name else eos(tokenizer)


def _encode_answered(answered: Answered, at: int, tokenizer: Any) -> tuple[int, ...]:
    """The tokens of a rendered conversation from character `at` on. Special tokens written in the answer's own words
    are characters: what ends the turn is the template's.
    """
    before, text = answered.text[:at], answered.text[at:]
    start, end = answered.start - at, answered.end - at
    if not chat_template(tokenizer).specials.search(text, max(start, 0), end):
        return encode_behind(text, tokenizer, before=before)
    head = encode_behind(text[:start], tokenizer, before=before)
    words = encode_behind(text[start:end], tokenizer, specials=False)
    return (*head, *words, *encode_behind(text[end:], tokenizer))

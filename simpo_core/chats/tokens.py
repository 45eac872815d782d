"""Text to tokens, one piece at a time: no special token that the text doesn't mean, and none twice at its ends."""

from dataclasses import dataclass
from typing import Any

from simpo_core.chats.templates import chat_template
from simpo_core.inputs import UserError

# Tokens that end a turn or a text in published models, and stand in data that was rendered for one of them.
TURN_ENDS = (
    "<|im_end|>",
    "<end_of_turn>",
    "<turn|>",
    "<|eot_id|>",
    "<|eot|>",
    "<|return|>",
    "<|END_OF_TURN_TOKEN|>",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|end|>",
)


def encode(text: str, tokenizer: Any, *, specials: bool = True) -> tuple[int, ...]:
    """The text's tokens and no others; without `specials`, "<|im_end|>" in it is just ten characters."""
    out = tokenizer(text, add_special_tokens=False, split_special_tokens=not specials, verbose=False)
    return tuple(out["input_ids"])


def encode_behind(text: str, tokenizer: Any, *, before: str = "\n", specials: bool = True) -> tuple[int, ...]:
    """The tokens that the text has behind `before`.

    Tokenizers made by SentencePiece begin all text with a space that is not there. So both are tokenised, and the
    tokens of `before` taken away again; where the last of these goes on into the text, a line break stands for it.
    """
    if before and tokenizer.convert_ids_to_tokens(encode("a", tokenizer))[:1] in (["▁a"], ["▁"], ["Ġa"]):
        for known in (before, "\n"):
            leading = encode(known, tokenizer, specials=specials)
            tokens = encode(known + text, tokenizer, specials=specials)
            if tokens[: len(leading)] == leading:
                return tokens[len(leading) :]
    return encode(text, tokenizer, specials=specials)


# -- Ends ------------------------------------------------------------------------------------------------------------


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer puts BOS before text of its own accord."""
    bos = tokenizer.bos_token_id
    return bos is not None and tokenizer("", verbose=False)["input_ids"][:1] == [bos]


def eos(tokenizer: Any) -> int:
    """The end-of-sequence token. Raises UserError if there is none."""
    if tokenizer.eos_token_id is None:
        raise UserError("the tokenizer has no end-of-sequence token: set eos_token, or no response would ever end")
    return int(tokenizer.eos_token_id)


def turn_end(tokenizer: Any) -> str:
    """The special token that the chat template puts behind an answer; "" if there is no template, or it puts none."""
    try:
        return chat_template(tokenizer).end_of_turn({})
    except UserError:  # a template may refuse what it is probed with
        return ""


@dataclass(frozen=True)
class AnswerParts:
    """An answer's text, and what a data set may have written around its content."""

    bos: str
    content: str
    ends: str  # tokens that end a turn or a text, of this model or another, with white space behind them


def answer_parts(text: str, tokenizer: Any) -> AnswerParts:
    """An answer's text taken apart: BOS, content, ends."""
    bos = tokenizer.bos_token or ""
    bos = bos if text.startswith(bos) else ""
    content = text.removeprefix(bos)
    names = {name for name in (tokenizer.eos_token, turn_end(tokenizer), *TURN_ENDS) if name}
    while name := next((name for name in names if content.rstrip().endswith(name)), ""):
        content = content.rstrip().removesuffix(name)
    return AnswerParts(bos, content, text[len(bos) + len(content) :])

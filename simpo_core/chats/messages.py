"""The messages of a conversation, checked and brought into one form, whatever wrote them.

A message holds role and content, both text. An assistant's may hold `tool_calls` (then its content may be missing) and
`reasoning_content`, however that was called. What is empty is left out.
"""

import json
from typing import Any

from simpo_core.inputs import UserError

Message = dict[str, Any]  # {"role": "user", "content": "What is friction?"}

REASONING = ("reasoning_content", "reasoning", "thinking")  # Qwen's and DeepSeek's name for it, Gemma's, gpt-oss's


def read_messages(value: Any, place: str) -> list[Message]:
    """The messages of a list. Raises UserError, which begins with `place`, for what is no conversation."""
    if isinstance(value, dict):
        value = [value]  # one message, as ShareGPT's answers
    if not isinstance(value, list):
        raise UserError(f"{place} is {kind(value)}: expected a list of messages")
    if not value:
        raise UserError(f"{place} is an empty list: expected messages with role and content")
    return [_message(message, f"{place} message {number}") for number, message in enumerate(value, start=1)]


def has_more_than_text(message: Message) -> bool:
    """Whether a message holds more than role and content, such as tool calls."""
    return not message.keys() <= {"role", "content"} or "content" not in message


def _message(message: Any, spot: str) -> Message:
    if not isinstance(message, dict):
        raise UserError(f"{spot} is {kind(message)}: expected an object with role and content")
    if message.get("role") is None:
        raise UserError(f"{spot}: 'role' is missing; each message needs role and content")
    found: Message = {"role": text(message["role"], f"{spot}: 'role'")}
    calls = _tool_calls(message.get("tool_calls"), f"{spot}: 'tool_calls'")
    content = _content(message.get("content"), f"{spot}: 'content'")
    if content is None and not calls:
        raise UserError(f"{spot}: 'content' is missing; each message needs role and content")
    if content is not None:
        may_be_blank = bool(calls) or found["role"] in ("system", "developer", "tool")  # often left empty
        found["content"] = text(content, f"{spot}: 'content'", may_be_blank=may_be_blank)
    if calls:
        found["tool_calls"] = calls
        if not found.get("content", "").strip():
            found.pop("content", None)
    reasoning = next((message[name] for name in REASONING if message.get(name)), None)
    if reasoning and (words := text(reasoning, f"{spot}: reasoning", may_be_blank=True)).strip():
        found["reasoning_content"] = words
    others = {str(name): x for name, x in message.items() if name not in (*found, "tool_calls", "content", *REASONING)}
    # such as a score or a time is no part of the text
    return found | {name: _sound(x, f"{spot}: {name!r}") for name, x in others.items() if _is_said(x)}


def _is_said(value: Any) -> bool:
    return isinstance(value, (str, list, dict)) and bool(value)


def _sound(value: Any, place: str) -> Any:
    return text(value, place, may_be_blank=True) if isinstance(value, str) else value


def _content(value: Any, place: str) -> Any:
    """The text of content that is text or a list of parts; None where there is none."""
    if not isinstance(value, list):
        return value
    words = []
    for part in value:
        if isinstance(part, dict) and part.get("type", "text") != "text":
            raise UserError(f"{place} holds a part of type {part['type']!r}: models are trained on text alone")
        words.append(text(part.get("text") if isinstance(part, dict) else part, f"{place} part", may_be_blank=True))
    return "".join(words)


def _tool_calls(value: Any, place: str) -> list[dict[str, Any]]:
    """The calls, their arguments as objects: OpenAI's API writes them as JSON in a string, templates as JSON."""
    if not value:
        return []
    if not isinstance(value, list):
        raise UserError(f"{place} is {kind(value)}: expected a list of calls")
    calls = []
    for call in value:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise UserError(f"{place} holds {kind(call)} that names no function: expected name and arguments")
        named = function | {"arguments": _arguments(function.get("arguments"))}
        calls.append(call | {"function": named} if "function" in call else named)
    return calls


def _arguments(value: Any) -> Any:
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value
    return {} if parsed is None else parsed if isinstance(parsed, dict) else value


def text(value: Any, place: str, *, may_be_blank: bool = False) -> str:
    """The value, if it is text that a tokenizer can read; else a UserError that begins with `place`."""
    if not isinstance(value, str):
        raise UserError(f"{place} is {kind(value)}: expected text")
    if not value.strip() and not may_be_blank:
        raise UserError(f"{place} is {'blank' if value else 'empty'}: write the text or remove the pair")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"{place} holds half a character (\\u{ord(value[error.start]):04x}): mend it") from None
    return value


def kind(value: Any) -> str:
    """What JSON calls it."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else f"of type {type(value).__name__}")

"""Preference pairs from files: JSONL or parquet, strings or chat messages.

Three forms, those of TRL (https://huggingface.co/docs/trl/dataset_formats); one file may mix them:

    {"prompt": "2 + 2?", "chosen": "4.", "rejected": "5."}
    {"prompt": [{"role": "user", "content": "2 + 2?"}],
     "chosen": [{"role": "assistant", "content": "4."}], "rejected": [{"role": "assistant", "content": "5."}]}
    {"chosen": [{"role": "user", ...}, {"role": "assistant", ...}], "rejected": [the same but for its last message]}

Other fields are left alone.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simpo_core.inputs import UserError
from simpo_core.preferences import Message, Pair

FIELDS = ("prompt", "chosen", "rejected")


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a .jsonl or .parquet file, in its order.

    Lines and rows are counted from 1. Blank lines are counted and skipped.

    Raises:
        UserError: The file can't be read, or a pair in it can't be used: names file, line (or row) and field.
    """
    kinds = {".jsonl": ("line", _json_lines), ".parquet": ("row", _parquet_rows)}
    if path.suffix.lower() not in kinds:
        raise UserError(f"{path}: expected a file of pairs, named .jsonl (one JSON object per line) or .parquet")
    unit, records = kinds[path.suffix.lower()]
    try:
        pairs = [_pair(record, f"{path.name} {unit} {number}", unit) for number, record in records(path)]
    except OSError as error:
        reason = error.strerror or str(error).partition("\n")[0]
        raise UserError(f"{path} can't be read: {reason}") from None
    if not pairs:
        raise UserError(f"{path} holds no pairs: each {unit} needs {', '.join(FIELDS)}")
    return pairs


# -- Records -------------------------------------------------------------------------------------------------------


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as file:  # lines end at \n alone: a string may hold other line separators, such as U+2028
        for number, line in enumerate(file, start=1):
            where = f"{path.name} line {number}"
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(f"{where}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from None
            if text.strip():
                yield number, _parse(text.rstrip(), where)


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"{error.msg} at column {error.colno}"
        raise UserError(f"{where} is not JSON ({at}); each line is one whole JSON object; was it cut off?") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or brackets thousands deep
        raise UserError(f"{where} can't be read as JSON: a number is too long, or it is nested too deep") from None


def _parquet_rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(f"{path.name}: parquet needs pyarrow; pip install pyarrow, or save as .jsonl") from None
    number = 0
    try:
        with path.open("rb") as file:
            table = parquet.ParquetFile(file)
            columns = [name for name in FIELDS if name in table.schema_arrow.names]
            for batch in table.iter_batches(columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, ValueError) as error:  # ValueError: bytes that are not UTF-8
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path.name} can't be read as parquet after row {number}: {reason}") from None


# -- One record to one pair ----------------------------------------------------------------------------------------


def _pair(record: Any, where: str, unit: str) -> Pair:
    if not isinstance(record, dict):
        raise UserError(f"{where} is {_kind(record)}: each {unit} needs an object with {', '.join(FIELDS)}")
    prompt, chosen, rejected = (record.get(name) for name in FIELDS)
    for name in FIELDS:
        implicit = name == "prompt" and isinstance(chosen, list)  # then the answers hold the prompt
        if record.get(name) is None and not implicit:
            raise UserError(f"{where}: {name!r} is missing; each {unit} needs {', '.join(FIELDS)}")
    kinds = (type(prompt), type(chosen), type(rejected))
    if list in kinds and kinds[1:] != (list, list):
        raise UserError(_mixed(prompt, chosen, rejected, where))
    if isinstance(chosen, list) and isinstance(rejected, list):
        return _chat_pair(prompt, chosen, rejected, where)
    chosen = _text(chosen, f"{where}: 'chosen'")
    rejected = _text(rejected, f"{where}: 'rejected'")
    return Pair(prompt=_text(prompt, f"{where}: 'prompt'"), chosen=chosen, rejected=rejected, where=where)


def _chat_pair(prompt: Any, chosen: list[Any], rejected: list[Any], where: str) -> Pair:
    *shared, chosen_answer = _messages(chosen, f"{where}: 'chosen'")
    *other, rejected_answer = _messages(rejected, f"{where}: 'rejected'")
    for name, message in (("chosen", chosen_answer), ("rejected", rejected_answer)):
        if message["role"] != "assistant":
            raise UserError(f"{where}: {name!r} ends with role {message['role']!r}; it must end with 'assistant'")
    if shared != other:
        raise UserError(
            f"{where}: 'chosen' and 'rejected' are conversations that differ before their last message; "
            "give the shared messages as 'prompt' and one assistant message each"
        )
    if prompt is None and not shared:
        raise UserError(f"{where}: 'prompt' is missing, and 'chosen' and 'rejected' hold no messages before the answer")
    if isinstance(prompt, str) and not shared:
        raise UserError(_mixed(prompt, chosen, rejected, where))
    messages = shared if prompt is None else _prompt_messages(prompt, shared, where)
    if messages[-1]["role"] == "assistant":
        raise UserError(f"{where}: the prompt ends with role 'assistant'; it must end with the message to be answered")
    return Pair(prompt=messages, chosen=chosen_answer["content"], rejected=rejected_answer["content"], where=where)


def _prompt_messages(prompt: Any, shared: list[Message], where: str) -> list[Message]:
    """The messages of a prompt that was given; `shared` are those that the answers repeat, if they do."""
    if isinstance(prompt, list):
        messages = _messages(prompt, f"{where}: 'prompt'")
        agree = not shared or messages == shared
    else:  # such as in UltraFeedback: the question once more, as a string
        text = _text(prompt, f"{where}: 'prompt'")
        messages = shared
        agree = any(message["content"] == text for message in shared)
    if not agree:
        raise UserError(f"{where}: 'prompt' is not what 'chosen' and 'rejected' begin with; leave one of the two out")
    return messages


def _mixed(prompt: Any, chosen: Any, rejected: Any, where: str) -> str:
    kinds = f"'prompt' is {_kind(prompt)}, 'chosen' {_kind(chosen)} and 'rejected' {_kind(rejected)}"
    return f"{where}: {kinds}; make all three text, or all three lists of messages"


def _messages(value: Any, place: str) -> list[Message]:
    if not isinstance(value, list):
        raise UserError(f"{place} is {_kind(value)}: expected a list of messages")
    if not value:
        raise UserError(f"{place} is an empty list: expected messages with role and content")
    messages = []
    for number, message in enumerate(value, start=1):
        spot = f"{place} message {number}"
        if not isinstance(message, dict):
            raise UserError(f"{spot} is {_kind(message)}: expected an object with role and content")
        for name in ("role", "content"):
            if message.get(name) is None:
                raise UserError(f"{spot}: {name!r} is missing; each message needs role and content")
        given = {  # such as a score or a time is no part of the text; parquet has None where JSON has nothing
            str(name): x
            for name, x in message.items()
            if name in ("role", "content") or isinstance(x, (str, list, dict))
        }
        system = given["role"] == "system"  # often left empty
        messages.append(
            {name: _text(x, f"{spot}: {name!r}", may_be_blank=system or name != "content") for name, x in given.items()}
        )
    return messages


def _text(value: Any, place: str, *, may_be_blank: bool = False) -> str:
    if not isinstance(value, str):
        raise UserError(f"{place} is {_kind(value)}: expected text")
    if not value.strip() and not may_be_blank:
        raise UserError(f"{place} is {'blank' if value else 'empty'}: write the text or remove the pair")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"{place} holds half a character (\\u{ord(value[error.start]):04x}): mend it") from None
    return value


def _kind(value: Any) -> str:
    """What JSON calls it."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else f"of type {type(value).__name__}")

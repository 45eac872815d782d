"""What the columns of a row are called, and forms that other projects give their pairs."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simpo_core.inputs import UserError

PAIR = ("prompt", "chosen", "rejected")
READ = (*PAIR, "system", "tools", "chat_template_kwargs")
_PARTS = ("instruction", "input", "output", "history", "conversations")  # of the forms below

# A column whose name sounds like a part of the prompt, and what it would be read as
_SOUNDS_LIKE = {
    r"system": "system",
    r"tool|function": "tools",
    r"template|think": "chat_template_kwargs",
    r"question|query|instruction|input|context|document|history|message|conversation|image": "prompt",
}

# What columns of other data sets are called that hold the same
_ALSO_CALLED = {
    "prompt": r"prompt|question|query|instruction|messages|conversation",
    "chosen": r"chosen|prefer(?!ence)|accept|better|winn?er|positive",
    "rejected": r"reject|dispref|worse|los(er|ing)|negative",
}

Record = dict[str, Any]


def renamed(record: Record, columns: Mapping[str, str]) -> Record:
    """The record with the columns that are read under their names; `columns` maps these to the file's names.

    A column that is mapped to "" is left out. Raises UserError if the record lacks a column that is named.
    """
    missing = [theirs for theirs in columns.values() if theirs and theirs not in record]
    if missing:
        has = ", ".join(map(repr, record)) or "none"
        raise UserError(f"{missing[0]!r}, which columns names, is missing; the columns are {has}")
    taken = {theirs for ours, theirs in columns.items() if theirs}
    others = {name: x for name, x in record.items() if name not in columns and name not in taken}
    return others | {ours: record[theirs] for ours, theirs in columns.items() if theirs}


def check_columns(columns: Mapping[str, str], form: str) -> None:
    """Raise UserError for a mapping or a form that can't be meant."""
    known = (*READ, *_PARTS)
    for ours in columns:
        if ours not in known:
            raise UserError(f"columns.{ours}: it must be one of {', '.join(READ)}, mapped to the column of the data")
    if form and form not in FORMS:
        raise UserError(f"data_form is {form!r}: it must be one of {', '.join(FORMS)}")


def odd_columns(record: Record, form: str) -> dict[str, str]:
    """The columns that are not read and sound as if they belonged to the prompt, each with what it would be read as."""
    found = {}
    for name, value in record.items():
        if name in READ or (form and name in _PARTS) or not value or value == record.get("chosen"):
            continue
        guesses = [ours for pattern, ours in _SOUNDS_LIKE.items() if re.search(pattern, name.lower())]
        if guesses and isinstance(value, (str, list, dict)) and not name.endswith("id"):
            found[name] = guesses[0]
    return found


def missing(name: str, record: Record, unit: str) -> str:
    """What to say of a row that lacks a part of the pair: what it has, and what to write if that is it."""
    if "completion" in record and "label" in record:
        return (
            f"it holds one answer and a label, as for KTO; each {unit} needs {', '.join(PAIR)}: two answers to a prompt"
        )
    others = [x for x in record if x not in READ]
    found: dict[str, str] = {}
    for ours in PAIR:
        named = [
            x for x in others if re.search(_ALSO_CALLED[ours], x.lower()) and isinstance(record[x], (str, list, dict))
        ]
        if ours not in record and len(named) == 1 and named[0] not in found.values():
            found[ours] = named[0]
    mapping = ", ".join(f'{ours} = "{theirs}"' for ours, theirs in found.items())
    has = ", ".join(map(repr, list(record)[:12])) or "none"
    advice = f"; if these are it, write columns = {{{mapping}}}" if name in found else ""
    return f"{name!r} is missing; each {unit} needs {', '.join(PAIR)}, and the columns are {has}{advice}"


def looks_like(record: Record) -> str:
    """What to write to read a record of another project's form; "" for a record that is of none."""
    for name, form in FORMS.items():
        if form.recognises(record):
            return f'this looks like {form.whose}: set data_form = "{name}"'
    return ""


# -- Forms -----------------------------------------------------------------------------------------------------------


def _is_strings(record: Record) -> bool:
    return isinstance(record.get("chosen"), str) and isinstance(record.get("rejected"), str)


def _chat(record: Record) -> Record:
    """Strings made the messages of a chat; a prompt may be messages already."""
    prompt = record.get("prompt")
    if not _is_strings(record) or not isinstance(prompt, (str, list)):
        raise UserError(
            'data_form = "chat" is for chosen and rejected that are text, behind a prompt of text or messages'
        )
    return record | {
        "prompt": [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt,
        **{name: [{"role": "assistant", "content": record[name]}] for name in ("chosen", "rejected")},
    }


def _is_alpaca(record: Record) -> bool:
    return "instruction" in record and "prompt" not in record


def _alpaca(record: Record) -> Record:
    """instruction, input, chosen, rejected; or both answers in output, the better one first."""
    answers = record.get("output")
    if isinstance(answers, list) and len(answers) == 2 and "chosen" not in record:
        record = record | {"chosen": answers[0], "rejected": answers[1]}
    words = [record.get(name) or "" for name in ("instruction", "input")]
    if not all(isinstance(x, str) for x in words):
        raise UserError("'instruction' and 'input' must be text")
    chat = _chat(record | {"prompt": "\n".join(x for x in words if x)})
    turns = [
        {"role": role, "content": said}
        for turn in record.get("history") or []
        for role, said in zip(("user", "assistant"), turn, strict=True)
    ]
    return chat | {"prompt": [*turns, *chat["prompt"]]}


_SPEAKERS = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "observation": "tool",
}


def _is_sharegpt(record: Record) -> bool:
    turns = record.get("conversations") or record.get("prompt")
    return isinstance(turns, list) and bool(turns) and isinstance(turns[0], dict) and "from" in turns[0]


def _sharegpt(record: Record) -> Record:
    """conversations, chosen and rejected as turns with from and value."""
    prompt = record.get("conversations") or record.get("prompt")
    answers = {name: _turns(record.get(name), "gpt") for name in ("chosen", "rejected")}
    return record | {"prompt": _turns(prompt, "human"), **answers}


def _turns(value: Any, speaker: str) -> list[Any]:
    turns = value if isinstance(value, list) else [value]
    return [_turn({"from": speaker, "value": turn} if isinstance(turn, str) else turn) for turn in turns]


def _turn(turn: Any) -> Any:
    if not isinstance(turn, dict) or "from" not in turn:
        return turn  # a message already, or what `read_messages` has a sentence for
    speaker, said = turn["from"], turn.get("value")
    if speaker == "function_call":
        try:
            calls = json.loads(str(said))
        except ValueError:
            raise UserError("a turn from 'function_call' is not JSON") from None
        calls = calls if isinstance(calls, list) else [calls]
        return {"role": "assistant", "tool_calls": [{"type": "function", "function": call} for call in calls]}
    return {"role": _SPEAKERS.get(speaker, speaker) if isinstance(speaker, str) else speaker, "content": said}


_HH_TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):(?: |(?=\n)|\Z)")


def _is_hh(record: Record) -> bool:
    texts = (record.get("chosen"), record.get("rejected"))
    return "prompt" not in record and all(isinstance(x, str) and len(_HH_TURN.findall(x)) > 1 for x in texts)


def _hh(record: Record) -> Record:
    """Whole conversations as text, each turn behind "Human: " or "Assistant: "."""
    if not _is_hh(record):
        raise UserError("data_form = \"hh-rlhf\" is for conversations as text, with 'Human: ' and 'Assistant: '")
    return record | {name: _dialogue(record[name]) for name in ("chosen", "rejected")}


def _hh_text(record: Record) -> Record:
    """The same left as text: the prompt reaches to the last "Assistant:"."""
    chosen, rejected = (_last_turn(record[name]) for name in ("chosen", "rejected")) if _is_hh(record) else ("", "")
    if not chosen or chosen[0] != rejected[0]:
        raise UserError("'chosen' and 'rejected' are not conversations, as text, that differ in their last turn")
    return record | {"prompt": chosen[0], "chosen": chosen[1], "rejected": rejected[1]}


def _last_turn(text: str) -> tuple[str, str]:
    at = text.rindex("Assistant:") + len("Assistant:")
    return text[:at], text[at:]


def _dialogue(text: str) -> list[Record]:
    _, *pieces = _HH_TURN.split(text)
    roles = {"Human": "user", "Assistant": "assistant"}
    turns = zip(pieces[::2], pieces[1::2], strict=True)
    return [{"role": roles[speaker], "content": said.strip()} for speaker, said in turns]


@dataclass(frozen=True)
class Form:
    """A form of pairs: whose it is, whether a record is of it, and the record in the form that is read."""

    whose: str
    recognises: Callable[[Record], bool]
    convert: Callable[[Record], Record]


FORMS = {
    "hh-rlhf": Form("hh-rlhf's conversations as text", _is_hh, _hh),
    "hh-rlhf-text": Form("the same, for a model without a chat template", lambda record: False, _hh_text),
    "sharegpt": Form("ShareGPT's turns", _is_sharegpt, _sharegpt),
    "alpaca": Form("Alpaca's instructions", _is_alpaca, _alpaca),
    "chat": Form("questions and answers for a chat model", lambda record: False, _chat),
}

"""Preference pairs from rows: strings or chat messages, with what else a chat template is given.

Three forms, those of TRL (https://huggingface.co/docs/trl/dataset_formats); one file may mix them:

    {"prompt": "2 + 2?", "chosen": "4.", "rejected": "5."}
    {"prompt": [{"role": "user", "content": "2 + 2?"}],
     "chosen": [{"role": "assistant", "content": "4."}], "rejected": [{"role": "assistant", "content": "5."}]}
    {"chosen": [{"role": "user", ...}, {"role": "assistant", ...}], "rejected": [the same but for its last message]}

`system`, `tools` and `chat_template_kwargs` belong to the prompt. Other fields are left alone.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simpo_core.chats.messages import Message, has_more_than_text, kind, read_messages, text
from simpo_core.inputs import UserError
from simpo_core.preferences import Answer, Pair
from simpo_core.records.bad_rows import RowError, leave_out
from simpo_core.records.files import Row, read_rows
from simpo_core.records.forms import FORMS, PAIR, check_columns, looks_like, missing, odd_columns, renamed


def read_pairs(
    source: str | Path | Sequence[str],
    *,
    columns: Mapping[str, str] | None = None,
    form: str = "",
    settings: Mapping[str, Any] | None = None,
    skip_bad: bool = False,
    notes: list[str] | None = None,
) -> list[Pair]:
    """The pairs of a source of `read_rows`, in its order.

    Args:
        columns: The source's names of columns, by the names that are read: {"prompt": "question"}.
        form: Of FORMS, where the rows are not of the forms above.
        settings: For the chat template, with every pair; a row's own go before them.
        skip_bad: Leave rows out that can't be used.
        notes: Gets lines that a person should read: rows left out, columns that are not read and sound as if they
            should be.

    Raises:
        UserError: A file can't be read, or a pair in it can't be used: names file, line (or row) and field.
    """
    columns, notes = columns or {}, [] if notes is None else notes
    check_columns(columns, form)
    pairs: list[Pair] = []
    errors: list[RowError] = []
    odd: dict[str, str] = {}
    for row in read_rows(source):
        try:
            record = _record(row, columns, form)
            odd |= odd_columns(record, form)
            pairs.append(_pair(record, row, dict(settings or {})))
        except UserError as error:
            errors.append(error if isinstance(error, RowError) else RowError(row.where, str(error)))
    if not pairs and not errors:
        raise UserError(f"{source} holds no pairs: each line, item or row needs {', '.join(PAIR)}")
    leave_out(errors, len(pairs) + len(errors), skip_bad=skip_bad, notes=notes)
    for name, ours in odd.items():
        notes.append(
            f"the column {name!r} is not read; if it belongs to the prompt, write columns = "
            f'{{{ours} = "{name}"}}, and columns = {{{ours} = ""}} says the contrary'
        )
    return pairs


def _record(row: Row, columns: Mapping[str, str], form: str) -> dict[str, Any]:
    if isinstance(row.record, RowError):
        raise row.record
    if not isinstance(row.record, dict):
        raise UserError(f"it is {kind(row.record)}; each {row.unit} needs an object with {', '.join(PAIR)}")
    record = renamed(row.record, columns)
    if form:
        return FORMS[form].convert(record)
    other = looks_like(record)
    if other:
        raise UserError(f"each {row.unit} needs {', '.join(PAIR)}; {other}")
    return record


def _pair(record: dict[str, Any], row: Row, settings: dict[str, Any]) -> Pair:
    prompt, chosen, rejected = (record.get(name) for name in PAIR)
    for name in PAIR:
        implicit = name == "prompt" and isinstance(chosen, list)  # then the answers hold the prompt
        if record.get(name) is None and not implicit:
            raise UserError(missing(name, record, row.unit))
    if isinstance(chosen, dict) and isinstance(rejected, dict) and "role" in chosen:
        chosen, rejected = [chosen], [rejected]
    kinds = (type(prompt), type(chosen), type(rejected))
    if list in kinds and kinds[1:] != (list, list):
        raise UserError(_mixed(prompt, chosen, rejected))
    settings = settings | _settings(record)
    if isinstance(chosen, list) and isinstance(rejected, list):
        messages, *answers = _chat(prompt, chosen, rejected)
        messages = _with_system(record.get("system"), messages)
        return Pair(prompt=messages, chosen=answers[0], rejected=answers[1], where=row.where, settings=settings)
    chosen, rejected = text(chosen, "'chosen'"), text(rejected, "'rejected'")
    prompt = text(prompt, "'prompt'")
    for name in ("system", "tools"):
        if record.get(name):
            raise UserError(
                f"{name!r} is for chats, and prompt, chosen and rejected are text, which is taken as it is: set "
                f'data_form = "chat" to make messages of them, or leave it out with columns = {{{name} = ""}}'
            )
    return Pair(prompt=prompt, chosen=chosen, rejected=rejected, where=row.where)


# -- What belongs to the prompt --------------------------------------------------------------------------------------


def _settings(record: dict[str, Any]) -> dict[str, Any]:
    """What a row has for the chat template: chat_template_kwargs and tools."""
    given = _parsed(record.get("chat_template_kwargs"), "'chat_template_kwargs'") or {}
    if not isinstance(given, dict):
        raise UserError(f"'chat_template_kwargs' is {kind(given)}: expected an object")
    tools = _parsed(record.get("tools"), "'tools'")
    if tools and not (isinstance(tools, list) and all(_is_tool(tool) for tool in tools)):
        raise UserError("'tools' must be a list of objects, each with the name of a function")
    return given | ({"tools": tools} if tools else {})


def _is_tool(tool: Any) -> bool:
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    return isinstance(function, dict) and isinstance(function.get("name"), str)


def _parsed(value: Any, place: str) -> Any:
    """The value; of text, which is how many a table keeps it, the JSON in it."""
    if not isinstance(value, str) or not value.strip():
        return value or None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise UserError(f"{place} is text that is not JSON") from None


def _with_system(system: Any, messages: list[Message]) -> list[Message]:
    if system is None or system == "":
        return messages
    words = text(system, "'system'", may_be_blank=True)
    if messages[0]["role"] == "system":
        if messages[0]["content"] != words:
            raise UserError("'system' is not what the prompt's own system message says: leave one of the two out")
        return messages
    return [{"role": "system", "content": words}, *messages]


# -- Chats -----------------------------------------------------------------------------------------------------------


def _chat(prompt: Any, chosen: list[Any], rejected: list[Any]) -> tuple[list[Message], Answer, Answer]:
    """The prompt's messages, and the two answers."""
    *shared, chosen_answer = read_messages(chosen, "'chosen'")
    *other, rejected_answer = read_messages(rejected, "'rejected'")
    for name, message in (("chosen", chosen_answer), ("rejected", rejected_answer)):
        if message["role"] != "assistant":
            raise UserError(f"{name!r} ends with role {message['role']!r}; it must end with 'assistant'")
    if shared != other:
        raise UserError(
            "'chosen' and 'rejected' are conversations that differ before their last message; "
            "give the shared messages as 'prompt' and one assistant message each"
        )
    if prompt is None and not shared:
        raise UserError("'prompt' is missing, and 'chosen' and 'rejected' hold no messages before the answer")
    if isinstance(prompt, str) and not shared:
        raise UserError(_mixed(prompt, chosen, rejected))
    messages = shared if prompt is None else _prompt_messages(prompt, shared)
    if messages[-1]["role"] == "assistant":
        raise UserError("the prompt ends with role 'assistant'; it must end with the message to be answered")
    answers = [x if has_more_than_text(x) else x["content"] for x in (chosen_answer, rejected_answer)]
    return messages, answers[0], answers[1]


def _prompt_messages(prompt: Any, shared: list[Message]) -> list[Message]:
    """The messages of a prompt that was given; `shared` are those that the answers repeat, if they do."""
    if isinstance(prompt, list):
        messages = read_messages(prompt, "'prompt'")
        agree = not shared or messages == shared
    else:  # such as in UltraFeedback: the question once more, as a string
        words = text(prompt, "'prompt'")
        messages = shared
        agree = any(message.get("content") == words for message in shared)
    if not agree:
        raise UserError("'prompt' is not what 'chosen' and 'rejected' begin with; leave one of the two out")
    return messages


def _mixed(prompt: Any, chosen: Any, rejected: Any) -> str:
    kinds = f"'prompt' is {kind(prompt)}, 'chosen' {kind(chosen)} and 'rejected' {kind(rejected)}"
    advice = (
        'data_form = "chat" makes messages of the answers; else '
        if isinstance(chosen, str) and isinstance(rejected, str)
        else ""
    )
    return f"{kinds}; {advice}make all three text, or all three lists of messages"

"""A tokenizer's chat template: what it writes for a conversation, and what it drops.

What a template does with a message depends on its role and on what the message holds, hardly ever on the words. So a
conversation of the same form, with a probe in place of each text, tells whether every text comes out, and what is
written behind the answer. A form is probed once.
"""

import copy
import datetime
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from simpo_core.chats.messages import Message
from simpo_core.inputs import UserError

# What is today for templates that write the date into a chat (Llama 3.2's): pairs must be the same tokens tomorrow.
DATE = datetime.date(2025, 1, 1)


@dataclass(frozen=True)
class Answered:
    """A conversation as the template writes it, up to and with the end of its answer's turn.

    The answer's content is text[start:end]; with tool calls it is not told apart, and both are the text's length.
    Its reasoning, if it has any that comes before it, is text[slice(*thought)].
    """

    text: str
    start: int
    end: int
    closed: bool  # the text ends in a special token; if not, EOS must follow
    thought: tuple[int, int] = (0, 0)


class Shape(Enum):
    """What a message's content is given as."""

    TEXT = "text"
    NEVER_MISSING = "text, empty where there is none"  # as beside tool calls
    PARTS = "a list of parts"  # which is all that SmolVLM's and LLaVA's templates read


@dataclass(frozen=True)
class Form:
    """What a template does with conversations of one form."""

    shape: Shape  # in which it reads contents
    behind: str  # what it writes behind the last text


class ChatTemplate:
    """A chat template, its tokenizer's special tokens, and the forms of conversation that it was probed with.

    `settings` is what a template is given beside messages: `tools`, and others such as enable_thinking.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.specials = _special_names(tokenizer)
        self._specials_in_a_row = re.compile(f"(?:{self.specials.pattern})+")  # Command R7B ends a turn with two
        self._forms: dict[Any, Form] = {}

    def generation_prompt(self, prompt: Sequence[Message], settings: dict[str, Any]) -> str:
        """The conversation up to where the assistant speaks.

        Raises:
            UserError: There is no template, or it refuses the messages, or drops one; names its role.
        """
        return self._render(prompt, settings, shape=self.form(prompt, settings).shape, add_generation_prompt=True)

    def answered(self, prompt: Sequence[Message], answer: Message, settings: dict[str, Any]) -> Answered:
        """The conversation with its answer. Raises UserError as `generation_prompt`."""
        plain, split = self._place(prompt, answer, settings), _with_reasoning_apart(answer)
        if split is None:
            return plain
        thought = split.get("reasoning_content", "")
        try:
            apart = self._place(prompt, split, settings)
        except UserError:
            apart = None
        before = self._render(prompt, settings, shape=self.form(prompt, settings).shape)
        said = plain.text[common_length(before, plain.text) :]
        doubled, dropped = said.count("</think>") > 1, thought not in said
        if apart and (doubled or dropped or (thought and "</think>" not in apart.text)):  # gpt-oss has channels
            return apart
        if dropped:
            raise UserError("the chat template drops the answer's <think>; " + _ADVICE)
        return plain

    def form(self, messages: Sequence[Message], settings: dict[str, Any]) -> Form:
        """What the template does with such a conversation. Raises UserError as `generation_prompt`."""
        key = (
            tuple(tuple((name, _form_of(name, x)) for name, x in message.items()) for message in messages),
            repr({name: bool(x) if name == "tools" else x for name, x in settings.items()}),
        )
        if key not in self._forms:
            self._forms[key] = self._probe(messages, settings)
        return self._forms[key]

    def _place(self, prompt: Sequence[Message], answer: Message, settings: dict[str, Any]) -> Answered:
        form = self.form([*prompt, answer], settings)
        whole = self._render([*prompt, answer], settings, shape=form.shape)
        if "tool_calls" in answer:
            return self._with_calls(prompt, whole, settings)
        content = answer.get("content", "")
        behind = form.behind
        if not whole.endswith(behind):  # it depends on the words after all
            behind = whole[whole.rfind(content.strip()) + len(content.strip()) :]
        end = len(whole) - len(behind)
        closing = self._specials_in_a_row.search(behind)
        text = whole[: end + (closing.end() if closing else 0)]
        said = content.rpartition("</think>")[2].strip() if content.lstrip().startswith("<think>") else content
        for words in (said, said.strip()):
            at = whole.rfind(words, 0, end)
            if at >= 0 and not whole[at + len(words) : end].strip():
                return Answered(text, at, at + len(words), closing is not None, _thought(answer, text[:at]))
        raise UserError(f"the chat template changes the words of role {answer['role']!r}; " + _ADVICE)

    def _with_calls(self, prompt: Sequence[Message], whole: str, settings: dict[str, Any]) -> Answered:
        """Behind calls of tools other markup comes before the end: the token that ends words, or the last one."""
        begin = common_length(self.generation_prompt(prompt, settings), whole)
        rows = list(self._specials_in_a_row.finditer(whole, begin))
        usual = self.end_of_turn(settings)
        ends = [x for x in rows if usual and usual in x[0]] or [x for x in rows if not whole[x.end() :].strip()]
        closed = bool(ends and usual)
        text = whole[: ends[-1].end()] if closed else whole.rstrip()
        return Answered(text, len(text), len(text), closed)

    def _probe(self, messages: Sequence[Message], settings: dict[str, Any]) -> Form:
        failures: list[tuple[int, UserError]] = []
        probed, probed_settings, probes = _probes(messages, settings)
        for shape in Shape:
            try:
                text = self._render(probed, probed_settings, shape=shape)
            except UserError as error:
                failures.append((len(probes), error))
                continue
            dropped = [what for probe, what in probes.items() if probe not in text]
            if not dropped:
                ends = [text.rfind(probe) + len(probe) for probe, what in probes.items() if what != _TOOLS]
                return Form(shape, text[max(ends, default=len(text)) :])
            advice = _ADVICE + (', and columns = {tools = ""} the tools' if dropped[0] == _TOOLS else "")
            failures.append((len(dropped), UserError(f"the chat template drops {dropped[0]}; {advice}")))
        raise min(failures, key=lambda failure: failure[0])[1]

    def unread(self, settings: dict[str, Any]) -> list[str]:
        """The settings, tools apart, whose names don't occur in the template: they change nothing."""
        source = repr(self.tokenizer.chat_template)
        return [name for name in settings if name != "tools" and name not in source]

    def end_of_turn(self, settings: dict[str, Any]) -> str:
        """The special token that the template puts behind an answer of words; "" if it puts none."""
        question, answer = {"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}
        form = self.form([question, answer], {name: x for name, x in settings.items() if name != "tools"})
        found = self.specials.search(form.behind)
        return found[0] if found else ""

    def _render(self, messages: Sequence[Message], settings: dict[str, Any], *, shape: Shape, **how: Any) -> str:
        from jinja2 import TemplateError

        if not getattr(self.tokenizer, "chat_template", None):
            raise UserError(
                "the tokenizer has no chat template, which messages need: give strings, or use another model"
            )
        arguments = {"tools": None, **settings, "tokenize": False, "add_generation_prompt": False, **how}
        try:
            template = _undated(self.tokenizer.get_chat_template(tools=arguments["tools"]))
            given = [_for_template(message, shape) for message in messages]
            text = str(self.tokenizer.apply_chat_template(given, chat_template=template, **arguments))
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise UserError("a message or a tool holds half a character: mend it") from None
        except (TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
            reason = str(error).partition("\n")[0]
            roles = ", ".join(dict.fromkeys(message["role"] for message in messages))
            raise UserError(f"the chat template refuses messages of {roles}: {reason}") from None
        return text


_TOOLS = "the tools"
_ADVICE = "name a file as chat_template that writes it; skip_bad = true leaves such pairs out"


def _special_names(tokenizer: Any) -> re.Pattern[str]:
    """What finds the tokenizer's special tokens in a text; nothing, where it has none."""
    names = [re.escape(str(x)) for x in tokenizer.added_tokens_decoder.values() if x.special and str(x)]
    return re.compile("|".join(sorted(names, key=len, reverse=True)) or r"(?!)")


def chat_template(tokenizer: Any) -> ChatTemplate:
    """The tokenizer's template; the same object, with what it has probed, as long as the template is the same."""
    template = getattr(tokenizer, "chat_template", None)
    return _cached(tokenizer, template if isinstance(template, str) else repr(template))


@functools.lru_cache(maxsize=8)
def _cached(tokenizer: Any, template: str) -> ChatTemplate:
    return ChatTemplate(tokenizer)


def common_length(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many items the two begin with alike."""
    return next((n for n, (x, y) in enumerate(zip(one, other, strict=False)) if x != y), min(len(one), len(other)))


def _undated(template: str) -> str:
    """The template with DATE in place of the day on which it is rendered."""
    return re.sub(r"""strftime_now\(\s*(["'])(.*?)\1\s*\)""", lambda found: repr(DATE.strftime(found[2])), template)


def _for_template(message: Message, shape: Shape) -> Message:
    given = dict(message)
    if "reasoning_content" in message:
        given["thinking"] = message["reasoning_content"]  # which gpt-oss's template reads
    if shape is Shape.PARTS and "content" in message:
        given["content"] = [{"type": "text", "text": message["content"]}]
    if shape is Shape.NEVER_MISSING:
        given.setdefault("content", "")
    return given


def _with_reasoning_apart(answer: Message) -> Message | None:
    """An answer that begins with <think>…</think>, with this as its reasoning_content; None for others."""
    found = _THOUGHT.match(answer.get("content", ""))
    if not found or "reasoning_content" in answer:
        return None
    thought = found[1].strip()
    rest = answer | {"content": answer["content"][found.end() :]}
    return rest | {"reasoning_content": thought} if thought else rest


def _thought(answer: Message, before: str) -> tuple[int, int]:
    """Where an answer's reasoning stands in what comes before its content; (0, 0) where it has none."""
    written = _THOUGHT.match(answer.get("content", ""))
    words = (answer.get("reasoning_content") or (written[1] if written else "")).strip()
    at = before.rfind(words) if words else -1
    return (at, at + len(words)) if at >= 0 else (0, 0)


_THOUGHT = re.compile(r"\s*<think>(.*?)</think>\s*(?=\S)", re.DOTALL)


def _form_of(name: str, value: Any) -> Any:
    """What of a message's field the template may go by."""
    if name == "role":
        return value
    return len(value) if isinstance(value, list) else bool(value.strip()) if isinstance(value, str) else True


def _probes(
    messages: Sequence[Message], settings: dict[str, Any]
) -> tuple[list[Message], dict[str, Any], dict[str, str]]:
    """Messages and settings with a probe in each place that must be written; and what each probe stands for."""
    probes: dict[str, str] = {}

    def probe(what: str) -> str:
        probes[f"theanswer{len(probes)}x"] = what
        return list(probes)[-1]

    probed = [copy.deepcopy(message) for message in messages]  # one by one: the same may stand there twice
    for message in probed:
        role = message["role"]
        if message.get("content", "").strip():
            message["content"] = probe(f"what role {role!r} says")
        if "reasoning_content" in message and message is probed[-1]:  # that of earlier turns is dropped on purpose
            message["reasoning_content"] = probe(f"the reasoning of role {role!r}")
        for call in message.get("tool_calls", []):
            function = call.get("function", call)
            function["name"] = probe(f"the tool calls of role {role!r}")
            function["arguments"] = {"given": probe(f"the tool calls of role {role!r}")}
    tools = copy.deepcopy(settings.get("tools"))
    if tools:
        for tool in tools:
            function = tool.get("function", tool)
            function["name"] = probe(_TOOLS)
        settings = settings | {"tools": tools}
    return probed, settings, probes

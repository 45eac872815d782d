"""Every chat template that TRL ships, held to TRL's own tokenisation of preference pairs; and what templates drop."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from jinja2 import TemplateError
from small_tokenizers import template_tokenizer

from simpo_core.chats.templates import _undated
from simpo_core.inputs import UserError
from simpo_core.preferences import Pair, tokenize_whole


def user(text):
    return {"role": "user", "content": text}


def answer(text, **more):
    return [{"role": "assistant", "content": text, **more}]


ASKED = [user("2+2?")]
TOOLS = [{"type": "function", "function": {"name": "plus", "description": "Add", "parameters": {"type": "object"}}}]
CALL = [{"type": "function", "function": {"name": "plus", "arguments": {"a": 4711}}}]

# Each case: the row, and words that a template must write of it
CASES = {
    "plain": ({"prompt": ASKED, "chosen": answer("It is 4."), "rejected": answer("Five.")}, []),
    "spaces": ({"prompt": [user(" 2+2? ")], "chosen": answer(" It is 4.\n"), "rejected": answer("\n\nFive. ")}, []),
    "system": (
        {
            "prompt": [{"role": "system", "content": "Be brief."}, *ASKED],
            "chosen": answer("It is 4."),
            "rejected": answer("Five."),
        },
        ["Be brief."],
    ),
    "turns": (
        {"prompt": [*ASKED, *answer("Four"), user("3+3?")], "chosen": answer("It is 6."), "rejected": answer("Five.")},
        [],
    ),
    "thinking": (
        {"prompt": ASKED, "chosen": answer("<think>\nsums\n</think>\n\nIt is 4."), "rejected": answer("Five.")},
        ["sums"],
    ),
    "reasoning": (
        {
            "prompt": ASKED,
            "chosen": answer("It is 4.", reasoning_content="sums"),
            "rejected": answer("Five.", reasoning_content="none"),
        },
        ["sums"],
    ),
    "tools": ({"tools": TOOLS, "prompt": ASKED, "chosen": answer("4."), "rejected": answer("Five.")}, ["Add"]),
    "call": (
        {"tools": TOOLS, "prompt": ASKED, "chosen": answer(None, tool_calls=CALL), "rejected": answer("Five.")},
        ["Add", "4711"],
    ),
}

NO_END = "the template ends no turn, so EOS follows: without it no answer would ever end"
EOS_TOO = "the turn is over at <|end|>; behind a line break TRL trains on EOS as well"
CHANNEL = "the template has a place of its own for reasoning, and <think> written in the answer would miss it"
DOUBLED = "the template writes <think> itself, and would do so twice"
# Where tokens differ from TRL's, but for a line break behind the end of the turn: (template, case or *) to why
DIFFERENCES = {
    ("glm4moe", "*"): NO_END,
    ("phi3", "*"): EOS_TOO,
    ("phi3_training", "*"): EOS_TOO,
    ("phi3_5", "*"): EOS_TOO,
    ("phi3_5_training", "*"): EOS_TOO,
    **{
        (f"{name}{training}", "thinking"): DOUBLED if name == "qwen3_8" else CHANNEL
        for name in ("gptoss", "muse_glimmer", "diffusion_gemma", "qwen3_8")
        for training in ("", "_training")
    },
    ("gemma4_v5", "thinking"): CHANNEL,
}
PARTS_ALONE = {"idefics3", "idefics3_training", "smolvlm", "smolvlm_training", "llava_next", "llava_next_training"}


def templates():
    import trl

    return sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"), key=lambda path: path.stem)


@pytest.fixture
def trl_tokens(monkeypatch):
    """The tokens that TRL's DPOTrainer makes of rows: prompt, chosen and rejected; None where the template refuses."""
    from datasets import Dataset, disable_progress_bars
    from trl.trainer import dpo_trainer

    disable_progress_bars()
    monkeypatch.setattr(dpo_trainer, "logger", logging.getLogger())  # its own wants accelerate set up
    monkeypatch.setattr(logging.Logger, "warning_once", logging.Logger.debug, raising=False)
    settings = SimpleNamespace(dataset_num_proc=None, max_length=None, truncation_mode="keep_start")

    def tokens(tokenizer, rows):
        rows = Dataset.from_list([{"tools": None, **row} for row in rows])
        trainer = SimpleNamespace(_tokenizer=tokenizer)
        found = dpo_trainer.DPOTrainer._prepare_dataset(trainer, rows, tokenizer, settings, "train")
        return [tuple(tuple(row[f"{name}_ids"]) for name in ("prompt", "chosen", "rejected")) for row in found]

    def tokens_or_none(tokenizer, rows):
        try:
            return tokens(tokenizer, rows)
        except (TemplateError, TypeError):  # of one row, which stops them all
            return [tokens_or_none(tokenizer, [row])[0] for row in rows] if len(rows) > 1 else [None]

    return tokens_or_none


def in_parts(row):
    def message(given):
        content = given["content"]
        return given | {"content": [{"type": "text", "text": content}] if content else None}

    return {name: x if name == "tools" else [message(one) for one in x] for name, x in row.items()}


def ours(tokenizer, row):
    def without_null(message):
        return {name: x for name, x in message.items() if x is not None}

    chosen, rejected = (without_null(row[name][0]) for name in ("chosen", "rejected"))
    settings = {"tools": row["tools"]} if "tools" in row else {}
    pair = Pair(prompt=row["prompt"], chosen=chosen, rejected=rejected, where="line 1", settings=settings)
    whole = tokenize_whole(pair, tokenizer).tokens
    return whole.prompt, whole.chosen, whole.rejected


def same_but_for_what_follows_the_turn(found, expected, tokenizer):
    if found[0] != expected[0]:
        return False
    pairs = zip(found[1:], expected[1:], strict=True)
    return all(y[: len(x)] == x and not tokenizer.decode(y[len(x) :]).strip() for x, y in pairs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", templates(), ids=lambda path: path.stem)
def test_a_template_gives_trls_tokens_or_the_reason_is_listed(path, trl_tokens):
    tokenizer = template_tokenizer(_undated(path.read_text(encoding="utf-8")))
    rows = [row for row, _ in CASES.values()]
    expected = trl_tokens(tokenizer, [in_parts(row) for row in rows] if path.stem in PARTS_ALONE else rows)
    for (case, (row, words)), theirs in zip(CASES.items(), expected, strict=True):
        if theirs is None:
            with pytest.raises(UserError, match=r"line 1: the chat template (refuses|drops)"):
                ours(tokenizer, row)
            continue
        text = tokenizer.decode([token for part in theirs[:2] for token in part])
        drops = [word for word in words if word not in text]
        if drops:  # which TRL trains without
            with pytest.raises(UserError, match="line 1: the chat template drops"):
                ours(tokenizer, row)
            continue
        found = ours(tokenizer, row)
        why = DIFFERENCES.get((path.stem, case)) or DIFFERENCES.get((path.stem, "*"))
        assert same_but_for_what_follows_the_turn(found, theirs, tokenizer) == (why is None), case
        if why == NO_END:
            assert found == (theirs[0], *((*tokens, tokenizer.eos_token_id) for tokens in theirs[1:]))
        elif why == EOS_TOO:
            assert [tokenizer.decode(y[len(x) :]) for x, y in zip(found[1:], theirs[1:], strict=True)] == [
                "\n<eos>"
            ] * 2
        elif why in (CHANNEL, DOUBLED):
            apart = row | {"chosen": answer("It is 4.", reasoning_content="sums")}
            assert found == ours(tokenizer, apart)
            assert "<think>\nsums" in tokenizer.decode(theirs[1])


# -- What templates drop, refuse and double ---------------------------------------------------------------------------

PLAIN = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"


def tokenizer_of(template):
    specials = "{# <|user|> <|assistant|> <|system|> <|tool|> <|end|> #}"
    return template_tokenizer(specials + template)


def rendered(template, row):
    tokenizer = tokenizer_of(template)
    return [tokenizer.decode(tokens) for tokens in ours(tokenizer, row)]


def test_a_role_that_the_template_drops_is_named_even_if_its_words_stand_elsewhere():
    row = CASES["plain"][0] | {"prompt": [{"role": "developer", "content": "a"}, *ASKED]}  # as in <|assistant|>
    knows = PLAIN.replace("messages %}", "messages if m.role in ['user', 'assistant'] %}")
    with pytest.raises(UserError, match="line 1: the chat template drops what role 'developer' says; name a file as"):
        rendered(knows, row)


def test_a_template_that_reads_contents_as_parts_alone_gets_parts():
    parts = PLAIN.replace("{{ m.content }}", "{% for x in m.content if x is mapping %}{{ x.text }}{% endfor %}")
    assert rendered(parts, CASES["turns"][0]) == rendered(PLAIN, CASES["turns"][0])


def test_a_template_that_needs_a_content_gets_an_empty_one_beside_tool_calls():
    calls = PLAIN.replace("{{ m.content }}", "{{ m.content + (m.tool_calls | tojson if m.tool_calls else '') }}")
    found = rendered("{{ tools | tojson }}" + calls, CASES["call"][0])
    assert '"arguments": {"a": 4711}' in found[1]
    assert found[1].endswith("<|end|>")
    assert found[2] == "<|assistant|>Five.<|end|>"


def test_the_words_of_an_answer_are_found_even_if_the_template_goes_by_them():
    by_words = PLAIN + "{% if 'Five' in messages[-1].content %} indeed{% endif %}"
    assert rendered(by_words, CASES["plain"][0]) == rendered(PLAIN, CASES["plain"][0])
    with pytest.raises(UserError, match="the chat template changes the words of role 'assistant'"):
        rendered(PLAIN.replace("m.content", "m.content | replace('Five', 'Six')"), CASES["plain"][0])


def test_where_two_renderings_part_inside_an_answers_words_the_prompt_ends_before_them():
    # asked with <think>, answered with words that begin with < as well
    asks = "{% if add_generation_prompt %}<|assistant|><think>{% endif %}"
    row = CASES["plain"][0] | {"chosen": answer("<b>4</b>"), "rejected": answer("<i>5</i>")}
    assert rendered(PLAIN + asks, row)[0] == "<|user|>2+2?<|end|><|assistant|>"
    assert rendered(PLAIN + asks, row)[1] == "<b>4</b><|end|>"


@pytest.mark.parametrize("thought", ["sums", ""])
def test_a_think_block_in_an_answer_is_not_doubled(thought):
    writes = PLAIN.replace(
        "{{ m.content }}",
        "{% if m.role == 'assistant' %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}",
    )
    row = CASES["plain"][0] | {"chosen": answer(f"<think>\n{thought}\n</think>\n\n4.")}
    assert rendered(writes, row)[1] == f"<|assistant|><think>{thought}</think>4.<|end|>"

import pytest

from simpo_core.inputs import UserError
from simpo_core.records.forms import FORMS, check_columns, looks_like, missing, odd_columns, renamed

HH = {"chosen": "\n\nHuman: 2+2?\n\nAssistant: It is 4.", "rejected": "\n\nHuman: 2+2?\n\nAssistant: Five."}
SHAREGPT = {
    "conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "2+2?"}],
    "chosen": {"from": "gpt", "value": "It is 4."},
    "rejected": {"from": "gpt", "value": "Five."},
}
ALPACA = {"instruction": "Add.", "input": "2+2", "chosen": "It is 4.", "rejected": "Five."}
STRINGS = {"prompt": "2+2?", "chosen": "It is 4.", "rejected": "Five."}


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


# -- What is missing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "name", "advice"),
    [
        # axolotl's chatml.intel and chat_template.default, and names that others give
        ({"system": "s", "question": "q", "chosen": "a", "rejected": "b"}, "prompt", 'columns = {prompt = "question"}'),
        ({"messages": [user("q")], "chosen": {}, "rejected": {}}, "prompt", 'columns = {prompt = "messages"}'),
        (
            {"prompt": "q", "response_chosen": "a", "response_rejected": "b"},
            "chosen",
            'columns = {chosen = "response_chosen", rejected = "response_rejected"}',
        ),
        ({"query": "q", "better": "a", "worse": "b"}, "prompt", '{prompt = "query", chosen = "better", rejected = "w'),
        ({"question": "q", "query": "r", "chosen": "a", "rejected": "b"}, "prompt", ""),  # which of the two?
        ({"text": "q"}, "prompt", ""),
        ({"prompt": "q", "chosen": "a"}, "rejected", ""),
        ({"prompt": "q", "chosen_score": 4, "chosen": "a"}, "rejected", ""),
    ],
)
def test_a_row_that_lacks_a_part_is_told_what_it_has_and_what_to_write(record, name, advice):
    said = missing(name, record, "line")
    assert said.startswith(f"{name!r} is missing; each line needs prompt, chosen, rejected, and the columns are '")
    assert advice in said
    assert ("columns = {" in said) == bool(advice)


def test_one_answer_and_a_label_are_named():
    said = missing("chosen", {"prompt": "q", "completion": "a", "label": True}, "row")
    assert said.startswith("it holds one answer and a label, as for KTO; each row needs prompt, chosen, rejected")


# -- Columns ---------------------------------------------------------------------------------------------------------


def test_columns_are_read_under_other_names():
    row = {"question": "2+2?", "prompt": "a template", "good": "4", "rejected": "5", "score": 1}
    found = renamed(row, {"prompt": "question", "chosen": "good"})
    assert found == {"prompt": "2+2?", "chosen": "4", "rejected": "5", "score": 1}
    assert renamed(STRINGS | {"system": "x"}, {"system": ""}) == STRINGS


def test_a_column_that_is_not_there_or_not_read_is_an_error():
    with pytest.raises(UserError, match="'question', which columns names, is missing; the columns are 'prompt', 'ch"):
        renamed(STRINGS, {"prompt": "question"})
    with pytest.raises(UserError, match=r"columns\.promt: it must be one of prompt, chosen, rejected, system, tools"):
        check_columns({"promt": "question"}, "")
    with pytest.raises(UserError, match="data_form is 'hh': it must be one of hh-rlhf, hh-rlhf-text, sharegpt"):
        check_columns({}, "hh")


def test_columns_that_sound_as_if_they_belonged_to_the_prompt_are_named():
    row = STRINGS | {
        "system_prompt": "Be brief.",
        "functions": [{}],
        "score_chosen": 1.0,
        "prompt_id": "a1",
        "source": "x",
    }
    assert odd_columns(row, "") == {"system_prompt": "system", "functions": "tools"}
    assert odd_columns({"chosen": [1], "messages": [1], "context": ""}, "") == {}  # UltraFeedback's is chosen once more
    assert odd_columns(ALPACA, "") == {"instruction": "prompt", "input": "prompt"}
    assert odd_columns(ALPACA, "alpaca") == {}


# -- Forms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("record", "name"), [(HH, "hh-rlhf"), (SHAREGPT, "sharegpt"), (ALPACA, "alpaca")])
def test_a_form_is_recognised_and_what_to_write_is_said(record, name):
    assert looks_like(record).endswith(f'set data_form = "{name}"')
    assert looks_like(STRINGS) == looks_like({"prompt": [user("1")], "chosen": []}) == ""


def test_answers_of_text_behind_a_prompt_of_messages_are_a_chat():
    found = FORMS["chat"].convert(STRINGS | {"prompt": [user("Hi"), assistant("Yes?"), user("2+2?")]})
    assert found["prompt"] == [user("Hi"), assistant("Yes?"), user("2+2?")]
    assert (found["chosen"], found["rejected"]) == ([assistant("It is 4.")], [assistant("Five.")])


def test_hh_is_read_as_messages_or_as_text():
    more = {name: "\n\nHuman: Hi\n\nAssistant: Yes?\n\nNote: no turn" + text for name, text in HH.items()}
    found = FORMS["hh-rlhf"].convert(more)
    shared = [user("Hi"), assistant("Yes?\n\nNote: no turn"), user("2+2?")]
    assert found["chosen"] == [*shared, assistant("It is 4.")]
    assert found["rejected"] == [*shared, assistant("Five.")]
    prompt = "\n\nHuman: 2+2?\n\nAssistant:"
    assert FORMS["hh-rlhf-text"].convert(HH) == {"prompt": prompt, "chosen": " It is 4.", "rejected": " Five."}
    for name in ("hh-rlhf", "hh-rlhf-text"):
        with pytest.raises(UserError, match="conversations"):
            FORMS[name].convert({"chosen": "4", "rejected": "5"})
    with pytest.raises(UserError, match="that differ in their last turn"):
        FORMS["hh-rlhf-text"].convert(HH | {"chosen": HH["chosen"].replace("2+2", "3+3")})


def test_sharegpts_turns_are_messages():
    found = FORMS["sharegpt"].convert(SHAREGPT)
    assert found["prompt"] == [{"role": "system", "content": "Be brief."}, user("2+2?")]
    assert (found["chosen"], found["rejected"]) == ([assistant("It is 4.")], [assistant("Five.")])
    called = [
        {"from": "function_call", "value": '{"name": "plus", "arguments": {}}'},
        {"from": "observation", "value": "4"},
    ]
    turns = FORMS["sharegpt"].convert(SHAREGPT | {"conversations": called})["prompt"]
    calls = [{"type": "function", "function": {"name": "plus", "arguments": {}}}]
    assert turns == [{"role": "assistant", "tool_calls": calls}, {"role": "tool", "content": "4"}]
    with pytest.raises(UserError, match="'function_call' is not JSON"):
        FORMS["sharegpt"].convert(SHAREGPT | {"conversations": [{"from": "function_call", "value": "plus()"}]})


def test_alpacas_instruction_and_input_are_one_question():
    assert FORMS["alpaca"].convert(ALPACA)["prompt"] == [user("Add.\n2+2")]
    answers = {"instruction": "Add.", "input": "", "output": ["It is 4.", "Five."], "history": [["Hi", "Hello"]]}
    found = FORMS["alpaca"].convert(answers)
    assert found["prompt"] == [user("Hi"), assistant("Hello"), user("Add.")]
    assert (found["chosen"], found["rejected"]) == ([assistant("It is 4.")], [assistant("Five.")])
    with pytest.raises(UserError, match="'instruction' and 'input' must be text"):
        FORMS["alpaca"].convert(ALPACA | {"input": 4})


def test_strings_can_be_made_a_chat():
    found = FORMS["chat"].convert(STRINGS | {"system": "Be brief."})
    assert found["prompt"] == [user("2+2?")]
    assert found["rejected"] == [assistant("Five.")]
    assert found["system"] == "Be brief."
    with pytest.raises(UserError, match="is for chosen and rejected that are text, behind a prompt"):
        FORMS["chat"].convert(STRINGS | {"chosen": [assistant("4")]})

import json
import string
import sys

import pyarrow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from simpo_core.inputs import UserError
from simpo_core.pair_files import read_pairs
from simpo_core.preferences import Pair

STRINGS = {"prompt": "2 + 2?", "chosen": "4.", "rejected": "5."}
USER = {"role": "user", "content": "2 + 2?"}
RIGHT = {"role": "assistant", "content": "4."}
WRONG = {"role": "assistant", "content": "5."}
CHAT = {"prompt": [USER], "chosen": [RIGHT], "rejected": [WRONG]}
IMPLICIT = {"chosen": [USER, RIGHT], "rejected": [USER, WRONG]}


def write(folder, *records, name="prefs.jsonl"):
    path = folder / name
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def error_of(path):
    with pytest.raises(UserError) as caught:
        read_pairs(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- What can be read ------------------------------------------------------------------------------------------------


def test_strings_and_chats_may_be_mixed(tmp_path):
    path = write(tmp_path, STRINGS, CHAT, {**STRINGS, "score": 0.5})
    strings = {"prompt": "2 + 2?", "chosen": "4.", "rejected": "5."}
    assert read_pairs(path) == [
        Pair(**strings, where="prefs.jsonl line 1"),
        Pair(**strings | {"prompt": [USER]}, where="prefs.jsonl line 2"),
        Pair(**strings, where="prefs.jsonl line 3"),
    ]


def test_an_implicit_prompt_is_what_the_two_conversations_share(tmp_path):
    # Left in the responses, the shared tokens would cancel in a difference of sums but not of means
    expected = Pair(prompt=[USER], chosen="4.", rejected="5.", where="prefs.jsonl line 1")
    for repeated in ({}, {"prompt": None}, {"prompt": "2 + 2?"}, {"prompt": [USER]}):  # UltraFeedback has a string
        assert read_pairs(write(tmp_path, IMPLICIT | repeated)) == [expected]
    earlier = [{"role": "system", "content": ""}, USER, RIGHT, {"role": "user", "content": "Sure?"}]
    longer = {"chosen": [*earlier, RIGHT], "rejected": [*earlier, WRONG]}
    assert read_pairs(write(tmp_path, longer))[0].prompt == earlier


def test_blank_lines_are_skipped_and_counted(tmp_path):
    assert [pair.where for pair in read_pairs(write(tmp_path, "", STRINGS, " \t", STRINGS, ""))] == [
        "prefs.jsonl line 2",
        "prefs.jsonl line 4",
    ]


def test_text_comes_through_as_it_is(tmp_path):
    text = "  gleichmäßig \u2028 与 🙂\n\t"  # U+2028 is a line break for str.splitlines, not for JSON
    for name in ("\ufeff" + json.dumps(STRINGS | {"chosen": text}, ensure_ascii=False), STRINGS | {"chosen": text}):
        assert read_pairs(write(tmp_path, name))[0].chosen == text


@pytest.mark.parametrize("record", [STRINGS, CHAT, IMPLICIT])
def test_parquet_gives_the_pairs_of_jsonl(tmp_path, record):
    path = tmp_path / "prefs.parquet"
    records = [record | {"score": 1.0}] * 3
    parquet.write_table(pyarrow.Table.from_pylist(records), path)
    from_lines = read_pairs(write(tmp_path, *records))
    assert [pair.where for pair in read_pairs(path)] == [f"prefs.parquet row {row}" for row in (1, 2, 3)]
    assert [vars(pair) | {"where": ""} for pair in read_pairs(path)] == [
        vars(pair) | {"where": ""} for pair in from_lines
    ]


def test_what_a_parquet_message_lacks_is_left_out(tmp_path):
    path = tmp_path / "prefs.parquet"
    named = CHAT | {"prompt": [USER | {"name": "Ada"}, USER]}
    parquet.write_table(pyarrow.Table.from_pylist([named]), path)
    assert read_pairs(path)[0].prompt == [USER | {"name": "Ada"}, USER]


def test_what_else_a_message_holds_is_left_alone(tmp_path):
    scored = CHAT | {"chosen": [RIGHT | {"score": 9.5, "id": 7, "kept": True}]}
    assert read_pairs(write(tmp_path, scored))[0].chosen == read_pairs(write(tmp_path, CHAT))[0].chosen


# -- What can't: file, line, field, and what to do -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"prompt": "2 + 2?", "chosen": "4."}, "'rejected' is missing; each line needs prompt, chosen, rejected"),
        ({"chosen": "4.", "rejected": "5."}, "'prompt' is missing; each line needs prompt, chosen, rejected"),
        (STRINGS | {"chosen": None}, "'chosen' is missing"),
        (STRINGS | {"chosen": ""}, "'chosen' is empty: write the text or remove the pair"),
        (STRINGS | {"rejected": " \n"}, "'rejected' is blank: write the text or remove the pair"),
        (STRINGS | {"prompt": ""}, "'prompt' is empty"),
        (STRINGS | {"prompt": 4}, "'prompt' is a number: expected text"),
        (STRINGS | {"chosen": True}, "'chosen' is true or false: expected text"),
        (STRINGS | {"chosen": {"text": "4."}}, "'chosen' is an object: expected text"),
        (STRINGS | {"chosen": "\ud83d"}, "'chosen' holds half a character (\\ud83d): mend it"),
        (
            STRINGS | {"rejected": [WRONG]},
            "'chosen' a string and 'rejected' a list; make all three text, or all three lists of m",
        ),
        (CHAT | {"rejected": "5."}, "'prompt' is a list, 'chosen' a list and 'rejected' a string; make all three"),
        (CHAT | {"prompt": 4}, "'prompt' is a number: expected text"),
        (CHAT | {"chosen": 4}, "'prompt' is a list, 'chosen' a number and 'rejected' a list; make all three text, or"),
        (CHAT | {"rejected": WRONG}, "'chosen' a list and 'rejected' an object; make all three text, or all three lis"),
        (STRINGS | {"rejected": {}}, "'rejected' is an object: expected text"),
        (CHAT | {"prompt": "2 + 2?"}, "'prompt' is a string, 'chosen' a list and 'rejected' a list; make all three"),
        (
            STRINGS | {"prompt": [USER]},
            "'prompt' is a list, 'chosen' a string and 'rejected' a string; data_form = \"chat\" makes",
        ),
        (CHAT | {"prompt": []}, "'prompt' is an empty list"),
        (CHAT | {"chosen": []}, "'chosen' is an empty list: expected messages with role and content"),
        (CHAT | {"prompt": ["2 + 2?"]}, "'prompt' message 1 is a string: expected an object with role and content"),
        (CHAT | {"prompt": [USER, {"role": "user"}]}, "'prompt' message 2: 'content' is missing"),
        (CHAT | {"prompt": [{"content": "4"}]}, "'prompt' message 1: 'role' is missing"),
        (CHAT | {"prompt": [{"role": 1, "content": "4"}]}, "'prompt' message 1: 'role' is a number: expected text"),
        (CHAT | {"prompt": [{"role": "user", "content": " "}]}, "'prompt' message 1: 'content' is blank"),
        (CHAT | {"chosen": [RIGHT | {"tool_calls": [1]}]}, "'tool_calls' holds a number that names no function"),
        (CHAT | {"chosen": [RIGHT | {"content": ""}]}, "'chosen' message 1: 'content' is empty"),
        (CHAT | {"chosen": [USER]}, "'chosen' ends with role 'user'; it must end with 'assistant'"),
        (CHAT | {"prompt": [USER, RIGHT]}, "the prompt ends with role 'assistant'"),
        (CHAT | {"chosen": [USER, RIGHT]}, "'chosen' and 'rejected' are conversations that differ before their last"),
        (IMPLICIT | {"prompt": "3 + 3?"}, "'prompt' is not what 'chosen' and 'rejected' begin with; leave one"),
        ({"chosen": [RIGHT], "rejected": [WRONG]}, "'prompt' is missing, and 'chosen' and 'rejected' hold no messages"),
    ],
)
def test_a_pair_that_cant_be_used_is_named(tmp_path, record, message):
    seen = error_of(write(tmp_path, STRINGS, "", record))
    assert seen.startswith("prefs.jsonl line 3: ")
    assert message in seen


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": "2 + 2?", "cho', "is not JSON (Unterminated string starting at at column 22); each line is one"),
        ("{", "is not JSON (Expecting property name enclosed in double quotes at column "),
        ("prompt,chosen,rejected", "is not JSON"),
        ('["2 + 2?", "4.", "5."]', "is a list; each line needs an object with prompt, chosen, rejected"),
        ('"4."', "is a string; each line needs an object"),
        ("null", "is null; each line needs an object"),
        ("9" * 5000, "can't be read as JSON: a number is too long"),
        ("[" * 100_000, "can't be read as JSON: a number is too long, or it is nested too deep"),
    ],
)
def test_a_line_that_is_no_object_is_named(tmp_path, line, message):
    assert error_of(write(tmp_path, STRINGS, line)).startswith(f"prefs.jsonl line 2: it {message}")


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "prefs.jsonl"
    path.write_bytes(b'\n{"prompt": "gleichm\xe4\xdfig"}\n')
    assert error_of(path) == "prefs.jsonl line 2: byte 20 is not UTF-8; save the file as UTF-8"
    path.write_text(json.dumps(STRINGS), encoding="utf-16")
    assert "line 1: byte 1 is not UTF-8" in error_of(path)


def test_a_file_without_pairs_or_of_another_kind_is_named(tmp_path):
    assert error_of(write(tmp_path)).endswith("holds no pairs: each line, item or row needs prompt, chosen, rejected")
    assert error_of(tmp_path / "none.jsonl").endswith("none.jsonl can't be read: No such file or directory")
    assert error_of(tmp_path / "none.parquet").endswith("none.parquet can't be read: No such file or directory")
    assert "prefs.txt: expected a file of pairs, named .jsonl" in error_of(write(tmp_path, name="prefs.txt"))
    (tmp_path / "folder.jsonl").mkdir()
    assert "folder.jsonl can't be read: " in error_of(tmp_path / "folder.jsonl")


def test_rows_of_parquet_are_named(tmp_path):
    path = tmp_path / "prefs.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([STRINGS, STRINGS | {"chosen": None}]), path)
    missing = "prefs.parquet row 2: 'chosen' is missing; each row needs prompt, chosen, rejected, and the columns are "
    assert error_of(path) == f"{missing}'prompt', 'rejected'"
    parquet.write_table(pyarrow.table({"question": ["2 + 2?"]}), path)
    assert "prefs.parquet row 1: 'prompt' is missing" in error_of(path)
    parquet.write_table(pyarrow.Table.from_pylist([STRINGS])[:0], path)
    assert "holds no pairs: each line, item or row needs" in error_of(path)
    broken = pyarrow.Array.from_buffers(
        pyarrow.string(), 1, [None, pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0"), pyarrow.py_buffer(b"\xe4")]
    )
    parquet.write_table(pyarrow.table({"prompt": broken, "chosen": ["4."], "rejected": ["5."]}), path)
    assert "prefs.parquet can't be read as parquet after row 0: " in error_of(path)


def test_without_pyarrow_parquet_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = write(tmp_path, name="prefs.parquet")
    assert error_of(path) == "prefs.parquet: parquet needs pyarrow; pip install pyarrow, or save as .jsonl"
    assert read_pairs(write(tmp_path, STRINGS))


# -- What belongs to the prompt --------------------------------------------------------------------------------------

TOOL = {"type": "function", "function": {"name": "plus", "parameters": {"type": "object"}}}
CALL = {"type": "function", "function": {"name": "plus", "arguments": {"a": 2}}}


def test_a_system_column_is_the_first_message(tmp_path):
    system = {"role": "system", "content": "Be brief."}
    for prompt in ([USER], [system, USER]):
        pair = read_pairs(write(tmp_path, CHAT | {"system": "Be brief.", "prompt": prompt}))[0]
        assert pair.prompt == [system, USER]
    assert read_pairs(write(tmp_path, CHAT | {"system": ""}))[0].prompt == [USER]
    other = write(tmp_path, CHAT | {"system": "Be long.", "prompt": [system, USER]})
    assert "'system' is not what the prompt's own system message says" in error_of(other)
    strings = write(tmp_path, STRINGS | {"system": "Be brief."})
    assert "'system' is for chats, and prompt, chosen and rejected are text" in error_of(strings)
    assert read_pairs(strings, form="chat")[0].prompt == [system, USER]
    assert read_pairs(strings, columns={"system": ""})[0].prompt == "2 + 2?"


def test_tools_and_settings_of_the_template_come_with_the_pair(tmp_path):
    row = CHAT | {"tools": [TOOL], "chat_template_kwargs": {"enable_thinking": False}}
    as_text = {name: json.dumps(row[name]) for name in ("tools", "chat_template_kwargs")}
    for record in (row, row | as_text):  # text is how many a table keeps them
        pair = read_pairs(write(tmp_path, record), settings={"enable_thinking": True, "effort": "low"})[0]
        assert pair.settings == {"tools": [TOOL], "enable_thinking": False, "effort": "low"}
    for empty in ({"tools": []}, {"tools": None}, {"tools": ""}):
        assert read_pairs(write(tmp_path, CHAT | empty))[0].settings == {}
    assert "'tools' is text that is not JSON" in error_of(write(tmp_path, CHAT | {"tools": "plus()"}))
    assert "'tools' must be a list of objects, each with the name" in error_of(write(tmp_path, CHAT | {"tools": [{}]}))
    wrong = write(tmp_path, CHAT | {"chat_template_kwargs": [1]})
    assert "'chat_template_kwargs' is a list: expected an object" in error_of(wrong)


def test_an_answer_with_more_than_text_is_kept_whole(tmp_path):
    called = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    thought = WRONG | {"reasoning": "sums"}
    pair = read_pairs(write(tmp_path, CHAT | {"tools": [TOOL], "chosen": [called], "rejected": [thought]}))[0]
    assert pair.chosen == {"role": "assistant", "tool_calls": [CALL]}
    assert pair.rejected == WRONG | {"reasoning_content": "sums"}


def test_answers_may_be_one_message_each(tmp_path):
    assert read_pairs(write(tmp_path, CHAT | {"chosen": RIGHT, "rejected": WRONG}))[0].chosen == "4."


# -- Columns, forms, bad rows ----------------------------------------------------------------------------------------


def test_columns_and_forms_are_read_as_the_run_says(tmp_path):
    path = write(tmp_path, {"question": "2 + 2?", "chosen": "4.", "rejected": "5."})
    assert read_pairs(path, columns={"prompt": "question"})[0].prompt == "2 + 2?"
    hh = {name: f"\n\nHuman: 2 + 2?\n\nAssistant: {text}" for name, text in (("chosen", "4."), ("rejected", "5."))}
    path = write(tmp_path, hh)
    assert error_of(path).endswith('this looks like hh-rlhf\'s conversations as text: set data_form = "hh-rlhf"')
    assert read_pairs(path, form="hh-rlhf")[0].prompt == [USER]


def test_bad_rows_are_all_named_or_left_out(tmp_path):
    path = write(tmp_path, STRINGS, STRINGS | {"chosen": ""}, "{", STRINGS)
    with pytest.raises(UserError, match="2 of 4 rows can't be used") as caught:
        read_pairs(path)
    assert "\n  prefs.jsonl line 2: 'chosen' is empty" in str(caught.value)
    assert "\n  prefs.jsonl line 3: it is not JSON" in str(caught.value)
    notes = []
    assert [pair.where for pair in read_pairs(path, skip_bad=True, notes=notes)] == [
        "prefs.jsonl line 1",
        "prefs.jsonl line 4",
    ]
    assert notes[0].startswith("2 of 4 rows left out, as skip_bad says:")


def test_a_column_that_is_not_read_and_sounds_like_the_prompts_is_named(tmp_path):
    notes = []
    read_pairs(write(tmp_path, CHAT | {"system_prompt": "Be brief.", "id": 7}), notes=notes)
    assert notes == [
        "the column 'system_prompt' is not read; if it belongs to the prompt, write columns = "
        '{system = "system_prompt"}, and columns = {system = ""} says the contrary'
    ]


# -- Garbage ---------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(), max_size=5) | st.sampled_from(["user", "assistant", "system", "4."])
messages = st.fixed_dictionaries({}, optional={"role": texts, "content": texts | st.none(), "name": st.integers()})
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | messages,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
fields = texts | st.lists(messages, max_size=3) | st.lists(st.sampled_from([USER, RIGHT, WRONG]), max_size=3) | values
objects = st.fixed_dictionaries({}, optional={"prompt": fields, "chosen": fields, "rejected": fields, "more": values})


def read_or_complain(path):
    """The pairs, checked; none if there was a UserError. Any other exception is a failure."""
    try:
        pairs = read_pairs(path)
    except UserError as error:
        return [] if path.name in str(error) else pytest.fail(repr(error))
    for pair in pairs:
        assert pair.chosen.strip()
        assert pair.rejected.strip()
        assert pair.prompt
    return pairs


@given(records=st.lists(objects | values, max_size=3), cut=st.none() | st.integers(0, 200))
@example(records=[IMPLICIT, CHAT, STRINGS], cut=None)
def test_any_json_gives_pairs_or_a_user_error(tmp_path_factory, records, cut):
    path = tmp_path_factory.mktemp("garbage") / "prefs.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records)[:cut], encoding="utf-8")
    read_or_complain(path)


@given(data=st.binary(max_size=60) | st.text(string.printable, max_size=60).map(str.encode))
def test_any_bytes_give_a_user_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("garbage")
    for name in ("prefs.jsonl", "prefs.parquet"):
        (folder / name).write_bytes(data)
        assert read_or_complain(folder / name) == []


@given(places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_parquet_gives_pairs_or_a_user_error(tmp_path_factory, places):
    path = tmp_path_factory.mktemp("garbage") / "prefs.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([CHAT] * 3), path)
    data = bytearray(path.read_bytes())
    for place, byte in places:
        data[place % len(data)] = byte
    path.write_bytes(data)
    read_or_complain(path)

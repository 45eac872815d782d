import pytest

from simpo_core.chats.messages import has_more_than_text, read_messages
from simpo_core.inputs import UserError

CALL = {"type": "function", "function": {"name": "plus", "arguments": {"a": 2}}}


def message(**fields):
    return read_messages([{"role": "assistant", **fields}], "'chosen'")[0]


def error_of(**fields):
    with pytest.raises(UserError) as caught:
        message(**fields)
    return str(caught.value)


def test_parts_are_joined():
    assert message(content=[{"type": "text", "text": "It "}, "is", {"text": " 4."}])["content"] == "It is 4."
    assert "'content' holds a part of type 'image': models are trained on text alone" in error_of(
        content=[{"type": "image"}]
    )
    assert "'content' part is null: expected text" in error_of(content=[{"type": "text"}])
    assert "'content' is empty" in error_of(content=[])


def test_what_is_empty_is_left_out():
    found = message(content="4.", tool_calls=[], annotations=[], name="", refusal=None, reasoning_content=" ", score=1)
    assert found == {"role": "assistant", "content": "4."}
    assert not has_more_than_text(found)


def test_content_may_be_missing_beside_tool_calls_alone():
    for content in ({}, {"content": None}, {"content": ""}, {"content": []}):
        found = message(**content, tool_calls=[CALL])
        assert found == {"role": "assistant", "tool_calls": [CALL]}
        assert has_more_than_text(found)
    assert message(content="Let me see.", tool_calls=[CALL])["content"] == "Let me see."
    assert "'content' is missing" in error_of(content=None)


def test_arguments_that_are_json_in_a_string_become_objects():
    called = {"type": "function", "function": {"name": "plus", "arguments": '{"a": 2}'}}
    assert message(tool_calls=[called])["tool_calls"] == [CALL]
    assert message(tool_calls=[{"name": "plus", "arguments": "a = 2"}])["tool_calls"] == [
        {"name": "plus", "arguments": "a = 2"}
    ]
    assert message(tool_calls=[{"name": "plus"}])["tool_calls"] == [{"name": "plus", "arguments": {}}]
    assert "names no function" in error_of(tool_calls=[{"arguments": {}}])
    assert "'tool_calls' is a string: expected a list of calls" in error_of(tool_calls="plus()")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_has_one_name(name):
    assert message(content="4.", **{name: "sums"})["reasoning_content"] == "sums"
    assert "reasoning is a number: expected text" in error_of(content="4.", **{name: 4})


def test_one_message_alone_is_a_conversation():
    assert read_messages({"role": "user", "content": "2+2?"}, "'prompt'") == [{"role": "user", "content": "2+2?"}]

import pytest
from small_tokenizers import bos_tokenizer, chatml_tokenizer

from simpo_core.data_report import Lengths, check_pairs, report_lines
from simpo_core.inputs import UserError
from simpo_core.preferences import Pair

CHATML = chatml_tokenizer()
BOS = bos_tokenizer()


def pairs_of(*texts):
    return [
        Pair(prompt=prompt, chosen=chosen, rejected=rejected, where=f"line {number}")
        for number, (prompt, chosen, rejected) in enumerate(texts, start=1)
    ]


def report_of(tokenizer, *texts, max_length=20, max_prompt_length=10):
    return check_pairs(pairs_of(*texts), tokenizer, max_length=max_length, max_prompt_length=max_prompt_length)[0]


def test_lengths_are_of_tokens_before_cutting():
    # A digit is a token; each response has an end-of-turn token more. Differences: 1 - 1, 3 - 1, 12 - 1
    report = report_of(CHATML, ("1", "2", "3"), ("123", "456", "7"), ("1" * 12, "2" * 12, "3"))
    assert report.pairs == 3
    assert report.prompt == Lengths(shortest=1, median=3, longest=12)
    assert report.chosen == Lengths(shortest=2, median=4, longest=13)
    assert report.rejected == Lengths(shortest=2, median=2, longest=2)
    assert report.longer_chosen == pytest.approx((0 + 2 + 11) / 3)
    assert report.truncated == ("line 3",)


def test_duplicates_and_equal_answers_are_named():
    report = report_of(
        CHATML,
        ("1", "2", "3"),
        ("1", "3", "2"),
        ("1", "2", "3<|im_end|>"),  # the same tokens
        ("4", "5", "5"),
        ("6", "7" * 30 + "8", "7" * 30 + "9"),  # equal once they are cut
    )
    assert report.duplicates == ("line 3",)
    assert report.equal_answers == ("line 4", "line 5")
    assert report.truncated == ("line 5",)


def test_special_tokens_in_the_text_are_named():
    chat = [{"role": "user", "content": "What does <end> mean?"}]
    report = report_of(
        BOS,
        ("1", "2", "3"),
        ("<s>1", "2", "4"),  # the tokenizer adds one
        ("1", "2", "<s>5"),
        ("1", "2</s>\n", "6"),
        ("1 <end>", "2", "7"),  # a prompt that is a string may well be a chat already
        ("1", "2 </s> 2", "8"),
        (chat, "2<end>", "9"),
        max_length=200,
        max_prompt_length=100,
    )
    assert report.double_bos == ("line 2", "line 3")
    assert report.double_eos == ("line 4", "line 7")
    assert report.special_text == ("line 6", "line 7")


def test_a_bos_that_the_tokenizer_does_not_add_is_not_double():
    assert report_of(CHATML, ("<|im_start|>1", "2", "3")).double_bos == ()
    assert report_of(CHATML, ("<|im_start|><|im_start|>1", "2", "3")).double_bos == ("line 1",)


def test_answers_that_repeat_the_prompt_are_named():
    report = report_of(CHATML, ("1", "2", "3"), ("1", "1 2", "1 3"), ("1", "1 2", "3"))
    assert report.repeated_prompt == ("line 2",)
    assert "1 with a prompt that both answers repeat: take it off them (line 2)" in report_lines(report)


def test_roles_that_no_template_knows_are_named():
    chats = [[{"role": role, "content": "1"}] for role in ("user", "human", "tool")]
    report = report_of(CHATML, *[(chat, "2", "3") for chat in chats], ("1", "2", "3"), max_length=90)
    assert report.other_roles == ("line 2",)
    assert report_lines(report)[-1] == "1 with a role that models don't know, such as human for user (line 2)"


def test_what_a_template_asks_with_and_does_not_write_is_named():
    thinking = chatml_tokenizer()
    thinking.chat_template = thinking.chat_template.replace("assistant\n", "assistant\n<think>")
    report = report_of(thinking, ("1", "2", "3"), ([{"role": "user", "content": "1"}], "2", "3"), max_length=90)
    assert (report.parted, report.left_out) == (("line 2",), "<think>")
    assert report_lines(report)[-1].startswith("1 whose chat template asks for an answer with '<think>' and doesn't")


def test_what_is_meant_for_another_model_is_named():
    asked = [{"role": "user", "content": "1"}]
    report = report_of(CHATML, ("<start_of_turn>user\n1<end_of_turn>\n", "2", "3"), ("1", "2", "3"), max_length=90)
    assert report.other_models == ("line 1",)
    pair = Pair(prompt=asked, chosen="2", rejected="3", where="line 1", settings={"enable_thinking": False})
    report, _ = check_pairs([pair], CHATML, max_length=90, max_prompt_length=50)
    assert report_lines(report)[-1] == "1 with chat_template_kwargs that the chat template doesn't read (line 1)"


def test_pairs_that_a_template_drops_can_be_left_out():
    tokenizer = chatml_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages if m.role != 'tool' %}<|im_start|>{{ m.content }}{% endfor %}<|im_end|>"
    )
    chats = [([{"role": role, "content": "1"}], "2", "3") for role in ("user", "tool", "tool")]
    with pytest.raises(
        UserError, match="2 of 3 rows can't be used; with skip_bad = true they are left out: line 2, li"
    ):
        report_of(tokenizer, *chats)
    notes = []
    report, fitted = check_pairs(
        pairs_of(*chats), tokenizer, max_length=90, max_prompt_length=50, skip_bad=True, notes=notes
    )
    assert (report.pairs, len(fitted)) == (1, 1)
    assert "line 2, line 3: the chat template drops what role 'tool' says" in notes[0]


def test_the_lines_say_what_was_found_and_where():
    report = report_of(CHATML, ("1", "2", "33"), *[("1", "2", "2")] * 5)
    assert report_lines(report) == [
        "6 pairs",
        "prompt: 1 to 1 tokens, median 1",
        "chosen: 2 to 2 tokens, median 2",
        "rejected: 2 to 3 tokens, median 2",
        "chosen is 0.2 tokens shorter than rejected on average",
        "5 with two equal answers: nothing to learn from (line 2, line 3, line 4, …)",
        "4 the same as an earlier pair (line 3, line 4, line 5, …)",
    ]


def test_what_cant_be_checked_is_an_error():
    with pytest.raises(ValueError, match="there are no pairs"):
        report_of(CHATML)
    with pytest.raises(UserError, match="line 2: 'chosen' has no tokens of its own"):
        report_of(CHATML, ("1", "2", "3"), ("1", "<|im_end|>", "3"))
    with pytest.raises(UserError, match="max_prompt_length is 20 and max_length 20"):
        report_of(CHATML, ("1", "2", "3"), max_prompt_length=20)

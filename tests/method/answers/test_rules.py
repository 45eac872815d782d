import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simpo_core.answers.rules import MAX_WORDS, RULES, count_words, sentences

ONE = RULES["one-sentence"].keeps
THREE = RULES["three-lines"].keeps


@pytest.mark.parametrize(
    "answer",
    [
        "Water evaporates.",
        "  Friction is a force that slows things down.\n",
        "Pi is about 3.14 and never ends.",
        "It is used in some fields, e.g. physics, i.e. the study of nature.",
        "The U.S. Army, Dr. Smith and J. R. Jones agree.",
        'He asked "why?" and nobody answered.',
        "Animals, plants, etc. need water.",
        "A well-known fact - it is cold - helps.",
        "Trains left at 5 p.m. and came back.",
        " ".join(["word"] * (MAX_WORDS - 1)) + " end.",
    ],
)
def test_one_sentence_is_kept(answer):
    assert ONE(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        ".",
        "Water.",  # one word is no sentence
        "Friction slows things down",  # no full stop
        "What is friction?",
        "Friction slows things down!",
        "It slows things...",
        "It is a force. It slows things down.",
        "It is a force.It slows things down.",
        "It is a force! It slows things down.",
        "Is it a force? It is.",
        "He said (it is a force.) It slows things down.",
        "They met in the U.S. The army left.",  # an abbreviation can end a sentence
        "It is a force.\nIt slows things down.",
        "It is a force that\nslows things down.",
        "1. It is a force.",
        "- It is a force.",
        "# It is a force.",
        " ".join(["word"] * MAX_WORDS) + " end.",  # 26 words
    ],
)
def test_one_sentence_is_broken(answer):
    assert not ONE(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "In the sun, where shadows dance,\nA light that never grows old,\nA guide for the earth.",
        "\nsoft rain\nfalls on us\nall night \n",
        "ten words are allowed, a dash - is no word here\nhard rain\nsoft rain",
    ],
)
def test_three_lines_are_kept(answer):
    assert THREE(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "soft rain\nfalls on us",
        "soft rain\nfalls on us\nall night\nand day",
        "soft rain\n\nfalls on us\nall night",  # a blank line is a line
        "soft rain\nfalls on us\nnight",  # one word
        "soft rain\nfalls on us\nSoft rain",  # the same line twice
        "1. soft rain\n2. falls on us\n3. all night",
        "- soft rain\n- falls on us\n- all night",
        "one two three four five six seven eight nine ten eleven\nsoft rain\nfalls on us",
    ],
)
def test_three_lines_are_broken(answer):
    assert not THREE(answer)


# The last word is longer than any abbreviation, so a full stop behind it ends the sentence.
@settings(deadline=None)
@given(
    st.lists(st.from_regex(r"[A-Z][a-z]{2,8}( [a-z]{2,8}){1,6} [a-z]{7,9}\.", fullmatch=True), min_size=1, max_size=4)
)
def test_joined_sentences_come_apart_again(parts):
    assert sentences(" ".join(parts)) == parts


@settings(deadline=None)
@given(st.text())
def test_no_text_keeps_both_rules_and_none_breaks_the_program(text):
    assert not (ONE(text) and THREE(text))
    assert 0 <= count_words(text) <= len(text.split())


def test_every_rule_says_how_to_ask_for_it():
    for name, rule in RULES.items():
        assert rule.name == name
        assert rule.wish.endswith(".")
        assert rule.description

import itertools

import pytest
from essay_class import EXERCISES, known_groups

from autograder.desk.alike import groups, groups_elsewhere, language_of_text, plain_text


def found_and_known(exercise, seed):
    """Pairs of essays that were found alike, and those that are."""
    made = known_groups(exercise, seed)
    found = {pair for group in groups([one.text for one in made]) for pair in itertools.combinations(group, 2)}
    pairs = itertools.combinations(range(len(made)), 2)
    return found, {(one, other) for one, other in pairs if made[one].group == made[other].group}


def test_nine_pairs_in_ten_are_found_and_nine_in_ten_of_those_found_are_alike():
    right = found_in_all = known_in_all = 0
    for exercise in EXERCISES:
        found, known = found_and_known(exercise, seed=3)
        right, found_in_all, known_in_all = (
            right + len(found & known),
            found_in_all + len(found),
            known_in_all + len(known),
        )
    assert right >= 0.9 * found_in_all
    assert right >= 0.9 * known_in_all


def test_texts_that_say_nothing_are_in_no_group():
    assert groups(["", "a", "a", "  "]) == []
    assert groups(["same words here"]) == []


def test_the_same_text_is_alike_whatever_its_markup_and_width():
    assert groups(["It needs **no** sigmoid", "it needs no  sigmoid", "β sets a target"]) == [[0, 1]]
    assert plain_text("ＡＢＣ，`x`") == "abc, x"


def test_an_english_text_may_quote_chinese():
    assert language_of_text("the handout says 偏好 and means preference") == "en"
    assert language_of_text("损失是 (r − β)^2") == "zh"


@pytest.mark.slow
def test_another_process_finds_the_same():
    import asyncio

    texts = ["It needs no sigmoid", "It needs no sigmoid!", "\ud800 β"]
    assert asyncio.run(groups_elsewhere(texts)) == groups(texts) == [[0, 1]]

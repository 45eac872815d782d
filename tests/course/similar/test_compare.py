"""Answers written for it: copies in disguise are found, answers written apart seldom; the figures are measured."""

import itertools
import warnings

import alike_essays
import alike_set
import pytest

from autograder.similar.answers import Answer, Cell
from autograder.similar.compare import CODE_FROM, alike


def found(cell, *texts):
    answers = [Answer(f"s{number}", "", text) for number, text in enumerate(texts)]
    return {(one.left.student, one.right.student): one for one in alike(cell, answers)}


def code(exercise="", name=""):
    return Cell(exercise, name, is_essay=False, given="")


ESSAY = Cell("04_advantages", "essay", is_essay=True, given="")


def test_every_disguise_of_a_copy_is_found(course):
    tried = missed = 0
    for exercise, cell in alike_set.CELLS:
        for text in alike_set.apart(course, exercise, cell):
            for disguise in alike_set.DISGUISES.values():
                tried += 1
                missed += not found(code(), text, disguise(text))
    assert tried == 280
    assert missed <= 5  # measured: 3


def test_answers_written_apart_are_seldom_alike(course):
    pairs, flagged = 0, []
    for exercise, cell in alike_set.CELLS:
        texts = alike_set.apart(course, exercise, cell)
        pairs += len(list(itertools.combinations(texts, 2)))
        flagged += [cell] * len(found(code(), *texts))
    assert pairs == 138
    # two were written apart and came out the same but for names: loops that leave little to choose
    assert sorted(flagged) == ["kendall-tau", "train-squared"]


@pytest.mark.parametrize("essays", [alike_essays.ENGLISH, alike_essays.CHINESE], ids=["en", "zh"])
def test_essays_on_one_question_are_told_from_copies(essays):
    assert not found(ESSAY, *essays)
    for text, disguise in itertools.product(essays, alike_essays.DISGUISES.values()):
        assert found(ESSAY, text, disguise(text)), (text, disguise)


def test_given_code_does_not_count():
    given = "def f(values, weights):\n" + "".join(f"    total_{n} = values[{n}] * weights[{n}]\n" for n in range(6))
    left, right = given + "    return max(total_0, total_1)\n", given + "    return [w for w in weights if w > 0][:3]\n"
    assert found(code(), left, right)
    assert not found(Cell("", "", is_essay=False, given=given), left, right)


def test_a_tasks_words_do_not_count():
    task = "The team measured 1.9 seconds for a step, of which the loss took 0.1 milliseconds, and three lengths. "
    left, right = task + alike_essays.ENGLISH[0][:150], task + alike_essays.ENGLISH[1][150:300]
    assert found(ESSAY, left, right)
    assert not found(Cell("", "", is_essay=True, given=task), left, right)


def test_what_is_marked_stands_in_both():
    [one] = found(ESSAY, alike_essays.ENGLISH[0], alike_essays.framed(alike_essays.ENGLISH[0])).values()
    left = "".join(one.left.text[begin:end] for begin, end in one.marks[0])
    right = "".join(one.right.text[begin:end] for begin, end in one.marks[1])
    assert left == right
    assert "squared loss only squares a difference" in left
    text = alike_set.NATURAL["04_advantages", "descend"][0]
    [one] = found(code(), text, alike_set.renamed(text)).values()
    assert one.similarity == 1.0
    assert not one.is_same
    assert "path.append(r)" in "".join(text[begin:end] for begin, end in one.marks[0])


def test_how_many_others_wrote_like_that_is_counted():
    text, other = alike_set.NATURAL["04_advantages", "descend"][0], alike_set.NATURAL["04_advantages", "descend"][1]
    pairs = found(code(), text, alike_set.renamed(text), alike_set.commented(text), other)
    assert {key: one.others for key, one in pairs.items()} == {("s0", "s1"): 1, ("s0", "s2"): 1, ("s1", "s2"): 1}


def test_two_of_earlier_years_are_no_pair():
    text = alike_set.NATURAL["04_advantages", "descend"][0]
    old = [Answer("a", "2025", text), Answer("b", "2025", text)]
    assert alike(code(), old) == []
    assert len(alike(code(), [*old, Answer("a", "", text)])) == 2


@pytest.mark.parametrize("text", ["", "x", "def f(:\n" * 30, "\u0000" * 100, "'" * 300, "作业" * 80])
def test_what_is_no_code_is_compared_all_the_same(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(found(code(), text, text)) <= 1
    assert 0 < CODE_FROM < 1

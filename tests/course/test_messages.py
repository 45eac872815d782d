import subprocess
import sys

import pytest

from autograder.checks import CheckFailed, call, check_close, gradient
from autograder.messages import UNNAMED, failed, parts, raised, read, stopped_by, wrote_to_stderr


def half(x):
    return 2 * x


def broken(x):
    return x / 0


def said(*arguments, **keywords):
    with pytest.raises(CheckFailed) as caught:
        check_close(*arguments, **keywords)
    return str(caught.value)


def test_a_checks_own_message_is_taken_apart_again():
    text = said(call(half, 3.0), 1.5, hint="Is it twice instead of half?")
    assert text == "✗ Check failed: half(3.0): it is 6.0, expected 1.5\n→ Hint: Is it twice instead of half?"
    assert parts(text) == [
        ("seen", "half(3.0): it is 6.0"),
        ("expected", "1.5"),
        ("hint", "Is it twice instead of half?"),
    ]
    assert read(text).cause == read(text).mistake == "Is it twice instead of half?"


def test_an_exception_of_the_students_is_taken_apart_again():
    text = said(call(broken, 3.0), 1.5, hint="Not told: there is nothing to compare.")
    assert parts(text) == [
        ("", "broken(3.0) raised an exception"),
        ("", "ZeroDivisionError: float division by zero"),
        ("your_line", "return x / 0"),
        ("hint", "Which number below the stroke can be 0 here?"),
    ]
    assert read(text).raised == "ZeroDivisionError"
    assert read(text).stopped_by == ""  # the check came to its own sentence


def test_the_hint_stands_last():
    assert (
        failed("f(1) is 2", "Is it?", "return 2")
        == "✗ Check failed: f(1) is 2\n↳ In your line: return 2\n→ Hint: Is it?"
    )


def test_the_last_expected_counts():
    # a student's own words may hold one before it
    assert parts(failed("f is 'a, expected b', expected 1")) == [("seen", "f is 'a, expected b'"), ("expected", "1")]


def test_a_cut_graph_has_a_hint():
    assert read(said(gradient(lambda x: x.detach(), 1.0), 1.0)).hint.startswith(".detach()")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (failed("f(1) is 2", "Is beta used?"), "Is beta used?"),
        (failed(raised("f(1)", ZeroDivisionError("my name is Bob"))), "raises ZeroDivisionError"),
        (wrote_to_stderr("secret"), "writes to stderr"),
        (failed("f('Bob') is 'Bob', expected 1"), UNNAMED),
        ("", UNNAMED),
    ],
)
def test_no_word_of_a_students_is_in_the_name_of_a_mistake(text, mistake):
    assert read(text).mistake == mistake


@pytest.mark.parametrize(
    ("text", "stopped"),
    [
        (stopped_by("TypeError", "missing 1 argument"), "TypeError"),
        (stopped_by("KeyboardInterrupt", ""), "KeyboardInterrupt"),
        (failed("f(1) is 2"), ""),
        (failed(raised("f(1)", ValueError("no"))), ""),
        (wrote_to_stderr("Warning: no"), ""),
    ],
)
def test_what_stopped_a_check_is_told_from_its_own_sentence(text, stopped):
    assert read(text).stopped_by == stopped


def test_messages_load_nothing():
    script = "import sys, autograder.messages; assert not {'numpy', 'nbformat', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)

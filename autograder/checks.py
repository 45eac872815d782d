"""Checks for test cells: nothing when an answer is right, a sentence when it is wrong.

A check takes an `Answer`, which says what was asked (its label) and how to get the value: `call(f, 1.5)`,
`gradient(f, x)` or `answer("loss", loss)`. Three outcomes: nothing happens (right), `CheckFailed` (wrong),
`NotAttempted` (the stub is still there). Both exceptions show their sentence and no traceback.

A check returns None and leaves stderr empty, because nbgrader takes marks for text on stderr and reads
a cell's last value as points. What the student's function writes to stderr (a warning, say) is
swallowed. Needs numpy alone.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograder.checking.answers import (
    Answer,
    CheckFailed,
    NotAttempted,
    answer,
    as_array,
    call,
    check_unchanged,
    computed,
    gradient,
    numbers,
    unlike,
    value,
)
from autograder.checking.calls import call_text
from autograder.checking.causes import of_shape
from autograder.checking.relations import of_value
from autograder.checking.sealed import Sealed
from autograder.checking.sealed import sealed as sealed  # stands in released notebooks
from autograder.messages import PASSED, failed
from autograder.student_data.plain import is_of, is_plain, plain, type_name, without_torch
from autograder.student_data.values import copied, difference, shape_words, show, unlike_shapes
from simpo_language.speech import _, ngettext, speak

__all__ = [  # what authors write; released notebooks reach it by the module's name
    "Answer",
    "CheckFailed",
    "NotAttempted",
    "answer",
    "call",
    "check_choice",
    "check_close",
    "check_inputs_unchanged",
    "check_shape",
    "check_that",
    "check_type",
    "compare_prediction",
    "fresh_rng",
    "gradient",
    "language",
    "need",
    "numbers",
    "passed",
    "value",
]

# The checks


def check_close(
    actual: Answer,
    expected: Any,
    *,
    rtol: float = 1e-6,
    scale: float | None = None,
    is_strict: bool = False,
    hint: str = "",
    mistakes: Mapping[str, Any] | None = None,
) -> None:
    """The answer equals `expected` in shape, and in value within a relative tolerance.

    Args:
        actual: What is checked.
        expected: A number, an array or tensor, another Answer (for a property such as symmetry), or what is sealed.
        rtol: Relative tolerance of each element; raised to 1e-4 where the answer is in single precision.
        is_strict: Hold an answer in single precision to rtol as well.
        scale: The size below which an element counts as zero; by default a thousandth of the largest
            expected element, or 1 where all are zero.
        hint: One likely cause, told when no mistake below is recognised.
        mistakes: A sentence for each named mistake, and the value which that mistake would give.
    """
    given = computed(actual, hint)
    got = as_array(actual.label, given)
    of_what = ""
    if isinstance(expected, Answer):
        of_what = _(" (the value of {label})").format(label=expected.label)
        expected = numbers(expected)
    wanted = expected if isinstance(expected, Sealed) else as_array("expected", expected)
    got = got.astype(np.float64) if is_strict else got

    def differs(wanted: Any, got: np.ndarray = got) -> str | None:
        if not isinstance(wanted, Sealed):
            return difference(got, wanted, rtol, scale)
        return None if wanted.is_close(actual.label, got, rtol, scale) else _unlike_sealed(got, wanted)

    seen = differs(wanted)
    if seen is None:
        return actual.afterwards()
    if got.shape != wanted.shape:
        hint = of_shape(given, got.shape, wanted.shape) or hint
    for sentence, mistaken in (mistakes or {}).items():
        if differs(mistaken if isinstance(mistaken, Sealed) else as_array(sentence, mistaken)) is None:
            hint = sentence
            break
    else:
        right = None if isinstance(wanted, Sealed) else wanted
        known = of_value(got, lambda tried: differs(wanted, tried) is None, right)
        hint = known if known and got.shape != wanted.shape else f"{known} {hint}".strip()
    raise CheckFailed(failed(_("{label}: {seen}").format(label=actual.label, seen=seen) + of_what, hint))


def check_shape(actual: Answer, shape: tuple[int, ...], *, hint: str = "") -> None:
    """The answer is a number or an array of this shape; () is a single number."""
    got = numbers(actual, hint)
    if got.shape != shape:
        sentence = _("{label} has {seen}, expected {shape}")
        seen, wanted = shape_words(got.shape), shape_words(shape)
        raise CheckFailed(failed(sentence.format(label=actual.label, seen=seen, shape=wanted), hint))


def check_type(actual: Answer, *types: type, hint: str = "") -> None:
    """The answer is an instance of one of the types."""
    got = computed(actual, hint)
    if not is_of(got, types):
        wanted = _(" or ").join(type_name(t) for t in types)
        sentence = _("{label} is of type {seen}, expected {types}")
        raise CheckFailed(failed(sentence.format(label=actual.label, seen=type_name(type(got)), types=wanted), hint))
    actual.afterwards()


def check_choice(actual: Answer, right: Any, *, options: tuple[Any, ...], hint: str = "") -> None:
    """The answer is the right one of the options (words without regard to case). The message keeps it secret.

    right: one of the options, or what is sealed.
    """
    got = value(actual, hint)
    chosen = got.strip().lower() if isinstance(got, str) else _python_number(got)
    listed = ", ".join(repr(option) for option in options)
    matches = [option for option in options if type(option) is type(chosen) and option == chosen]
    if not matches:
        sentence = _("{label} is {value}, expected one of {options}")
        raise CheckFailed(failed(sentence.format(label=actual.label, value=show(got), options=listed)))
    is_right = right.is_word(actual.label, chosen) if isinstance(right, Sealed) else chosen == right
    if not is_right:
        sentence = _("{label} is {value}, which is not right")
        raise CheckFailed(failed(sentence.format(label=actual.label, value=show(got)), hint))


def check_that(condition: bool, sentence: str, *, hint: str = "") -> None:
    """The condition holds; otherwise the sentence, which says what was seen and what was expected."""
    if not isinstance(condition, (bool, np.bool_)):
        raise TypeError(f"the condition is {type(condition).__name__}, expected one bool")
    if not condition:
        raise CheckFailed(failed(sentence, hint))


def check_inputs_unchanged(function: Callable[..., Any], /, *args: Any, shape: tuple[int, ...] | None = None) -> None:
    """The student's function leaves the arrays that it is given as they were, and gives back plain values.

    shape: of the numbers that it gives back, where they are known to have one. Without it, an answer may be
        of any plain kind; an object of the student's own class would earn a point for doing nothing.
    """
    given = [copied(arg) for arg in args]
    result = Answer(call_text(function, args, {}), lambda: function(*given))
    if shape is not None:
        check_shape(result, shape)
    elif not is_plain(made := plain(got := computed(result))):
        wanted = _("numbers, words or arrays of them")
        raise CheckFailed(failed(unlike(result.label, made, got, wanted)))
    check_unchanged(result.label, args, given)


# Around the checks


def language(code: str) -> None:
    """The last line of a set-up cell that is not in English: what checks say is in the notebook's language."""
    speak(code)


def need(names: Mapping[str, Any], *needed: str) -> None:
    """The first line of each visible check in a released notebook: what it looks at is there.

    names: the notebook's, globals(). needed: those of the answers.
    """
    for name in needed:
        if name not in names:
            raise CheckFailed(
                failed(
                    _("{name} is not defined").format(name=name),
                    _("Has the cell above run that gives it a value, without an error? Keep the name as it was given."),
                )
            )


def passed(points: float, what: str, *, more: bool = False) -> None:
    """Say that a check has passed: the last line of each visible check in a released notebook.

    points: what it is worth. what: what it looked at. more: whether hidden tests look at it, too.
    """
    sentence = ngettext("{points} point: {what}", "{points} points: {what}", points)
    rest = _("; more is checked when you hand in") if more else ""
    print(PASSED + sentence.format(points=f"{points:g}", what=what) + rest)


def fresh_rng(seed: int | None = None) -> np.random.Generator:
    """A generator of random inputs that nobody can foresee. Prints its seed: to try again, pass it."""
    if seed is None:
        seed = int.from_bytes(os.urandom(4), "little")
    print(_("Random inputs: {call}").format(call=f"fresh_rng({seed})"))
    return np.random.default_rng(seed)


def compare_prediction(what: str, predicted: Any, measured: Any) -> None:
    """Print a prediction beside what was measured. Never costs a point, but must have been made."""
    if predicted is ...:
        sentence = _("Not attempted yet: predict {what} before you look. Replace the dots `...` above.")
        raise NotAttempted(sentence.format(what=what))
    sentence = _("{what}: you predicted {predicted}, measured {measured}")
    print(sentence.format(what=what, predicted=show(plain(predicted)), measured=show(plain(measured))))


# Words and numbers


def _python_number(got: Any) -> Any:
    """A single number as Python has it; anything else as it is."""
    got = without_torch(got)
    return got.item() if isinstance(got, np.generic | np.ndarray) and got.ndim == 0 else got


def _unlike_sealed(got: np.ndarray, wanted: Sealed) -> str:
    """What sets an answer apart from one that must not be told."""
    if got.shape != wanted.shape:
        return unlike_shapes(got.shape, wanted.shape)
    return _("it is {value}, which is not right").format(value=show(got))

"""Checks for test cells: nothing when an answer is right, a sentence when it is wrong.

A check takes an `Answer`, which says what was asked (its label) and how to get the value: `call(f, 1.5)`,
`gradient(f, x)` or `answer("loss", loss)`. Three outcomes: nothing happens (right), `CheckFailed` (wrong),
`NotAttempted` (the stub is still there). Both exceptions show their sentence and no traceback.

A check returns None and leaves stderr empty, because nbgrader takes marks for text on stderr and reads
a cell's last value as points. What the student's function writes to stderr (a warning, say) is
swallowed. Needs numpy alone.
"""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.checking.calls import call_text
from autograder.checking.causes import of_exception, of_shape, of_type, students_line
from autograder.checking.loans import Kept, Loans
from autograder.checking.relations import of_value
from autograder.checking.sealed import Sealed
from autograder.checking.sealed import sealed as sealed  # stands in released notebooks
from autograder.messages import PASSED, failed, raised
from autograder.student_data.plain import as_numbers, is_of, is_plain, is_tensor, plain, type_name, without_torch
from autograder.student_data.values import change, copied, difference, shape_words, show, unchanged, unlike_shapes
from simpo_language.speech import _, ngettext, speak

MESSAGE = 2000  # characters; a longer one loses its middle, for students' values may stand in it


class _Sentence(Exception):
    """An exception that Jupyter shows as its message alone."""

    def __init__(self, message: str = "") -> None:
        super().__init__(
            message if len(message) <= MESSAGE else f"{message[: MESSAGE // 2]} … {message[-MESSAGE // 2 :]}"
        )

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


class CheckFailed(_Sentence, AssertionError):
    """The answer is wrong; the message says what was seen and what was expected."""


class NotAttempted(_Sentence, NotImplementedError):
    """The answer has not been given yet. `raise NotAttempted` is the stub of every function."""

    def __init__(self, message: str = "") -> None:
        function = sys._getframe(1).f_code.co_name
        super().__init__(
            message
            or _(
                "Not attempted yet: {function}. Replace the line `raise NotAttempted` by your code and run its cell."
            ).format(function=function)
        )


@dataclass(frozen=True)
class Answer:
    """Something of the student's: what to call it in messages, and how to get its value."""

    label: str
    compute: Callable[[], Any]
    afterwards: Callable[[], None] = lambda: None  # what else must hold, asked when its value is right


# What is checked


def answer(name: str, value: Any) -> Answer:
    """The value of a variable. `...` counts as not attempted."""
    return Answer(name, lambda: value)


def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Answer:
    """The value that a student's function returns for copies of these arguments, which it must leave as they were."""
    label = call_text(function, args, kwargs)
    kept = Kept()

    def compute() -> Any:
        nonlocal kept
        given = [copied(arg) for arg in args]
        named = {name: copied(arg) for name, arg in kwargs.items()}
        result = function(*given, **named)
        _check_unchanged(label, (*args, *kwargs.values()), (*given, *named.values()))
        kept = _kept(function, (*given, *named.values()), result)
        return result

    return Answer(label, compute, lambda: _check_nothing_kept(label, kept))


def gradient(function: Callable[..., Any], x: Any, /, *args: Any, **kwargs: Any) -> Answer:
    """The gradient, by torch.autograd, of the sum of `function(x, *args)` with respect to x.

    x: a number or an array; the function receives a float64 tensor of the same shape.
    """

    label = call_text(function, (x, *args), kwargs)

    def compute() -> Any:
        import torch

        leaf = torch.tensor(np.asarray(x, dtype=np.float64), requires_grad=True)
        result = function(leaf, *map(copied, args), **kwargs)
        if result is None or result is ...:
            return result
        result = plain(result)
        if not is_tensor(result) or not result.requires_grad:
            raise CheckFailed(
                failed(
                    _("{label} on a torch tensor: no gradient flows from the result to its first argument.").format(
                        label=label
                    ),
                    _(".detach(), .item(), float(), .numpy() and numpy's functions cut the graph."),
                )
            )
        result.sum().backward()
        return np.zeros_like(x) if leaf.grad is None else leaf.grad.numpy()

    return Answer(_("the gradient of {label}").format(label=label), compute)


def value(actual: Answer, hint: str = "") -> Any:
    """The answer's value, made plain (see `plain`), or the sentence that says why there is none.

    hint: told where the student's code raises an exception whose cause is not known.
    """
    got = _quietly(plain, _computed(actual, hint))
    actual.afterwards()
    return got


def _computed(actual: Answer, hint: str = "") -> Any:
    try:
        got = _quietly(actual.compute)
    except _Sentence:
        raise
    except (Exception, SystemExit) as error:
        sentence = raised(actual.label, error)
        raise CheckFailed(failed(sentence, of_exception(error) or hint, line=_where(error))) from None
    if got is ...:
        raise NotAttempted(
            _("Not attempted yet: {label}. Replace the dots `...` by your answer and run the cell.").format(
                label=actual.label
            )
        )
    if got is None:
        raise CheckFailed(
            failed(
                _("{label} is None.").format(label=actual.label),
                _("Is a `return` missing? print() shows a value and gives nothing back."),
            )
        )
    return got


def numbers(actual: Answer, hint: str = "") -> np.ndarray:
    """The answer's value as a real numpy array of its own shape; a sentence if it is no number. hint: as in `value`."""
    got = _as_numbers(actual.label, _computed(actual, hint))
    actual.afterwards()
    return got


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
    given = _computed(actual, hint)
    got = _as_numbers(actual.label, given)
    of_what = ""
    if isinstance(expected, Answer):
        of_what = _(" (the value of {label})").format(label=expected.label)
        expected = numbers(expected)
    wanted = expected if isinstance(expected, Sealed) else _as_numbers("expected", expected)
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
        if differs(mistaken if isinstance(mistaken, Sealed) else _as_numbers(sentence, mistaken)) is None:
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
    got = _computed(actual, hint)
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
    elif not is_plain(made := plain(got := _computed(result))):
        wanted = _("numbers, words or arrays of them")
        raise CheckFailed(failed(_unlike(result.label, made, got, wanted)))
    _check_unchanged(result.label, args, given)


_loans = Loans()


def _kept(function: Any, given: Sequence[Any], result: Any) -> Kept:
    """What a student's function has kept of its arguments. given: those that it got."""
    kept = getattr(function, "kept", None)  # known already, where the function ran in another process
    return kept if isinstance(kept, Kept) else _loans.returned(given, result)


def _check_nothing_kept(label: str, kept: Kept) -> None:
    if kept.places:
        sentence = _("{label} gives back its argument {number}, or a part of it, expected something new")
        why = _("Who changes the one changes the other. Give back a copy: x.copy() of an array, x.clone() of a tensor.")
        raise CheckFailed(failed(sentence.format(label=label, number=kept.places[0] + 1), why))
    if kept.is_late:
        sentence = _("{label} changed what an earlier call was given, expected it unchanged")
        why = _("The function keeps its arguments and works on them later. Keep copies, or nothing.")
        raise CheckFailed(failed(sentence.format(label=label), why))


def _check_unchanged(label: str, args: Iterable[Any], given: Iterable[Any]) -> None:
    """The arguments that a student's function was given are still what they were. given: those that it got."""
    for position, (before, after) in enumerate(zip(args, given, strict=True), start=1):
        if is_plain(before) and not unchanged(before, after):
            sentence = _("{label} changed its argument {position} {change}, expected it unchanged")
            raise CheckFailed(
                failed(
                    sentence.format(label=label, position=position, change=change(before, after)),
                    _("Operators such as -= and *= work in place; write r = r - beta, or take a copy."),
                )
            )


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


def _as_numbers(label: str, got: Any) -> np.ndarray:
    made = _quietly(plain, got)
    try:
        return as_numbers(made)
    except ValueError as expected:
        raise CheckFailed(failed(_unlike(label, made, got, str(expected)), of_type(made))) from None


def _unlike(label: str, made: Any, got: Any, wanted: str) -> str:
    """The sentence on an answer of a kind that was not asked for. made: the answer made plain."""
    sentence = _("{label} is {value}, a {type}, expected {wanted}")
    return sentence.format(label=label, value=show(made), type=type_name(type(got)), wanted=wanted)


def _quietly(function: Callable[..., Any], *args: Any) -> Any:
    """What the function returns; what it warns of or writes to stderr is swallowed."""
    with warnings.catch_warnings(record=True), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("always")
        return function(*args)


def _python_number(got: Any) -> Any:
    """A single number as Python has it; anything else as it is."""
    got = without_torch(got)
    return got.item() if isinstance(got, np.generic | np.ndarray) and got.ndim == 0 else got


def _unlike_sealed(got: np.ndarray, wanted: Sealed) -> str:
    """What sets an answer apart from one that must not be told."""
    if got.shape != wanted.shape:
        return unlike_shapes(got.shape, wanted.shape)
    return _("it is {value}, which is not right").format(value=show(got))


def _where(error: BaseException) -> str:
    """The line of the student's code that an error came from; empty if it can't be read."""
    line = getattr(error, "line", None)  # known already, where the code ran in another process
    return str(students_line(error.__traceback__, os.path.dirname(__file__)) if line is None else line)

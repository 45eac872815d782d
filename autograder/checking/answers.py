"""What a student is asked, and the value of the answer: made plain, or the sentence that says why there is none.

An `Answer` says what was asked (its label) and how to get the value. What the student's code writes to stderr (a
warning, say) is swallowed, for nbgrader takes marks for text there. A function must leave its arguments as they
were, and keep nothing of them.
"""

import contextlib
import io
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autograder.checking.calls import call_text
from autograder.checking.causes import of_exception, of_type, students_line
from autograder.checking.loans import Kept, Loans
from autograder.messages import failed, raised
from autograder.student_data.plain import as_numbers, is_plain, is_tensor, plain, type_name
from autograder.student_data.values import change, copied, show, unchanged
from simpo_language.speech import _

MESSAGE = 2000  # characters; a longer one loses its middle, for students' values may stand in it
OURS = str(Path(__file__).parent.parent)  # where this package's own code is


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


# What is asked


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
        check_unchanged(label, (*args, *kwargs.values()), (*given, *named.values()))
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
    got = _quietly(plain, computed(actual, hint))
    actual.afterwards()
    return got


def computed(actual: Answer, hint: str = "") -> Any:
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
    got = as_array(actual.label, computed(actual, hint))
    actual.afterwards()
    return got


# What a function does to its arguments


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


def check_unchanged(label: str, args: Iterable[Any], given: Iterable[Any]) -> None:
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


# Words and numbers


def as_array(label: str, got: Any) -> np.ndarray:
    made = _quietly(plain, got)
    try:
        return as_numbers(made)
    except ValueError as expected:
        raise CheckFailed(failed(unlike(label, made, got, str(expected)), of_type(made))) from None


def unlike(label: str, made: Any, got: Any, wanted: str) -> str:
    """The sentence on an answer of a kind that was not asked for. made: the answer made plain."""
    sentence = _("{label} is {value}, a {type}, expected {wanted}")
    return sentence.format(label=label, value=show(made), type=type_name(type(got)), wanted=wanted)


def _quietly(function: Callable[..., Any], *args: Any) -> Any:
    """What the function returns; what it warns of or writes to stderr is swallowed."""
    with warnings.catch_warnings(record=True), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("always")
        return function(*args)


def _where(error: BaseException) -> str:
    """The line of the student's code that an error came from; empty if it can't be read."""
    line = getattr(error, "line", None)  # known already, where the code ran in another process
    return str(students_line(error.__traceback__, OURS) if line is None else line)

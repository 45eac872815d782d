"""Values that students' code returns: compared without mercy for shapes, shown in a few characters. Numpy alone."""

import copy
import re
from typing import Any

import numpy as np

from autograder.student_data.plain import NUMBERS, TEXTS, type_name, without_torch
from simpo_language.speech import _

SINGLE_PRECISION_RTOL = 1e-4  # float32 keeps 7 digits, and a difference of near numbers loses some
ZERO_FLOOR = 1e-3  # an element below this share of the largest is compared as if it were this large
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def difference(got: np.ndarray, wanted: np.ndarray, rtol: float, scale: float | None) -> str | None:
    """What sets `got` apart from `wanted`, in words; None if they agree."""
    if got.shape != wanted.shape:
        return unlike_shapes(got.shape, wanted.shape)
    if got.dtype.kind == "f" and got.dtype.itemsize < 8:
        rtol = max(rtol, SINGLE_PRECISION_RTOL)
    size = np.abs(wanted.astype(np.float64))
    finite = size[np.isfinite(size)]
    floor = scale if scale is not None else ZERO_FLOOR * finite.max(initial=0.0) or 1.0
    with np.errstate(invalid="ignore"):
        close = (np.abs(got - wanted) <= rtol * np.maximum(size, floor)) & np.isfinite(wanted)
    close |= (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    if close.all():
        return None
    index = tuple(int(i) for i in np.argwhere(~close)[0])
    seen, right = show(got[index]), show(wanted[index])
    if seen == right:  # they differ further on
        seen, right = f"{got[index]:.12g}", f"{wanted[index]:.12g}"
    if index:
        return _("at index {index} it is {seen}, expected {right}").format(index=index, seen=seen, right=right)
    return _("it is {seen}, expected {right}").format(seen=seen, right=right)


def unlike_shapes(got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """The words on numbers of another shape than was wanted."""
    return _("it has {seen}, expected {shape}").format(seen=shape_words(got), shape=shape_words(wanted))


def unchanged(before: Any, after: Any) -> bool:
    """Whether two values are equal in every element, in whatever dicts and lists they stand."""
    before, after = without_torch(before), without_torch(after)
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind in "fc")
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(unchanged(before[key], after[key]) for key in before)
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(unchanged, before, after))
    return bool(before == after) or (before != before and after != after)  # nan


def change(before: Any, after: Any) -> str:
    """How a value differs from what it was, in words; of a large array the first element."""
    before, after = without_torch(before), without_torch(after)
    if show(before) != show(after) or not isinstance(before, np.ndarray) or np.shape(before) != np.shape(after):
        return _("from {before} to {after}").format(before=show(before), after=show(after))
    index = tuple(int(i) for i in np.argwhere(before != after)[0])
    sentence = _("at index {index} from {before} to {after}")
    return sentence.format(index=index, before=show(before[index]), after=show(after[index]))


def show(got: Any, depth: int = 4) -> str:
    """A value in a few characters, numbers to 6 digits; the same in each process.

    depth: of lists in lists; what lies deeper is three dots.
    """
    if callable(got):
        return getattr(got, "__name__", "") or _("a {type}").format(type=type_name(type(got)))
    got = without_torch(got)
    if isinstance(got, np.ndarray) and got.dtype.kind in NUMBERS + TEXTS:
        got = got.tolist() if got.size <= 12 else _("an array of shape {shape}").format(shape=got.shape)
        if isinstance(got, str):
            return got
    if isinstance(got, (list, tuple)):
        parts = [show(item, depth - 1) for item in got[:6]] if depth else []
        shown = ", ".join(parts + ["..."] * (len(got) > len(parts)))
        return f"[{shown}]" if isinstance(got, list) else f"({shown})"
    if isinstance(got, (set, frozenset)):
        shown = ", ".join(sorted(map(show, got)))
        text = f"{{{shown}}}" if got else _("an empty set")
    elif isinstance(got, np.generic) and got.dtype.kind in NUMBERS:
        return show(float(got) if isinstance(got, np.longdouble) else got.item())
    else:
        text = f"{got:.6g}" if isinstance(got, float) else own_words(got)
    if isinstance(got, float) and text.lstrip("-").isdigit():
        text += ".0"
    return text if len(text) <= 60 else text[:57] + "..."


def own_words(got: Any) -> str:
    """An object's own words, without its place in memory, which is another each time."""
    try:
        return _ADDRESS.sub("", repr(got))
    except Exception as error:  # it is the student's class, or an int of thousands of digits
        sentence = _("a {type} that can't be shown ({error})")
        return sentence.format(type=type_name(type(got)), error=type(error).__name__)


def shape_words(shape: tuple[int, ...]) -> str:
    """A shape in words."""
    return _("shape {shape}").format(shape=shape) if shape else _("no shape (a single number)")


def copied(arg: Any) -> Any:
    if hasattr(arg, "detach"):
        return arg.detach().clone().requires_grad_(arg.requires_grad)
    return arg if callable(arg) else copy.deepcopy(arg)

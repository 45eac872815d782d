"""Values that students' code returns: compared without mercy for shapes, shown in a few characters. Numpy alone."""

import copy
from typing import Any

import numpy as np

SINGLE_PRECISION_RTOL = 1e-4  # float32 keeps 7 digits, and a difference of near numbers loses some
ZERO_FLOOR = 1e-3  # an element below this share of the largest is compared as if it were this large


def difference(got: np.ndarray, wanted: np.ndarray, rtol: float, scale: float | None) -> str | None:
    """What sets `got` apart from `wanted`, in words; None if they agree."""
    if got.shape != wanted.shape:
        return f"it has {shape_words(got.shape)}, expected {shape_words(wanted.shape)}"
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
    place = f"at index {index} " if index else ""
    seen, right = show(got[index]), show(wanted[index])
    if seen == right:  # they differ further on
        seen, right = f"{got[index]:.12g}", f"{wanted[index]:.12g}"
    return f"{place}it is {seen}, expected {right}"


def unchanged(before: Any, after: Any) -> bool:
    """Whether two values are equal in every element, in whatever dicts and lists they stand."""
    before, after = without_torch(before), without_torch(after)
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after)
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(unchanged(before[key], after[key]) for key in before)
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(unchanged, before, after))
    return bool(before == after)


def is_plain(got: Any) -> bool:
    """Whether a value is made of numbers, words and arrays alone: nothing with behaviour of its own."""
    if isinstance(got, dict):
        return all(map(is_plain, (*got.keys(), *got.values())))
    if isinstance(got, (list, tuple, set, frozenset, range)):
        return all(map(is_plain, got))
    got = without_torch(got)
    if isinstance(got, (np.generic, np.ndarray)):
        return got.dtype.kind in "biufcUS"
    return got is None or type(got) in (bool, int, float, complex, str, bytes)


def show(got: Any) -> str:
    """A value in a few characters, numbers to 6 digits."""
    if callable(got):
        return getattr(got, "__name__", f"a {type_name(type(got))}")
    got = without_torch(got)
    if isinstance(got, np.ndarray):
        got = got.tolist() if got.size <= 12 else f"an array of shape {got.shape}"
        if isinstance(got, str):
            return got
    if isinstance(got, (list, tuple)):
        shown = ", ".join(show(item) for item in got[:6]) + (", ..." if len(got) > 6 else "")
        return f"[{shown}]" if isinstance(got, list) else f"({shown})"
    if isinstance(got, np.generic):
        got = got.item()
    text = f"{got:.6g}" if isinstance(got, float) else repr(got)
    if isinstance(got, float) and text.lstrip("-").isdigit():
        text += ".0"
    return text if len(text) <= 60 else text[:57] + "..."


def shape_words(shape: tuple[int, ...]) -> str:
    return f"shape {shape}" if shape else "no shape (a single number)"


def type_name(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def copied(arg: Any) -> Any:
    if hasattr(arg, "detach"):
        return arg.detach().clone().requires_grad_(arg.requires_grad)
    return arg if callable(arg) else copy.deepcopy(arg)


def without_torch(got: Any) -> Any:
    """A torch tensor as a numpy array (numpy has no bfloat16); anything else as it is."""
    if not (hasattr(got, "detach") and hasattr(got, "numpy")):
        return got
    tensor = got.detach().cpu()
    return tensor.float().numpy() if "bfloat16" in str(tensor.dtype) else tensor.numpy()

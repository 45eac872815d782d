"""What the reference implementations accept: numpy arrays and torch tensors that can't broadcast by accident."""

from typing import Any

import array_api_compat
import numpy as np

Array = Any  # a numpy array or a torch tensor; a Python number counts as a numpy scalar


class UserError(Exception):
    """Something that the person at the keyboard can mend: one line, no traceback."""


def same_shape(**arrays: Array) -> list[Array]:
    """The arrays, Python numbers made numpy scalars; raises if kinds, types or shapes disagree."""
    converted = {name: np.float64(x) if isinstance(x, (int, float)) else x for name, x in arrays.items()}
    try:
        xp = array_api_compat.array_namespace(*converted.values())
    except TypeError:
        kinds = ", ".join(f"{name} {type(x).__name__}" for name, x in arrays.items())
        raise TypeError(f"expected numpy arrays or torch tensors, all of one kind: {kinds}") from None
    for name, x in converted.items():
        if not xp.isdtype(x.dtype, "real floating"):
            raise TypeError(f"{name} is of type {x.dtype}: expected a floating type")
    if len({tuple(x.shape) for x in converted.values()}) > 1:
        shapes = ", ".join(f"{name} {tuple(x.shape)}" for name, x in converted.items())
        raise ValueError(f"the shapes disagree and would broadcast: {shapes}")
    return list(converted.values())


def require_number(name: str, value: float, *, above_zero: bool = False) -> None:
    """Raise unless `value` is one number, and above 0 if asked."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} is {type(value).__name__}: expected one number for the whole batch")
    if above_zero and not value > 0:
        raise ValueError(f"{name} is {value}: it must be above 0")

"""A call as a student would write it, to copy and try."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograder.student_data.plain import without_torch
from autograder.student_data.values import show
from simpo_language.speech import _

ELEMENTS = 12  # of an array; a larger one is described


def call_text(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """The call, in Python: `loss(np.array([1.0, 2.0]), beta=2.0)`; numbers to 6 digits."""
    shown = [as_code(arg) for arg in args] + [f"{name}={as_code(arg)}" for name, arg in kwargs.items()]
    return f"{getattr(function, '__name__', '') or _('your function')}({', '.join(shown)})"


def as_code(arg: Any) -> str:
    """A value as the code that makes it."""
    plain = without_torch(arg)
    if not isinstance(plain, np.ndarray) or (not plain.ndim and plain is arg) or plain.size > ELEMENTS:
        return show(arg)
    elements = _nested(plain.tolist())
    if plain is arg:
        return f"np.array({elements})"
    double = ", dtype=torch.float64" if plain.dtype == np.float64 else ""
    return f"torch.tensor({elements}{double})"


def _nested(items: Any) -> str:
    return f"[{', '.join(map(_nested, items))}]" if isinstance(items, list) else show(items)

"""What a student's function was lent: whether it gives it back as its result, or keeps it and changes it later.

A function that does either works in its own check, and spoils what comes after: what it gave back changes with its
argument, and the other way round.
"""

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.student_data.plain import is_plain, is_tensor
from autograder.student_data.values import copied, unchanged

CALLS = 4  # whose arguments are looked at once more
DEEPEST = 8  # lists in lists that are looked through


@dataclass(frozen=True)
class Kept:
    """What became of the arguments of a call."""

    places: tuple[int, ...] = ()  # of the arguments that came back as the result, or as a part of it
    is_late: bool = False  # an argument of an earlier call has changed since


@dataclass(frozen=True)
class _Call:
    given: list[Any]
    as_it_was: list[Any]


class Loans:
    """The arguments of the last calls of one process."""

    def __init__(self) -> None:
        self._calls: deque[_Call] = deque(maxlen=CALLS)

    def returned(self, given: Sequence[Any], result: Any) -> Kept:
        """What a call has kept. given: its arguments, all of them made for it alone."""
        is_late = any(
            is_plain(before) and not unchanged(before, after)
            for call in self._calls
            for before, after in zip(call.as_it_was, call.given, strict=True)
        )
        if is_late:
            self._calls.clear()  # told once
        lent = [*filter(_can_change, given)]
        if lent:
            self._calls.append(_Call(lent, [copied(one) for one in lent]))
        places = tuple(place for place, one in enumerate(given) if _can_change(one) and is_shared(result, one))
        return Kept(places, is_late)


def is_shared(result: Any, argument: Any) -> bool:
    """Whether a result is an argument or a view of it, or a list that holds one.

    What stands in a dict or a tuple has a place of its own there: {"reference": reference} says that it is the same.
    """
    if isinstance(result, dict | tuple) and result is not argument:
        return False
    lists, ranges = {id(one) for one in _parts(argument, list | dict | set)}, [*_ranges(argument)]
    return any(id(one) in lists for one in _parts(result, list | dict | set)) or any(
        start < its_end and its_start < end for start, end in ranges for its_start, its_end in _ranges(result)
    )


def _can_change(one: Any) -> bool:
    return isinstance(one, list | dict | set | np.ndarray) or is_tensor(one)


def _parts(value: Any, kinds: Any, depth: int = DEEPEST) -> Iterator[Any]:
    """A value and what it holds, as far as it is of these kinds."""
    if isinstance(value, kinds):
        yield value
    if depth and isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _parts(part, kinds, depth - 1)


def _ranges(value: Any) -> Iterator[tuple[int, int]]:
    """From where to where each array and tensor of a value lies in memory."""
    for part in _parts(value, object):
        with contextlib.suppress(Exception):  # a tensor without memory of its own has no place
            if isinstance(part, np.ndarray):
                whole = part
                while isinstance(whole.base, np.ndarray):
                    whole = whole.base
                yield whole.ctypes.data, whole.ctypes.data + whole.nbytes
            elif is_tensor(part):
                start = part.untyped_storage().data_ptr()
                yield start, start + part.untyped_storage().nbytes()

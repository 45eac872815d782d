"""Sealed answers: a notebook can tell whether an answer is right and can't be read for it.

A check of a number or a word that students work out would hold it, a line below the question. `autograder
release` puts a digest in its place, salted with the answer's name. A number is rounded to one digit more than the
check compares, and its digest is looked for among all roundings within the tolerance. This keeps the answer from
the eye, not from somebody who tries all numbers: grading compares with the number itself.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from autograder.student_data.values import ZERO_FLOOR

LENGTH = 10  # hexadecimal digits of a digest
ROOM = 0.9  # of the tolerance: what passes here passes at grading, too, though the sealed number is rounded


@dataclass(frozen=True)
class Sealed:
    """A number, a list of numbers or a word, of which only digests are known."""

    digests: str | tuple[str, ...]  # one; or one for each element

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what is sealed."""
        return () if isinstance(self.digests, str) else (len(self.digests),)

    def is_word(self, name: str, word: Any) -> bool:
        """Whether it is this word. name: the answer's, which is the salt."""
        return self.digests == _digest(name, repr(word))

    def is_close(self, name: str, got: np.ndarray, rtol: float, scale: float | None) -> bool:
        """Whether numbers have its shape, and each its value within the tolerance. rtol, scale: as in `check_close`."""
        if got.shape != self.shape:
            return False
        digests = (self.digests,) if isinstance(self.digests, str) else self.digests
        numbers = [float(number) for number in got.ravel()]
        floor = scale if scale is not None else ZERO_FLOOR * max(map(abs, numbers), default=0.0) if got.shape else None
        return all(
            any(_digest(f"{name} {place}", near) == digest for near in _near(number, rtol, floor))
            for place, (number, digest) in enumerate(zip(numbers, digests, strict=True))
        )


def sealed(digests: str | Sequence[str]) -> Sealed:
    """What stands in a released notebook in place of an answer."""
    return Sealed(digests if isinstance(digests, str) else tuple(digests))


def seal_word(name: str, word: Any) -> str:
    """The digest of the right option. name: the answer's."""
    return _digest(name, repr(word))


def seal_numbers(name: str, numbers: Any, rtol: float) -> str | list[str]:
    """The digest of a number, or of each number of a list. name: the answer's. rtol: of its check.

    Raises:
        ValueError: It has more than one dimension.
    """
    array = np.asarray(numbers, dtype=np.float64)
    if array.ndim > 1:
        raise ValueError(f"{name} has shape {array.shape}; only numbers and lists of numbers can be sealed")
    digests = [_digest(f"{name} {place}", _rounded(float(one), rtol)) for place, one in enumerate(array.ravel())]
    return digests if array.ndim else digests[0]


def _near(number: float, rtol: float, floor: float | None) -> Iterator[str]:
    """All rounded numbers within the tolerance. floor: the size below which a number counts as this large."""
    if not math.isfinite(number):
        yield str(number)
        return
    tolerance = ROOM * rtol * max(abs(number), floor or 0.0)
    if abs(number) <= ROOM * rtol * (1.0 if floor is None else floor):
        yield "0"
    if number:
        unit = _unit(number * (1 - 2 * rtol), rtol)
        middle, span = round(number / 10.0**unit), int(tolerance / 10.0**unit)
        for count in range(middle - span, middle + span + 1):
            yield _decimal(count, unit)


def _rounded(number: float, rtol: float) -> str:
    if number == 0 or not math.isfinite(number):
        return "0" if number == 0 else str(number)
    unit = _unit(number, rtol)
    return _decimal(round(number / 10.0**unit), unit)


def _unit(number: float, rtol: float) -> int:
    """The power of ten to which a number is rounded: its first digit's, and as many more as the check compares."""
    return math.floor(math.log10(abs(number))) + math.floor(math.log10(rtol)) - 1


def _decimal(count: int, unit: int) -> str:
    return str(Decimal(count).scaleb(unit).normalize())


def _digest(name: str, text: str) -> str:
    return hashlib.sha256(f"{name}: {text}".encode()).hexdigest()[:LENGTH]

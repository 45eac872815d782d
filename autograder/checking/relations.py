"""What a wrong number is to the right one: its opposite, a percentage of it, its logarithm, the same rounded.

Such a sentence is true of the value itself, whatever made it. It stands before a check's hint where none of the check's
own mistakes is recognised.
"""

import math
from collections.abc import Callable

import numpy as np

from simpo_language.speech import N_, _

Numbers = np.ndarray
TINY = 1e-9  # relative: what is so near was computed, not met by chance

# What it is, and how to get from it to the right value
BACK: tuple[tuple[str, Callable[[Numbers], Numbers]], ...] = (
    (N_("This is the right value with the opposite sign: what is subtracted from what?"), lambda got: -got),
    (N_("This is 100 times the right value: no percentage is asked for."), lambda got: got / 100),
    (N_("This is a hundredth of the right value: a percentage is asked for."), lambda got: got * 100),
    (N_("Take the natural logarithm, np.log, not the one to base 10."), lambda got: got * math.log(10)),
    (N_("Take the natural logarithm, np.log, not the one to base 2."), lambda got: got * math.log(2)),
)
# The same, where the right value may be shown: each would help to guess one that must not be
BACK_WHERE_SHOWN: tuple[tuple[str, Callable[[Numbers], Numbers]], ...] = (
    (N_("These are the right numbers in the opposite order."), lambda got: got[::-1] if got.ndim else got),
    (N_("Rows and columns are swapped."), lambda got: got.T),
    (N_("This is 1 minus the right value."), lambda got: np.where((got > 0) & (got < 1), 1 - got, np.nan)),
    (N_("This is 1 over the right value: what is divided by what?"), lambda got: 1 / got),
    (N_("This is twice the right value: where does a factor 2 come from?"), lambda got: got / 2),
    (N_("This is half the right value: is a factor 2 missing?"), lambda got: got * 2),
    (N_("This is e to the power of the right value: is a logarithm missing, or an exp() too much?"), np.log),
    (N_("This is the logarithm of the right value: is a log() too much, or an exp() missing?"), np.exp),
    (N_("This is the square of the right value."), np.sqrt),
    (N_("This is the square root of the right value."), np.square),
)
# How to get from the right value to it
THERE: tuple[tuple[str, Callable[[Numbers], Numbers]], ...] = (
    (
        N_("The fraction is dropped: // and int() do that. Divide by /."),
        lambda right: _without_fraction(right, np.floor),
    ),
    (
        N_("The fraction is dropped: // and int() do that. Divide by /."),
        lambda right: _without_fraction(right, np.trunc),
    ),
    (N_("The size is right and the sign is lost: is there an abs()?"), np.abs),
    (N_("What should be below 0 is 0: is something cut off there?"), lambda right: np.maximum(right, 0)),
    (N_("This is the sum of the right numbers; each by itself is asked for."), np.sum),
    (N_("This is the mean of the right numbers; each by itself is asked for."), np.mean),
    (N_("The first number is missing."), lambda right: right[1:] if right.ndim else right),
    (N_("The last number is missing."), lambda right: right[:-1] if right.ndim else right),
)
TOO_MANY = (
    (N_("There is one number too many, the first."), np.s_[1:]),
    (N_("There is one number too many, the last."), np.s_[:-1]),
)
ROUNDED = N_("This is the right value, rounded. Give it with all its digits.")
NOT_A_NUMBER = N_("nan comes of 0 / 0, of inf - inf, or of the logarithm of a negative number.")
INFINITE = N_("inf comes of exp() of a large number or of a division by 0, -inf of log(0).")


def of_value(got: Numbers, is_right: Callable[[Numbers], bool], right: Numbers | None) -> str:
    """What a wrong value is to the right one; empty if nothing is recognised.

    got: what the student gave. is_right: whether numbers are the right ones. right: the right value, or None where
        it must not be shown.
    """
    if not np.isfinite(got).all():
        finite = right is None or np.isfinite(right).all()
        return _(NOT_A_NUMBER if np.isnan(got).any() else INFINITE) if finite else ""
    got = got.astype(np.float64)
    with np.errstate(all="ignore"):
        for sentence, back in BACK if right is None else BACK + BACK_WHERE_SHOWN:
            tried = back(got)
            if not _are_alike(tried, got) and is_right(tried):
                return _(sentence)
        return "" if right is None else _of_shown(got, right.astype(np.float64), is_right)


def _of_shown(got: Numbers, right: Numbers, is_right: Callable[[Numbers], bool]) -> str:
    if got.ndim == right.ndim == 1:
        for sentence, part in TOO_MANY:
            if right.size and is_right(got[part]):
                return _(sentence)
    for sentence, there in THERE:
        made = np.asarray(there(right))
        if made.size and not _are_alike(made, right) and _are_alike(got, made):
            return _(sentence)
    digits = range(1, 9)
    return _(ROUNDED) if right.any() and any(_are_alike(got, np.round(right, each)) for each in digits) else ""


def _without_fraction(right: Numbers, whole: Callable[[Numbers], Numbers]) -> Numbers:
    """The whole parts, where all have a fraction and none is 0: else they may come of anything."""
    made = whole(right)
    return made if ((made != right) & (made != 0)).all() else right


def _are_alike(one: Numbers, other: Numbers) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=TINY, atol=0))

"""What a value of a student's counts as: numbers, texts, arrays, and containers of these.

Decided here alone, for a check in the student's own notebook and for what goes from the student's process to the check
when it is graded, so that both say the same. Needs numpy alone.
"""

import collections.abc
import numbers
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from simpo_language.speech import _

NUMBERS, TEXTS, TIMES_AND_RECORDS = "biufc", "US", "mMV"  # numpy's kinds of dtype
TENSOR_TYPES = (
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
    *("float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128"),
)
SCALARS = frozenset({bool, int, float, complex, str, bytes, type(None), type(...)})
SEQUENCES, SETS = (list, tuple), (set, frozenset)
EXACT = SCALARS | {range, dict, *SEQUENCES, *SETS}
DEEPEST = 64  # containers in containers, as numpy has dimensions; what lies deeper, without end maybe, counts as dots
STANDS_FOR = "stands_for"  # of a type: names of the types that a value had in the student's process

_BASES: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,  # an Enum's own is its name
    **{kind: kind for kind in (bytes, int, float, complex, dict, *SEQUENCES, *SETS)},
    bytearray: bytes,
}
_ABSTRACT = (
    *(numbers.Number, numbers.Complex, numbers.Real, numbers.Rational, numbers.Integral),
    *(getattr(collections.abc, name) for name in collections.abc.__all__),
)


def plain(got: Any, depth: int = DEEPEST) -> Any:
    """The value made of plain ones alone: None, numbers, texts, numpy arrays, torch tensors, and containers of these.

    A subclass becomes what it is a subclass of; a pandas Series, and what else numpy can read, an array; a Fraction,
    and what else Python makes a float of, a float. What has no plain form stays as it is, in its place.
    """
    got = _plain_itself(got)
    kind = type(got)
    if kind is not dict and (kind not in (*SEQUENCES, *SETS) or all(type(part) in SCALARS for part in got)):
        return got
    if depth == 0:
        return ...
    if kind is dict:
        return {_hashable(key, depth - 1): plain(part, depth - 1) for key, part in got.items()}
    return kind([(_hashable if kind in SETS else plain)(part, depth - 1) for part in got])


def is_plain(got: Any) -> bool:
    """Whether a value is made of numbers, words and arrays alone: nothing with behaviour of its own."""
    kind = type(got)
    if kind in SCALARS or kind is range:
        return got is not ...
    if kind is dict:
        return all(map(is_plain, (*got.keys(), *got.values())))
    if kind in SEQUENCES or kind in SETS:
        return all(map(is_plain, got))
    return is_tensor(got) or (isinstance(got, np.generic | np.ndarray) and got.dtype.kind in NUMBERS + TEXTS)


def as_numbers(got: Any) -> np.ndarray:
    """A plain value as an array of real numbers. Raises ValueError, which says what was expected instead."""
    if not is_plain(got):
        raise ValueError(_("a number or an array of numbers"))
    try:
        array = np.asarray(_untensored(got))
    except ValueError:
        raise ValueError(_("numbers in a regular shape")) from None
    if array.dtype.kind == "O" and array.size and all(type(part) in (int, float) for part in array.flat):
        try:
            return array.astype(np.float64)
        except OverflowError:
            raise ValueError(_("numbers that a float can hold")) from None
    if array.dtype.kind == "c":
        raise ValueError(_("real numbers"))
    if array.dtype.kind not in "iuf":
        raise ValueError(_("a number or an array of numbers"))
    return array


def is_tensor(got: Any) -> bool:
    """Whether it is a torch tensor whose numbers lie in this process's memory, one after the other."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(got, torch.Tensor):
        return False
    has_numbers = got.layout == torch.strided and not got.is_quantized and got.device.type != "meta"
    return has_numbers and str(got.dtype).removeprefix("torch.") in TENSOR_TYPES


def without_torch(got: Any) -> Any:
    """A torch tensor as a numpy array, one of a type that numpy has not in single precision; all else as it is."""
    if not is_tensor(got):
        return got
    tensor = got.detach().cpu().resolve_conj().resolve_neg()
    try:
        return tensor.numpy()
    except TypeError:
        return (tensor.cfloat() if tensor.is_complex() else tensor.float()).numpy()


def type_name(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def type_names(got: Any) -> list[str]:
    """The names of the types that a value is an instance of, its own first."""
    return [type_name(kind) for kind in (*type(got).__mro__, *(kind for kind in _ABSTRACT if isinstance(got, kind)))]


def is_itself(got: Any) -> bool:
    """Whether it counts as what it is: neither a subclass of a plain kind nor without a plain form."""
    kind = type(got)
    if kind is np.ndarray or isinstance(got, np.generic):
        return got.dtype.kind in NUMBERS + TEXTS and type(_plain_array(got)) is kind
    return kind in EXACT or (is_tensor(got) and kind is sys.modules["torch"].Tensor)


def is_of(got: Any, types: tuple[type, ...]) -> bool:
    """Whether a value is an instance of one of the types, or stands for one that was."""
    names = getattr(type(got), STANDS_FOR, None)
    return isinstance(got, types) if names is None else any(type_name(kind) in names for kind in types)


def _plain_itself(item: Any) -> Any:
    """The item as one of the plain kinds, its parts as they are; itself if it has no plain form."""
    if type(item) in EXACT or callable(item):
        return item
    try:
        return _converted(item)
    except Exception:  # whatever a class of the student's raises
        return item


def _converted(item: Any) -> Any:
    if isinstance(item, np.generic | np.ndarray):
        return _plain_array(item)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(item, torch.Tensor):
        return item.dequantize() if item.is_quantized else item if item.layout == torch.strided else item.to_dense()
    for kind, convert in _BASES.items():
        if isinstance(item, kind):
            return convert(item)
    if hasattr(type(item), "__array__"):
        return _plain_array(np.asarray(item))
    if isinstance(item, Sequence):  # an array.array, a memoryview, a deque
        return _plain_array(np.asarray(item)) if hasattr(item, "itemsize") else list(item)
    if not hasattr(type(item), "__float__"):
        return item
    try:
        return float(item)
    except OverflowError:
        return int(item)


def _plain_array(array: Any) -> Any:
    if isinstance(array, np.ma.MaskedArray):  # what is masked is no number
        array = np.ma.filled(array.astype(np.float64), np.nan) if np.ma.is_masked(array) else array.data
    kind = array.dtype.kind
    if kind == "O":
        parts = [_plain_itself(part) for part in array.flat]
        if all(type(part) in (int, float) for part in parts):
            return as_numbers(parts).reshape(array.shape)
    if kind in NUMBERS + TEXTS:
        is_own = type(array) is not np.ndarray and not isinstance(array, np.generic)
        return np.asarray(array) if is_own else array.item() if isinstance(array, np.str_ | np.bytes_) else array
    return array if kind in TIMES_AND_RECORDS else array.tolist()


def _hashable(part: Any, depth: int) -> Any:
    """A set's part or a dict's key made plain; itself where the plain form can be neither."""
    made = plain(part, depth)
    try:
        hash(made)
    except TypeError:
        return part
    return made


def _untensored(got: Any) -> Any:
    """Lists of tensors as lists of arrays."""
    if type(got) not in SEQUENCES or all(type(part) in SCALARS for part in got):
        return without_torch(got)
    return [_untensored(part) for part in got]

"""Plain values as JSON: what may pass between a student's process and the examiner's.

Numbers, strings, lists, tuples, dicts, sets, numpy arrays and torch tensors are copied. JSON can't carry
code, so nothing that arrives can run. All else (functions, objects) stays where it is; `keep` says what to
send in its place, and `take` what the other side sees. A tensor that asks for its gradient stays, too: it
is put on the list `live`, and its place in that list is sent.
"""

import base64
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograder.student_data.plain import NUMBERS, TENSOR_TYPES, TEXTS, is_tensor, plain
from simpo_language.speech import _

LONGEST = 64  # bits of an int; a longer one goes in hexadecimal digits, of which JSON takes any number
Tree = Any  # what json.dumps takes


class NotPlain(ValueError):
    """What arrived is not what `pack` makes."""


def pack(value: Any, keep: Callable[[Any], Tree], live: list[Any] | None = None) -> Tree:
    """The value as JSON can carry it.

    keep: what to send for a value that is not plain.
    live: gets the tensors that ask for a gradient; without it they are sent as plain numbers.
    """

    def one(item: Any) -> Tree:
        kind = type(item)
        if item is None or kind in (bool, float, str):
            return item
        if kind is int:
            return item if item.bit_length() <= LONGEST else {"int": hex(item)}
        if isinstance(item, list):
            return [one(part) for part in item]
        for container in (tuple, set, frozenset):
            if isinstance(item, container):
                return {container.__name__: [one(part) for part in item]}
        if isinstance(item, dict):
            return {"dict": [[one(key), one(part)] for key, part in item.items()]}
        if isinstance(item, np.generic | np.ndarray) and item.dtype.kind in NUMBERS + TEXTS:
            return _pack_array(item)
        if is_tensor(item):
            if live is not None and item.requires_grad:
                live.append(item)
                return {"live": len(live) - 1}
            return _pack_tensor(item)
        if kind is complex:
            return {"complex": [item.real, item.imag]}
        if kind is range:
            return {"range": [item.start, item.stop, item.step]}
        if kind is bytes:
            return {"bytes": base64.b64encode(item).decode()}
        return {"ellipsis": 0} if item is ... else {"kept": keep(item)}

    return one(plain(value))


def unpack(tree: Tree, take: Callable[[Tree], Any], live: Sequence[Any] = ()) -> Any:
    """The value that was packed.

    take: what stands here for a value that was kept.
    live: what stands for the tensors that ask for a gradient.

    Raises:
        NotPlain: `pack` makes no such thing.
    """

    def one(item: Tree) -> Any:
        if not isinstance(item, dict):
            return [one(part) for part in item] if isinstance(item, list) else item
        if len(item) != 1:
            raise NotPlain(f"{len(item)} kinds for one value")
        ((kind, content),) = item.items()
        if kind in ("tuple", "set", "frozenset"):
            return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](map(one, content))
        if kind == "dict":
            return {one(key): one(part) for key, part in content}
        if kind == "complex":
            return complex(*content)
        if kind == "live":
            return live[content]
        if kind == "kept":
            return take(content)
        return _unpack_leaf(kind, content)

    try:
        return one(tree)
    except NotPlain:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        raise NotPlain(f"{type(error).__name__}: {error}") from None


def _unpack_leaf(kind: str, content: Tree) -> Any:
    if kind == "ellipsis":
        return ...
    if kind == "int":
        return int(content, 16)
    if kind == "range":
        return range(*content)
    if kind == "bytes":
        return base64.b64decode(content)
    if kind in ("array", "scalar"):
        name, shape, data = content
        dtype = np.dtype(str(name))
        if dtype.kind not in NUMBERS + TEXTS:
            raise NotPlain(f"an array of {dtype}")
        array = np.frombuffer(_bytes(data, shape, dtype.itemsize), dtype).reshape(shape)
        return array[()] if kind == "scalar" else array.copy()
    if kind == "tensor":
        return _unpack_tensor(*content)
    raise NotPlain(f"a value of kind {kind!r}")


def _bytes(data: str, shape: Sequence[int], size: int) -> bytes:
    content = base64.b64decode(data)
    if len(content) != math.prod(shape) * size or len(shape) > 32:
        raise NotPlain(f"{len(content)} bytes for shape {shape}")
    return content


def _pack_array(array: Any) -> Tree:
    kind = "array" if isinstance(array, np.ndarray) else "scalar"
    plain = np.asarray(array)
    return {kind: [plain.dtype.str, list(plain.shape), base64.b64encode(plain.tobytes()).decode()]}


def _pack_tensor(tensor: Any) -> Tree:
    import torch

    with torch._C._DisableFuncTorch():
        plain = _unwrapped(tensor).detach().resolve_conj().resolve_neg().cpu().contiguous()
        content = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return {"tensor": [str(plain.dtype).removeprefix("torch."), list(plain.shape), base64.b64encode(content).decode()]}


def _unwrapped(tensor: Any) -> Any:
    """The numbers of a tensor that torch.func.grad has wrapped. Raises TypeError within torch's other transforms."""
    from torch._C import _functorch

    if not _functorch.is_functorch_wrapped_tensor(tensor):
        return tensor
    transforms = [level.key() for level in _functorch.get_interpreter_stack() or []]
    if transforms != [_functorch.TransformType.Grad]:
        raise TypeError(
            _(
                "torch can take the derivative of a function of the check's once, by .backward() or torch.func.grad, "
                "and not by vmap, jacrev or jacfwd"
            )
        )
    return _functorch.get_unwrapped(tensor)


def _unpack_tensor(name: str, shape: Sequence[int], data: str) -> Any:
    import torch

    if name not in TENSOR_TYPES:
        raise NotPlain(f"a tensor of {name!r}")
    dtype = getattr(torch, name)
    content = bytearray(_bytes(data, shape, dtype.itemsize))
    if not content:
        return torch.zeros(shape, dtype=dtype)
    return torch.frombuffer(content, dtype=dtype).reshape(tuple(shape)).clone()  # not a view, or torch's errors say so

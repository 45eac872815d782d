"""What may cross between the two processes comes out as it went in; what may not can't run."""

import json
import math
from collections import Counter, namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autograder.inside.plain_values import NotPlain, pack, unpack


def nothing(item):
    raise AssertionError(f"{item!r} was kept")


def across(value):
    return unpack(json.loads(json.dumps(pack(value, nothing))), nothing)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(-(10**4000))
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.just(...),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
)


@given(plain)
def test_plain_values_come_out_as_they_went_in(value):
    assert across(value) == value


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.float32(1.5),
        np.array([], dtype=np.int64),
        np.array(True),
        np.array(["a", "bc"]),
    ],
)
def test_arrays_keep_type_shape_and_dtype(array):
    got = across(array)
    assert type(got) is type(array)
    assert (got.dtype, got.shape) == (array.dtype, array.shape)
    assert np.array_equal(got, array)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 2)])
def test_tensors_keep_shape_and_dtype(dtype, shape):
    tensor = torch.ones(shape).to(dtype)
    got = across(tensor)
    assert got.dtype == dtype
    assert torch.equal(got, tensor)


def test_a_tensor_is_a_leaf_of_its_own():
    tensor = across(torch.ones(2, 2)).requires_grad_()
    with pytest.raises(RuntimeError, match=r"^a leaf Variable"):  # "a view of a leaf Variable", if it were one
        tensor -= 1


def test_infinity_and_nan_cross():
    assert across(-math.inf) == -math.inf
    assert math.isnan(across(math.nan))


def test_subclasses_of_containers_become_what_they_are():
    assert across([namedtuple("P", "x y")(1, 2), Counter("aab"), range(3)]) == [(1, 2), {"a": 2, "b": 1}, range(3)]


def test_objects_and_functions_stay():
    class Always:
        def __eq__(self, other):
            return True

        __hash__ = None

    kept = []
    tree = pack({"a": Always(), "f": print}, lambda item: kept.append(item) or {})
    assert kept[1] is print
    assert unpack(tree, lambda _: "inert") == {"a": "inert", "f": "inert"}


@pytest.mark.parametrize(
    "tree",
    [
        {"array": ["|O", [1], "AAAAAAAAAAA="]},
        {"array": ["<f8", [1 << 40], ""]},
        {"array": ["<f8", [-1, -1], "AAAAAAAAAAA="]},
        {"tensor": ["load", [1], "AA=="]},
        {"pickle": "gASVAAAA"},
        {"tuple": [], "list": []},
        {"dict": [[[], 1]]},
        {"live": 3},
        {"array": 7},
        {"set": [[]]},
    ],
)
def test_what_pack_does_not_make_is_refused(tree):
    with pytest.raises(NotPlain):
        unpack(tree, nothing)

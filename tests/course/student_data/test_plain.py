"""What a check says in a student's notebook is what grading says, whatever kind of value the student has."""

import json
import linecache
import warnings

import pytest

from autograder.execution.run import session
from autograder.student_data.plain import DEEPEST, plain

STUDENTS = '''
import array, collections, decimal, enum, fractions
import numpy as np
import pandas as pd
import torch

class Reading(float):
    """A float with a unit, say."""
    def __repr__(self):
        return "a reading"

class Level(enum.IntEnum):
    ONE = 1

class Named(str, enum.Enum):
    DPO = "dpo"

Point = collections.namedtuple("Point", "x y")

class Vector:
    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0])

class Money:
    def __float__(self):
        return 0.5

class Equal:
    def __eq__(self, other):
        return True
    __hash__ = None

class Broken:
    def __repr__(self):
        raise ValueError("no words")

class Full(dict):
    def __init__(self):
        raise ValueError("needs nothing")

def count():
    yield 1.0
    yield 2.0

circle = [1.0]
circle.append(circle)
full = Full.__new__(Full)
full["a"] = 1.0

VALUES = {
    "float": lambda: 0.5,
    "int": lambda: 1,
    "bool": lambda: True,
    "none": lambda: None,
    "dots": lambda: ...,
    "complex": lambda: 0.5 + 0j,
    "text": lambda: " DPO ",
    "number as text": lambda: "0.5",
    "half a character": lambda: "\\ud800",
    "bytes": lambda: b"ab",
    "bytearray": lambda: bytearray(b"ab"),
    "nan": lambda: float("nan"),
    "inf": lambda: -float("inf"),
    "a large int": lambda: 2**70,
    "larger than floats": lambda: 10**400,
    "more digits than Python shows": lambda: 10**5000,
    "subclass of float": lambda: Reading(0.5),
    "IntEnum": lambda: Level.ONE,
    "Enum of text": lambda: Named.DPO,
    "Fraction": lambda: fractions.Fraction(1, 2),
    "a large Fraction": lambda: fractions.Fraction(10**400),
    "Decimal": lambda: decimal.Decimal("0.5"),
    "what Python makes a float of": lambda: Money(),
    "list": lambda: [1.0, 2.0],
    "list of one": lambda: [0.5],
    "tuple": lambda: (1.0, 2.0),
    "nested": lambda: [[1.0, 2.0], [3.0, 4.0]],
    "ragged": lambda: [[1.0], [1.0, 2.0]],
    "empty": lambda: [],
    "of many kinds": lambda: [1, fractions.Fraction(2), np.float32(3), torch.tensor(4.0, requires_grad=True)],
    "a list with words": lambda: [1.0, "two"],
    "a list with None": lambda: [1.0, None],
    "a list with a generator": lambda: [count(), 1.0],
    "a list in itself": lambda: circle,
    "deep": lambda: eval("[" * 70 + "]" * 70),
    "list of arrays": lambda: [np.array([1.0, 2.0]), torch.tensor([3.0, 4.0])],
    "namedtuple": lambda: Point(1.0, 2.0),
    "range": lambda: range(1, 3),
    "deque": lambda: collections.deque([1.0, 2.0]),
    "generator": lambda: count(),
    "map": lambda: map(float, "12"),
    "set": lambda: {1.0, 2.0},
    "set of words": lambda: {"dpo", "simpo", "squared"},
    "frozenset": lambda: frozenset({fractions.Fraction(1, 2)}),
    "dict": lambda: {"a": 1.0, 2: Level.ONE},
    "subclass of dict": lambda: full,
    "Counter": lambda: collections.Counter("aab"),
    "keys": lambda: {"a": 1.0}.keys(),
    "values": lambda: {"a": 1.0}.values(),
    "items": lambda: {"a": 1.0}.items(),
    "array.array": lambda: array.array("d", [1.0, 2.0]),
    "memoryview": lambda: memoryview(array.array("d", [1.0, 2.0])),
    "memoryview of bytes": lambda: memoryview(b"ab"),
    "array": lambda: np.array([1.0, 2.0]),
    "array of float16": lambda: np.array([1.0, 2.0], dtype=np.float16),
    "array the other way round": lambda: np.array([1.0, 2.0], dtype=">f8"),
    "long doubles": lambda: np.array([1.0, 2.0], dtype=np.longdouble),
    "0-d array": lambda: np.array(0.5),
    "0-d array of bool": lambda: np.array(True),
    "array of complex": lambda: np.array([1.0 + 0j, 2.0]),
    "array of words": lambda: np.array(["dpo", "simpo"]),
    "array of long words": lambda: np.array(["dpo", "simpo"], dtype=np.dtypes.StringDType()),
    "object array": lambda: np.array([1.0, fractions.Fraction(2)], dtype=object),
    "object array of anything": lambda: np.array([1.0, "two", None], dtype=object),
    "ragged object array": lambda: np.array([[1.0], [1.0, 2.0]], dtype=object),
    "0-d object array": lambda: np.array(fractions.Fraction(1, 2), dtype=object),
    "dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "records": lambda: np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    "matrix": lambda: np.matrix([[1.0, 2.0]]),
    "masked": lambda: np.ma.masked_array([1.0, 2.0], [False, True]),
    "masked ints": lambda: np.ma.masked_array([1, 2], [True, False]),
    "masked, nothing hidden": lambda: np.ma.masked_array([1.0, 2.0], [False, False]),
    "what is hidden": lambda: np.ma.masked,
    "numpy int": lambda: np.int64(1),
    "numpy uint8": lambda: np.uint8(1),
    "numpy float32": lambda: np.float32(0.5),
    "numpy bool": lambda: np.bool_(True),
    "numpy text": lambda: np.str_("dpo"),
    "numpy date": lambda: np.datetime64("2020-01-01"),
    "what numpy can read": lambda: Vector(),
    "polynomial": lambda: np.poly1d([1.0, 2.0]),
    "Series": lambda: pd.Series([1.0, 2.0], index=[3, 4]),
    "Series of bool": lambda: pd.Series([True, False]),
    "Series of words": lambda: pd.Series(["dpo", "simpo"]),
    "Series with a gap": lambda: pd.Series([1, None], dtype="Int64"),
    "DataFrame": lambda: pd.DataFrame({"a": [1.0], "b": [2.0]}),
    "Index": lambda: pd.Index([1.0, 2.0]),
    "Categorical": lambda: pd.Categorical([1, 2]),
    **{
        f"tensor of {name}": lambda name=name: torch.tensor([1.0, 2.0]).to(getattr(torch, name))
        for name in (
            *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "bfloat16"),
            *("float32", "float64", "complex32", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2"),
        )
    },
    "tensor, one number": lambda: torch.tensor(0.5),
    "tensor with its gradient": lambda: torch.tensor([1.0, 2.0], requires_grad=True) * 1,
    "parameter": lambda: torch.nn.Parameter(torch.tensor([1.0, 2.0])),
    "conjugate": lambda: torch.tensor([1.0 + 1j]).conj(),
    "sparse": lambda: torch.tensor([1.0, 2.0]).to_sparse(),
    "quantized": lambda: torch.quantize_per_tensor(torch.tensor([1.0, 2.0]), 0.5, 0, torch.qint8),
    "nowhere": lambda: torch.empty(2, device="meta"),
    "function": lambda: count,
    "class": lambda: Vector,
    "module of torch": lambda: torch.nn.Linear(1, 1, bias=False),
    "equal to all": lambda: Equal(),
    "no words": lambda: Broken(),
    "object": lambda: object(),
}

def give(name):
    return VALUES[name]()

def leave(name, x):
    return VALUES[name]()

def slope(x, name):
    result = VALUES[name]()
    return result * x.sum() if isinstance(result, torch.Tensor) else result
'''

CHECKS = '''
import collections, contextlib, fractions, io, json, types
import numpy as np
import pandas as pd
import torch
from autograder.checks import *
from autograder.checks import compare_prediction, numbers, value
from numbers import Number

TYPES = (float, int, bool, str, list, tuple, dict, range, np.ndarray, np.matrix, torch.Tensor, torch.nn.Parameter,
    pd.Series, fractions.Fraction, collections.Counter, types.FunctionType, types.GeneratorType, Number)
TRIALS = {
    "close to a number": lambda got: check_close(got, 0.5),
    "close to two": lambda got: check_close(got, [1.0, 2.0], is_strict=True, mistakes={"This is the half.": 0.5}),
    "shape of two": lambda got: check_shape(got, (2,)),
    "type": lambda got: check_type(got, float, np.ndarray, torch.Tensor),
    "types": lambda got: str([kind.__name__ for kind in TYPES if not stopped(check_type, got, kind)]),
    "choice": lambda got: check_choice(got, "dpo", options=("dpo", "simpo")),
    "choice of a number": lambda got: check_choice(got, 1, options=(1, 2)),
    "that": lambda got: check_that(bool(np.all(numbers(got) > 0)), f"{got.label} is {numbers(got)}, expected more"),
    "numbers": lambda got: repr(numbers(got).tolist()),
    "value": lambda got: type(value(got)).__name__,
}

def stopped(trial, *args):
    try:
        return trial(*args) or ""
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

def said(name):
    """What each check says of a value: as a variable, and as what a function gives back."""
    got = give(name)
    found = {trial: stopped(check, answer("x", got)) for trial, check in TRIALS.items()}
    found |= {f"{trial}, called": stopped(TRIALS[trial], call(give, name)) for trial in ("close to two", "type")}
    found["unchanged"] = stopped(lambda: check_inputs_unchanged(leave, name, np.zeros(2)))
    found["unchanged, with a shape"] = stopped(lambda: check_inputs_unchanged(leave, name, np.zeros(2), shape=(2,)))
    found["gradient"] = stopped(lambda: check_close(gradient(slope, [1.0, 2.0], name), [3.0, 3.0]))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        found["prediction"] = stopped(lambda: compare_prediction("x", got, 0.5))
    found["prediction"] += printed.getvalue()
    return found
'''


@pytest.fixture(scope="module")
def visible():
    """What checks say in the student's own notebook."""
    variables = {"__name__": "__main__"}
    with warnings.catch_warnings(record=True):  # numpy's of matrices, pandas's, torch's
        warnings.simplefilter("always")
        linecache.cache["cell"] = (
            len(STUDENTS),
            None,
            STUDENTS.splitlines(keepends=True),
            "cell",
        )  # as a notebook has it
        exec(compile(STUDENTS, "cell", "exec"), variables)
        exec(CHECKS, variables)
        return {name: variables["said"](name) for name in variables["VALUES"]}


@pytest.fixture(scope="module")
def graded(visible, tmp_path_factory):
    """What they say of the student's process."""
    with session(tmp_path_factory.mktemp("graded")) as notebook:
        assert notebook.examine(CHECKS) == []
        assert notebook.run(STUDENTS) == []
        outputs = notebook.examine(f"print(json.dumps({{name: said(name) for name in {list(visible)!r}}}))")
    assert outputs[-1]["output_type"] == "stream", outputs
    return json.loads(outputs[-1]["text"].splitlines()[-1])


def test_what_is_said_of_each_kind_of_value_is_the_same_in_both(visible, graded):
    different = [
        (name, trial, here, graded[name][trial])
        for name, said in visible.items()
        for trial, here in said.items()
        if here != graded[name][trial]
    ]
    assert different == []


TWO = ("list", "tuple", "namedtuple", "range", "deque", "array.array", "memoryview", "array", "object array", "Series")
TWO += ("what numpy can read", "tensor with its gradient", "parameter", "sparse", "tensor of bfloat16", "long doubles")
HALF = (
    "float",
    "subclass of float",
    "Fraction",
    "Decimal",
    "what Python makes a float of",
    "0-d array",
    "numpy float32",
)
REFUSED = {  # and the end of the sentence
    "text": "a str, expected a number or an array of numbers",
    "bool": "a bool, expected a number or an array of numbers",
    "complex": "a complex, expected real numbers",
    "ragged": "a list, expected numbers in a regular shape",
    "larger than floats": "a int, expected numbers that a float can hold",
    "generator": "is <generator object count>, a generator, expected a number or an array of numbers",
    "set": "is {1.0, 2.0}, a set, expected a number or an array of numbers",
    "Series of words": "is ['dpo', 'simpo'], a pandas.Series, expected a number or an array of numbers",
    "masked": "at index (1,) it is nan, expected 2.0",
    "equal to all": "is <__main__.Equal object>, a __main__.Equal, expected a number or an array of numbers",
    "no words": "a __main__.Broken, expected a number or an array of numbers",
}


def test_what_counts_as_numbers_is_taken_and_nothing_else(graded):
    assert {name: graded[name]["close to two"] for name in TWO} == dict.fromkeys(TWO, "")
    assert {name: graded[name]["close to a number"] for name in HALF} == dict.fromkeys(HALF, "")
    for name, sentence in REFUSED.items():
        assert graded[name]["close to two"].splitlines()[0].endswith(sentence)


def test_a_type_is_the_students_own(graded):
    assert graded["Fraction"]["types"] == "['Fraction', 'Number']"
    assert graded["Series"]["type"].endswith(
        "x is of type pandas.Series, expected float or numpy.ndarray or torch.Tensor"
    )
    assert graded["parameter"]["types"] == "['Tensor', 'Parameter']"


def test_what_holds_itself_comes_to_an_end():
    held = [1.0]
    held.append(held)
    made, depth = plain(held), 0
    while made is not ...:
        made, depth = made[1], depth + 1
    assert depth == DEEPEST

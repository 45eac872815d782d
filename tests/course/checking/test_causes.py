import math

import numpy as np
import pytest
import torch

from autograder.checking.causes import of_exception, of_shape, of_type, students_line


def raised(code):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        exec(code, {"np": np, "torch": torch, "math": math, "r": np.array([1.0, 2.0]), "f": lambda x: x})
    return caught.value


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("1.5 ^ 2", "a power is written **"),
        ("r ^ 2", "a power is written **"),
        ("math.exp(r)", "math and float() take one number"),
        ("float(torch.zeros(2))", "math and float() take one number"),
        ("torch.zeros(2).item()", "math and float() take one number"),
        ("(lambda r: r)(1, 2)", "keep their number, order and names"),
        ("(lambda r: r)(beta=2)", "keep their number, order and names"),
        ("max(0, r)", "np.maximum"),
        ("[x for x in 1.5]", "without a loop"),
        ("len(1.5)", "without a loop"),
        ("1.5[0]", "without a loop"),
        ("np.exp(torch.zeros(2, requires_grad=True))", "torch's functions alone"),
        ("torch.zeros(2).sum().backward()", "torch's functions alone"),
        ("torch.zeros(2, requires_grad=True).exp().backward()", "loss.sum().backward()"),
        ("x = torch.zeros(2, requires_grad=True)\nx -= 1", "Make a new array or tensor"),
        ("torch.exp(r)", "numpy's functions"),
        ("f * 2", "f(x)"),
        ("(1.0)(2)", "a value now"),
        ("math.exp(1000)", "overflows"),
        ("math.log(0)", "no logarithm of 0"),
        ("x + 1", "spelt as above"),
        ("(1.5).sum()", "np.sum(x)"),
        ("r.backward()", "Only a torch tensor"),
        ("round(r, 2)", "without round()"),
        ("random.random()", "not imported"),
        ("log(2)", "begin with np."),
        ("np.sigmoid(2)", "write the formula"),
        ("None + 1", "Is a `return` missing"),
        ("[1][1]", "counted from 0"),
        ("r[2]", "counted from 0"),
        ("torch.zeros(2)[5]", "counted from 0"),
        ("r + np.zeros(3)", "different sizes"),
        ("torch.zeros(2) + torch.zeros(3)", "different sizes"),
        ("[1] * 0.5", "make an array"),
        ("[1] + 2", "make an array"),
        ("[1] - 2", "make an array"),
        ("x = torch.ones(1, requires_grad=True)\ny = (x * x).sum()\ny.backward()\ny.backward()", "uses the graph up"),
        ("[1, 2][1.0]", "whole number"),
        ("r[1.0]", "whole number"),
        ("torch.tensor([1, 2], requires_grad=True)", "different kinds, or whole"),
        ("1 / 0", "below the stroke"),
        ("{}['a']", ""),
    ],
)
def test_an_exception_is_told_with_what_it_mostly_comes_from(code, cause):
    found = of_exception(raised(code))
    assert cause in found
    assert bool(found) == bool(cause)


@pytest.mark.parametrize(
    ("got", "cause"),
    [
        ("0.25", "without quotation marks"),
        (True, "comparison"),
        ({"loss": 1.0}, "without names"),
        (abs, "parentheses and arguments"),
        ((np.ones(3), 2.0), "behind `return`"),
        (object(), ""),
    ],
)
def test_a_wrong_type_has_words_of_its_own(got, cause):
    assert cause in of_type(got)
    assert bool(of_type(got)) == bool(cause)


@pytest.mark.parametrize(
    ("got", "wanted", "cause"),
    [
        ((0, 25), (), "A decimal comma makes two numbers of it, 0 and 25. Write a point: 0.25"),
        ((0.25, 1.0), (), "Several values come back"),
        ([0.25], (), "without brackets"),
        (np.ones(3), (), "a whole array"),
        ((), (), "is empty"),
        (2.0, (3,), "this is a single one"),
        (np.ones((2, 3)), (3, 2), "Rows and columns are swapped"),
        (np.ones(2), (3,), ""),
        (np.ones(6), (2, 3), ""),
    ],
)
def test_a_wrong_shape_has_words_of_its_own(got, wanted, cause):
    assert cause in of_shape(got, np.shape(got), wanted)
    assert bool(of_shape(got, np.shape(got), wanted)) == bool(cause)


def test_the_line_is_the_students_though_given_code_raised():
    def given_code(x):
        return x / 0

    names = {"given_code": given_code}
    code = compile("def students(x):\n    return given_code(x)", "<cell>", "exec")
    exec(code, names)
    import linecache

    linecache.cache["<cell>"] = (1, None, ["def students(x):\n", "    return given_code(x)\n"], "<cell>")
    with pytest.raises(ZeroDivisionError) as caught:
        names["students"](1)
    assert students_line(caught.value.__traceback__, __file__) == "return given_code(x)"

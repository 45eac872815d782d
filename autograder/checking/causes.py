"""Why an answer is wrong, as far as its kind tells: its type, its shape, or the exception that it raised."""

import linecache
import re
import sys
from types import TracebackType
from typing import Any

import numpy as np

from autograder.student_data.plain import without_torch
from simpo_language.speech import N_, _

# What an exception says, and what it mostly comes from
EXCEPTIONS = (
    (r"unsupported operand type\(s\) for \^|ufunc 'bitwise_xor'", N_("In Python a power is written **, not ^.")),
    (
        r"only (length-1|0-dimensional|size-1|integer scalar) arrays? can be converted|"
        r"only one element tensors can be converted|a Tensor with \d+ elements cannot be converted to Scalar",
        N_("math and float() take one number; for arrays use numpy's functions, for tensors torch's."),
    ),
    (
        r"(takes|missing) .*positional argument|unexpected keyword argument",
        N_("The arguments are given by the first line of the stub: keep their number, order and names."),
    ),
    (
        r"truth value of an array|Boolean value of Tensor",
        N_("`if`, `and`, `or`, min and max look at one number; for arrays use np.where, np.maximum or torch.where."),
    ),
    (
        r"(has no|is not) .*(iterable|len)|object is not subscriptable|too many indices|iteration over a 0-d",
        N_("One number may come as well as an array: it has no length and no elements. Write it without a loop."),
    ),
    (r"in-place operation|output array is read-only", N_("Make a new array or tensor: x = x - y, not x -= y.")),
    (
        r"grad can be implicitly created only for scalar",
        N_("backward() starts from one number: add the losses up, loss.sum().backward()."),
    ),
    (
        r"requires grad|Can't call numpy\(\) on Tensor|does not require grad",
        N_("Gradients flow through torch's functions alone, from a tensor made with requires_grad=True to the loss."),
    ),
    (
        r"must be Tensor, not|expected Tensor|'numpy\.ndarray' object has no attribute '(exp|log|sigmoid|sum)'",
        N_("Here the values are numpy's, or plain numbers: use numpy's functions, or make a tensor of them first."),
    ),
    (
        r"'(float|int)' object has no attribute '(sum|mean|max|min|std|var|prod|abs|exp|log)'",
        N_("A plain number has no methods like .sum() and .mean(): numpy's functions, np.sum(x), take both."),
    ),
    (
        r"'(float|int|list|numpy\.ndarray|numpy\.float64)' object has no attribute '(backward|detach|item|clone|grad)'",
        N_("Only a torch tensor has this. Is it made of numbers or by numpy, where torch's functions are meant?"),
    ),
    (r"define __round__", N_("Give back all digits, without round(). (For arrays it would be np.round.)")),
    (
        r"name '(math|torch|scipy|random|itertools|statistics)' is not defined",
        N_("This module is not imported here: put `import …` first in your cell, or use numpy's functions."),
    ),
    (
        r"name '(log|exp|sqrt|sigmoid|softmax|mean|pi|e)' is not defined",
        N_("numpy's functions begin with np.: np.log, np.exp, np.mean. A function that numpy lacks, you write."),
    ),
    (
        r"module '(numpy|math|torch)[\w.]*' has no attribute",
        N_("This module has nothing of that name. Look it up, or write the formula."),
    ),
    (
        r"'NoneType' object|unsupported operand .*'NoneType'",
        N_("Something is None. Is a `return` missing, or are .append(), .sort() or .backward() taken for a value?"),
    ),
    (
        r"index out of range|out of bounds for (axis|dimension)|Index .* is out of bounds|index \d+ is out of bounds",
        N_("Places are counted from 0: the last of n is n - 1."),
    ),
    (
        r"could not be broadcast together|must match the size of tensor|shape of the mask|mat1 and mat2|core dimension",
        N_("Arrays of different sizes meet. Which elements of the one belong to which of the other?"),
    ),
    (
        r"can't multiply sequence by non-int|can only concatenate list|unsupported operand .*'(list|tuple)'",
        N_("A list can't be calculated with: make an array of it, np.array(x)."),
    ),
    (
        r"backward through the graph a second time",
        N_("backward() uses the graph up: compute the loss anew at each step, and take constants with .detach()."),
    ),
    (
        r"must be integers or slices|only integers, slices|tensors used as indices must be",
        N_("An index is a whole number: / gives a float, // and int() give whole numbers."),
    ),
    (
        r"found dtype|expected scalar type|same dtype|must be real-valued|Only Tensors of floating point",
        N_("The numbers are of different kinds, or whole: .double() or dtype=torch.float64 makes them alike."),
    ),
    (
        r"for [-+*/]+:? '?function'? and|unsupported operand .*'function'",
        N_("A function is called with parentheses, f(x); here the function itself stands in the sum."),
    ),
    (r"object is not callable", N_("Something with the name of a function is a value now. Use another name for it.")),
    (r"math range error|Result too large|Numerical result out of range", N_("exp() of a large number overflows.")),
    (r"math domain error|expected a (positive|nonnegative)", N_("There is no logarithm of 0 or of a negative number.")),
)
BY_TYPE = {
    "NameError": N_(
        "A function knows its arguments, and what was defined in cells that ran. Is the name spelt as above?"
    ),
    "UnboundLocalError": N_("This name is given a value inside the function, but only after it is read."),
    "ZeroDivisionError": N_("Which number below the stroke can be 0 here?"),
    "RecursionError": N_("The function calls itself, again and again."),
}


def of_exception(error: BaseException) -> str:
    """What an exception mostly comes from; empty if that is not known."""
    said = str(error)
    found = (cause for pattern, cause in EXCEPTIONS if re.search(pattern, said))
    cause = next(found, BY_TYPE.get(type(error).__name__, ""))
    return _(cause) if cause else ""


def of_type(got: Any) -> str:
    """Why something is no number and no array of numbers; empty if that is not known."""
    if isinstance(got, str):
        return _("This is text; a number is written without quotation marks, and returned without f'...' or str().")
    if isinstance(got, (bool, np.bool_)):
        return _("True and False are no numbers here. Is there a comparison where a calculation is meant?")
    if isinstance(got, (dict, set)):
        return _("The bare numbers are asked for, without names: not in a dict or a set.")
    if callable(got):
        return _("This can be called, and was not: write parentheses and arguments behind its name.")
    if isinstance(got, tuple) and _is_uneven(got):
        return _("Several things come back, with commas between them; only what is asked for belongs behind `return`.")
    return ""


def of_shape(got: Any, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Why numbers have another shape than they should; empty if that is not known.

    got: what the student gave. shape: as an array.
    """
    if wanted == () and isinstance(got, tuple) and len(got) == 2 and all(type(part) is int for part in got):
        whole, after = got
        sentence = _("A decimal comma makes two numbers of it, {whole} and {after}. Write a point: {whole}.{after}")
        return sentence.format(whole=whole, after=after)
    if wanted == ():
        if not np.prod(shape):
            return _("What comes back is empty; one number is asked for.")
        if isinstance(got, tuple):
            return _("Several values come back, with commas between them; one number is asked for.")
        if np.prod(shape) == 1:
            return _(
                "The number stands in a list or an array of one element; one number without brackets is asked for."
            )
        return _("One number is asked for; this is a whole array. Is a sum or a mean missing, or an index?")
    if shape == ():
        return _(
            "One number for each element is asked for; this is a single one. "
            "Is a sum or a mean taken, or does `return` stand inside a loop?"
        )
    return _("Rows and columns are swapped.") if shape == wanted[::-1] and len(shape) == 2 else ""


def _is_uneven(parts: tuple[Any, ...]) -> bool:
    return len({np.shape(without_torch(part)) for part in parts if not isinstance(part, str)}) > 1


def students_line(traceback: TracebackType | None, ours: str) -> str:
    """The last line of the student's cell that an error came through; empty if it can't be read.

    Their function stands in the first cell on the way. What it calls in other cells may be given code, or
    the check's own. ours: where the frames before it, and our own among them, come from.
    """
    cell, line = "", ""
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if not ("site-packages" in name or name.startswith((ours, sys.base_prefix))) and cell in ("", name):
            cell, line = name, linecache.getline(name, traceback.tb_lineno).strip() or line
        traceback = traceback.tb_next
    return line

"""A test once more, comparing with something else than it should: what passes that lies.

Each equality, `isclose` and the like of a test is turned round: with another number, another text, or an object that
nothing is equal to in place of what was expected, it must not hold. Where it does, an error says so by a nonce.
"""

import ast
import copy
import random
import secrets
from dataclasses import dataclass
from typing import Any

from autograder.execution.syntax import syntax_tree

OFFSETS = (101, 131, 149, 167, 181, 199, 229, 257, 277, 307, 331, 359)  # prime: numbers modulo 7, 12, ... can't agree
CLOSE = {"isclose", "allclose", "array_equal"}
ASSERTING = {
    "assert_allclose", "assert_almost_equal", "assert_array_almost_equal", "assert_array_equal", "assert_close",
    "assert_equal", "assertAlmostEqual", "assertCountEqual", "assertDictEqual", "assertEqual", "assertListEqual",
}  # fmt: skip
TOLERANCE = 0.5  # a test that allows more may agree with another number


@dataclass(frozen=True)
class Trial:
    """A cell whose error holds the nonce if what was compared is equal to something else, too."""

    source: str
    nonce: str

    def found(self, outputs: list[dict[str, Any]]) -> bool:
        return any(self.nonce in output["evalue"] for output in outputs if output["output_type"] == "error")


def trials(source: str) -> list[Trial]:
    """A test with other values; again with other numbers, where it compares with what it computes itself."""
    try:
        tree = syntax_tree(source)
    except SyntaxError:  # it has magics in it
        return []
    made = []
    for adds in (False, True):
        nonce = secrets.token_hex(8)
        change = _Change(nonce, adds=adds)
        changed = change.visit(copy.deepcopy(tree))
        if change.changes and (not adds or change.computed):
            made.append(Trial(ast.unparse(ast.fix_missing_locations(changed)), nonce))
    return made


class _Change(ast.NodeTransformer):
    """Turns comparisons round. adds: a number is added to what the test computes, instead of replacing it."""

    def __init__(self, nonce: str, *, adds: bool) -> None:
        self.nonce = nonce
        self.adds = adds
        self.offset = random.choice(OFFSETS)
        self.changes = self.computed = 0

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        if not self._turn(node.test):
            return node
        return ast.If(node.test, [self._found()], [])

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        if not (
            isinstance(node.value, ast.Call) and _name(node.value.func) in ASSERTING and self._arguments(node.value)
        ):
            return node
        failed = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, [ast.Pass()])
        return ast.Try([node], [failed], [self._found()], [])

    def _found(self) -> ast.stmt:
        return ast.Assert(ast.Constant(0), ast.Constant(self.nonce))

    def _turn(self, test: ast.expr) -> bool:
        """Whether something in a condition has been changed, by which all of it must be false."""
        match test:
            case ast.BoolOp(op=ast.And(), values=values):
                return sum(self._turn(value) for value in values) > 0  # `any` would stop at the first
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                if _is_expected(left, right):
                    test.left = self._other(left)
                else:
                    test.comparators = [self._other(right)]
                return True
            case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE()], comparators=[ast.Constant(value=float(bound))]):
                return bound < TOLERANCE and self._difference(left)
            case ast.Call(func=func) if _name(func) in CLOSE:
                return self._arguments(test)
            case ast.Call(func=ast.Name(id="all" | "any" | "bool"), args=[inner]):
                return self._turn(inner)
            case ast.Call(func=ast.Attribute(value=inner, attr="all" | "any" | "item"), args=[]):
                return self._turn(inner)
            case ast.GeneratorExp(elt=inner) | ast.ListComp(elt=inner):
                return self._turn(inner)
        return False

    def _difference(self, left: ast.expr) -> bool:
        """Change the second of two values whose difference is taken: abs(a - b)."""
        match left:
            case ast.Call(func=func, args=[ast.BinOp(op=ast.Sub()) as minus]) if _name(func) in ("abs", "fabs"):
                if _is_expected(minus.left, minus.right):
                    minus.left = self._other(minus.left, number=True)
                else:
                    minus.right = self._other(minus.right, number=True)
                return True
        return False

    def _arguments(self, call: ast.Call) -> bool:
        """Change the second of two arguments that are compared, unless more than a little may lie between them."""
        limits = [*call.args[2:], *(keyword.value for keyword in call.keywords)]
        numbers = [one.value for one in limits if isinstance(one, ast.Constant) and isinstance(one.value, int | float)]
        if len(call.args) < 2 or any(number >= TOLERANCE for number in numbers if not isinstance(number, bool)):
            return False
        place = 0 if _is_expected(call.args[0], call.args[1]) else 1
        call.args[place] = self._other(call.args[place])
        return True

    def _other(self, expected: ast.expr, *, number: bool = False) -> ast.expr:
        """Something else than was expected. number: nothing but a number can stand there."""
        self.changes += 1
        if _is_literal(expected):
            changed = _Values(self.offset, self.nonce)
            other: ast.expr = changed.visit(expected)
            return other if changed.changes else _unequal()
        self.computed += 1
        if self.adds or number:
            return ast.BinOp(expected, ast.Add(), ast.Constant(self.offset))
        return _unequal()


class _Values(ast.NodeTransformer):
    """Other numbers and texts."""

    def __init__(self, offset: int, nonce: str) -> None:
        self.offset = offset
        self.nonce = nonce
        self.changes = 0

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        value = node.value
        other: Any
        match value:
            case bool():
                other = not value
            case int() | float() | complex():
                other = value + self.offset
            case str():
                other = value + self.nonce
            case bytes():
                other = value + self.nonce.encode()
            case _:
                return node
        self.changes += other != value  # 1e300 is too large to be changed
        return ast.Constant(other)


def _unequal() -> ast.expr:
    """An object that nothing is equal to."""
    return ast.Lambda(ast.arguments([], [], None, [], [], None, []), ast.Constant(0))


def _is_expected(left: ast.expr, right: ast.expr) -> bool:
    """Whether of two that are compared the left one is what is expected."""
    if _is_literal(left) or _is_literal(right):
        return _is_literal(left)
    return not _calls(left) and _calls(right)


def _calls(node: ast.expr) -> bool:
    return any(isinstance(one, ast.Call) for one in ast.walk(node))


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _name(function: ast.expr) -> str:
    """The last part of a function's name."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""

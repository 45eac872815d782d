"""Cells that no student has written and no test, whose outcome is known: among the tests, they show what lies.

A cell that must fail fails, unless something hides errors; one that must print prints; a test that compares
with something that nothing is equal to fails, unless what it got is equal to everything. A nonce in each,
so that no outcome can be prepared.
"""

import ast
import random
import secrets
from dataclasses import dataclass
from typing import Any

from autograder.execution.syntax import syntax_tree

FAILING = (
    'assert [{a}, 1] == [{a}, 2], "{nonce}"',
    'raise ValueError("{nonce}")',
    'assert __import__("builtins").isinstance({a}, str), "{nonce}"',
    'assert __import__("builtins").abs(-{a}) == -{a}, "{nonce}"',
    'assert __import__("math").isclose({a}, {a} + 1), "{nonce}"',
    '__import__("numpy").testing.assert_allclose({a}.0, {a}.5, err_msg="{nonce}")',
    '__import__("unittest").TestCase().assertEqual({a}, {a} + 1, "{nonce}")',
)
PRINTING = 'assert __import__("sys").stdout.write("{nonce}") and {a}'


@dataclass(frozen=True)
class Canary:
    """A cell and the word that its error, or else its printed text, must hold."""

    source: str
    nonce: str
    fails: bool

    def what_lied(self, outputs: list[dict[str, Any]]) -> str:
        """What its outputs show to be wrong; empty if nothing."""
        kinds = [output["output_type"] for output in outputs]
        if self.fails:
            if kinds == ["error"] and self.nonce in outputs[0]["evalue"]:
                return ""
            return "a cell among the tests that must fail did not: something hides errors or makes asserts pass"
        if kinds == ["stream"] and outputs[0]["text"] == self.nonce:
            return ""
        return "a cell among the tests that must print a word did not: something makes outputs, or takes them away"


def canaries(count: int) -> list[Canary]:
    """Cells that must fail, each of another kind, and one that must print."""
    chosen = [Canary(*_filled(template), fails=True) for template in random.sample(FAILING, count)]
    return [*chosen, Canary(*_filled(PRINTING), fails=False)]


def _filled(template: str) -> tuple[str, str]:
    nonce = secrets.token_hex(8)
    return template.format(nonce=nonce, a=random.randrange(3, 1000)), nonce


def compared_with_nothing(source: str) -> str | None:
    """A test up to one of its asserts, which compares with an object that nothing is equal to, and must fail.

    None if no assert at the test's top level is an equality.
    """
    try:
        tree = syntax_tree(source)
    except SyntaxError:  # it has magics in it
        return None
    places = [number for number, statement in enumerate(tree.body) if _equality(statement) is not None]
    if not places:
        return None
    last = random.choice(places)
    statement, compare = tree.body[last], _equality(tree.body[last])
    assert isinstance(statement, ast.Assert)
    assert compare is not None
    unequal = ast.Lambda(ast.arguments([], [], None, [], [], None, []), ast.Constant(0))
    if _is_literal(compare.left):
        compare.left = unequal
    else:
        compare.comparators = [unequal]
    statement.test = compare
    tree.body = tree.body[: last + 1]
    return ast.unparse(ast.fix_missing_locations(tree))


def _equality(statement: ast.stmt) -> ast.Compare | None:
    """The equality that an assert at the top level makes, or the first of several."""
    if not isinstance(statement, ast.Assert):
        return None
    test = statement.test.values[0] if isinstance(statement.test, ast.BoolOp) else statement.test
    is_and = not isinstance(statement.test, ast.BoolOp) or isinstance(statement.test.op, ast.And)
    if is_and and isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        return test
    return None


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def can_show(source: str) -> bool:
    """Whether a cell's last line is a value, or it may be one (a magic, say)."""
    try:
        body = syntax_tree(source).body
    except SyntaxError:
        return True
    return bool(body) and isinstance(body[-1], ast.Expr) and not source.rstrip().endswith(";")


def docstrings(source: str) -> set[str]:
    """Constants that stand alone in a cell, as they show where a student has asked for all values to be shown."""
    try:
        body = syntax_tree(source).body
    except SyntaxError:
        return set()
    alone = [one.value.value for one in body if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)]
    return {repr(value) for value in alone}

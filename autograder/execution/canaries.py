"""Cells that no student has written and no test, whose outcome is known: among the tests, they show what lies.

A cell that must fail fails, unless something hides errors; one that must print prints; a value that stands last is
shown, as partial credit is. A number or a word drawn by chance is in each, so that no outcome can be prepared.
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
    'with __import__("contextlib").suppress(KeyError):\n    assert {a} == {a} + 1, "{nonce}"',
    'with __import__("warnings").catch_warnings(record=True):\n    assert {a} == {a} + 1, "{nonce}"',
)
PRINTING = 'assert __import__("sys").stdout.write("{nonce}") and {a}'


FAILS = "fail", "something hides errors or makes asserts pass"
PRINTS = "print a word", "something makes outputs, or takes them away"
SHOWS = "show a value", "something changes how values are shown, or whether"


@dataclass(frozen=True)
class Canary:
    """A cell and what must be in its outputs. A thread may have printed something beside it."""

    source: str
    word: str  # that its error, its printed text or the value shown must hold
    must: tuple[str, str]
    looks_widely: bool = False  # first (see `forgery`)

    def what_lied(self, outputs: list[dict[str, Any]]) -> str:
        """What its outputs show to be wrong; empty if nothing."""
        errors = [output["evalue"] for output in outputs if output["output_type"] == "error"]
        printed = [output["text"] for output in outputs if output["output_type"] == "stream"]
        shown = [output["data"].get("text/plain") for output in outputs if output["output_type"] == "execute_result"]
        if self.must is FAILS:
            is_well = any(self.word in words for words in errors)
        elif self.must is PRINTS:
            is_well = not errors and any(self.word in text for text in printed)
        else:
            is_well = not errors and bool(shown) and all(text in _forms(float(self.word)) for text in shown)
        return "" if is_well else f"a cell among the tests that must {self.must[0]} did not: {self.must[1]}"


def _forms(value: float) -> set[str]:
    """How a number may be shown where a student has asked for fewer digits."""
    return {repr(value)} | {f"{value:.{digits}{form}}" for digits in range(18) for form in "efg"}


def canaries(count: int) -> list[Canary]:
    """Cells that must fail, each of another kind, one that must print, and one that must show a value."""
    chosen = [Canary(*_filled(template), FAILS) for template in random.sample(FAILING, count)]
    credit = repr(round(random.uniform(0.01, 0.49), 4))  # that with no number of digits is shown as full marks
    return [*chosen, Canary(*_filled(PRINTING), PRINTS, looks_widely=True), Canary(f"{credit} * 1", credit, SHOWS)]


def _filled(template: str) -> tuple[str, str]:
    nonce = secrets.token_hex(8)
    return template.format(nonce=nonce, a=random.randrange(3, 1000)), nonce


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

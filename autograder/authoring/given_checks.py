"""Checks as students get them: they say when they pass, hold no answer, and survive what students call their own.

Grading runs the source's checks; the released ones differ from them in three ways. Each visible check ends by
printing what it has found right. Where it compares an answer that students work out, the number or the word is
sealed. And all of `autograder.checks` is reached by one name of ours, for a student may well have a variable
`answer` or `value`.
"""

import ast
import inspect
import math
from collections.abc import Iterator, Set
from typing import Any, TypeGuard

import numpy as np
from nbgrader.preprocessors import ClearHiddenTests

import autograder.checks
from autograder.authoring.editions import IMPORT, IMPORTED, MODULE, EachEdition
from autograder.cells import CHECK_TITLES, LANGUAGES, is_answer, is_test, language_of, role, what_is_checked
from autograder.checking.sealed import seal_numbers, seal_word
from autograder.handing_in.written import bound

OURS = {name for name in autograder.checks.__all__ if inspect.isfunction(getattr(autograder.checks, name))}
RTOL = 1e-6  # check_close's own
SET_UP = ("Set-up is done.", "准备就绪。")

Edit = tuple[ast.expr, str]  # an expression, and what stands in its place


class _GiveOne(ClearHiddenTests):
    """As `GiveChecks`, for one edition."""

    def preprocess(self, nb: Any, resources: Any) -> Any:
        wholes = [cell.source for cell in nb.cells]
        nb, resources = super().preprocess(nb, resources)
        language = language_of(nb)
        code = [(cell, whole) for cell, whole in zip(nb.cells, wholes, strict=True) if cell.cell_type == "code"]
        answers = {name for cell, _ in code if is_answer(cell) for name in bound(ast.parse(cell.source))}
        for cell, whole in code:
            if is_test(cell):
                cell.source = given_check(cell.source, whole, role(cell)["points"], answers, language)
            elif not is_answer(cell):
                cell.source = given(cell.source, language)
        return nb, resources


class GiveChecks(EachEdition, _GiveOne):
    """nbgrader's ClearHiddenTests; then what is left becomes what students get."""


def given_check(source: str, whole: str, points: float, answers: Set[str], language: str = "en") -> str:
    """A check as students get it; as it stands if nothing of it is visible.

    source: without its hidden tests. whole: with them. answers: the names that students give a value.
    """
    tree = ast.parse(source)
    if not tree.body:
        return source
    read = dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in answers)
    if not source.startswith("#"):
        begin, end = (CHECK_TITLES[1], "。") if language == LANGUAGES[1] else (CHECK_TITLES[0], ".")
        source = f"# {begin}{', '.join(read)}{end}\n{source}"
    first, _, rest = given(source).rstrip().partition("\n")
    what = what_is_checked(first)
    more = ", more=True" if "BEGIN HIDDEN TESTS" in whole else ""
    need = f"{MODULE}.need({', '.join(['globals()', *map(repr, read)])})"
    return f"{first}\n{need}\n{rest}\n{MODULE}.passed({points:g}, {what!r}{more})"


def given(source: str, language: str = "en") -> str:
    """A cell's code with its answers sealed, and the names of `autograder.checks` behind the module's."""
    tree = ast.parse(source)
    imported = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "autograder.checks"]
    source = _edited(source, list(_seals(tree)))
    tree = ast.parse(source)
    own = {node.arg if isinstance(node, ast.arg) else node.id for node in ast.walk(tree) if _gives_a_value(node)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in OURS - own]
    source = _edited(source, [(node, f"{MODULE}.{node.id}") for node in names])
    if imported:  # the set-up cell
        if IMPORT not in source:  # the course's own sources have it, for what students keep of given cells is graded
            source = source.replace(IMPORTED, f"{IMPORT}\n{IMPORTED}", 1)
        source = f'{source.rstrip()}\n\nprint("{SET_UP[language == LANGUAGES[1]]}")'
    return source


def _gives_a_value(node: ast.AST) -> TypeGuard[ast.arg | ast.Name]:
    return isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))


def _edited(source: str, edits: list[Edit]) -> str:
    """The code with some expressions replaced, none of which stands within another."""
    lines = [line.encode() for line in source.split("\n")]
    for node, text in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset), reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        lines[first : last + 1] = [lines[first][: node.col_offset] + text.encode() + lines[last][node.end_col_offset :]]
    return b"\n".join(lines).decode()


def _seals(tree: ast.AST) -> Iterator[Edit]:
    """What is to be sealed in checks of answers: what is right, and what the named mistakes give."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and (name := _answers_name(node))):
            continue
        if node.func.id == "check_choice":
            yield node.args[1], f"{MODULE}.sealed({seal_word(name, ast.literal_eval(node.args[1]))!r})"
        elif node.func.id == "check_close":
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            rtol = ast.literal_eval(keywords["rtol"]) if "rtol" in keywords else RTOL
            mistakes = keywords.get("mistakes")
            for expression in [node.args[1], *(mistakes.values if isinstance(mistakes, ast.Dict) else ())]:
                numbers = _evaluated(expression)
                if numbers is not None:
                    yield expression, f"{MODULE}.sealed({seal_numbers(name, numbers, rtol)!r})"


def _answers_name(node: ast.Call) -> str:
    """The name of the student's variable that a check looks at; empty if it looks at something else."""
    first = node.args[0] if len(node.args) > 1 else None
    if not (isinstance(first, ast.Call) and isinstance(first.func, ast.Name) and first.func.id == "answer"):
        return ""
    name, value = first.args
    is_variable = isinstance(name, ast.Constant) and isinstance(value, ast.Name) and value.id == name.value
    return str(name.value) if is_variable and isinstance(name, ast.Constant) else ""


def _evaluated(expression: ast.expr) -> Any:
    """What an expression of numbers gives; None if it is made of what is known only when it runs."""
    code = compile(ast.Expression(expression), "<answer>", "eval")
    try:
        return eval(code, {"np": np, "math": math})
    except NameError:
        return None

"""Source notebooks: what is wrong with one before it is released."""

import ast
from collections.abc import Iterable
from itertools import pairwise

from nbformat.notebooknode import NotebookNode

from autograder.cells import CHINESE, CHINESE_HALF, is_answer, is_test, regions, role

REGIONS = ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME")
LEAK_LENGTH = 12  # a shorter solution may occur elsewhere by chance ("return x")


def problems(notebook: NotebookNode) -> list[str]:
    """What would go wrong if this source notebook were released: one sentence each, naming the cell."""
    found = []
    for cell in notebook.cells:
        found += [f"cell {cell.get('id', '?')!r}: {problem}" for problem in _cell_problems(cell)]
    ids = [role(cell).get("grade_id") for cell in notebook.cells if role(cell)]
    for grade_id in sorted({i for i in ids if i and ids.count(i) > 1}):
        found.append(f"grade_id {grade_id!r} is used {ids.count(grade_id)} times; each must be unique")
    return [*found, *_leaks(notebook.cells)]


def _cell_problems(cell: NotebookNode) -> Iterable[str]:
    if cell.get("outputs") or cell.get("execution_count") is not None:
        yield "it has outputs; clear them (nbstripout, or Restart Kernel and Clear Outputs) and save"
    for name in REGIONS:
        if fault := regions(cell.source, name)[2]:
            yield fault
    if cell.cell_type == "markdown":
        yield from _language_problems(cell)
    nbgrader = role(cell)
    if nbgrader and not nbgrader.get("grade_id"):
        yield "it has no grade_id"
    points = nbgrader.get("points")
    if nbgrader.get("grade") and not (isinstance(points, (int, float)) and points > 0):
        yield f"it is graded, and its points are {points!r}; give it points above 0"
    if is_test(cell):
        yield from _test_problems(cell)
    elif regions(cell.source, "HIDDEN TESTS")[0]:
        yield "it has hidden tests but is not a test cell, so they would be released"
    marked = any("BEGIN SOLUTION" in line for line in cell.source.split("\n"))
    if is_answer(cell) and cell.cell_type == "code" and not marked:
        yield "it is a solution cell without BEGIN SOLUTION and END SOLUTION; mark what students must not see"
    if not is_answer(cell) and marked:
        yield "it has a solution but is not a solution cell, so the solution would be released"


def _language_problems(cell: NotebookNode) -> Iterable[str]:
    halves = [half.strip() for half in CHINESE_HALF.split(cell.source)]
    if is_answer(cell):
        return  # an essay's model answer; students get one placeholder for both languages
    if len(halves) != 2 or not all(halves):
        yield f"it has {len([half for half in halves if half])} halves; expected English, <!-- zh -->, Chinese"
    elif not CHINESE.search(halves[1]):
        yield "its Chinese half has no Chinese in it"


def _test_problems(cell: NotebookNode) -> Iterable[str]:
    if not "".join(regions(cell.source, "HIDDEN TESTS")[1]).strip():
        yield "it would be released empty; leave a line outside the hidden tests"
    try:
        last = ast.parse(cell.source).body[-1:]
    except SyntaxError as error:
        yield f"it is not valid Python: {error.msg}, line {error.lineno}"
        return
    for statement in last:
        if isinstance(statement, ast.Expr) and not ast.unparse(statement).startswith("check_"):
            yield "its last line shows a value, which nbgrader takes for points; end with a check"


def _leaks(cells: list[NotebookNode]) -> Iterable[str]:
    """Solutions that also stand where students can read them: two lines in a row, or the only one."""
    released = {}
    for cell in filter(lambda cell: cell.cell_type == "code", cells):
        readable = "\n".join(regions(cell.source, "HIDDEN TESTS")[1])
        lines = _code(regions(readable, "SOLUTION")[1])
        released.update(dict.fromkeys(lines, cell.get("id")))
        released.update(dict.fromkeys(pairwise(lines), cell.get("id")))
    for cell in cells:
        lines = _code(regions(cell.source, "SOLUTION")[0])
        for passage in pairwise(lines) if len(lines) > 1 else lines:
            if passage in released and len("".join(passage)) >= LEAK_LENGTH:
                words = " / ".join([passage] if isinstance(passage, str) else passage)
                yield f"cell {cell.get('id', '?')!r}: its solution {words!r} is released in {released[passage]!r}"


def _code(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]

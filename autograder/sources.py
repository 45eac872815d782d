"""Source notebooks: what is wrong with one before it is released, and its two editions."""

import ast
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode

CHINESE_HALF = re.compile(r"^[ \t]*<!-- zh -->[ \t]*$", re.MULTILINE)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
LANGUAGES = ("en", "zh")
REGIONS = ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME")
MESSAGE = 200  # characters of what nbformat says; it may quote the whole file
OBJECTS = 300_000  # of JSON in a notebook: each takes a hundred times its bytes in memory
_TEXTS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
LEAK_LENGTH = 12  # a shorter solution may occur elsewhere by chance ("return x")


def read_notebook(path: Path) -> NotebookNode:
    """The notebook at `path`. Raises ValueError with one sentence if it can't be read as one."""
    return parse_notebook(path.read_bytes())


def parse_notebook(content: bytes) -> NotebookNode:
    """The notebook in a file's content. Raises ValueError with one sentence if it can't be read as one."""
    if _is_large(content) and _is_large(_TEXTS.sub(b"", content)):
        raise ValueError(f"it holds more than {OBJECTS:,} objects or lists; that is no notebook written by hand")
    try:
        text = content.decode("utf-8")
        notebook = nbformat.convert(nbformat.reader.reads(text), 4)  # as nbformat.reads does, which validates, too
        nbformat.validate(notebook)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply for a notebook") from None
    except nbformat.reader.NotJSONError:
        raise ValueError(f"it is not complete JSON ({len(text)} characters; cut off?)") from None
    except nbformat.ValidationError as error:
        raise ValueError(f"it is not a notebook: {_first_line(error)}") from None
    except Exception as error:  # nbformat raises anything on JSON that is no notebook
        raise ValueError(f"it is not a notebook ({type(error).__name__}: {_first_line(error)})") from None
    return notebook


def _is_large(content: bytes) -> bool:
    return content.count(b"{") > OBJECTS or content.count(b"[") > OBJECTS


def _first_line(error: Exception) -> str:
    """How an error of nbformat's begins; all of it may quote the whole file, and fail where that is nested deeply."""
    return (str(getattr(error, "message", "") or error).splitlines() or [""])[0][:MESSAGE]


def write_notebook(notebook: NotebookNode) -> str:
    """The notebook as text, the same text for the same notebook."""
    return str(nbformat.writes(notebook, version=nbformat.NO_CONVERT, indent=1)) + "\n"


def role(cell: NotebookNode) -> dict[str, Any]:
    """nbgrader's metadata of a cell; empty for a free cell."""
    return dict(cell.metadata.get("nbgrader", {}))


def is_test(cell: NotebookNode) -> bool:
    """A code cell that earns points by running."""
    return bool(role(cell).get("grade")) and not role(cell).get("solution") and cell.cell_type == "code"


def is_answer(cell: NotebookNode) -> bool:
    """A cell that the student writes: code, or an essay."""
    return bool(role(cell).get("solution"))


def edition(notebook: NotebookNode, language: str) -> NotebookNode:
    """The notebook in one language: of each markdown cell that has two halves, one is kept."""
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        halves = CHINESE_HALF.split(cell.source)
        if cell.cell_type == "markdown" and len(halves) == 2:
            cell.source = halves[LANGUAGES.index(language)].strip()
    return copy


def language_of(notebook: NotebookNode) -> str:
    """The language of a notebook of one edition, by its heading; an English text may quote a Chinese word."""
    title = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    return "zh" if CHINESE.search(title.strip().partition("\n")[0]) else "en"


def regions(source: str, name: str) -> tuple[list[str], list[str], str]:
    """A cell's lines inside the markers BEGIN/END `name`, those outside, and what is wrong with the markers."""
    inside: list[str] = []
    outside: list[str] = []
    depth = 0
    for line in source.split("\n"):
        if f"BEGIN {name}" in line:
            depth += 1
        elif f"END {name}" in line:
            depth -= 1
        else:
            (inside if depth else outside).append(line)
        if depth not in (0, 1):
            return inside, outside, f"its markers BEGIN {name} and END {name} don't alternate"
    return inside, outside, f"END {name} is missing" if depth else ""


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

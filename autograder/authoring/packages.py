"""Which packages source notebooks import that are not installed here."""

import ast
import contextlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from nbformat.notebooknode import NotebookNode

from autograder.cells import read_notebook
from autograder.execution.syntax import syntax_tree
from simpo_language.speech import _


def missing_packages(sources: Iterable[Path]) -> list[str]:
    """What to say of each package that a notebook imports and that is neither installed nor beside it."""
    missing: set[str] = set()
    for path in sources:
        beside = {entry.stem for entry in path.parent.iterdir()}
        missing |= {name for name in _imported(read_notebook(path)) - beside if not _is_installed(name)}
    return [_("{name} is not installed here, and a notebook imports it").format(name=name) for name in sorted(missing)]


def _imported(notebook: NotebookNode) -> set[str]:
    """The packages that its code cells import, but for those that they can do without."""
    found = set()
    for cell in notebook.cells:
        with contextlib.suppress(SyntaxError):  # magics
            tree = syntax_tree(cell.source if cell.cell_type == "code" else "")
            tried = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)}
            for node in (node for node in ast.walk(tree) if id(node) not in tried):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return found


def _is_installed(package: str) -> bool:
    with contextlib.suppress(ValueError):  # it is loaded, and has no spec
        return importlib.util.find_spec(package) is not None
    return True

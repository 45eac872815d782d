"""Which names a cell gives a value, as far as its text tells; and whether that is more than the stub did."""

import ast
import contextlib
import warnings

from autograder.execution.syntax import syntax_tree


def bound(tree: ast.Module) -> set[str]:
    """The names that a cell gives a value: not those inside its functions."""
    names = set()
    open_nodes: list[ast.AST] = [tree]
    while open_nodes:
        for node in ast.iter_child_nodes(open_nodes.pop()):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.alias):
                names.add(node.asname or node.name.split(".")[0])
            else:
                open_nodes.append(node)
    return names


def written_names(source: str) -> set[str] | None:
    """The names that a cell gives a value other than the stub's; None if it is not valid Python."""
    try:
        tree = parse_cell(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    tree.body = [node for node in tree.body if not is_stub(node)]
    names = bound(tree)
    for node in ast.walk(tree):  # %time x = 1 is a call now, with the text in a string
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("run_line_magic", "run_cell_magic"):
            text = node.args[-1]
            names |= (isinstance(text, ast.Constant) and written_names(str(text.value))) or set()
    return names


def is_stub(node: ast.stmt) -> bool:
    """`name = ...`, or a function that holds no more than words and `raise NotAttempted`."""
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        return isinstance(node.value, ast.Constant) and node.value.value is ...
    if not isinstance(node, ast.FunctionDef):
        return False
    return all(
        isinstance(part, (ast.Pass, ast.Raise)) or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
        for part in node.body
    )


def parse_cell(source: str) -> ast.Module:
    """A cell's syntax tree, with IPython's own (%time, !ls) turned into Python."""
    with contextlib.suppress(SyntaxError):
        return syntax_tree(source)
    from IPython.core.inputtransformer2 import TransformerManager

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of line separators from web pages, such as U+2028
        transformed = TransformerManager().transform_cell(source)
    return syntax_tree(transformed)


def syntax_error(source: str) -> str:
    try:
        parse_cell(source)
    except SyntaxError as error:
        return f"{error.msg}, line {error.lineno}"
    except (ValueError, RecursionError) as error:
        return str(error)
    return ""

"""Python source made a syntax tree, in any thread."""

import ast
import threading

_parsing = threading.Lock()


def syntax_tree(source: str) -> ast.Module:
    """`ast.parse`, one thread at a time: in Python 3.11 two at once may raise SystemError (python/cpython#106905)."""
    with _parsing:
        return ast.parse(source)

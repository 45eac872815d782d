"""Python source made a syntax tree, in any thread."""

import ast
import threading
import warnings

_parsing = threading.Lock()


def syntax_tree(source: str) -> ast.Module:
    """`ast.parse` without Python's warnings on a student's text, such as of "\\beta", for whoever reads our output.

    One thread at a time: in Python 3.11 two at once may raise SystemError (python/cpython#106905).
    """
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)

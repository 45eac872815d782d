from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder.execution.syntax import syntax_tree


def test_a_cell_that_is_no_python_is_a_syntax_error():
    with pytest.raises(SyntaxError):
        syntax_tree("def f(:")


def test_many_threads_may_parse_at_once():
    deep = "f(" * 40 + "1" + ")" * 40
    with ThreadPoolExecutor(8) as pool:
        trees = list(pool.map(syntax_tree, [deep] * 400))
    assert {type(tree.body[0]).__name__ for tree in trees} == {"Expr"}

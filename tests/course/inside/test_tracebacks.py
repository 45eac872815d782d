"""An endless recursion costs its cell alone, and no time: what is shown of it is short before it is shown."""

import pytest
from one_notebook import run_cells

from autograder.execution.run import CHECK, STUDENTS
from autograder.execution.shared import RUNNERS
from autograder.inside.tracebacks import FRAMES, shorten

RECURSIONS = {
    "plain": "def f(r): return f(r)\nf(1)",
    "mutual": "def f(r): return g(r)\ndef g(r): return f(r)\nf(1)",
    "repr": "class A:\n    def __repr__(self): return repr(self)\nA()",
    "eq": "class A:\n    def __eq__(self, other): return self == other\nA() == 1",
    "generator": "def g(n):\n    yield from g(n + 1)\nlist(g(0))",
    "class body": "def f():\n    class A:\n        x = f()\nf()",
    "property": "class A:\n    @property\n    def x(self): return self.x\nA().x",
    "map": "def f(n): return list(map(f, [n]))\nf(1)",
    "await": "async def f(): return await f()\nawait f()",
    "limit": "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return f(n + 1) if n < 9999 else 1 / 0\nf(1)",
}


@pytest.mark.parametrize("name", RECURSIONS)
def test_a_recursion_shows_its_two_ends(name, tmp_path):
    ((error,), (after,)) = run_cells([RECURSIONS[name], "7"], tmp_path)
    assert error["output_type"] == "error"
    assert "frames between these are left out" in error["traceback"][-2]
    assert len("".join(error["traceback"])) < 5000
    assert after["data"]["text/plain"] == "7"


@pytest.mark.parametrize("isolation", RUNNERS)
def test_a_recursion_costs_no_other_answers_points(isolation, tmp_path):
    cells = [(STUDENTS, f"{recursion}\n", "") for recursion in RECURSIONS.values()]
    cells += [(STUDENTS, "def right(): return 7\ndef wrong(): return wrong()", "")]
    checks = [(CHECK, "assert wrong() == 7", "wrong"), (CHECK, "assert right() == 7", "right")]
    done = RUNNERS[isolation]([*cells, *checks], [tmp_path])
    assert (done.fault, done.verdict, done.outputs[-1]) == ("", "graded", [])
    assert done.outputs[-2][-1]["ename"] == "RecursionError"


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("class E(Exception):\n    def __str__(self): return str(self)\nraise E", "E"),
        (
            "def f(n):\n    try: f(n)\n    except RecursionError as e: raise RecursionError from e\nf(1)",
            "RecursionError",
        ),
        ("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", "E"),
        ("class E(Exception):\n    __cause__ = property(lambda self: 1 / 0)\nraise E", "E"),
        ("raise type('x' * 10**7, (Exception,), {})", "x"),
        ("error = ValueError(1)\nfor _ in range(100_000): error.add_note('a')\nraise error", "ValueError"),
        ("raise ValueError('x' * 10**8)", "ValueError"),
        ("def f(n):\n" + "    x = 1\n" * 20_000 + "    return f(n)\nf(1)", "RecursionError"),
    ],
)
def test_an_error_that_would_take_long_to_show_is_shown_in_brief(cell, name, tmp_path):
    (outputs, (after,)) = run_cells([cell, "7"], tmp_path)
    assert outputs[0]["ename"].startswith(name)
    assert len("".join(outputs[0]["traceback"])) < 200_000
    assert after["data"]["text/plain"] == "7"


def test_a_short_traceback_stays_as_it_is():
    def deep(n):
        return deep(n - 1) if n else 1 / 0

    for depth, left_out in ((5, 0), (2 * FRAMES - 2, 0), (100, 102 - 2 * FRAMES)):
        with pytest.raises(ZeroDivisionError) as caught:
            deep(depth)
        assert shorten(caught.value) == left_out

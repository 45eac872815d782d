"""A check sees the student's work through questions and plain values, and nothing of the student's sees the check."""

import pytest

from autograder.notebook import session

AUTHOR = "import numpy as np\nimport torch\nfrom autograder.checks import *"


@pytest.fixture
def notebook(tmp_path):
    with session(tmp_path) as opened:
        opened.examine(AUTHOR)
        opened.run("import numpy as np\nimport torch")
        yield opened


def message(outputs):
    assert outputs, "the check passed"
    assert outputs[-1]["output_type"] == "error", outputs
    return outputs[-1]["evalue"]


def test_values_and_functions_are_read_by_name(notebook):
    notebook.run("y = (1, {'a': np.arange(3)})\ndef f(x):\n    return x ** 2")
    outputs = notebook.examine("print(y, f(3.0), [f(i) for i in range(2)])\ncheck_close(call(f, 2.0), 4.0)")
    assert outputs == [{"output_type": "stream", "name": "stdout", "text": "(1, {'a': array([0, 1, 2])}) 9.0 [0, 1]\n"}]


def test_a_function_that_both_define_is_the_authors_in_a_check(notebook):
    notebook.examine("def twice(x):\n    return 2 * x")
    notebook.run("def twice(x):\n    return 0\nnp = None\nlen = None")
    assert notebook.examine("check_close(answer('twice', np.array(twice(len('ab')))), 4)") == []


def test_a_name_that_nobody_defines_is_a_name_error(notebook):
    assert message(notebook.examine("answer('missing', missing)")) == "name 'missing' is not defined"


def test_an_argument_that_is_changed_in_place_is_seen_changed(notebook):
    notebook.run("def f(x, other):\n    other['t'].zero_()\n    x += 1\n    return x")
    found = message(notebook.examine("check_inputs_unchanged(f, np.array([1.0]), {'t': torch.ones(2)})"))
    assert "changed its argument 1 from [1.0] to [2.0]" in found
    notebook.run("def f(x, other):\n    other['t'].zero_()\n    return x")
    assert "changed its argument 2" in message(
        notebook.examine("check_inputs_unchanged(f, np.array([1.0]), {'t': torch.ones(2)})")
    )


def test_an_authors_function_is_called_back(notebook):
    notebook.run("def total(g, n):\n    return sum(g(i) for i in range(n))")
    assert notebook.examine("check_close(call(total, lambda i: i * 10.0, 4), 60.0)") == []


def test_gradients_flow_there_and_back(notebook):
    notebook.run("def f(x):\n    return (x ** 2).sum(), x.sum()\ndef g(h, x):\n    return h(x) * x")
    assert notebook.examine("check_close(gradient(lambda x: f(x)[0] + 3 * f(x)[1], [1.0, 2.0]), [5.0, 7.0])") == []
    assert notebook.examine("check_close(gradient(lambda x: g(lambda t: t ** 2, x), 2.0), 12.0)") == []
    notebook.run("def f(x):\n    return x.detach() ** 2")
    assert "no gradient flows" in message(notebook.examine("check_close(gradient(f, 1.0), 2.0)"))


def test_an_error_in_a_students_function_keeps_its_name_words_and_line(notebook):
    notebook.run("def f(x):\n    return x / 0\ndef stub():\n    raise NotImplementedError")
    found = message(notebook.examine("check_close(call(f, 1), 1)"))
    assert "f(1) raised ZeroDivisionError: division by zero" in found
    assert "In your line: return x / 0" in found
    assert (
        notebook.examine("try:\n    stub()\nexcept NotImplementedError:\n    print('caught')")[0]["text"] == "caught\n"
    )


def test_an_object_of_the_students_own_class_equals_nothing(notebook):
    notebook.run(
        "class Yes(float):\n    def __eq__(self, other): return True\n"
        "    def __getattr__(self, name): return self\n    def __repr__(self): return '0.25'\n"
        "loss = Yes(7)\nword = type('W', (str,), {'__eq__': lambda *a: True, '__hash__': None})('x')"
    )
    assert "loss is 0.25, a __main__.Yes; expected a number" in message(
        notebook.examine("check_close(answer('loss', loss), 0.25)")
    )
    assert "expected one of" in message(
        notebook.examine("check_choice(answer('word', word), 'beta', options=('beta', 'zero'))")
    )


def test_patches_in_the_students_process_change_no_check(notebook):
    notebook.run(
        "import numpy.testing, math, autograder.checks, IPython\n"
        "numpy.testing.assert_allclose = math.isclose = np.allclose = lambda *a, **k: True\n"
        "autograder.checks.check_close = autograder.checks.difference = lambda *a, **k: None\n"
        "IPython.get_ipython().run_cell = lambda *a, **k: None\nx = 3.0"
    )
    assert "it is 3.0, expected 4.0" in message(notebook.examine("check_close(answer('x', x), 4.0)"))


def test_the_source_of_a_check_never_reaches_the_students_process(notebook):
    notebook.run("def f(x):\n    return x")
    notebook.examine("marker = 4711 * 2\ncheck_close(call(f, 1.0), 1.0)")
    (shown,) = notebook.run(
        "import gc, sys\n'marker' in globals(), sum(' * 2'.join(['4711', '']) in str(o) for o in gc.get_objects()), "
        "any(cell.startswith('marker') for cell in In), 'simpo_core.losses' in sys.modules"
    )
    assert shown["data"]["text/plain"] == "(False, 0, False, False)"


def test_a_failing_check_shows_no_line_of_its_source(notebook):
    (error,) = notebook.examine("hidden = 42\nraise RuntimeError('boom')")
    assert error["traceback"] == ["RuntimeError: boom"]


def test_a_call_that_runs_too_long_fails_its_check_and_the_next_check_runs(tmp_path):
    with session(tmp_path, seconds=1) as notebook:
        notebook.examine(AUTHOR)
        notebook.run("def f(x):\n    while True:\n        pass\ny = 2")
        assert "ran longer than 1 seconds" in message(notebook.examine("check_close(call(f, 1), 1)"))
        assert notebook.examine("check_close(answer('y', y), 2)") == []
        assert notebook.verdict == "timed out"


def test_a_process_that_dies_in_a_check_fails_it_and_those_that_ask_later(notebook):
    notebook.run("import os\ndef f():\n    os._exit(0)\ny = 2")
    assert "process ended" in message(notebook.examine("check_close(call(f), 1)"))
    assert "process ended" in message(notebook.examine("check_close(answer('y', y), 2)"))
    assert notebook.verdict == "died"


@pytest.mark.parametrize(
    "frame",
    [
        "b'w' + (2**31).to_bytes(4, 'big')",
        "b'w' + (2).to_bytes(4, 'big') + b'{}'",
        "b'w' + (40000).to_bytes(4, 'big') + b'[' * 40000",
        "b'd' + (2).to_bytes(4, 'big') + b'7x'",
        "b'w' + (18).to_bytes(4, 'big') + b'{\"result\": \"cells\"}'[:18]",
    ],
)
def test_forged_messages_gain_nothing(notebook, frame):
    forge = (
        "import os, stat\ndef f():\n    for fd in range(3, 64):\n        try:\n"
        f"            stat.S_ISSOCK(os.fstat(fd).st_mode) and os.write(fd, {frame})\n"
        "        except OSError:\n            pass\n    return 1.0"
    )
    notebook.run(forge)
    assert message(notebook.examine("check_close(call(f), 2.0)"))

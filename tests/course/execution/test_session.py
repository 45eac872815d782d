"""A check sees the student's work through questions and plain values, and nothing of the student's sees the check."""

import re
import socket
import time

import pytest

from autograder.execution.channel import DONE, Channel, TimeUp
from autograder.execution.run import BOTH, CHECK, STUDENTS, run_steps, session
from autograder.execution.shared import RUNNERS

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
    assert "f(1) raised an exception\n! ZeroDivisionError: division by zero" in found
    assert "↳ In your line: return x / 0" in found
    assert (
        notebook.examine("try:\n    stub()\nexcept NotImplementedError:\n    print('caught')")[0]["text"] == "caught\n"
    )


def test_a_check_tells_the_student_neither_its_functions_names_nor_its_lines(notebook):
    notebook.examine("def telling(x):\n    return 7.25 - x")
    notebook.run(
        "def look(f, x):\n    try:\n        f('a')\n    except TypeError as error:\n"
        "        return f'{f!r} {f.__name__} {vars(error)} {error}'"
    )
    seen = notebook.examine("print(value(call(look, telling, 1.5)))")[0]["text"]
    assert seen.startswith("<function> function {'line': ''} unsupported operand")
    assert "telling" not in seen
    assert "7.25" not in seen


def test_torch_func_takes_the_derivative_of_a_function_of_the_checks(notebook):
    notebook.examine("def cube(x):\n    return x ** 3")
    notebook.run(
        "def slope(f, r):\n    x = torch.tensor(r, dtype=torch.float64)\n"
        "    return float(torch.func.grad(f)(x)), float(torch.func.grad(lambda x: 2 * f(x) * x)(x))\n"
        "def slopes(f, r):\n"
        "    return torch.func.grad(lambda x: f(x).sum())(torch.tensor([r, 2 * r], dtype=torch.float64))"
    )
    assert notebook.examine("check_close(call(slope, cube, 1.5), (6.75, 27.0))") == []
    assert notebook.examine("check_close(call(slopes, cube, 1.5), [6.75, 27.0])") == []


@pytest.mark.parametrize(
    "transformed", ["torch.vmap(f)", "torch.func.jacrev(f)", "torch.func.jacfwd(f)", "torch.vmap(torch.func.grad(f))"]
)
def test_what_torch_would_get_wrong_without_a_word_is_refused(notebook, transformed):
    notebook.examine("def cube(x):\n    return x ** 3")
    notebook.run(f"def use(f, r):\n    return {transformed}(torch.tensor([r, r], dtype=torch.float64))")
    found = message(notebook.examine("check_close(call(use, cube, 1.5), 1)"))
    assert "torch can take the derivative of a function of the check's once, by .backward() or torch.func.grad" in found


def test_an_object_of_the_students_own_class_equals_nothing(notebook):
    notebook.run(
        "class Yes(float):\n    def __eq__(self, other): return True\n"
        "    def __getattr__(self, name): return self\n    def __repr__(self): return '0.25'\n"
        "loss = Yes(7)\nword = type('W', (str,), {'__eq__': lambda *a: True, '__hash__': None})('x')"
    )
    assert "loss: it is 7.0, expected 0.25" in message(notebook.examine("check_close(answer('loss', loss), 0.25)"))
    assert "expected one of" in message(
        notebook.examine("check_choice(answer('word', word), 'beta', options=('beta', 'zero'))")
    )


def test_what_is_said_of_a_values_types_gives_it_no_behaviour(notebook):
    notebook.run(
        "import fractions, autograder.inside.peer as peer\nx = fractions.Fraction(1, 4)\n"
        "def say(types):\n    peer.type_names = lambda got: types\n    return x"
    )
    assert "it is 0.25, expected 0.5" in message(
        notebook.examine("check_close(answer('x', say(['__main__.Half', 'numpy.ndarray', 'float'])), 0.5)")
    )
    for types in ("7", "[]", "[7]", "{'a': 1}"):
        assert "types of another form" in message(notebook.examine(f"check_close(call(say, {types}), 0.25)"))


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


def raw_answer(body):
    """A cell whose function sends these bytes as its answer, past all that packs values."""
    return (
        "import json, os, stat, struct, time\ny = 2\ndef f():\n    body = " + body + "\n"
        "    for fd in range(3, 64):\n        try:\n"
        "            rest = stat.S_ISSOCK(os.fstat(fd).st_mode) and struct.pack('!cI', b'w', len(body)) + body\n"
        "            while rest:\n                rest = rest[os.write(fd, rest):]\n"
        "        except OSError:\n            pass\n    time.sleep(100)"
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("b'[' * 15_000_000", "not JSON"),
        ("b'{\"result\": [' + b'[],' * 5_000_000 + b'0], \"live\": []}'", "more than 1,000,000 values"),
        ("b'{\"result\": ' + b'9' * 15_000_000 + b', \"live\": []}'", "not JSON"),
        (
            "b'{\"result\": ' + b'[' * 900 + b']' * 900 + b', \"live\": []}'",
            r"RecursionError|\[\[.*a list, expected",
        ),
        ("b'{\"result\": ' + b'[' * 3000 + b']' * 3000 + b', \"live\": []}'", "not JSON|RecursionError"),
        ("b'{\"result\": ' + b'[' * 99_999 + b']' * 99_999 + b', \"live\": []}'", "not JSON|RecursionError"),
        ("json.dumps({'error': ['ValueError', 'x' * 15_000_000, 'y']}).encode()", "! ValueError: xxx"),
        ("json.dumps({'error': ['StopIteration', '', '']}).encode()", "! StopIteration"),
        ("json.dumps({'result': {'tensor': ['float64', [0, 1 << 62, 1 << 62], '']}, 'live': []}).encode()", "NotPlain"),
        ("json.dumps({'result': 1.0, 'live': [7]}).encode()", "AttributeError"),
        ("json.dumps({'result': 1.0, 'live': [], 'changed': [[99, 1]]}).encode()", "IndexError"),
        ('b\'{"result": NaN, "live": []}\'', "nan"),
    ],
)
def test_answers_of_any_size_and_shape_cost_their_check_alone(notebook, body, words):
    notebook.run(raw_answer(body))
    found = message(notebook.examine("check_close(call(f), 2.0)"))
    assert re.search(words, found)  # Python 3.12 and newer go deeper than 3.11 before they give up
    assert len(found) < 5000
    assert notebook.examiner.ended is None
    assert notebook.examine("check_close(answer('three', np.array(3)), 3)") == []


def test_an_answer_that_keeps_the_examiner_busy_costs_its_check_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.execution.session.GRACE_SECONDS", 1)
    collisions = "json.dumps({'result': {'set': [i * (2**61 - 1) for i in range(600_000)]}, 'live': []}).encode()"
    with session(tmp_path, seconds=2) as notebook:
        notebook.examine(AUTHOR)
        notebook.run(raw_answer(collisions))
        assert "With what your code gave it, the check ran longer" in message(notebook.examine("call(f).compute()"))
        assert notebook.verdict == "timed out"
        assert notebook.examiner.ended is None
        assert notebook.examine("check_close(answer('three', np.array(3)), 3)") == []


def test_a_check_that_ends_over_what_the_student_gave_it_costs_it_and_those_after(tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.execution.session.GRACE_SECONDS", 0.5)
    cells = [(BOTH, "import numpy", ""), (STUDENTS, "def f():\n    return 'x'", "")]
    slow = "f(); sum(range(10**12))"  # no signal is looked at meanwhile
    checks = [(CHECK, "assert f() == 'x'", "a"), (CHECK, slow, "b"), (CHECK, "f()", "c")]
    done = run_steps([*cells, *checks], [tmp_path], seconds=1)
    assert (done.fault, done.verdict) == ("", "timed out")
    assert done.outputs[2] == []
    assert "the check ran longer than 1 seconds" in message(done.outputs[3])
    assert "an earlier check had to be ended over what your code gave it" in message(done.outputs[4])


def test_a_check_that_says_too_much_of_what_the_student_gave_it_is_cut_short(tmp_path):
    cells = [(BOTH, "import numpy", ""), (STUDENTS, "def f():\n    return 'x'", "")]
    checks = [(CHECK, "raise ValueError(f() * 20_000_000)", "a"), (CHECK, "f()", "b")]
    done = run_steps([*cells, *checks], [tmp_path])
    assert (done.fault, done.verdict) == ("", "graded")
    assert message(done.outputs[2]).startswith("xxx")
    assert len(str(done.outputs[2])) < 100_000
    assert done.outputs[3][0]["output_type"] == "execute_result"


def test_a_check_that_is_slow_by_itself_is_a_fault_of_the_graders(tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.execution.session.GRACE_SECONDS", 0.5)
    with session(tmp_path, seconds=0.5) as notebook:
        assert "did not come to its end" in message(notebook.examine("while True: pass"))
        assert notebook.examiner.ended


def test_an_authors_cell_that_fails_by_itself_is_a_fault_of_the_graders(tmp_path):
    done = run_steps([(BOTH, "import no_such_module", ""), (CHECK, "assert x == 1", "check")], [tmp_path])
    assert done.fault == (
        "one of the author's own cells failed with ModuleNotFoundError: No module named 'no_such_module'"
    )


def test_an_authors_cell_that_fails_with_what_a_student_wrote_is_none(tmp_path):
    cells = [(STUDENTS, "def f():\n    return no_such_name", ""), (BOTH, "y = f()", ""), (BOTH, "y + 1", "")]
    assert not run_steps(cells, [tmp_path]).fault


def test_the_examiner_has_a_limit_of_memory(notebook):
    assert message(notebook.examine("x = bytearray(1 << 33)")) == ""
    assert notebook.examine("check_close(answer('three', np.array(3)), 3)") == []


def test_the_outputs_of_all_cells_together_have_a_limit(notebook):
    cell = "from IPython.display import display\ndisplay({'text/plain': 'x' * 7_000_000}, raw=True)"
    outputs = [notebook.run(cell) for _ in range(8)]
    assert [output[-1].get("ename") for output in outputs] == [None] * 5 + ["ProcessDied"] * 3
    assert notebook.verdict == "too much output"


def test_the_cells_of_a_notebook_have_a_time_limit_together(tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.execution.run.NOTEBOOK_SECONDS", 3)
    with session(tmp_path, seconds=2) as notebook:
        notebook.examine(AUTHOR)
        notebook.run("y = 1")
        found = [notebook.run("import time\ntime.sleep(0.4)") for _ in range(20)]  # each well under its own limit
        checks = [notebook.examine(check) for check in ("assert 1 == 1", "assert y == 1")]
    words = [message(outputs) if outputs else "" for outputs in found]
    not_run = words.index("The cell was not run: the notebook's time was up.")
    assert not_run <= 8
    assert words[not_run - 1] == "The cell ran when the notebook's time was up, and was stopped."
    assert set(words[not_run:]) == {words[not_run]}
    assert checks[0] == []
    assert message(checks[1]) == "it was not run: the notebook's time was up."
    assert notebook.verdict == "timed out"


def test_commands_and_the_network_are_refused_with_a_reason(notebook):
    refused = "while a notebook is graded it can't start processes, use the network"
    assert refused in message(notebook.run("!echo hello"))
    assert refused in message(notebook.run("import subprocess\nsubprocess.run(['ls'])"))
    assert refused in message(notebook.run("import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')"))
    assert notebook.run("1 + 1")[-1]["data"]["text/plain"] == "2"


def test_a_process_that_never_says_that_it_is_done_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.execution.session.GRACE_SECONDS", 0.5)
    chatter = """
import os, signal, struct, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True:
    for fd in range(3, 64):
        try:
            os.write(fd, struct.pack("!cI", b"x", 0))
        except OSError:
            pass
    time.sleep(0.2)
"""
    with session(tmp_path, seconds=0.5) as notebook:
        assert "process was ended" in message(notebook.run(chatter))
        assert notebook.verdict == "timed out"


def test_what_is_written_while_a_check_computes_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.execution.session.FOLDER_BYTES", 5_000_000)
    writer = """
import threading, time
def fill():
    time.sleep(0.2)
    for number in range(40):
        open(f"f{number}", "wb").write(bytes(1_000_000))
def begin():
    threading.Thread(target=fill).start()
    return 1
"""
    with session(tmp_path) as notebook:
        notebook.run(writer)
        notebook.examine("import time\nassert begin() == 1\ntime.sleep(2)")
        assert notebook.verdict == "too much output"


def test_a_byte_out_of_band_holds_nobody_up():
    near, far = socket.socketpair()
    with near, far:
        far.send(b"x", socket.MSG_OOB)
        with pytest.raises(TimeUp):
            Channel(near).receive(time.monotonic() + 0.3)
        Channel(far).send(DONE, [])
        assert Channel(near).receive(time.monotonic() + 5)[0] in (DONE, b"x")


@pytest.mark.parametrize("isolation", RUNNERS)
@pytest.mark.parametrize(
    ("output", "verdict"),
    [
        ("{**shown, 'output_type': 'execute_result', 'execution_count': float('inf')}", "graded"),
        ("{**shown, 'output_type': 'execute_result', 'execution_count': 10**400}", "graded"),
        ("{**shown, 'metadata': deep}", "graded"),
        ("{**shown, 'output_type': {}}", "graded"),
        ("{**shown, 'data': {'a/b+json': [{'': 0}] * 1_200_000}}", "too much output"),
    ],
)
def test_outputs_that_no_notebook_has_cost_their_cell_alone(output, verdict, isolation, tmp_path):
    cell = "deep = shown = {'output_type': 'display_data', 'data': {}, 'metadata': {}}\n"
    cell += f"for _ in range(600): deep = {{'a': deep}}\nget_ipython().outputs.append({output})"
    done = RUNNERS[isolation]([(STUDENTS, "x = 1", ""), (CHECK, "x", "a"), (STUDENTS, cell, "")], [tmp_path])
    assert (done.fault, done.verdict) == ("", verdict)
    assert done.outputs[1][0]["data"] == {"text/plain": "1"}


def test_honest_figures_of_many_numbers_are_shown(notebook):
    (shown,) = notebook.run(
        "from IPython.display import display\n"
        "display({'application/vnd.plotly.v1+json': {'z': [[0.5] * 200] * 200}}, raw=True)"
    )
    assert len(shown["data"]["application/vnd.plotly.v1+json"]["z"]) == 200
    (printed,) = notebook.run("print('1, ' * 300_000)")
    assert len(printed["text"]) == 900_001


def test_what_a_students_function_keeps_of_its_arguments_is_known_to_the_check(notebook):
    notebook.run(
        "kept = []\ndef f(r):\n    return r[1:]\n"
        "def g(r):\n    for one in kept:\n        one -= 1\n    kept.append(r)\n    return 0.0"
    )
    assert "gives back its argument 1" in message(notebook.examine("value(call(f, np.ones(3)))"))
    notebook.examine("g(np.ones(2))")
    assert "changed what an earlier call was given" in message(notebook.examine("value(call(g, np.ones(2)))"))
    assert "Remote" not in message(notebook.examine("value(call(f, np.ones(3)))"))

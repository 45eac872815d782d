"""Checks in the student's own process: honest work scores as in stock nbgrader, forgeries are flagged."""

import ast
import functools

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.utils import determine_grade
from project import ROOT

from autograder.cells import is_test, read_notebook
from autograder.course import Course
from autograder.execution.canaries import SHOWS, canaries
from autograder.execution.run import BOTH, CHECK, STUDENTS
from autograder.execution.shared import run_shared
from autograder.grading.execute import WarmExecute, steps_of
from autograder.grading.repair import NOTES
from autograder.results import DIED, GRADED, TIMED_OUT

COURSE = Course(ROOT, ROOT / "classroom")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

ANSWER = "def double(x):\n    return 3 * x"  # wrong: only forgery helps
TEST = "import math\nimport numpy\nassert double(2) == 4\nassert math.isclose(double(1.5), 3)\n"
TEST += "numpy.testing.assert_allclose(double(5), 10)"

FORGERIES = {
    "errors are not shown": ("get_ipython().showtraceback = lambda *a, **k: None", "shell.showtraceback"),
    "errors are handled": (
        "get_ipython().set_custom_exc((Exception,), lambda *a: None)",
        "shell.custom_exceptions",
    ),
    "the shell's class is changed": (
        "kind = type(get_ipython())\nkind._showtraceback = lambda *a: None",
        "Shell._showtraceback",
    ),
    "cells are run by the student": (
        "shell = get_ipython()\nreal = shell.run_cell\nshell.run_cell = lambda source, **k: real('0', **k)",
        "shell.run_cell",
    ),
    "asserts are cut out": (
        "import ast\nclass Cut(ast.NodeTransformer):\n    def visit_Assert(self, node):\n        return ast.Pass()\n"
        "get_ipython().ast_transformers.append(Cut())",
        "shell.ast_transformers",
    ),
    "the text is replaced": (
        "get_ipython().input_transformers_post.append(lambda lines: ['pass\\n'])",
        "shell.input_transformers_post",
    ),
    "outputs are cleared": (
        "get_ipython().events.register('post_run_cell', lambda result: get_ipython().outputs.clear())",
        "shell.events post_run_cell",
    ),
    "Python's functions are changed": ("import builtins\nbuiltins.abs = lambda x: 2", "builtins.abs"),
    "math.isclose is changed": ("import math\nmath.isclose = lambda *a, **k: True", "math.isclose"),
    "numpy.testing is changed": (
        "import numpy.testing\nnumpy.testing.assert_allclose = lambda *a, **k: None",
        "numpy.testing.assert_allclose",
    ),
    "a function's code is changed": (
        "import numpy.testing\ndef agree(*a, **k): pass\nnumpy.testing.assert_allclose.__code__ = agree.__code__",
        "__code__ of assert_allclose",
    ),
    "a module is replaced": (
        "import sys, types\nfake = types.ModuleType('math')\n"
        "fake.isclose = lambda *a: True\nsys.modules['math'] = fake",
        "the module math",
    ),
    "a class is equal to everything": (
        "class Same:\n    def __eq__(self, other): return True\ndef double(x):\n    return Same()",
        "whatever it compares with",
    ),
    "what is returned is equal to everything": (
        "def double(x):\n    class Same(float):\n        def __eq__(self, other): return True\n"
        "    return Same(2 * x) if x == 2 else 2 * x",
        "whatever it compares with",
    ),
    "mock's ANY is returned": (
        "from unittest.mock import ANY\ndef double(x):\n    return ANY",
        "whatever it compares with",
    ),
    "what is near everything is returned": (
        "import pytest\ndef double(x):\n    return pytest.approx(0, abs=float('inf'))",
        "whatever it compares with",
    ),
    "Python's names are redefined while a test runs": (
        "def double(x):\n    globals()['abs'] = lambda y: 0.0\n    return 2",
        "abs was the student's own instead of Python's",
    ),
    "a test of types is redefined": (
        "isinstance = lambda *a: True\ndef double(x):\n    return 2.0",
        "isinstance was the student's own instead of Python's",
    ),
    "an array answers for itself": (
        "import numpy\nclass Same(numpy.ndarray):\n    __array_ufunc__ = __array_function__ = lambda *a, **k: True\n"
        "    def __eq__(self, other): return True\ndef double(x):\n    return numpy.zeros(1).view(Same)",
        "whatever it compares with",
    ),
    "the rest of a test is skipped": (
        "import bdb\ndef double(x):\n    raise bdb.BdbQuit",
        "stopped before its end without an error",
    ),
    "a result is put before the error": (
        "def double(x):\n    get_ipython().outputs.append({'output_type': 'execute_result', 'metadata': {}, "
        "'execution_count': 1, 'data': {'text/plain': '1.0'}})",
        "shows the value 1.0",
    ),
    "a test's frame is read": (
        "import sys\ndef double(x):\n    sys._getframe(1).f_globals['numpy'] = None\n    return 2 * x",
        "sys._getframe was used in the test the-test",
    ),
    "frames are read from an error": (
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    above = error.__traceback__.tb_frame.f_back",
        "a frame was read (tb_frame)",
    ),
    "tests are traced": ("import sys\nsys.settrace(lambda *a: None)", "sys.settrace was used"),
    "the heap is searched": ("import gc\nfound = len(gc.get_objects())", "gc.get_objects was used"),
    "memory is written to": ("import ctypes\nctypes.c_int.from_address(id(0) + 24)", "ctypes"),
    "a thread clears outputs": (
        "import threading, time\nshell = get_ipython()\ndef clear():\n    while True:\n"
        "        shell.outputs.clear()\n        time.sleep(0.0001)\n"
        "threading.Thread(target=clear, daemon=True).start()",
        "a thread of the student's",
    ),
    "an alarm is set": (
        "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\nsignal.setitimer(signal.ITIMER_REAL, 30)",
        "a timer (ITIMER_REAL)",
    ),
    "outputs are sent ahead": (
        "import json, os, struct\nbody = json.dumps({'nonce': '', 'ended_well': True, 'outputs': []}).encode()\n"
        "for fd in range(3, 64):\n    try:\n        os.write(fd, struct.pack('!cI', b'd', len(body)) + body)\n"
        "    except OSError:\n        pass",
        "sent outputs for a cell before it ran",
    ),
    "the notebook's own builtins": (
        "import builtins\n__builtins__ = {**vars(builtins), 'isinstance': lambda *a: True, 'abs': lambda x: 2}",
        "the notebook's __builtins__ had been replaced",
    ),
    "the notebook's variables are the student's own kind of dict": (
        "class Names(dict):\n    def __getitem__(self, name):\n"
        "        return (lambda *a: True) if name == 'isinstance' else super().__getitem__(name)\n"
        "get_ipython().user_ns = Names(get_ipython().user_ns)",
        "the shell's user_ns had been replaced",
    ),
    "outputs are a property": (
        "type(get_ipython()).outputs = property(lambda self: [], lambda self, value: None)",
        "Shell.outputs had been replaced",
    ),
    "results say that they are a success": (
        "import IPython.core.interactiveshell as running\n"
        "running.ExecutionResult.error_in_exec = property(lambda self: None, lambda self, value: None)\n"
        "class Deaf(list):\n    def append(self, output): pass\n"
        "def double(x):\n    get_ipython().outputs = Deaf()",
        "ExecutionResult.error_in_exec had been replaced",
    ),
    "deep in numpy": (
        "import numpy\nnumpy._core.numeric.isclose = lambda a, *b, **c: numpy.ones(numpy.shape(a), bool)",
        "numpy._core.numeric.isclose had been replaced",
    ),
    "random numbers are known": ("import random\nrandom.randint = lambda a, b: a", "random.randint had been replaced"),
    "errors end with a block": (
        "import warnings\nwarnings.catch_warnings.__exit__ = lambda *a: True",
        "warnings.catch_warnings.__exit__ had been replaced",
    ),
    "no value is shown": ("get_ipython().ast_node_interactivity = 'none'", "must show a value did not"),
    "values are shown as full marks": (
        "get_ipython().display_formatter.formatters['text/plain'].for_type(float, lambda *a: a[1].text('1.0'))",
        "must show a value did not",
    ),
    "frames from a library": (
        "import logging\ndef double(x):\n    frame = logging.currentframe()\n    return 2 * x",
        "sys._getframe was used in the test the-test",
    ),
    "frames from an error, by a library": (
        "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError as error:\n"
        "    above = next(traceback.walk_tb(error.__traceback__))[0].f_back",
        "a frame was read (tb_frame)",
    ),
    "a debugger of the student's": (
        "import bdb\ndef double(x):\n    bdb.Bdb().set_trace()\n    return 2 * x",
        "sys.settrace was used",
    ),
    "code under a library's name": (
        "import json\nexec(compile('import sys; sys._getframe()', json.__file__, 'exec'))",
        "code was made that says it is an installed file's",
    ),
    "equal to every number": (
        "class Any(int):\n    def __eq__(self, other): return isinstance(other, (int, float))\n"
        "    __hash__ = int.__hash__\ndef double(x):\n    return Any(x)",
        "equals other values, too",
    ),
    "a sum that lies": (
        "class Sum(float):\n    def __sub__(self, other): return 0.0\ndef double(x):\n    return Sum(x)",
        "equals other values, too",
    ),
    "a list that equals numbers": (
        "class Same(list):\n    def __eq__(self, other):\n        return isinstance(other[0], int)\n"
        "def double(x):\n    return Same()",
        "equals other values, too",
    ),
    "an array that agrees": (
        "import numpy\nclass Agrees(numpy.ndarray):\n    def __array_function__(self, function, *a, **k): return True\n"
        "def double(x):\n    return numpy.zeros(1).view(Agrees)",
        "equals other values, too",
    ),
    "the author's helper is redefined": ("def must_be(found, expected):\n    pass", "must_be, which the author's"),
    "Python's function is hidden": ("isinstance = lambda *a: True", "isinstance was the student's own"),
}
HELPER = "def must_be(found, expected):\n    assert isinstance(found, int) and found == expected, (found, expected)"


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_flagged(name, tmp_path):
    forgery, flag = FORGERIES[name]
    steps = [(BOTH, HELPER, ""), (STUDENTS, ANSWER, ""), (STUDENTS, forgery, ""), (CHECK, TEST, "the-test")]
    steps += [
        (CHECK, "must_be(double(1), 2)", "helped"),
        (CHECK, "assert double(3) == 6", "equal"),
        (CHECK, "assert abs(double(3) - 6) < 1e-6", "difference"),
        (CHECK, "assert double(range(2)) == [0, 2]", "list"),
        (CHECK, "import numpy\nassert numpy.allclose(double(3), 6)", "close"),
        (CHECK, "assert isinstance(double(-1), int) and abs(double(-1)) == 2", "last"),
    ]
    executed = run_shared(steps, [tmp_path])
    assert not executed.fault
    assert any(flag in found for found in executed.flags), executed.flags


def test_outputs_that_were_sent_ahead_do_not_count(tmp_path):
    steps = [(STUDENTS, ANSWER, ""), (STUDENTS, FORGERIES["outputs are sent ahead"][0], ""), (CHECK, TEST, "the-test")]
    assert run_shared(steps, [tmp_path]).outputs[-1][-1]["ename"] == "AssertionError"


def test_a_student_who_breaks_the_process_has_a_notebook_that_died(tmp_path):
    steps = [(STUDENTS, ANSWER, ""), (STUDENTS, "import os\nos.closerange(3, 64)", "")]
    executed = run_shared([*steps, (CHECK, TEST, "the-test")], [tmp_path])
    assert (executed.fault, executed.verdict) == ("", DIED)
    assert executed.outputs[-1][0]["evalue"] == "The notebook's process ended."


ANSWERS_FOR_THE_GUARD = """
import os, threading
def answer():
    while True:
        for fd in range(3, 64):
            try:
                os.read(fd, 1 << 16)
            except OSError:
                pass
threading.Thread(target=answer, daemon=True).start()
"""


def test_a_thread_that_reads_what_is_for_the_guard_earns_nothing(tmp_path):
    steps = [(STUDENTS, ANSWER, ""), (STUDENTS, ANSWERS_FOR_THE_GUARD, ""), (CHECK, TEST, "the-test")]
    executed = run_shared([*steps, (CHECK, TEST, "again")], [tmp_path], seconds=0.5)
    assert executed.verdict in (DIED, TIMED_OUT) or executed.flags
    for outputs in executed.outputs[2:]:
        assert {output["output_type"] for output in outputs} == {"error"}


BETWEEN = """
import os, socket, stat, threading
def is_socket(n):
    try:
        return stat.S_ISSOCK(os.fstat(n).st_mode)
    except OSError:
        return False
fd = next(n for n in range(3, 64) if is_socket(n))
real, (mine, theirs) = os.dup(fd), socket.socketpair()
os.dup2(theirs.fileno(), fd)
def relay(take, give, drop):
    while True:
        head = take(5)
        body, length = b"", int.from_bytes(head[1:], "big")
        while len(body) < length:
            body += take(length - len(body))
        if head[:1] != drop:
            give(head + body)
down = lambda count: os.read(real, count), lambda data: os.write(mine.fileno(), data), None
up = lambda count: os.read(mine.fileno(), count), lambda data: os.write(real, data), b"f"
for way in (down, up):
    threading.Thread(target=relay, args=way, daemon=True).start()
import math
math.isclose = lambda *a, **k: True
"""


def test_a_flag_that_is_kept_back_on_its_way_arrives_with_the_answer(tmp_path):
    executed = run_shared([(STUDENTS, ANSWER, ""), (STUDENTS, BETWEEN, ""), (CHECK, TEST, "the-test")], [tmp_path])
    assert "math.isclose had been replaced before the test the-test" in executed.flags


GUARDS = """
import gc, logging, signal, sys
found = []
def look(number, frame):
    while frame:
        found.append((frame.f_code.co_name, sorted(frame.f_locals), sorted(frame.f_globals)))
        frame = frame.f_back
signal.signal(signal.SIGUSR1, look)
signal.raise_signal(signal.SIGUSR1)
look(0, logging.currentframe())
classes = [kind for kind in object.__subclasses__() if kind.__module__ in
           ("autograder.inside.forgery", "autograder.inside.pristine", "autograder.execution.sealed")]
handler = getattr(signal.getsignal(signal.SIGINT), "__globals__", {})
print({"key", "told", "was", "authors"} & {name for _, mine, _ in found for name in mine},
      {"_look", "restore", "opened"} & {name for *_, theirs in found for name in theirs}, classes, handler)
print([name for name, *_ in found])
"""


def test_the_guard_is_out_of_reach_of_frames_classes_globals_and_handlers(tmp_path):
    executed = run_shared([(STUDENTS, GUARDS, ""), (CHECK, "assert True", "a")], [tmp_path])
    shown = executed.outputs[0][0]["text"].splitlines()
    assert shown[0] == "set() set() [] {}"
    assert {"_run_cells", "work"} <= set(ast.literal_eval(shown[1]))  # it has looked where the guard could be
    assert executed.flags == ("sys._getframe was used in a cell",)


HANDLER_WHILE_THE_GUARD_WORKS = """
import signal, threading, time, os
seen = set()
def look(number, frame):
    while frame:
        seen.update(frame.f_locals)
        frame = frame.f_back
signal.signal(signal.SIGUSR1, look)
def call():
    for _ in range(3000):
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.0001)
threading.Thread(target=call, daemon=True).start()
"""


def test_no_handler_of_the_students_runs_while_the_guard_is_at_work(tmp_path):
    cells = [(STUDENTS, HANDLER_WHILE_THE_GUARD_WORKS, "")] + [(CHECK, "assert 1 + 1 == 2", "a")] * 10
    executed = run_shared([*cells, (STUDENTS, "print({'told', 'authors'} & seen, 'done' in seen)", "")], [tmp_path])
    assert executed.outputs[-1][0]["text"] == "set() True\n"


def test_a_test_that_does_not_end_is_stopped_and_flags_nothing(tmp_path):
    steps = [(STUDENTS, "def double(x):\n    while True: pass", ""), (CHECK, TEST, "the-test")]
    executed = run_shared([*steps, (CHECK, "assert True", "after")], [tmp_path], seconds=1)
    assert (executed.verdict, executed.flags) == (TIMED_OUT, ())
    assert executed.outputs[1][-1]["ename"] == "CellTimeoutError"
    assert executed.outputs[2] == []


HONEST = [
    (STUDENTS, "%matplotlib inline\nimport matplotlib.pyplot as plt\nimport numpy as np\nplt.plot([1, 2]);"),
    (CHECK, "assert not plt.gcf().axes  # a figure is closed after its cell"),
    (STUDENTS, "from IPython.core.interactiveshell import InteractiveShell\n"
               "InteractiveShell.ast_node_interactivity = 'all'"),
    (CHECK, '"""A test with words."""\nassert In[-1] == In[4] and len(In) == 5'),
    (STUDENTS, "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n    y: int\n"
               "class Stack(list):\n"
               "    def __eq__(self, other): return isinstance(other, Stack) and super().__eq__(other)"),
    (CHECK, "assert Point(1, 2) == Point(1, 2)\nassert Stack([1]) == Stack([1])\nassert Point(1, 2).x == 1"),
    (STUDENTS, "def total(xs):\n    return sum(xs)\n"
               "def squares(n):\n    return [i * i for i in range(n)]\nlist = [1, 2]"),
    (CHECK, "original = squares\ndel squares\ntry:\n    squares(1)\nexcept NameError:\n    pass\nelse:\n"
            "    raise AssertionError\nfinally:\n    squares = original"),
    (CHECK, "import inspect\nassert 'sum' in inspect.getsource(total)\nassert total([1, 2]) == 3"),
    (STUDENTS, "squares = lambda n: [i ** 2 for i in range(n)]\nimport io, contextlib, traceback, logging, warnings\n"
               "try:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\nlogging.warning('words')"),
    (CHECK, "with contextlib.redirect_stdout(io.StringIO()) as said:\n    print(squares(3))\n"
            "assert said.getvalue() == '[0, 1, 4]\\n'"),
    (STUDENTS, "from unittest import mock\n"
               "with mock.patch('math.sqrt', lambda x: 2):\n    import math\n    math.sqrt(9)"),
    (CHECK, "assert math.sqrt(9) == 3\nnp.testing.assert_allclose(np.array(squares(3)), [0, 1, 4])"),
    (STUDENTS, "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as pool:\n"
               "    cubes = [*pool.map(lambda x: x ** 3, [1, 2])]\nimport random\nrandom.seed(3)\nnp.random.seed(3)"),
    (CHECK, "assert cubes == [1, 8]\nassert random.random() == 0.23796462709189137"),
    (CHECK, "warnings.warn('words')"),
    (CHECK, "0.5"),
    (CHECK, "assert total([1, 2]) == 4, 'wrong'"),
]  # fmt: skip


# Of each kind of flag, honest work that is near it.
NEAR_A_FLAG = {
    "a thread prints late": "import threading\ntimer = threading.Timer(0.2, print, ['late'])\ntimer.start()\n"
    "import time\ntime.sleep(0.19)",
    "frames": "import logging, traceback, collections, inspect\nlogging.getLogger('a').info('words')\n"
    "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    words = traceback.format_exc()\n"
    "Point = collections.namedtuple('Point', 'x y')\nsource = inspect.signature(print)",
    "an alarm": "import signal\ndef late(*a): raise TimeoutError\nsignal.signal(signal.SIGALRM, late)\n"
    "signal.alarm(5)\nsignal.alarm(0)",
    "digits": "%precision 3",
    "names of Python's": "sum, max = 3, [4]\nprint(__builtins__.abs(-1))",
    "equality": "class Modulo:\n    def __init__(self, n): self.n = n % 12\n"
    "    def __eq__(self, other): return self.n == (other.n if isinstance(other, Modulo) else other % 12)\n"
    "    __hash__ = None\n"
    "class Close(float):\n    def __eq__(self, other): return abs(float(self) - float(other)) < 1e-9\n"
    "    __hash__ = float.__hash__\ndef double(x):\n    return Modulo(2 * x) if x == 2 else Close(2 * x)",
    "code": "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n"
    "exec(compile('y = 3', 'mine.py', 'exec'))\nimport functools\n@functools.lru_cache\ndef one(): return 1",
    "warnings": "import warnings\nwarnings.showwarning = print\nwith warnings.catch_warnings():\n    pass",
    "arrays": "import numpy\nclass Mine(numpy.ndarray): pass\nmine = numpy.zeros(3).view(Mine)",
    "random numbers": "import random\nrandom.seed(0)\nmine = random.Random(3)\nmine.randint = lambda a, b: 4",
    "the shell": "get_ipython().ast_node_interactivity = 'last_expr_or_assign'\nfrom IPython.display import display\n"
    "display(3)",
}
NEAR = (
    "import numpy\nassert double(2) == 4\nassert abs(double(3) - 6) < 1e-6\nassert numpy.isclose(float(double(5)), 10)"
)


@pytest.mark.parametrize("name", NEAR_A_FLAG)
def test_honest_work_near_a_flag_is_not_flagged(name, tmp_path):
    steps = [(STUDENTS, "def double(x):\n    return 2 * x", ""), (STUDENTS, NEAR_A_FLAG[name], "")]
    executed = run_shared([*steps, (CHECK, NEAR, "near"), (CHECK, "0.25", "partial")], [tmp_path])
    assert executed.flags == ()
    assert [output["output_type"] for output in executed.outputs[2] if output["output_type"] == "error"] == []


def as_notebook(cells):
    notebook = new_notebook()
    for number, (where, source) in enumerate(cells):
        cell = new_code_cell(source)
        if where == CHECK:
            roles = {"grade": True, "solution": False, "locked": True, "schema_version": 3}
            cell.metadata["nbgrader"] = {"grade_id": f"test-{number}", "points": 1, **roles}
        notebook.cells.append(cell)
    return notebook


def test_honest_work_scores_as_in_stock_nbgrader_and_is_not_flagged(tmp_path):
    from nbgrader.preprocessors import Execute

    grades = []
    for step in (WarmExecute(isolation="shared"), Execute(timeout=60)):
        done, _ = step.preprocess(as_notebook(HONEST), {"metadata": {"path": str(tmp_path)}})
        grades.append({cell.metadata.nbgrader.grade_id: determine_grade(cell) for cell in filter(is_test, done.cells)})
        assert done.metadata.get(NOTES, {"flags": []})["flags"] == []
    assert grades[0] == grades[1]
    assert [points for points, _ in grades[0].values()] == [1] * 8 + [0, 0.5, 0]


@functools.cache
def solution(exercise):
    return read_notebook(COURSE.solutions / f"{exercise}.ipynb")


@pytest.mark.parametrize("exercise", COURSE.exercises())
def test_this_courses_solutions_score_full_and_are_not_flagged(exercise, tmp_path):
    notebook = nbformat.from_dict(solution(exercise))
    executed = run_shared(steps_of(notebook), [tmp_path])
    assert (executed.fault, executed.verdict, executed.flags) == ("", GRADED, ())
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, outputs in zip(cells, executed.outputs, strict=True):
        cell.outputs = [nbformat.from_dict(output) for output in outputs]
        if is_test(cell):
            points, possible = determine_grade(cell)
            assert points == possible, (cell.metadata.nbgrader.grade_id, outputs)


def test_the_graders_own_modules_are_out_of_a_notebooks_reach(tmp_path):
    look = (
        "import sys, autograder\nprint([n for n in sys.modules if n.startswith('autograder.')], list(vars(autograder)))"
    )
    executed = run_shared([(STUDENTS, look, ""), (CHECK, "from autograder.checks import check_that", "a")], [tmp_path])
    assert executed.flags == ()
    assert [output["output_type"] for output in executed.outputs[0]] == ["stream"]
    seen = executed.outputs[0][0]["text"]
    assert "autograder.checks" in seen  # it looked
    for room in ("confinement", "execution", "inside"):
        assert room not in seen


def test_code_of_this_grader_is_nobody_elses():
    from autograder import checks
    from autograder.inside import pristine

    for module in (checks, pristine):
        assert pristine.is_installed(module.__file__)
    assert not pristine.is_installed("/tmp/ipykernel_1/123.py")


def test_no_canary_that_shows_a_value_can_be_shown_as_full_marks():
    for _ in range(500):
        (shows,) = (one for one in canaries(1) if one.must is SHOWS)
        for text in ("1", "1.0", "1.00"):
            assert shows.what_lied([{"output_type": "execute_result", "data": {"text/plain": text}}])

"""The warm process gives what a Jupyter kernel gives."""

import json
import os
import threading
from pathlib import Path

import nbformat
import pytest
from nbgrader.utils import determine_grade
from one_notebook import run_cells
from project import ROOT

from autograder.cells import is_test
from autograder.course import Course
from autograder.execution.warm_client import warm_server
from autograder.grading.benches import hand_in, load_bench

COURSE = Course(ROOT, ROOT / "classroom")


def kinds(outputs):
    return [output["output_type"] for output in outputs]


def test_outputs_are_those_of_a_notebook(tmp_path):
    cells = [
        "import sys\nprint('a')\nprint('b')\nprint('c', file=sys.stderr)",
        "x = 1\nx + 1",
        "1 / 0",
        "from IPython.display import HTML, display\ndisplay(HTML('<b>bold</b>'))",
        "x",
        "None",
    ]
    streams, value, error, shown, later, nothing = run_cells(cells, tmp_path)
    assert streams == [
        {"output_type": "stream", "name": "stdout", "text": "a\nb\n"},
        {"output_type": "stream", "name": "stderr", "text": "c\n"},
    ]
    assert value[0]["data"] == {"text/plain": "2"}
    assert value[0]["execution_count"] == 2
    assert (error[0]["ename"], error[0]["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert shown[0]["data"]["text/html"] == "<b>bold</b>"
    assert later[0]["data"] == {"text/plain": "1"}
    assert nothing == []


def test_what_is_not_python_alone_runs_as_in_a_notebook(tmp_path):
    cells = [
        "%time 1 + 1",
        "import asyncio\nawait asyncio.sleep(0)\n'awaited'",
        "In [1]: x = 5\nIn [2]: x + 1",
        ">>> x + 2\n>>> x + 2",
        "  x\n  x + 3\n",
        "if x:\n%matplotlib inline",
        "y = x\nx is 5",
        "from __future__ import annotations\nget_ipython().run_cell('x + 4')\nx + 5",
        "def f(y: unknown):\n    return y\n\n\n\nf(x + 6)",
        "y = x\nx + 7;",
        "\npwd\n",
    ]
    outputs_of = run_cells(cells, tmp_path)
    timed, awaited, prompts, prompt, indented, broken, warned, nested, future, quiet, word = outputs_of
    assert timed[-1]["data"]["text/plain"] == "2"
    assert awaited[-1]["data"]["text/plain"] == "'awaited'"
    values = [outputs[-1]["data"]["text/plain"] for outputs in (prompts, prompt, indented, nested, future)]
    assert values == ["6", "7", "8", "10", "11"]
    assert broken[-1]["ename"] == "IndentationError"
    assert kinds(warned) == ["stream", "execute_result"]
    assert '"is" with ' in warned[0]["text"]
    assert nested[0]["data"]["text/plain"] == "9"
    assert quiet == []
    assert word[-1]["data"]["text/plain"].startswith("'/")


def test_cells_see_the_files_beside_the_notebook_and_no_module_is_shadowed(tmp_path):
    (tmp_path / "beside.py").write_text("value = 7")
    (tmp_path / "numpy_financial.txt").write_text("data")
    (tmp_path / "colorsys.py").write_text("raise SystemExit('the wrong module')")
    (cell,) = run_cells(["import colorsys, beside\nbeside.value, open('numpy_financial.txt').read()"], tmp_path)
    assert cell[0]["data"]["text/plain"] == "(7, 'data')"


def test_a_cell_that_runs_too_long_is_stopped_and_the_next_one_runs(tmp_path):
    stopped, after = run_cells(["while True:\n    pass", "'still here'"], tmp_path, seconds=1)
    assert stopped[-1]["ename"] == "CellTimeoutError"
    assert "longer than 1 seconds" in stopped[-1]["evalue"]
    assert after[0]["data"]["text/plain"] == "'still here'"


def test_a_cell_that_refuses_to_stop_ends_the_notebook(tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.execution.session.GRACE_SECONDS", 1)
    stubborn = (
        "while True:\n    try:\n        while True:\n            pass\n    except KeyboardInterrupt:\n        pass"
    )
    results = run_cells(["'before'", stubborn, "'after'"], tmp_path, seconds=1)
    assert kinds(results[0]) == ["execute_result"]
    assert [output[0]["ename"] for output in results[1:]] == ["ProcessDied", "ProcessDied"]


def test_a_process_that_dies_keeps_what_came_before(tmp_path):
    results = run_cells(["'before'", "import os\nos._exit(0)", "'after'"], tmp_path)
    assert kinds(results[0]) == ["execute_result"]
    assert [output[0]["ename"] for output in results[1:]] == ["ProcessDied", "ProcessDied"]
    assert "process ended" in results[1][0]["evalue"]


def test_a_cell_can_start_no_process_and_the_next_one_runs(tmp_path):
    command, after = run_cells(["!echo from the shell", "'still here'"], tmp_path)
    assert command[-1]["output_type"] == "error"
    assert after[0]["data"]["text/plain"] == "'still here'"


@pytest.mark.parametrize("session", ["start_new_session=False", "start_new_session=True"])
def test_what_an_unconfined_notebook_started_is_gone_with_it(tmp_path, monkeypatch, session):
    monkeypatch.setenv("AUTOGRADER_UNSAFE", "1")
    start = f"import subprocess\nprocess = subprocess.Popen('sleep 600 & echo $!; wait', shell=True, {session},"
    start += " stdout=subprocess.PIPE)\nprint(process.pid, process.stdout.readline().decode())"
    (outputs,) = run_cells([start], tmp_path)
    left = [pid for pid in outputs[0]["text"].split() if Path(f"/proc/{pid}").exists()]
    for pid in left:
        os.kill(int(pid), 9)
    assert not left


def test_a_thread_that_ends_closes_its_connection_to_the_warm_process(tmp_path):
    connections = []

    def work():
        run_cells(["1"], tmp_path)
        connections.append(warm_server().control)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [connection.fileno() for connection in connections] == [-1]


def test_a_flood_of_text_is_cut_and_the_next_cell_runs(tmp_path):
    flood, after = run_cells(["while True:\n    print('x' * 100_000)", "'still here'"], tmp_path)
    assert len(json.dumps(flood)) < 2_000_000
    assert flood[-1]["ename"] == "TooMuchOutput"
    assert after[0]["data"]["text/plain"] == "'still here'"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_right_answer_that_warns_on_stderr_keeps_its_marks_in_stock_nbgrader(tmp_path):
    from nbgrader.preprocessors import Execute

    answers = {answer.name: answer for answer in load_bench(COURSE, "01_simpo_loss")}
    notebook = nbformat.reads(hand_in(COURSE, "01_simpo_loss", answers["torch, with a warning on stderr"]), 4)
    notebook, _ = Execute(timeout=60).preprocess(notebook, {"metadata": {"path": str(tmp_path)}})
    noisy = [output.name for cell in notebook.cells for output in cell.get("outputs", []) if "name" in output]
    assert "stderr" in noisy  # in the try-it cells, where nothing is graded
    for cell in filter(is_test, notebook.cells):
        assert determine_grade(cell) == (1, 1), cell.id

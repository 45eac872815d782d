"""Grading on a Dask cluster: real schedulers and workers, each with a working folder of its own."""

import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import sys
import textwrap
import threading
from dataclasses import replace

import dask
import distributed  # noqa: F401  # its defaults have to be there before settings are put over them
import nbformat
import pytest
import yaml
from clusters import COMMANDS, PAGE, documented, process, scheduler, shell_lines, wait_until, worker
from project import ROOT, small_course
from typer.testing import CliRunner

from autograder.authoring.release import prepare
from autograder.cli import app
from autograder.course import UserError
from autograder.grading import cluster
from autograder.grading.benches import hand_in, load_bench
from autograder.grading.cluster import mark_on_cluster, workers_at
from autograder.grading.grade import _task, grade
from autograder.grading.marking import Task
from autograder.grading.records import results
from autograder.grading.workers import Unanswered
from autograder.handing_in.submissions import collect, submitted
from autograder.nbgrader_setup import nbgrader_api
from autograder.results import DIED, GRADED

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
EXERCISE = "01_simpo_loss"


def test_every_shell_command_of_the_page_is_run_by_a_test():
    assert [start for line in shell_lines() for start in COMMANDS if line.startswith(start)] == list(COMMANDS)
    assert len(shell_lines()) == len(COMMANDS)


def test_the_pages_settings_are_yaml():
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    kinds = [document.get("kind") for block in blocks for document in yaml.safe_load_all(textwrap.dedent(block))]
    assert kinds == [None, "DaskCluster", "NetworkPolicy"]


def test_nothing_answers(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.2)
    with socket.socket() as mute:  # is there, and says nothing
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        for address in (
            "tcp://127.0.0.1:1",
            f"tcp://127.0.0.1:{mute.getsockname()[1]}",
            "tcp://no.such.host:8786",
            "?",
        ):
            with pytest.raises(UserError, match="no Dask scheduler answers at") as caught:
                workers_at(address)
            assert str(caught.value).count("\n") == 0


# -- the cluster of docs/cluster.md: two workers, encrypted ------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """The folder with the page's certificate and settings, made as the page says."""
    folder = tmp_path_factory.mktemp("dask")
    for start in ("openssl req", "cat grading.crt"):
        with process(["sh", "-c", " ".join(documented(start))], folder) as run:
            assert run.wait(60) == 0
    settings = PAGE.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    (folder / "grading.yaml").write_text(textwrap.dedent(settings).replace("/etc/dask", str(folder)))
    return folder


@pytest.fixture(scope="module")
def machines(tmp_path_factory, certificates):
    """Address and the two workers' folders; the first runs one notebook at a time, the second two."""
    folder = tmp_path_factory.mktemp("cluster")
    with contextlib.ExitStack() as running:
        running.enter_context(dask.config.set(dict(flat(yaml.safe_load((certificates / "grading.yaml").read_text())))))
        settings = {"DASK_CONFIG": certificates}
        _, address = running.enter_context(scheduler(folder / "s", documented("dask scheduler"), **settings))
        for number in (1, 2):
            command = [*documented("dask worker"), "--nworkers", 1, "--nthreads", number]
            command.remove("tls://HOST:8786")
            running.enter_context(worker(folder / f"w{number}", address, command, **settings))
        wait_until(lambda: joined(address, 1, 2))
        yield address, [folder / "w1", folder / "w2"]


def joined(address, *threads):
    """Whether the scheduler's workers are those with so many threads."""
    with contextlib.suppress(UserError):  # none has joined yet
        return sorted(workers_at(address).values()) == list(threads)
    return False


def flat(tree, prefix=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(cluster, "WATCH_SECONDS", 0.1)


@pytest.fixture
def course(tmp_path):
    return small_course(tmp_path, EXERCISE)


def test_the_same_results_as_on_one_machine(course, machines, certificates, tmp_path):
    answers = {answer.name: answer for answer in load_bench(course, EXERCISE)}
    right, wrong = (hand_in(course, EXERCISE, answers[name]) for name in ("numpy functions", "sum for mean"))
    exits = nbformat.reads(wrong, 4)
    exits.cells.insert(len(exits.cells) // 2, nbformat.v4.new_code_cell("import os; os._exit(0)"))
    (tmp_path / "downloads").mkdir()
    for student, text in {"right": right, "sum": wrong, "exits": nbformat.writes(exits)}.items():
        (tmp_path / "downloads" / f"{student}_{EXERCISE}.ipynb").write_text(text, encoding="utf-8")
    here = replace(course, classroom=tmp_path / "here")
    prepare(here)
    collect(here, tmp_path / "downloads")
    expected = [result for result, _ in grade(here)]
    replaced = {"DOWNLOADS": "downloads", "tls://HOST:8786": machines[0]}
    command = documented("autograder grade DOWNLOADS --scheduler", **replaced)
    with process(command, tmp_path, DASK_CONFIG=certificates) as run:
        assert run.wait(300) == 0, (tmp_path / "log").read_text()
    assert "2 workers, 3 notebooks at a time" in (tmp_path / "log").read_text()
    assert sorted(results(course), key=str) == sorted(expected, key=str)
    for submission in submitted(course):
        assert str(tmp_path) not in repr(_task(course, submission))  # nothing that a worker gets is a path
    assert {result.student: result.verdict for result in expected} == {"right": GRADED, "sum": GRADED, "exits": DIED}
    with nbgrader_api(course).gradebook as gradebook:
        for result in expected:
            assert gradebook.find_submission(EXERCISE, result.student).score == result.points


def notebook(*cells):
    return nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])).encode()


def task(cell):
    """A submission of one cell of the student's own."""
    return Task("student", "exercise", notebook(cell), notebook(), notebook())


def endless_task():
    """One that goes on for longer than these tests let it, and within its own limits."""
    return replace(task("import time; time.sleep(58)"), cell_seconds=200)


def naps(count):
    """Submissions that take a while and say who they are."""
    return ((number, task(f"import time; time.sleep(0.5); {number}")) for number in range(count))


def said(marked):
    """The value of the submission's cell."""
    assert marked.notebook, marked
    return nbformat.reads(marked.notebook, 4).cells[0].outputs[-1].data["text/plain"]


def at_work(folders, mark):
    """The processes of the workers in which the notebook that left this mark is at work."""
    found = []
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):  # a dead worker's folder is removed while it is looked at
            found += [int(path.parents[1].name.split("-")[1]) for path in folder.glob(f"notebook-*/*/{mark}")]
    return found


def test_a_worker_killed_in_the_middle_costs_no_notebook(machines):
    address, folders = machines
    before = workers_at(address)
    got = {}
    for name, marked in mark_on_cluster(naps(9), address):
        assert name not in got
        got[name] = said(marked)
        if len(got) == 3:
            (victim,) = {
                int(path.name.split("-")[1]) for path in wait_until(lambda: [*folders[1].glob("notebook-*-*")])
            }
            os.kill(victim, signal.SIGKILL)
    assert got == {number: str(number) for number in range(9)}
    wait_until(lambda: not list(folders[1].glob(f"notebook-{victim}-*")))  # nothing of it is left over
    wait_until(lambda: joined(address, 1, 2))  # its nanny has brought it back
    assert workers_at(address) != before


def test_a_notebook_whose_worker_dies_each_time_is_given_up_and_its_neighbours_are_graded(
    machines, monkeypatch, everything
):
    if not everything:  # each death costs the start of a worker
        monkeypatch.setattr(cluster, "ATTEMPTS", 2)
    address, folders = machines
    doomed = ("doomed", task("import time; open('doomed', 'w'); time.sleep(60)"))
    killed = []
    over = threading.Event()

    def kill():  # stands for a machine that kills whatever runs this notebook, as one out of memory may
        while not over.wait(0.05):
            for pid in set(at_work(folders, "doomed")) - set(killed):
                killed.append(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        got = dict(mark_on_cluster(itertools.chain(naps(2), [doomed], naps(6)), address))
    finally:
        over.set()
        killer.join()
    assert got.pop("doomed") is Unanswered.DIED
    assert len(killed) == cluster.ATTEMPTS
    assert {name: said(marked) for name, marked in got.items()} == {number: str(number) for number in range(6)}
    wait_until(lambda: joined(address, 1, 2))


@pytest.mark.thorough("the limit must be longer than a worker takes to start")
def test_a_notebook_that_keeps_its_worker_too_long_is_given_up_and_the_worker_is_replaced(machines, monkeypatch):
    monkeypatch.setattr(cluster, "TASK_SECONDS", 25)
    address, _ = machines
    before = workers_at(address)
    endless = ("endless", endless_task())
    got = dict(mark_on_cluster(itertools.chain(naps(2), [endless], naps(3)), address))
    assert got.pop("endless") is Unanswered.LATE
    assert {name: said(marked) for name, marked in got.items()} == {number: str(number) for number in range(3)}
    wait_until(lambda: joined(address, 1, 2))
    assert len(set(workers_at(address)) - set(before)) == 1


# -- clusters that must not grade --------------------------------------------------------------------------------------


@pytest.fixture
def lone(tmp_path):
    """A scheduler of its own, not encrypted: its process, its address, and how to start a worker there."""
    with contextlib.ExitStack() as running:
        running.enter_context(dask.config.set({"distributed.comm.require-encryption": False}))
        run, address = running.enter_context(scheduler(tmp_path / "s"))
        yield (
            run,
            address,
            lambda *command, **variables: running.enter_context(
                worker(tmp_path / "w", address, command or ("dask", "worker"), **variables)
            ),
        )


def test_a_worker_with_other_code_is_told_apart_before_it_grades(lone, tmp_path):
    _, address, start = lone
    for package in ("autograder", "simpo_core", "simpo_language"):
        shutil.copytree(ROOT / package, tmp_path / "other" / package)
    with (tmp_path / "other" / "autograder" / "checks.py").open("a") as file:
        file.write("TOLERANCE = 1.0\n")
    start(PYTHONPATH=tmp_path / "other")
    with pytest.raises(UserError, match=r"the worker on .* has simpo-practice [\d.]+ \(\w{12}\), Python 3") as caught:
        list(mark_on_cluster(naps(3), address))
    assert f"who grades has {cluster.installed()}: install the same on both" in str(caught.value)


@pytest.mark.thorough("the limit must be longer than a worker takes to start")
def test_a_worker_without_a_nanny_that_hangs_gets_nothing_more(lone, monkeypatch):
    monkeypatch.setattr(cluster, "TASK_SECONDS", 25)
    _, address, start = lone
    start("dask", "worker", "--no-nanny", "--nthreads", "1")
    start("dask", "worker", "--no-nanny", "--nthreads", "1")
    endless = ("endless", endless_task())
    got = dict(mark_on_cluster(itertools.chain([endless], naps(3)), address))
    assert got.pop("endless") is Unanswered.LATE
    assert {name: said(marked) for name, marked in got.items()} == {number: str(number) for number in range(3)}


def test_a_scheduler_without_the_grader_is_a_sentence(tmp_path):
    room = tmp_path / "other" / "autograder" / "grading"
    room.mkdir(parents=True)
    for module in (room.parent / "__init__.py", room / "__init__.py", room / "cluster.py"):
        module.touch()  # an older one, say: it can't mark for others
    with (
        dask.config.set({"distributed.comm.require-encryption": False}),
        scheduler(tmp_path / "s", PYTHONPATH=tmp_path / "other") as (_, address),
        worker(tmp_path / "w", address),
        pytest.raises(UserError, match=r"can't load the grader \(.*\): both need the same as here, simpo-practice"),
    ):
        list(mark_on_cluster(naps(1), address))


WITHOUT_LANDLOCK = """
import ctypes, os, struct, sys
lines = [(0x20, 0, 0, 0), (0x35, 0, 2, 444), (0x25, 1, 0, 446), (0x06, 0, 0, 0x50000 | 1), (0x06, 0, 0, 0x7FFF0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxN", len(lines), ctypes.addressof(program)))
libc = ctypes.CDLL(None)
assert not libc.prctl(38, 1, 0, 0, 0) and not libc.prctl(22, 2, filter, 0, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_a_worker_that_cannot_confine_grades_nothing_and_the_person_is_told(lone, course, tmp_path, monkeypatch):
    # the filter does what a container's seccomp profile without Landlock does: the three calls give EPERM
    _, address, start = lone
    start(sys.executable, "-c", WITHOUT_LANDLOCK, "dask", "worker")
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / f"a_{EXERCISE}.ipynb").write_text(hand_in(course, EXERCISE, None), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        CliRunner().invoke(app, ["grade", "downloads", "--scheduler", address], catch_exceptions=False)
    last = str(caught.value)
    assert last.startswith("students' code can't be confined on the worker on ")
    assert ": the kernel has no Landlock" in last
    assert "seccomp profile allows Landlock" in last
    assert "AUTOGRADER_UNSAFE=1" in last
    assert not results(course)


def test_a_scheduler_without_workers_and_one_that_goes_are_sentences(lone, monkeypatch):
    run, address, start = lone
    monkeypatch.setattr(cluster, "NEXT_WORKER_SECONDS", 0.2)
    with pytest.raises(UserError, match=f"the scheduler at {address} has had no worker for 0.2 seconds: start one"):
        list(mark_on_cluster(naps(1), address))
    monkeypatch.undo()
    start()
    unread = ("unread", replace(task("1"), refused="too large"))  # is marked at once
    done = mark_on_cluster(itertools.chain([unread], naps(20)), address)
    assert next(done)[1].result.reason == "too large"
    run.kill()
    with pytest.raises(UserError, match="is gone; what is graded is kept"):
        list(done)


class SlowScheduler:
    """A client whose scheduler answers the third question."""

    def __init__(self, address):
        self.scheduler, self.asked = self, 0
        self.address = address

    def nthreads(self):
        self.asked += 1
        if self.asked < 3:
            raise OSError("Timed out trying to connect to the scheduler after 30 s")
        return {"tcp://worker": 2}


def test_a_scheduler_that_is_slow_is_not_gone(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as there:  # accepts, and says nothing
        address = f"tcp://127.0.0.1:{there.getsockname()[1]}"
        assert cluster._threads(SlowScheduler(address), 1) == {"tcp://worker": 2}
        monkeypatch.setattr(cluster, "SLOW_SECONDS", 0)
        with pytest.raises(UserError, match="is there, but has not answered for 0 seconds"):
            cluster._threads(SlowScheduler(address), 1)
    with pytest.raises(UserError, match="is gone; what is graded is kept"):
        cluster._threads(SlowScheduler(address), 1)

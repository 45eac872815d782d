"""Several workers: every task is done, whoever dies."""

import os
import signal

from autograder.notebook import CHECK, STUDENTS, run_steps
from autograder.workers import run_tasks

EXERCISE = "01_simpo_loss"


def die_once(task):
    """Stands for a worker that is killed by the machine: the first time, not the second."""
    name, folder = task
    marker = folder / f"{name}.died"
    if name in "bc" and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return name.upper()


def die_always(task):
    name, _ = task
    if name == "b":
        os.kill(os.getpid(), signal.SIGKILL)
    return name.upper()


def tasks(folder, names):
    return ((name, (name, folder)) for name in names)


def test_every_task_is_done_once_whatever_the_number_of_workers(tmp_path):
    got = list(run_tasks(tasks(tmp_path, "abcdefgh"), 3, die_once))
    assert sorted(got) == [(name, name.upper()) for name in "abcdefgh"]


def test_a_task_whose_worker_always_dies_has_no_answer_and_stops_nobody(tmp_path):
    got = dict(run_tasks(tasks(tmp_path, "ab"), 1, die_always))
    assert got == {"a": "A", "b": None}


def test_the_death_of_the_examiner_is_a_fault_of_the_graders(tmp_path):
    executed = run_steps([(STUDENTS, "x = 1", ""), (CHECK, "import os\nos.kill(os.getpid(), 9)", "a")], [tmp_path])
    assert "examiner" in executed.fault

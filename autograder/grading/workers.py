"""Several workers: each runs one notebook at a time. They are forks of one process, which holds nothing open.

A thread for each worker gives it a task and waits for the answer, so that it is known what a worker ran when it died or
was not heard of any more. Then another takes its place; what it had started ends with it. While a notebook does
nothing, its worker has another beside it, so that no processor stands idle.
"""

import contextlib
import enum
import multiprocessing
import os
import queue
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, TypeVar

from autograder.execution import patience
from autograder.execution.run import NOTEBOOK_SECONDS
from autograder.execution.warm_client import share_warm_process, start_warm_process, sweep
from simpo_language.speech import _

ATTEMPTS = 3  # a notebook whose worker dies this often is a fault of the grader's
AHEAD = 2  # notebooks on their way for each worker, so that none is idle and memory stays flat
TASK_SECONDS = NOTEBOOK_SECONDS + 300  # for all that is done with a notebook; each part has a limit of its own
INTERRUPT_SECONDS = 0.2  # at most, till Ctrl-C takes effect: it may come to one of the threads that wait
END_SECONDS = 5  # for a worker without work to end
MORE_WORKERS = 4  # at most, in place of those whose notebooks do nothing
STILL = "still"  # what a worker says when its notebook does nothing; answers come in tuples

Name = TypeVar("Name")
Work = TypeVar("Work")
Answer = TypeVar("Answer")
Worker = tuple[BaseProcess, Connection]


class Unanswered(enum.Enum):
    """Why a task has no answer."""

    DIED = "its worker was killed, again and again"
    LATE = _("it kept a worker busy for more than {value} minutes, and was stopped").format(value=TASK_SECONDS // 60)


def run_tasks(
    tasks: Iterable[tuple[Name, Work]],
    jobs: int,
    work: Callable[[Work], Answer],
    *,
    hurry: bool = False,
    seconds: float = TASK_SECONDS,
) -> Iterator[tuple[Name, Answer | Unanswered]]:
    """What `work` makes of each task, in the order in which they are done, or why it has no answer.

    tasks: each with a name, which stays here.
    jobs: how many workers. hurry: each will have one task, so that nothing pays that others would share.
    seconds: wall time for a task; then its worker is killed, and another takes its place.
    """
    to_come, pool, on_their_way = iter(tasks), _Pool(jobs, work, hurry, seconds), 0
    try:
        while True:
            while on_their_way < AHEAD * pool.places() and (one := next(to_come, None)):
                pool.waiting.put(one)
                on_their_way += 1
            if not on_their_way:
                return
            try:
                name, answer = pool.done.get(timeout=INTERRUPT_SECONDS)
            except queue.Empty:
                continue
            on_their_way -= 1
            if isinstance(answer, Exception):
                raise answer
            yield name, answer
    finally:
        pool.end(at_once=bool(on_their_way))  # whoever stops early doesn't wait for what runs


def stop() -> None:
    """End the workers of this process at once, with what they run."""
    for pool in list(_pools):
        pool.end(at_once=True)


class _Pool:
    """Workers, and a thread for each, which takes tasks from `waiting` and puts their answers into `done`."""

    def __init__(self, jobs: int, work: Callable[[Any], Any], hurry: bool, seconds: float) -> None:
        self.waiting: queue.SimpleQueue[tuple[Any, Any] | None] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
        self.work, self.seconds = work, seconds
        self.is_over = False
        self.still = self.surplus = 0  # workers whose notebook does nothing; of those beside them, how many are to go
        self.workers: set[BaseProcess] = set()
        self.is_fork = hurry and jobs == 1  # of this very process, which has loaded what a single worker needs
        self.context: Any = multiprocessing.get_context("fork" if self.is_fork else "forkserver")
        self.context.set_forkserver_preload(["autograder.grading.worker_imports"])
        self.start = (dict(os.environ), start_warm_process(), hurry)
        self.jobs = jobs
        self.threads: list[threading.Thread] = []
        _pools.add(self)
        for _number in range(jobs):
            self._add_thread()

    def places(self) -> int:
        """How many tasks can be at work."""
        return self.jobs + self.still

    def _add_thread(self) -> None:
        self.threads.append(threading.Thread(target=self._serve, daemon=True))
        self.threads[-1].start()

    def end(self, *, at_once: bool) -> None:
        """Let the workers end; at once, with what they run, or when there is nothing left to do."""
        with _starting:
            self.is_over = self.is_over or at_once
            for worker in self.workers if at_once else ():
                worker.kill()
            threads = list(self.threads)  # there will be no more
        for _thread in threads:
            self.waiting.put(None)
        for thread in threads:
            thread.join()

    def _serve(self) -> None:
        worker: Worker | None = None
        while not self._is_to_go() and (one := self.waiting.get()):
            name, task = one
            answer: Any = Unanswered.DIED
            for _attempt in range(ATTEMPTS):
                try:
                    worker = worker or self._worker()
                    answer = self._ask(worker[1], task)
                except (EOFError, OSError):
                    pass
                except Exception as error:  # it did not start, or the task can't be sent
                    answer = error
                if answer is not Unanswered.DIED:
                    break
                self._end(worker)
                worker = None
                if self.is_over:
                    return
            if answer is Unanswered.LATE:
                self._end(worker)
                worker = None
            self.done.put((name, answer))
        self._end(worker, 0 if self.is_fork else END_SECONDS)

    def _is_to_go(self) -> bool:
        """Whether the thread that asks is to end, with its worker."""
        with _starting:
            is_one_too_many, self.surplus = self.surplus > 0, max(0, self.surplus - 1)
            return self.is_over or is_one_too_many

    def _ask(self, connection: Connection, task: Any) -> Any:
        connection.send((self.work, task))
        end, is_still = time.monotonic() + self.seconds, False
        try:
            while connection.poll(max(0.0, end - time.monotonic())):
                answer = connection.recv()
                if answer != STILL:
                    return answer[0]
                is_still = is_still or self._have_another()
            return Unanswered.LATE
        finally:
            if is_still:
                with _starting:
                    self.still, self.surplus = self.still - 1, self.surplus + 1

    def _have_another(self) -> bool:
        """Let another worker take the place of one whose notebook does nothing, if there is something for it to do."""
        with _starting:
            if self.is_over or self.still >= MORE_WORKERS or self.waiting.empty():
                return False
            self.still += 1
            if self.surplus:
                self.surplus -= 1
            else:
                self._add_thread()
        return True

    def _worker(self) -> Worker:
        """A new one."""
        near, far = self.context.Pipe()
        process = self.context.Process(target=_serve_run, args=(far, *self.start), daemon=True)
        with far, _starting:
            if self.is_over:
                raise EOFError
            with _no_main_module(), warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of a fork where there are threads
                process.start()
            self.workers.add(process)
        return process, near

    def _end(self, worker: Worker | None, seconds: float = 0) -> None:
        """End a worker. seconds: how long it may take to end by itself, as it does when nobody can ask it any more."""
        if worker is None:
            return
        process, connection = worker
        connection.close()
        if seconds:
            process.join(seconds)
        process.kill()
        process.join()
        with _starting:
            self.workers.discard(process)


_pools: "weakref.WeakSet[_Pool]" = weakref.WeakSet()
_starting = threading.Lock()


def _serve_run(connection: Connection, environment: dict[str, str], warm: socket.socket, hurry: bool) -> None:
    """Be a worker of the process that started it: with its environment and warm process, and gone when it is gone."""
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends its workers
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # it may be another
    sweep()
    share_warm_process(warm, hurry)
    patience.when_still = lambda: connection.send(STILL)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            work, task = connection.recv()
            try:
                answer = work(task)
            except Exception as error:
                answer = error
            connection.send((answer,))


def _end_with_the_run() -> None:
    run = multiprocessing.parent_process()
    if run is not None:
        run.join()
        os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Else multiprocessing would import the grader's own command again in every worker."""
    main: Any = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main

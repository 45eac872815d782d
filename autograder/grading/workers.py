"""Several workers: each runs one notebook at a time. They are forks of one process, which holds nothing open.

A worker that is killed takes its notebook's processes with it; what ran is run again by another.
"""

import contextlib
import itertools
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import ModuleType
from typing import Any, TypeVar

from autograder.execution.warm_client import in_a_hurry, share_warm_process, start_warm_process, sweep

ATTEMPTS = 3  # a notebook whose worker dies this often is a fault of the grader's
AHEAD = 2  # notebooks waiting for each worker, so that none is idle and memory stays flat
INTERRUPT_SECONDS = 0.2  # at most, till Ctrl-C takes effect

Name = TypeVar("Name")
Work = TypeVar("Work")
Answer = TypeVar("Answer")
Run = tuple[Any, Any, int]  # a task's name, the task, and how many workers died while it ran


def run_tasks(
    tasks: Iterable[tuple[Name, Work]], jobs: int, work: Callable[[Work], Answer], *, hurry: bool = False
) -> Iterator[tuple[Name, Answer | None]]:
    """What `work` makes of each task, in the order in which they are done; None if its worker died each time.

    tasks: each with a name, which stays here.
    jobs: how many workers. hurry: each will have one task, so that nothing pays that others would share, and a
        single one is done here.
    """
    if hurry and jobs == 1:
        with in_a_hurry():
            yield from ((name, work(task)) for name, task in tasks)
        return
    waiting: Iterator[Run] = ((name, task, 0) for name, task in tasks)
    again: list[Run] = []  # their worker died
    pool = _pool(jobs, hurry)
    running: dict[Future[Answer], Run] = {}
    try:
        while True:
            broken = False
            done: set[Future[Answer]] = set()
            with _interrupts_later():
                while not broken and (one := _next(waiting, again, running, AHEAD * jobs)):
                    try:
                        with _no_main_module():
                            running[pool.submit(work, one[1])] = one
                    except BrokenProcessPool:
                        waiting, broken = itertools.chain([one], waiting), True
                if running:
                    done = wait(running, timeout=INTERRUPT_SECONDS, return_when=FIRST_COMPLETED).done
            if not running and not broken:
                return
            for future in done:
                name, task, deaths = running.pop(future)
                try:
                    yield name, future.result()
                except BrokenProcessPool:
                    broken = True
                    if deaths + 1 == ATTEMPTS:
                        yield name, None
                    else:
                        again.append((name, task, deaths + 1))
            if broken:
                again += (run for run in running.values() if run[2])
                waiting = itertools.chain([run for run in running.values() if not run[2]], waiting)
                running.clear()
                pool.shutdown(cancel_futures=True)
                pool = _pool(jobs, hurry)
    finally:  # whoever stops early doesn't wait for what runs
        pool.shutdown(wait=not running, cancel_futures=True)


def stop() -> None:
    """End the workers of this process at once, with what they run."""
    for worker in multiprocessing.active_children():
        worker.kill()


def _next(waiting: Iterator[Run], again: list[Run], running: Mapping[Any, Run], most: int) -> Run | None:
    """What to run beside what runs, if anything.

    Which worker died is not known, so all that ran may be the cause. Each of these is run again, last and alone, so
    that the next death is its own.
    """
    if len(running) >= most or any(deaths for _, _, deaths in running.values()):
        return None
    return next(waiting, None) or (again.pop() if again and not running else None)


def _pool(jobs: int, hurry: bool) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["autograder.grading.worker_imports"])
    start = (dict(os.environ), start_warm_process(), hurry)
    return ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=start)


def _begin(environment: dict[str, str], warm: socket.socket, hurry: bool) -> None:
    """Be a worker of the process that started it: with its environment and warm process, and gone when it is gone."""
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends its workers
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # it may be another
    sweep()
    share_warm_process(warm, hurry)


def _end_with_the_run() -> None:
    run = multiprocessing.parent_process()
    if run is not None:
        run.join()
        os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Let Ctrl-C take effect at the end.

    In the midst of what concurrent.futures does it would leave a lock that nobody opens again, and the run would
    never end; or a task that runs, of which nobody knows.
    """
    is_main = threading.current_thread() is threading.main_thread()  # only there can it arrive
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if came:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Else multiprocessing would import the grader's own command again in every worker."""
    main: Any = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main

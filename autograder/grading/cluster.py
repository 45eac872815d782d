"""Past one machine: the workers of a Dask cluster mark the submissions; the process that grades alone writes.

A worker needs the package and nothing else: it gets a submission as bytes and gives plain data back. Which
submission is on which worker is decided here, because it must be known what was running when a worker died;
Dask carries, watches the workers and lets new ones in.

Scheduler and workers trust each other and who grades; students' code is confined on each worker as it is
here. docs/cluster.md says how to close the network to others.
"""

import asyncio
import contextlib
import functools
import importlib.metadata
import logging
import platform
import socket
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import asdict, dataclass, replace
from typing import Any

from autograder.code_digest import code_digest
from autograder.course import STUDENT_MODULES, UNSAFE_VARIABLE, UserError
from autograder.grading.marking import Task, mark
from autograder.grading.workers import ATTEMPTS, TASK_SECONDS, Name, Unanswered
from autograder.results import GRADER_FAULT, NOT_CONFINED, Marked, result_from
from simpo_language.speech import _

CONNECT_SECONDS = 8  # for a scheduler to greet
FIRST_WORKER_SECONDS = 60  # how long to wait for a worker before grading,
NEXT_WORKER_SECONDS = 300  # and when all are gone: machines start again, and some clusters grow on demand
WATCH_SECONDS = 1  # how often to look whether workers have come or gone
RESTART_SECONDS = 30  # for a worker to be replaced
SLOW_SECONDS = 300  # without an answer of a scheduler that is there
DYING_SECONDS = 1  # for the address of a scheduler that is ended to be given up, after its connections
FETCH_SECONDS = 30  # for one answer to come; if it doesn't, its worker is gone

Answer = tuple[Any, Marked | Unanswered]  # whose, and what came of it

_digesting = threading.Lock()  # Python up to 3.11.7 can't parse in two threads of a worker at once; once is enough, too


@dataclass(frozen=True)
class Job:
    """A submission on its way: what the worker gets, where it is, and how many workers died running it."""

    name: Any
    task: dict[str, Any]
    worker: str = ""
    deaths: int = 0
    since: float = 0.0  # when it was first seen at work there, on time.monotonic's clock


def mark_on_cluster(tasks: Iterable[tuple[Name, Task]], address: str) -> Iterator[tuple[Name, Marked | Unanswered]]:
    """What came of each submission, in the order in which they are done, or why nothing did.

    tasks: each with a name, which stays here. They are read as workers become free.
    address: of the Dask scheduler, such as tls://10.0.0.5:8786.

    Raises:
        UserError: The scheduler or its workers can't be reached, or must not grade. What was yielded is done.
    """
    with _connected(address) as client:
        try:
            yield from _run_jobs(client, (Job(name, asdict(task)) for name, task in tasks))
        except CancelledError:
            raise _lost(address) from None


def workers_at(address: str) -> dict[str, int]:
    """How many submissions each worker of a scheduler marks at a time, by its address.

    Raises:
        UserError: No scheduler answers, or it has no worker.
    """
    with _connected(address) as client:
        return _threads(client, FIRST_WORKER_SECONDS)


def _run_jobs(client: Any, waiting: Iterator[Job]) -> Iterator[Answer]:
    again: list[Job] = []  # their worker is gone
    running: dict[Any, Job] = {}  # by Dask's future
    threads: dict[str, int] = {}  # of each worker, by its address
    stuck: set[str] = set()  # workers that could not be stopped
    while True:
        before, threads = threads, _threads(client, NEXT_WORKER_SECONDS, stuck)
        again += _reclaim(running, before, threads)
        late = _late(running, threads)
        for worker in {running[future].worker for future in late}:
            stuck |= _restart(client, worker)
        done: list[Answer] = [(_released(running, future).name, Unanswered.LATE) for future in late]
        done += [(job.name, Unanswered.DIED) for job in again if job.deaths >= ATTEMPTS]
        again = [job for job in again if job.deaths < ATTEMPTS]
        done += _collect(running)
        _fill(client, running, threads, again, waiting)
        yield from done
        if not running:
            return
        _wait_for_one(running)


def _reclaim(running: dict[Any, Job], before: dict[str, int], now: dict[str, int]) -> Iterator[Job]:
    """Take back what was on workers that are gone. What was at work there may have been the cause of it."""
    for worker in before.keys() - now.keys():
        there = [future for future, job in running.items() if job.worker == worker]  # in the order of their start
        for place, future in enumerate(there):
            job = running.pop(future)
            future.release()
            yield replace(job, deaths=job.deaths + (place < before[worker]))


def _late(running: dict[Any, Job], threads: dict[str, int]) -> list[Any]:
    """What has been at work for too long. A worker begins with what it got first."""
    now, late = time.monotonic(), []
    for worker, places in threads.items():
        there = [future for future, job in running.items() if job.worker == worker]
        for future in there[:places]:
            job = running[future] = replace(running[future], since=running[future].since or now)
            if now - job.since > TASK_SECONDS and not future.done():
                late.append(future)
    return late


def _restart(client: Any, worker: str) -> set[str]:
    """Have a worker's nanny put another in its place; the worker itself if it has none, and hangs for good."""
    try:
        client.restart_workers([worker], timeout=RESTART_SECONDS, raise_for_error=False)
    except Exception:  # Dask's, of many kinds
        return {worker}
    return set()


def _released(running: dict[Any, Job], future: Any) -> Job:
    future.release()
    return running.pop(future)


def _fill(
    client: Any, running: dict[Any, Job], threads: dict[str, int], again: list[Job], waiting: Iterator[Job]
) -> None:
    """Give each worker as many submissions as it has threads, and one to begin with next.

    Whose worker has died is run last and has a worker to itself, so that the next death is its own or nobody's.
    """
    load = dict.fromkeys(threads, 0)
    for job in running.values():
        load[job.worker] += threads[job.worker] + 1 if job.deaths else 1
    while True:
        worker = min(load, key=lambda each: load[each] - threads[each])
        if load[worker] > threads[worker]:
            return
        new = _next(again, waiting, alone=not load[worker])
        if new is None:
            return
        future = client.submit(mark_here, new.task, installed(), workers=[worker], pure=False)
        running[future] = replace(new, worker=worker)
        load[worker] += threads[worker] + 1 if new.deaths else 1


def _next(again: list[Job], waiting: Iterator[Job], alone: bool) -> Job | None:
    """The next submission for a worker, if there is one for it. alone: it would have the worker to itself."""
    for job in again:
        if not job.deaths:
            again.remove(job)
            return job
    return next(waiting, None) or (again.pop() if again and alone else None)


def _collect(running: dict[Any, Job]) -> Iterator[Answer]:
    """The answers that have come."""
    from distributed import KilledWorker

    for future in [future for future in running if future.done()]:
        worker = running[future].worker
        try:
            marked: Marked | Unanswered = _accepted(future.result(timeout=FETCH_SECONDS), worker)
        except TimeoutError:
            continue  # it was on a worker that has died since; `_reclaim` will see that
        except KilledWorker:  # by Dask's own count
            marked = Unanswered.DIED
        except (CancelledError, UserError):
            raise
        except Exception as error:  # Dask's: nothing that `mark` does gets out
            raise UserError(
                _(
                    "the scheduler or the worker at {worker} can't load the grader ({value}): both need the "
                    "same as here, {installed}"
                ).format(worker=worker, value=str(error).splitlines()[0], installed=installed())
            ) from None
        yield running.pop(future).name, marked


def _accepted(answer: dict[str, Any], worker: str) -> Marked:
    """What a worker sent, if it may mark. Raises UserError with what to do about one that may not."""
    where = f"{answer['host']} ({worker})"
    if answer["code"] != installed():
        raise UserError(
            _(
                "the worker on {where} has {answer}; who grades has {installed}: install the same on "
                "both, then repeat the command"
            ).format(where=where, answer=answer["code"], installed=installed())
        )
    result = result_from(answer["marked"]["result"])
    if result.verdict == NOT_CONFINED:
        raise UserError(
            _(
                "students' code can't be confined on the worker on {where}: {reason}. Run workers on "
                "Linux 5.13 or newer, in containers whose seccomp profile allows Landlock; or, if that "
                "machine holds nothing that a student must not reach, start its worker with "
                "{unsafe_variable}=1"
            ).format(where=where, reason=result.reason, unsafe_variable=UNSAFE_VARIABLE)
        )
    if result.verdict == GRADER_FAULT:
        result = replace(result, reason=f"{result.reason}, on {where}")
    return Marked(**{**answer["marked"], "result": result})


def _wait_for_one(running: dict[Any, Job]) -> None:
    from distributed import wait

    with contextlib.suppress(TimeoutError):
        wait(list(running), timeout=WATCH_SECONDS, return_when="FIRST_COMPLETED")


def _threads(client: Any, patience: float, without: Collection[str] = ()) -> dict[str, int]:
    """How many submissions each worker marks at a time. If there is none, waits for one so many seconds."""
    until = time.monotonic() + SLOW_SECONDS
    while True:
        try:
            while not (threads := {name: count for name, count in client.nthreads().items() if name not in without}):
                _await_worker(client, patience, 1 + sum(name in without for name in client.nthreads()))
            return threads
        except OSError:  # Dask's time for an answer is short where a scheduler serves hundreds
            if time.monotonic() > until or not _listens(client.scheduler.address):
                raise _lost(client.scheduler.address) from None


def _listens(address: str) -> bool:
    """Whether a scheduler is there, however slow: the system accepts for it what it has no time for."""
    from distributed.comm import get_address_host_port

    try:
        socket.create_connection(get_address_host_port(address), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def _await_worker(client: Any, seconds: float, count: int) -> None:
    try:
        client.wait_for_workers(count, timeout=seconds)
    except TimeoutError:
        address = client.scheduler.address
        raise UserError(
            _(
                "the scheduler at {address} has had no worker for {seconds:g} seconds: start one or more "
                "with `dask worker {address}`; what is graded is kept"
            ).format(address=address, seconds=seconds)
        ) from None


def _lost(address: str) -> UserError:
    if _listens(address):
        time.sleep(DYING_SECONDS)
    if _listens(address):
        return UserError(
            _(
                "the scheduler at {address} is there, but has not answered for {seconds} seconds, or broke off; what "
                "is graded is kept: repeat the command, and if it does so again, start the scheduler anew"
            ).format(address=address, seconds=SLOW_SECONDS)
        )
    return UserError(
        _("the scheduler at {address} is gone; what is graded is kept: start it again and repeat the command").format(
            address=address
        )
    )


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """A client of the scheduler. Raises UserError if there is none at the address."""
    try:
        import dask
        from distributed import Client
    except ImportError:
        raise UserError(
            _("a cluster needs Dask, which is not installed here: pip install 'simpo-practice[cluster]'")
        ) from None
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters comes as an exception
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):  # files beside a notebook
        try:
            asyncio.run(_greet(address))
            client = Client(address)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            reason = str(error) or _("nothing came within {connect_seconds} seconds").format(
                connect_seconds=CONNECT_SECONDS
            )
            raise UserError(
                _(
                    "no Dask scheduler answers at {address} ({reason}): start one with `dask scheduler` and "
                    "give the address that it prints, such as tls://10.0.0.5:8786"
                ).format(address=address, reason=reason)
            ) from None
        with client:
            yield client


async def _greet(address: str) -> None:
    """Exchange the first words with a scheduler. A client would wait for them for ever. Raises OSError."""
    from distributed import Security
    from distributed.comm import connect

    words = connect(address, timeout=CONNECT_SECONDS, **Security().get_connection_args("client"))
    (await asyncio.wait_for(words, CONNECT_SECONDS + 1)).abort()


def mark_here(task: dict[str, Any], code: str) -> dict[str, Any]:
    """On a worker: mark a submission, if the code here is that of who grades. Plain data, ready for JSON."""
    marked = asdict(mark(Task(**task))) if code == installed() else {}
    return {"host": socket.gethostname(), "code": installed(), "marked": marked}


@functools.cache
def installed() -> str:
    """The code here on which results depend: equal words, equal results.

    Version numbers alone don't tell two checkouts apart, so a digest of the code stands beside them.
    """
    with _digesting:  # who waits here finds it in the cache
        digest = code_digest("autograder", "simpo_language", *(module.partition(".")[0] for module in STUDENT_MODULES))
    versions = {name: _version(name) for name in ("simpo-practice", "numpy", "torch")}
    own = f"simpo-practice {versions.pop('simpo-practice')} ({digest[:12]})"
    others = [f"{name} {version.partition('+')[0]}" for name, version in versions.items()]  # +cpu, +cu130: alike
    return ", ".join((own, "Python " + ".".join(platform.python_version_tuple()[:2]), *others))


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"  # another course may need no torch

"""A time limit for what this process itself does with what comes from students."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class TimeUp(BaseException):
    """Stops what takes too long. No `except Exception` holds it up."""


@dataclass
class TimeLimit:
    """Whether it has been reached; it stays so if what was stopped has swallowed that."""

    is_over: bool = False


@contextmanager
def limited(seconds: float) -> Iterator[TimeLimit]:
    """Raise TimeUp inside when the time is over; where no signal can come, do nothing."""
    limit = TimeLimit()
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield limit
        return

    def stop(number: int, frame: Any) -> None:
        limit.is_over = True
        raise TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)  # again, if other code has swallowed the first
    try:
        yield limit
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

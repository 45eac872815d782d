"""How long a process may take over a cell: by its own time, which a busy machine doesn't lengthen.

Its own time is what passes but for that in which it waits for a processor, as Linux counts it; elsewhere all that
passes. Who does nothing at all meanwhile, neither computing nor reading, is given up sooner.
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

STILL_SHARE = 0.6  # of the time that a cell may take: if it does nothing for as long, it is stopped
CLOCK_SHARE = 0.25  # of what passes counts in any case: threads of a process's own could keep it waiting
ASLEEP_SHARE = 0.05  # of the time on a processor, or less: does nothing
SAY_STILL_SECONDS = 1  # after which others are told that the processor is theirs
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class _Use:
    """What a process has had of the processors, in seconds."""

    computed: float  # all its threads together
    waited: float  # for a processor, its first thread
    is_asleep: bool


class Patience:
    """With one process over one cell. It is used up while the process is at work: from `start` to `stop`.

    seconds: of the process's own time.
    until: when it ends in any case, on time.monotonic's clock.
    """

    def __init__(self, seconds: float, until: float = math.inf) -> None:
        self.seconds, self.until = seconds, until
        self.own = self.still = 0.0
        self._told = False
        self._since = time.monotonic()
        self._before: _Use | None = None

    def start(self) -> None:
        """The process begins, or goes on."""
        self._since, self._before, self.still = time.monotonic(), None, 0.0

    def stop(self) -> None:
        """It has answered."""
        self.own += time.monotonic() - self._since

    def look(self, pid: int) -> None:
        """See what the process has done since the last look."""
        now, use = time.monotonic(), _use_of(pid)
        passed, before = now - self._since, self._before
        self._since, self._before = now, use
        if before is None or use is None:
            self.own += passed
            return
        self.own += max(passed - (use.waited - before.waited), CLOCK_SHARE * passed)
        is_still = use.is_asleep and use.computed - before.computed <= ASLEEP_SHARE * passed
        self.still = self.still + passed if is_still else 0.0
        if self.still >= SAY_STILL_SECONDS and not self._told:
            self._told = True
            when_still()

    def is_over(self) -> bool:
        """Whether it is used up."""
        return self.left() <= 0 or self.is_still()

    def is_still(self) -> bool:
        """Whether it is used up because the process does nothing."""
        return self.still >= STILL_SHARE * self.seconds

    def left(self) -> float:
        """Seconds for which it lasts at least, if the process does anything."""
        return min(self.seconds - self.own, self.until - time.monotonic())


def _nothing() -> None:
    """Nobody wants to know."""


when_still: Callable[[], None] = _nothing  # called once a cell whose process does nothing


def _use_of(pid: int) -> _Use | None:
    """None where the system doesn't say, or the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as about:
            state, *numbers = about.read().rpartition(b")")[2].split()
        with open(f"/proc/{pid}/schedstat", "rb") as about:
            waited = int(about.read().split()[1]) / 1e9
        return _Use((int(numbers[10]) + int(numbers[11])) / TICKS, waited, state in (b"S", b"T"))
    except (OSError, ValueError, IndexError):
        return None

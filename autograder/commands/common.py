"""What the commands share: the console, the option --classroom, and stopping at Ctrl-C."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
Classroom = Annotated[Path | None, typer.Option(help="Folder of the class (default: classroom/ in the repository).")]


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """At Ctrl-C say so, and end what still runs."""
    try:
        yield
    except KeyboardInterrupt:
        from autograder.grading.workers import stop

        print("stopping; run the same command again to go on", file=sys.stderr, flush=True)
        stop()
        raise

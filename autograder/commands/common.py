"""What the commands share: what they print, the option --classroom, and stopping at Ctrl-C."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from autograder.course import NEEDS_LINUX, UserError
from autograder.student_data.visible import visible
from simpo_language.speech import _

console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
Classroom = Annotated[Path | None, typer.Option(help="Folder of the class (default: classroom/ in the course).")]


def require_linux() -> None:
    """Raise UserError where nothing can be graded."""
    if sys.platform != "linux":
        raise UserError(_(NEEDS_LINUX))


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """At Ctrl-C say so, and end what still runs."""
    try:
        yield
    except KeyboardInterrupt:
        from autograder.grading.workers import stop

        say(_("stopping; run the same command again to go on"), error=True)
        stop()
        raise


def say(words: object, *, error: bool = False) -> None:
    """Print a line, on stderr if it is an error. Words may be a student's: a terminal obeys none of them."""
    print(visible(str(words)), file=sys.stderr if error else sys.stdout, flush=error)


def cell(words: str) -> Text:
    """The same in a table. rich would take [t] in them for markup."""
    return Text(visible(words))

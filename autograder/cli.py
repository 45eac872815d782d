"""The course's front door: `autograder`. Only it and commands/ print."""

import contextlib
import sys

import typer

from autograder.commands import authoring, environment, feedback, grading, handing_in, reports
from autograder.commands.common import say
from autograder.course import UserError
from autograder.files import no_room
from autograder.nbgrader_patches import leave_out

app = typer.Typer(
    help="Release, grade and explain the exercises of SimPO practice.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a database URL may hold a password
)
for part in (grading, feedback, handing_in, reports, authoring, environment):
    app.add_typer(part.commands)


def main() -> None:
    """Run a command; what the user can mend is one line on stderr and exit status 2."""
    if "--help" not in sys.argv:
        leave_out()
    try:
        app()
    except Exception as error:
        words = no_room(error) or _mendable(error)
        if words is None:
            raise
        with contextlib.suppress(OSError):  # what it is printed to may be on the disk that is full
            say(f"autograder: {words}", error=True)
        sys.exit(2)


def _mendable(error: Exception) -> str | None:
    """What to tell whoever can mend what stopped a command; None if that is nobody at the keyboard."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror}"
    return None

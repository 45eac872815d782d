"""The course's front door: `autograder`. Only it and commands/ print."""

import contextlib
import io
import sys

import typer

from autograder.commands import authoring, environment, feedback, gradescope, grading, handing_in, reports, similar
from autograder.commands.common import say
from autograder.course import UserError
from autograder.files import no_room
from autograder.nbgrader_patches import leave_out

app = typer.Typer(
    help="Release, grade and explain the exercises of SimPO practice.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a database URL may hold a password
)
for part in (grading, feedback, handing_in, reports, similar, gradescope, authoring, environment):
    app.add_typer(part.commands)

PACKAGES_OF_GRADING = (
    "jinja2", "jupyterlab", "latex2mathml", "mistune", "nbclient", "nbconvert", "nbgrader", "nh3", "openpyxl", "PIL",
    "sqlalchemy", "traitlets", "yaml",
)  # fmt: skip


def main() -> None:
    """Run a command; what the user can mend is one line on stderr and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal or a file of an older encoding is no reason to stop
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
    if isinstance(error, ModuleNotFoundError) and (name := (error.name or "").partition(".")[0]) in PACKAGES_OF_GRADING:
        from autograder.doctor import install_command

        return f"{name} is not installed, which this command needs: run `{install_command('grade')}`"
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror}"
    return None

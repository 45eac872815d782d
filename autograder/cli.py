"""The course's front door: `autograder`. Only it and commands/ print."""

import sys

import typer

from autograder.commands import authoring, environment, grading, handing_in, reports
from autograder.commands.common import say
from autograder.course import UserError
from autograder.nbgrader_patches import leave_out

app = typer.Typer(
    help="Release, grade and explain the exercises of SimPO practice.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a database URL may hold a password
)
for part in (grading, handing_in, reports, authoring, environment):
    app.add_typer(part.commands)


def main() -> None:
    """Run a command; what the user can mend is one line on stderr and exit status 2."""
    if "--help" not in sys.argv:
        leave_out()
    try:
        app()
    except UserError as error:
        say(f"autograder: {error}", error=True)
        sys.exit(2)
    except OSError as error:
        say(f"autograder: {error.filename or 'a file'}: {error.strerror}", error=True)
        sys.exit(2)

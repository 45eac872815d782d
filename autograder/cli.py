"""The course's front door: `autograder`. Only it and commands/ print."""

import contextlib
import io
import sys
from typing import Annotated

import typer

from autograder.commands import authoring, environment, feedback, gradescope, grading, handing_in, reports, similar
from autograder.commands.common import say
from autograder.course import UserError
from autograder.files import no_room
from autograder.nbgrader_patches import leave_out
from simpo_language.command_line import Commands, UnknownLanguage, choose_language, option
from simpo_language.speech import _

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a database URL may hold a password
    cls=Commands,
)


@app.callback()
def of_all(language: Annotated[str, option()] = "") -> None:
    """Release, grade and explain the exercises of SimPO practice."""


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
        app(choose_language(sys.argv[1:]))
    except Exception as error:
        words = no_room(error) or _mendable(error)
        if words is None:
            raise
        with contextlib.suppress(OSError):  # what it is printed to may be on the disk that is full
            say(_("autograder: {words}").format(words=words), error=True)
        sys.exit(2)


def _mendable(error: Exception) -> str | None:
    """What to tell whoever can mend what stopped a command; None if that is nobody at the keyboard."""
    if isinstance(error, UserError | UnknownLanguage):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and (name := (error.name or "").partition(".")[0]) in PACKAGES_OF_GRADING:
        from autograder.doctor import install_command

        sentence = _("{name} is not installed, which this command needs: run `{command}`")
        return sentence.format(name=name, command=install_command("grade"))
    if isinstance(error, OSError):
        return f"{error.filename or _('a file')}: {error.strerror}"
    return None

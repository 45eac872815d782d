"""Commands for whoever sits at the machine: JupyterLab, and what is installed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from autograder.commands.common import say
from autograder.course import UserError, find_course
from simpo_language.speech import _

commands = typer.Typer()


@commands.command()
def start(
    folder: Annotated[Path, typer.Argument(help="Where; what is there already stays as it is.")],
    teach: Annotated[
        bool, typer.Option("--teach", help="To teach: with the sources, which hold the solutions, and settings.")
    ] = False,
) -> None:
    """Write the exercises into a folder, to work on them; with --teach, a course to teach."""
    from autograder.authoring.start import start as run

    written, kept = run(folder, teach=teach)
    for path in kept:
        say(_("kept {path}, which is not as it was given out").format(path=path))
    say(
        _("{folder}: {count} files written").format(folder=folder, count=len(written))
        + (_(", {count} kept as they were").format(count=len(kept)) if kept else "")
    )
    say(
        _("Next: cd {folder}; ").format(folder=folder)
        + (_("autograder demo, or autograder release") if teach else _("autograder lab"))
    )


@commands.command()
def withhold(group: Annotated[str, typer.Argument(help="The group of who teaches, and of who grades.")]) -> None:
    """On a hub: keep from students what solves an exercise, in this environment, but not from a group of users."""
    from autograder.authoring.withhold import withhold as run

    kept = run(group)
    say(f"{len(kept)} files are readable by their owner and the group {group} alone; run this again after an upgrade")


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab on the list of exercises, with this environment's kernel.

    Options are JupyterLab's: --no-browser and --port 8890 for another machine, --allow-root in a container.
    """
    from autograder.authoring.landing import START
    from autograder.jupyter.lab import lab_command, lab_environment, notebooks_folder

    command = lab_command(notebooks_folder(), f"/lab/tree/{START}.ipynb")
    command += context.args
    if sys.platform == "win32":  # where execve leaves the terminal to whoever asks first
        raise typer.Exit(subprocess.call(command, env=lab_environment()))
    os.execve(command[0], command, lab_environment())


@commands.command()
def doctor() -> None:
    """Say what is installed, which kernel runs, which device torch would use; in a course, whether it can be graded."""
    from autograder.doctor import examine

    try:
        course = find_course(any_course=True)
    except UserError:  # a student's folder
        course = None
    findings = list(examine(course))
    for finding in findings:
        say(finding)
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)

"""Commands for whoever sits at the machine: JupyterLab, and what is installed."""

import os

import typer

from autograder.commands.common import say

commands = typer.Typer()


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab on the list of exercises, with this environment's kernel.

    Options are JupyterLab's: --no-browser and --port 8890 for another machine, --allow-root in a container.
    """
    from autograder.authoring.landing import START
    from autograder.jupyter.lab import lab_command, lab_environment, notebooks_folder

    command = lab_command(notebooks_folder(), f"/lab/tree/{START}.ipynb")
    command += context.args
    os.execve(command[0], command, lab_environment())


@commands.command()
def doctor() -> None:
    """Say what is installed, which kernel runs, and which device torch would use."""
    from autograder.doctor import examine

    findings = list(examine())
    for finding in findings:
        say(finding)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)

"""The command that makes an autograder for Gradescope."""

from pathlib import Path
from typing import Annotated

import typer

from autograder.commands.common import say
from autograder.course import find_course
from simpo_language.speech import _

commands = typer.Typer()


@commands.command()
def gradescope(
    exercise: Annotated[str, typer.Argument(help="The exercise, such as 01_simpo_loss.")],
    out: Annotated[
        Path | None, typer.Option(help="Zip file to write (default: EXERCISE.gradescope.zip in this folder).")
    ] = None,
    hidden: Annotated[
        str,
        typer.Option(
            help="When students see the checks that their notebook does not show: after_published, after_due_date, "
            "visible or hidden (Gradescope's words)."
        ),
    ] = "after_published",
) -> None:
    """Make the zip file that Gradescope takes as an exercise's autograder (Configure Autograder > Zip file upload).

    It holds this course's grader and the exercise with its solution; submissions are graded in Gradescope's container,
    confined where that allows it. Essays are left to people: the score is that of the checks.
    """
    from autograder.returns.gradescope_zip import points, write_zip

    course = find_course()
    path = out or Path(f"{exercise}.gradescope.zip")
    write_zip(course, exercise, path, hidden=hidden)
    automatic, essays = points(course, exercise)
    say(
        _("{path}: {megabytes:.1f} MB. In Gradescope set the assignment's autograder points to {points:g}").format(
            path=path, megabytes=path.stat().st_size / 1e6, points=automatic
        )
    )
    if essays:
        say(_("The essays' {points:g} points are not among them: people give those").format(points=essays))
    say(_("Give the container 2 GB of memory or more. It installs PyTorch, so that building it takes some minutes"))

"""The course's front door: `autograder`. Only the modules named cli print."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from autograder.commands.common import CORES, Classroom, console, stoppable
from autograder.commands.grading import commands, grade_class, write_pages
from autograder.commands.handing_in import commands as handing_in_commands
from autograder.commands.reports import commands as output_commands
from autograder.course import UserError, find_course
from autograder.nbgrader_patches import leave_out

app = typer.Typer(
    help="Release, grade and explain the exercises of SimPO practice.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a database URL may hold a password
)
app.add_typer(commands)
app.add_typer(handing_in_commands)
app.add_typer(output_commands)


def main() -> None:
    """Run a command; what the user can mend is one line on stderr and exit status 2."""
    if "--help" not in sys.argv:
        leave_out()
    try:
        app()
    except UserError as error:
        print(f"autograder: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"autograder: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        sys.exit(2)


@app.command()
def release(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 and name stale files.")] = False,
    classroom: Classroom = None,
) -> None:
    """Make notebooks/ and notebooks/zh/, the students' versions, from solutions/."""
    from autograder.authoring.release import release as run

    course = find_course(classroom)
    with stoppable():
        stale = run(course, only_check=check)
    for path in stale:
        print(("stale: " if check else "wrote " if path.exists() else "removed ") + str(path.relative_to(course.root)))
    count = len(course.exercises())
    if check and stale:
        files = "1 file is" if len(stale) == 1 else f"{len(stale)} files are"
        print(f"{files} not what solutions/ generate: run `autograder release` and commit")
        raise typer.Exit(1)
    print(f"{count} exercises, {2 * count} notebooks up to date")


@app.command()
def new(exercise: Annotated[str, typer.Argument(help="Its name, such as 11_my_exercise.")]) -> None:
    """Begin an exercise: write a source notebook and a bench that are already green, to be changed."""
    from autograder.authoring.new_exercise import new_exercise

    course = find_course()
    for path in new_exercise(course, exercise):
        print(f"wrote {path.relative_to(course.root)}")
    print(f"Next: autograder release; autograder benches {exercise}")


@app.command()
def demo() -> None:
    """Grade a small class made from known answers, in a classroom of its own."""
    from autograder.commands.demo import demo_course, write_downloads

    course = demo_course(find_course())
    grade_class(course, write_downloads(course), force=False, jobs=CORES)
    write_pages(course)


@app.command()
def benches(
    exercises: Annotated[list[str] | None, typer.Argument(help="Names of exercises (default: all).")] = None,
) -> None:
    """Grade every known answer and compare: does each get its marks and its message?"""
    from tempfile import TemporaryDirectory

    from autograder.grading.benches import prove

    course = find_course()
    table = Table("exercise", "right", "wrong", "caught", "by name", "deviations", "CPU s")
    rows: list[tuple[Any, ...]] = []
    found: list[str] = []
    for exercise in exercises or course.exercises():
        if exercise not in course.exercises():
            raise UserError(f"no exercise is named {exercise}; there are {', '.join(course.exercises())}")
        with console.status(f"Grading the answers to {exercise}"), TemporaryDirectory() as scratch:
            proof = prove(course, exercise, Path(scratch), CORES)
        rows.append(
            (exercise, *(proof.right, proof.wrong, proof.caught, proof.named), len(proof.faults), proof.seconds)
        )
        found += proof.faults
    _, *columns = zip(*rows, strict=True)
    for name, *counts, seconds in [*rows, ("in all", *map(sum, columns))]:
        table.add_row(name, *map(str, counts), f"{seconds:.2f}")
    console.print(table)
    for fault in found:
        print(fault)
    if found:
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab on the list of exercises, with this environment's kernel.

    Options are JupyterLab's: --no-browser and --port 8890 for another machine, --allow-root in a container.
    """
    from autograder.authoring.landing import START
    from autograder.jupyter.lab import lab_command, lab_environment, notebooks_folder

    command = lab_command(notebooks_folder(), f"/lab/tree/{START}.ipynb")
    command += context.args
    os.execve(command[0], command, lab_environment())


@app.command()
def doctor() -> None:
    """Say what is installed, which kernel runs, and which device torch would use."""
    from autograder.doctor import examine

    findings = list(examine())
    for finding in findings:
        print(finding)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)

"""Commands for a class: grade it, explain to it, read its essays."""

import os
import subprocess
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from autograder.commands.common import CORES, Classroom, console, require_linux, say, stoppable
from autograder.commands.feedback import write_pages
from autograder.commands.results import say_results
from autograder.course import CLASSROOM_VARIABLE, SEPARATE, SHARED, UNSAFE_VARIABLE, Course, UserError, find_course
from autograder.results import Result
from simpo_language.speech import _

commands = typer.Typer()


class Isolation(StrEnum):
    """Where checks run (see `shared`)."""

    separate = SEPARATE
    shared = SHARED


@commands.command()
def grade(
    submissions: Annotated[
        Path | None, typer.Argument(help="Folder or zip of submissions (default: what the classroom has).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Grade again what has not changed.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Notebooks at a time (default: the processor's cores).")] = CORES,
    feedback: Annotated[bool, typer.Option("--feedback", help="Then write the pages of feedback.")] = False,
    scheduler: Annotated[str, typer.Option(help="Grade on a Dask cluster: its address, tcp://HOST:8786.")] = "",
    db: Annotated[str, typer.Option(help="Keep this class's gradebook on a server from now on: its URL.")] = "",
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Run students' code unconfined, with your rights.")] = False,
    roster: Annotated[Path | None, typer.Option(help="Who is in the class: see `autograder roster`.")] = None,
    isolation: Annotated[
        Isolation | None,
        typer.Option(
            help="Where checks run: in a process of their own, or in the student's, which flags forgeries "
            "(default: separate; in other nbgrader courses shared)."
        ),
    ] = None,
    classroom: Classroom = None,
    folder: Annotated[
        Path | None, typer.Option("--course", help="Folder of the course; any nbgrader course (default: this one).")
    ] = None,
) -> None:
    """Grade a class into the gradebook. Grades again only what has changed."""
    from autograder.commands.handing_in import add_to_roster
    from autograder.database import choose_database, describe

    course = find_course(classroom, folder, any_course=True)
    if course.is_any and (submissions or roster or feedback):
        raise UserError(
            _(
                "{root} is another nbgrader course: its submissions are in submitted/ (`nbgrader "
                "zip_collect` puts downloads there), students and feedback are nbgrader's. Give no "
                "SUBMISSIONS, --roster or --feedback"
            ).format(root=course.root)
        )
    if course.is_any and (scheduler or db):
        raise UserError(
            _("{root} is another nbgrader course: --scheduler and --db are for this one alone").format(root=course.root)
        )
    if unsafe and scheduler:
        raise UserError(
            _("with --scheduler each worker decides for itself: start it with {unsafe_variable}=1").format(
                unsafe_variable=UNSAFE_VARIABLE
            )
        )
    if scheduler:
        from autograder.grading.cluster import workers_at

        threads = workers_at(scheduler)  # first of all: nobody wants to wait for a cluster that isn't there
        say(
            _("{scheduler}: {count} workers, {sum} notebooks at a time").format(
                scheduler=scheduler, count=len(threads), sum=sum(threads.values())
            )
        )
    if db:
        choose_database(course, db)
    if roster:
        add_to_roster(course, [roster])
    if unsafe:
        os.environ[UNSAFE_VARIABLE] = "1"
        say(_("UNSAFE: students' code runs unconfined: it can read, change and send what you can."), error=True)
    where = isolation.value if isolation else ""
    grade_class(course, submissions, force, jobs, isolation=where, scheduler=scheduler)
    if course.is_any:
        say(
            _("Gradebook: {value}. Next: nbgrader generate_feedback ASSIGNMENT.").format(
                value=course.classroom / "gradebook.db"
            )
        )
        return
    if feedback:
        write_pages(course)
    say(
        _("Gradebook: {describe}. Next: autograder feedback; essays: autograder formgrader.").format(
            describe=describe(course)
        )
    )


@commands.command()
def demo() -> None:
    """Grade a small class made from known answers, in a classroom of its own.

    Outside of a course it first writes one, into autograder-demo/.
    """
    require_linux()
    from autograder.commands.demo import course_for_demo, demo_course, write_downloads

    course = demo_course(course_for_demo())
    grade_class(course, write_downloads(course), force=False, jobs=CORES)
    write_pages(course)


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def formgrader(context: typer.Context, classroom: Classroom = None) -> None:
    """Open nbgrader's formgrader, where people look at whole submissions.

    Other options are JupyterLab's: --no-browser and --port 8890 for another machine, --allow-root in a container.
    """
    _serve("/formgrader/gradebook", classroom, context.args)


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def essays(context: typer.Context, classroom: Classroom = None) -> None:
    """Open the essay desk: one essay after another, marked by keys; the formgrader is on the same server.

    Other options are JupyterLab's: --no-browser and --port 8890 for another machine, --allow-root in a container.
    """
    _serve("/essays", classroom, context.args)


def _serve(page: str, classroom: Path | None, options: list[str]) -> None:
    """Start the Jupyter server of a course, open this page of it, and end with it."""
    from autograder.jupyter.lab import lab_command, lab_environment

    course = find_course(classroom)
    environment = {**lab_environment(), CLASSROOM_VARIABLE: str(course.classroom)}
    folder = course.root if course.classroom.is_relative_to(course.root) else course.classroom  # the server's
    os.chdir(course.root)  # nbgrader looks for its settings here
    raise typer.Exit(subprocess.call([*lab_command(folder, page), *options], env=environment))


@stoppable()
def grade_class(
    course: Course, downloads: Path | None, force: bool, jobs: int, *, isolation: str = "", scheduler: str = ""
) -> None:
    """Collect and grade; print what was left, and the results. isolation: the engine's own if empty."""
    require_linux()
    from autograder.execution.warm_client import start_warm_process

    if not scheduler:
        start_warm_process()  # it takes a while, in which all else gets ready
    from autograder.commands.handing_in import report_collected
    from autograder.database import alone
    from autograder.grading.engines import engine_of
    from autograder.handing_in.other_files import other_files
    from autograder.handing_in.submissions import collect

    engine = engine_of(course)
    with console.status(_("Preparing the gradebook")):
        for note in engine.prepare(course):
            say(note)
    if downloads is not None:
        with alone(course):
            taken, left = collect(course, downloads)
        report_collected(course, downloads, taken, left)
    total = len(engine.submissions(course))
    if not total and other_files(course.classroom):
        raise UserError(
            _("there is nothing to grade: what was handed in is no notebook; `autograder status` says whose")
        )
    if not total:
        raise UserError(
            _("no submissions in {value}: name a folder or a zip file of them").format(
                value=course.classroom / "submitted"
            )
        )
    where = isolation or engine.ISOLATION
    done = _shown(engine.grade(course, force=force, jobs=jobs, isolation=where, scheduler=scheduler), total)
    say_results(course, done)


def _shown(results: Iterable[tuple[Result, bool]], total: int) -> list[tuple[Result, bool]]:
    """The results, behind a bar that shows how many of them there are."""
    pace = TextColumn("{task.fields[pace]}")
    columns = (TextColumn("Grading"), BarColumn(), MofNCompleteColumn(), pace, TimeRemainingColumn())
    done = []
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=total, pace="")
        for result in results:
            done.append(result)
            speed = progress.tasks[bar].speed
            progress.update(bar, advance=1, pace=f"{speed:.1f} notebooks/s" if speed else "")
    return done

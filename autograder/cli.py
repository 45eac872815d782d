"""The course's front door: `autograder`. Only this module prints."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from autograder.course import CLASSROOM_VARIABLE, UNSAFE_VARIABLE, Course, UserError, find_course

app = typer.Typer(help="Release, grade and explain the exercises of SimPO practice.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
Classroom = Annotated[Path | None, typer.Option(help="Folder of the class [default: classroom/ in the repository].")]


def main() -> None:
    """Run a command; what the user can mend is one line on stderr and exit status 2."""
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
    from autograder.release import release as run

    course = find_course(classroom)
    stale = run(course, only_check=check)
    for path in stale:
        print(("stale: " if check else "wrote " if path.exists() else "removed ") + str(path.relative_to(course.root)))
    count = len(course.exercises())
    if check and stale:
        print(f"{len(stale)} files are not what solutions/ generate: run `autograder release` and commit")
        raise typer.Exit(1)
    print(f"{count} exercises, {2 * count} notebooks up to date")


@app.command()
def grade(
    submissions: Annotated[
        Path | None, typer.Argument(help="Folder or zip of submissions [default: what the classroom has].")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Grade again what has not changed.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Notebooks at a time [default: the processor's cores].")] = CORES,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Run students' code unconfined, with your rights.")] = False,
    classroom: Classroom = None,
) -> None:
    """Grade a class into the gradebook. Grades again only what has changed."""
    course = find_course(classroom)
    if unsafe:
        os.environ[UNSAFE_VARIABLE] = "1"
        print("UNSAFE: students' code runs unconfined: it can read, change and send what you can.", file=sys.stderr)
    _grade(course, submissions, force, jobs)
    print(f"Gradebook: {course.classroom / 'gradebook.db'}. Next: autograder feedback; essays: autograder formgrader.")


@app.command()
def feedback(
    force: Annotated[bool, typer.Option("--force", help="Write all pages again, after manual grading say.")] = False,
    classroom: Classroom = None,
) -> None:
    """Write a page of feedback for every graded submission."""
    _feedback(find_course(classroom), force=force)


@app.command()
def demo() -> None:
    """Grade a small class made from known answers, in a classroom of its own."""
    from autograder.demo import demo_course, write_downloads

    course = demo_course(find_course())
    _grade(course, write_downloads(course), force=False, jobs=CORES)
    _feedback(course)


@app.command()
def benches(
    exercises: Annotated[list[str] | None, typer.Argument(help="Names of exercises [default: all].")] = None,
) -> None:
    """Grade every known answer and compare: does each get its marks and its message?"""
    from tempfile import TemporaryDirectory

    from autograder.benches import prove

    course = find_course()
    table = Table("exercise", "right", "wrong", "caught", "by name", "deviations", "CPU s")
    reports = []
    for exercise in exercises or course.exercises():
        if exercise not in course.exercises():
            raise UserError(f"no exercise is named {exercise}; there are {', '.join(course.exercises())}")
        with console.status(f"Grading the answers to {exercise}"), TemporaryDirectory() as scratch:
            reports.append(prove(course, exercise, Path(scratch), CORES))
    rows = [(r.exercise, r.right, r.wrong, r.caught, r.named, len(r.faults), r.seconds) for r in reports]
    for name, *counts, seconds in [*rows, ("in all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))]:
        table.add_row(name, *map(str, counts), f"{seconds:.2f}")
    console.print(table)
    found = [fault for report in reports for fault in report.faults]
    for fault in found:
        print(fault)
    if found:
        raise typer.Exit(1)


@app.command()
def lab() -> None:
    """Open JupyterLab on the notebooks, with this environment's kernel."""
    course = find_course()
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={course.notebooks}"])


@app.command()
def formgrader(classroom: Classroom = None) -> None:
    """Open nbgrader's formgrader, where people grade essays."""
    course = find_course(classroom)
    os.environ[CLASSROOM_VARIABLE] = str(course.classroom)
    os.chdir(course.root)
    options = ["--LabApp.default_url=/formgrader", "--ServerApp.open_browser=True"]
    raise typer.Exit(subprocess.call([sys.executable, "-m", "jupyterlab", *options]))


@app.command()
def doctor() -> None:
    """Say what is installed, which kernel runs, and which device torch would use."""
    from autograder.doctor import examine

    findings = list(examine())
    for finding in findings:
        print(finding)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _grade(course: Course, submissions: Path | None, force: bool, jobs: int) -> None:
    """Collect and grade; print what was left, and the table."""
    from autograder.grade import Result
    from autograder.grade import grade as run
    from autograder.release import prepare
    from autograder.submissions import collect, submitted

    with console.status("Preparing the gradebook"):
        prepare(course)
    if submissions is not None:
        taken, left = collect(course, submissions)
        print(f"{submissions}: {len(taken)} submissions taken, {len(left)} files left")
        for item in left:
            print(f"  left {item.name}: {item.reason}")
    total = len(submitted(course))
    if not total:
        raise UserError(f"no submissions in {course.classroom / 'submitted'}: name a folder or a zip file of them")
    pace = TextColumn("{task.fields[pace]}")
    columns = (TextColumn("Grading"), BarColumn(), MofNCompleteColumn(), pace, TimeRemainingColumn())
    done: list[tuple[Result, bool]] = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total, pace="")
        for result in run(course, force=force, jobs=jobs):
            done.append(result)
            speed = progress.tasks[task].speed
            progress.update(task, advance=1, pace=f"{speed:.1f} notebooks/s" if speed else "")
    console.print(results_table([result for result, _ in done]))
    verdicts = Counter(result.verdict for result, _ in done)
    new = sum(is_new for _, is_new in done)
    print(
        ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()) + f"; {new} new, {total - new} as before"
    )


def results_table(results: list) -> Table:
    """Student, exercise, points, and what went wrong in the words of the checks."""
    from autograder.grade import GRADED, NOT_ATTEMPTED, WRONG

    table = Table("student", "exercise", "points", "what went wrong")
    for result in sorted(results, key=lambda result: (result.student, result.exercise)):
        points, words = "-", [f"{result.verdict}: {result.reason}"]
        if result.checks:
            points = f"{result.points:g}/{result.max_points:g}"
            untouched = sum(check.status == NOT_ATTEMPTED for check in result.checks)
            wrong = [check for check in result.checks if check.status == WRONG]
            words = [result.verdict] if result.verdict != GRADED else []
            words += [f"{untouched} checks not attempted"] if untouched else []
            words += [f"{check.grade_id}: {_cause(check.message)}" for check in wrong[:2]]
            words += [f"and {len(wrong) - 2} more"] if len(wrong) > 2 else []
            words += [f"repaired: {result.repairs[0]}"] if result.repairs else []
            words += [f"and {len(result.repairs) - 1} more repairs"] if len(result.repairs) > 1 else []
        # Text, because rich would take [t] in a student's or a check's words for markup
        table.add_row(*map(Text, (result.student, result.exercise, points, "\n".join(words))))
    return table


def _cause(message: str) -> str:
    """The hint of a message if it has one, otherwise what was seen."""
    first, *rest = message.splitlines() or [""]
    hints = [line.removeprefix("Hint: ") for line in rest if line.startswith("Hint: ")]
    return hints[0] if hints else first.removeprefix("Check failed: ")


def _feedback(course: Course, *, force: bool = False) -> None:
    """Write the pages that are missing or older than the grading."""
    from autograder.feedback import is_current, write_feedback
    from autograder.grade import results

    graded = [(result.student, result.exercise) for result in results(course) if result.checks]
    if not graded:
        raise UserError(f"nothing is graded yet in {course.classroom}: run `autograder grade SUBMISSIONS` first")
    due = [key for key in graded if force or not is_current(course, *key)]
    columns = (TextColumn("Feedback"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        for student, exercise in progress.track(due):
            write_feedback(course, student, exercise)
    print(f"Feedback: {course.classroom / 'feedback'}/<student>/<exercise>/<exercise>.html")
    print(f"{len(due)} pages written, {len(graded) - len(due)} as before")

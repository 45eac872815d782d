"""Commands for authors: release the notebooks, begin an exercise, prove its checks."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from autograder.commands.common import CORES, Classroom, console, require_linux, say, stoppable
from autograder.course import UserError, find_course
from simpo_language.speech import _, ngettext

commands = typer.Typer()


@commands.command()
def release(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 and name stale files.")] = False,
    classroom: Classroom = None,
) -> None:
    """Make notebooks/ and notebooks/zh/, the students' versions, from solutions/."""
    from autograder.authoring.editions import untranslated
    from autograder.authoring.release import check_sources
    from autograder.authoring.release import release as run

    course = find_course(classroom)
    if problems := untranslated(course, check_sources(course)):
        listed = "\n".join(problems)
        raise UserError(
            f"{listed}\nrun `autograder texts`, fill in what is missing in the catalogues, and release again"
        )
    with stoppable():
        stale = run(course, only_check=check)
    for path in stale:
        say(
            (_("stale: ") if check else _("wrote ") if path.exists() else _("removed "))
            + str(path.relative_to(course.root))
        )
    count = len(course.exercises())
    if check and stale:
        sentence = ngettext(
            "{count} file is not what solutions/ generate: run `autograder release` and commit",
            "{count} files are not what solutions/ generate: run `autograder release` and commit",
            len(stale),
        )
        say(sentence.format(count=len(stale)))
        raise typer.Exit(1)
    say(_("{count} exercises, {notebooks} notebooks up to date").format(count=count, notebooks=2 * count))


@commands.command()
def texts(
    languages: Annotated[list[str] | None, typer.Argument(help="zh, or another (default: all that there are).")] = None,
) -> None:
    """Bring the catalogues of translations, solutions/LANGUAGE/NN_name.po, up to date with the sources."""
    from autograder.authoring.catalogues import languages as known
    from autograder.authoring.editions import untranslated, update_catalogues
    from autograder.authoring.release import check_sources

    course = find_course()
    sources = check_sources(course)
    for language in languages or known(course)[1:]:
        for path in update_catalogues(course, sources, language):
            say(f"wrote {path.relative_to(course.root)}")
    for problem in (problems := untranslated(course, sources)):
        say(problem)
    say(f"{len(problems)} texts wait for a translation" if problems else "every text has its translation")


@commands.command()
def new(exercise: Annotated[str, typer.Argument(help="Its name, such as 11_my_exercise.")]) -> None:
    """Begin an exercise: write a source notebook and a bench that are already green, to be changed."""
    from autograder.authoring.new_exercise import new_exercise

    course = find_course()
    for path in new_exercise(course, exercise):
        say(_("wrote {relative_to}").format(relative_to=path.relative_to(course.root)))
    say(_("Next: autograder release; autograder benches {exercise}").format(exercise=exercise))


@commands.command()
def benches(
    exercises: Annotated[list[str] | None, typer.Argument(help="Names of exercises (default: all).")] = None,
) -> None:
    """Grade every known answer and compare: does each get its marks and its message?"""
    require_linux()
    from tempfile import TemporaryDirectory

    from autograder.grading.benches import prove

    course = find_course()
    table = Table(_("exercise"), _("right"), _("wrong"), _("caught"), _("by name"), _("deviations"), "CPU s")
    rows: list[tuple[Any, ...]] = []
    found: list[str] = []
    for exercise in exercises or course.exercises():
        if exercise not in course.exercises():
            raise UserError(
                _("no exercise is named {exercise}; there are {names}").format(
                    exercise=exercise, names=", ".join(course.exercises())
                )
            )
        with (
            console.status(_("Grading the answers to {exercise}").format(exercise=exercise)),
            TemporaryDirectory() as scratch,
        ):
            proof = prove(course, exercise, Path(scratch), CORES)
        rows.append(
            (exercise, *(proof.right, proof.wrong, proof.caught, proof.named), len(proof.faults), proof.seconds)
        )
        found += proof.faults
    columns = list(zip(*rows, strict=True))[1:]
    for name, *counts, seconds in [*rows, (_("in all"), *map(sum, columns))]:
        table.add_row(name, *map(str, counts), f"{seconds:.2f}")
    console.print(table)
    for fault in found:
        say(fault)
    if found:
        raise typer.Exit(1)

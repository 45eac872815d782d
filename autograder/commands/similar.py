"""The command that shows whose answers are alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from autograder.commands.common import Classroom, console, say
from autograder.course import Course, UserError, find_course
from simpo_language.speech import _, ngettext

commands = typer.Typer()


@commands.command()
def similar(
    exercise: Annotated[list[str] | None, typer.Argument(help="Exercises to compare (default: all).")] = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            "--with", help="An earlier year's classroom, or a folder of notebooks, to compare with; may be repeated."
        ),
    ] = None,
    names: Annotated[bool, typer.Option("--names", help="Show names in place of codes.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write (default: similar.html in the classroom).")
    ] = None,
    classroom: Classroom = None,
) -> None:
    """Show answers that are alike, side by side, for a person to judge: code and essays, with given code left out.

    Likeness proves nothing by itself: people who learned together write alike, and short right answers do by
    themselves. Answers of fewer than four lines are not compared. Who rewrote thoroughly is not found.
    """
    course = find_course(classroom)
    from autograder.files import write_whole
    from autograder.similar.answers import add_folder, answers_of_class, compared_cells
    from autograder.similar.compare import alike
    from autograder.similar.page import page_html
    from autograder.similar.pairs import pairs

    chosen = exercise or list(course.exercises())
    if unknown := set(chosen) - set(course.exercises()):
        there = ", ".join(course.exercises())
        raise UserError(
            _("no exercise is named {name!r}; there are {there}").format(name=sorted(unknown)[0], there=there)
        )
    cells, left_out = compared_cells(course, chosen)
    if not cells:
        raise UserError(
            _(
                "nothing to compare in {exercises}: every answer is of fewer than four lines, and such are alike "
                "whoever writes them"
            ).format(exercises=", ".join(chosen))
        )
    found = answers_of_class(course, cells)
    for folder in earlier or ():
        read, others = add_folder(course, folder, found)
        words = _("{folder}: {read} notebooks to compare with, {others} passed over")
        say(words.format(folder=folder, read=read, others=others))
    with console.status(_("Comparing")):
        ranked = pairs(one for cell, answers in found.items() for one in alike(cell, answers))
    people = {(answer.student, answer.folder) for answers in found.values() for answer in answers}
    count = sum(map(len, found.values()))
    scope = _("{answers} answers of {people} people, in {cells} cells").format(
        answers=count, people=len(people), cells=len(cells)
    )
    path = out or course.classroom / "similar.html"
    whose = _namer(course, names=names)
    write_whole(path, page_html(ranked, left_out, whose, has_names=names, scope=scope))
    words = ngettext(
        "{scope}: {count} pair alike. That is no proof: read both texts in {path}",
        "{scope}: {count} pairs alike. That is no proof: read both texts in {path}",
        len(ranked),
    )
    say(words.format(scope=scope, count=len(ranked), path=path))
    if skipped := sum(one.cells for one in left_out):
        words = _("{count} cells are left out: fewer than four lines, in which right answers are alike by themselves")
        say(words.format(count=skipped))


def _namer(course: Course, *, names: bool) -> Callable[[tuple[str, str]], str]:
    """What stands for a person: a code, or with `names` the name."""
    from autograder.gradebook.codes import codes
    from autograder.gradebook.scores import names as known

    named, code = known(course) if names else {}, codes(course)

    def whose(person: tuple[str, str]) -> str:
        student, folder = person
        shown = (f"{named[student]} ({student})" if student in named else student) if names else code(student)
        return f"{shown}, {folder}" if folder else shown

    return whose

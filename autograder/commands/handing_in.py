"""Commands for handing in: what students pack, who is in the class, until when."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.commands.common import Classroom, say
from autograder.course import Course, UserError, find_course
from simpo_language.speech import _, ngettext

if TYPE_CHECKING:  # they load nbformat, for which `--help` need not wait
    from autograder.handing_in.archives import Left
    from autograder.handing_in.submissions import Submission

commands = typer.Typer()
LISTED = 20  # files left for one and the same reason; of more the first are named


@commands.command()
def pack(
    notebooks: Annotated[
        list[str] | None, typer.Argument(help="Exercises or files (default: all exercises, from this folder).")
    ] = None,
    student: Annotated[str, typer.Option(help="Your id, where you don't upload to an LMS.")] = "",
) -> None:
    """For students: check the notebooks in this folder, and make the zip file to hand in."""
    from autograder.pack import pack as run

    packed = run(notebooks or (), student=student)
    say(packed)
    if packed.costs:
        raise typer.Exit(1)


@commands.command()
def roster(
    files: Annotated[list[Path], typer.Argument(help="CSV files: a roster, or exports of Moodle or Canvas.")],
    classroom: Classroom = None,
) -> None:
    """Say who is in the class, so that names in downloads are students in the gradebook."""
    add_to_roster(find_course(classroom), files)


@commands.command()
def due(
    exercise: Annotated[str, typer.Argument(help="Name of an exercise (default: show all due times).")] = "",
    time: Annotated[str, typer.Argument(help="Such as '2026-12-01 23:59' (default: show what is set).")] = "",
    clear: Annotated[bool, typer.Option("--clear", help="Let the exercise have no due time any more.")] = False,
    student: Annotated[str, typer.Option(help="An extension: the time is this student's alone.")] = "",
    classroom: Classroom = None,
) -> None:
    """Say until when an exercise is to be handed in, by all or by one student; or show what was said.

    What is graded already gets its late penalty anew.
    """
    from autograder.gradebook.due import check_exercise, check_student, due_times, extend, read_time, set_due
    from autograder.gradebook.extensions import read_extensions

    course = find_course(classroom)
    if clear and (time or not exercise):
        raise UserError(_("--clear takes the name of one exercise, and no time"))
    if exercise:
        check_exercise(course, exercise)
    if student:
        check_student(course, student)
    if student and (time or clear):
        extend(course, exercise, student, read_time(time) if time else None)
    elif time or clear:
        set_due(course, exercise, read_time(time) if time else None)
    times, extensions = due_times(course), read_extensions(course)
    for name in [exercise] if exercise else sorted(times):
        say(f"{name}: " + (_shown(times[name]) if name in times else _("no due time")))
        for (who, what), until in sorted(extensions.items()):
            if what == name and student in ("", who):
                say(f"{name}, {who}: {_shown(until)}")
    if not times and not exercise:
        say(_("no due times are set: autograder due EXERCISE '2026-12-01 23:59' sets one"))


def _shown(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M %Z}"


def add_to_roster(course: Course, files: Sequence[Path]) -> None:
    """Read the files into the class's roster, and print how many there are."""
    from autograder.handing_in.roster import add, read

    people = [person for file in files for person in read(file)]
    everybody = add(course, people)
    sentence = ngettext(
        "{file}: {count} student, {given} of them in what you gave",
        "{file}: {count} students, {given} of them in what you gave",
        len(everybody),
    )
    say(sentence.format(file=course.classroom / "roster.csv", count=len(everybody), given=len(people)))


def report_collected(course: Course, downloads: Path, taken: Sequence["Submission"], left: Sequence["Left"]) -> None:
    """Print what was taken from where and when it was handed in, and what was left."""
    from autograder.gradebook.due import late

    say(
        _("{downloads}: {submissions} taken, {files} left").format(
            downloads=downloads,
            submissions=ngettext("{count} submission", "{count} submissions", len(taken)).format(count=len(taken)),
            files=ngettext("{count} file", "{count} files", len(left)).format(count=len(left)),
        )
    )
    names: dict[str, list[str]] = {}
    for item in left:
        names.setdefault(_(item.reason), []).append(item.name)
    for reason, found in names.items():
        if len(found) > LISTED:
            say(
                _("  left {count:,} files ({names}, ...): {reason}").format(
                    count=len(found), names=", ".join(found[:3]), reason=reason
                )
            )
        else:
            for name in found:
                say(_("  left {name}: {reason}").format(name=name, reason=reason))
    times = Counter(submission.time_from for submission in taken if submission.time)
    if times:
        say(
            _("  times: ")
            + _(", ").join(
                _("{count} from {source}").format(count=count, source=_(source)) for source, count in times.items()
            )
        )
    for submission, by in late(course, taken):
        say(
            _("  late {student}, {exercise}: by {time}").format(
                student=submission.student, exercise=submission.exercise, time=str(by).split(".")[0]
            )
        )
    marked = [f"{one.student}, {one.exercise}" for one in taken if one.marked_late]
    if marked:
        say(_("  marked LATE by Canvas, which doesn't say by how much: {marked}").format(marked="; ".join(marked)))

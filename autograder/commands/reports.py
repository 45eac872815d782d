"""Commands for what comes out: where the class stands, points, a report, a regrading."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from autograder.commands.common import CORES, Classroom, cell, console, require_linux, say, stoppable
from autograder.course import UNSAFE_VARIABLE, UserError, find_course
from simpo_language.speech import N_, _, ngettext

if TYPE_CHECKING:  # it loads nbgrader, for which `--help` need not wait
    from autograder.reports.status import Standing

commands = typer.Typer()
Exercises = Annotated[list[str] | None, typer.Option("--exercise", help="Only this exercise; may be repeated.")]


@commands.command()
def status(classroom: Classroom = None) -> None:
    """Say where the class stands: one line for each exercise, and what to do next.

    handed in: submissions in the classroom; missing: students of the gradebook without one. Nobody is missing
    from an exercise that nobody has handed in yet.

    graded: by the present source.

    new: never graded.

    changed: graded, but the submission, the source or the grader has changed since, or the gradebook, restored from
    a copy, has no such score.

    no notebook: handed in, but another kind of file, or one that could not be taken. Who, stands below.

    not gradable: the file can't be read.

    stopped: graded, but not to the end: out of time, of memory or of room for output.

    flagged: with signs of forgery, found where checks run in the student's process (grade --isolation shared).

    essays: submissions with an essay that waits for a person.

    appeals: submissions with a check that a person gave points for, and that comes out otherwise since.

    feedback: pages that are missing or show what is no longer so.

    What is to be done stands below the table, in order, each with its command: whoever works from the top down does
    nothing twice.
    """
    course = find_course(classroom)
    _quiet()
    from autograder.grading.records import results
    from autograder.handing_in.other_files import other_files
    from autograder.reports.next_steps import ORDER, next_steps
    from autograder.reports.status import standings, total

    lines, others = standings(course), other_files(course.classroom)
    whole = total(lines)
    if not (whole.handed_in or others):
        raise UserError(
            _("nothing is handed in yet in {value}: run `autograder grade DOWNLOADS`").format(
                value=course.classroom / "submitted"
            )
        )
    steps = next_steps(course, whole, results(course))
    shown = [name for name in COLUMNS if getattr(whole, name) or name not in ORDER]
    console.print(_status_table(lines, whole, shown))
    for number, step in enumerate(steps, start=1):
        say(f"{number}. {step.sentence}")
    for one in others.values():
        say(f"{one.student}{', ' if one.exercise else ''}{one.exercise}: {one.words}")


def _status_table(lines: "Sequence[Standing]", whole: "Standing", shown: Sequence[str]) -> Table:
    """A line for each exercise and one for all; `shown` are the columns that say something."""
    table = Table(show_footer=True, box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column(_("exercise"), whole.exercise, no_wrap=True)
    for name in shown:
        table.add_column(_(COLUMNS[name]), str(getattr(whole, name)), justify="right")
    for line in lines:
        counts = {name: str(getattr(line, name) or "·") for name in shown}
        table.add_row(line.exercise, *(counts if line.is_begun else {**counts, "handed_in": _("nobody yet")}).values())
    return table


COLUMNS = {  # fields of a standing: the column's heading. What to do where it isn't 0: `next_steps`
    "handed_in": N_("handed in"),
    "missing": N_("missing"),
    "other_files": N_("no notebook"),
    "graded": N_("graded"),
    "to_grade": N_("new"),
    "out_of_date": N_("changed"),
    "not_gradable": N_("not gradable"),
    "stopped": N_("stopped"),
    "flagged": N_("flagged"),
    "essays": N_("essays"),
    "appeals": N_("appeals"),
    "old_feedback": N_("feedback"),
}


@commands.command()
def export(
    to: Annotated[
        str | None,
        typer.Option(help="csv, canvas, moodle or gradescope (default: csv, or with --into as that file is)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write (default: grades.csv, grades.canvas.csv or grades.moodle.csv; with --into FILE.xlsx "
            "FILE.filled.xlsx, in this folder); for gradescope a folder (default: gradescope/), or a .json file for "
            "one submission."
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            help="CSV file or workbook (.xlsx) that the system gave out (Canvas: gradebook export; Moodle: grading "
            "worksheet or grade export; 学习通, 雨课堂, 智慧树). In a copy its columns are filled, and no more."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help='With --into: which column is which exercise, as "Homework 1 (4711)=01_simpo_loss"; may be '
            "repeated. Columns named after an exercise are found without."
        ),
    ] = None,
    scale: Annotated[
        bool, typer.Option("--scale", help="With --into: scale points to the maximum there, where it is another.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="With --into: leave points that stand there, and list those that differ.")
    ] = False,
    comments: Annotated[
        bool,
        typer.Option(
            "--comments",
            help="With --into a grading worksheet of Moodle's: fill its column Feedback comments, too: points, what "
            "the lost checks point at, what you wrote of essays. Comments of somebody else's stay.",
        ),
    ] = False,
    only_final: Annotated[
        bool, typer.Option("--only-final", help="Leave out scores in which an essay waits for a person.")
    ] = False,
    exercise: Exercises = None,
    student: Annotated[
        list[str] | None, typer.Option("--student", help="Only this student (id); may be repeated.")
    ] = None,
    classroom: Classroom = None,
) -> None:
    """Write the gradebook's points to a file, for a spreadsheet or a learning management system.

    One column for each exercise that somebody has handed in, and a total; late penalties are taken off.

    An empty cell (in Moodle's file a dash) says that nothing was handed in; 0 was earned.

    A score is provisional while an essay waits for a person: remarks in the CSV file and a note here say so.
    """
    course = find_course(classroom)
    _quiet()
    from autograder.gradebook.writer import has_gradebook, open_gradebook
    from autograder.reports.export import EXPORTERS, SheetExporter

    if to is not None and to not in EXPORTERS:
        raise UserError(
            _("--to is {to!r}: it must be one of {exporters}").format(to=to, exporters=", ".join(EXPORTERS))
        )
    if not has_gradebook(course):
        raise UserError(
            _("there is no gradebook in {classroom}: run `autograder grade DOWNLOADS` first").format(
                classroom=course.classroom
            )
        )
    kind = EXPORTERS[to or "csv"] if to or not into else SheetExporter
    if comments and not into:
        raise UserError(_("--comments goes with --into FILE, a grading worksheet that Moodle gave out"))
    settings = {"into": str(into or ""), "columns": _columns(column or []), "scale": scale, "keep": keep}
    settings["comments"] = comments
    if not issubclass(kind, SheetExporter):
        if any(settings.values()):
            raise UserError(
                _(
                    "--column, --scale and --keep go with --into FILE, a file that a system gave out; and "
                    "--to csv and --to gradescope fill no file"
                )
            )
        settings = {}
    exporter = kind(
        to=str(out or ""),
        classroom=str(course.classroom),
        only_final=only_final,
        assignment=exercise or [],
        student=student or [],
        **settings,
    )
    with open_gradebook(course) as opened:
        done = exporter.export(opened.gradebook)
    for note in done.notes:
        say(_("note: {note}").format(note=note))
    unchanged = into is not None and into.resolve() != done.path.resolve()
    say(
        ngettext("{path}: {count} score", "{path}: {count} scores", done.scores).format(
            path=done.path, count=done.scores
        )
        + (_("; {into} itself is unchanged").format(into=into) if unchanged else "")
    )


def _columns(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, exercise = pair.rpartition("=")
        if not equals:
            raise UserError(_('--column is {pair!r}: it must be "COLUMN=EXERCISE"').format(pair=pair))
        found[name.strip()] = exercise.strip()
    return found


@commands.command()
def report(
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write (default: report.html in the classroom).")
    ] = None,
    anonymous: Annotated[
        bool,
        typer.Option(
            "--anonymous",
            help="No names, no ids, nothing that students wrote: a code for each student, the same in every report "
            "of this class.",
        ),
    ] = False,
    classroom: Classroom = None,
) -> None:
    """Write one page about the class: points, how each check did, mistakes, and what waits for you.

    A single HTML file, which loads nothing and sends nothing; it can be printed.
    """
    course = find_course(classroom)
    _quiet()
    from autograder.files import write_whole
    from autograder.reports.report import render

    path = out or course.classroom / ("report.anonymous.html" if anonymous else "report.html")
    with console.status(_("Writing the report")):
        write_whole(path, render(course, anonymous=anonymous))
    say(
        _("Report: {path}").format(path=path)
        + ("" if anonymous else _(" (with students' names: keep it as you keep the gradebook)"))
    )


@commands.command()
def regrade(
    exercise: Annotated[str, typer.Argument(help="The exercise whose source was changed, such as 01_simpo_loss.")],
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the new points; without it they are only shown.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Notebooks at a time (default: the processor's cores).")] = CORES,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Run students' code unconfined, with your rights.")] = False,
    classroom: Classroom = None,
) -> None:
    """Show whose points a changed source changes: student, check, before and after. Then, with --apply, change them.

    Without --apply nothing of the class's is written. Points and comments that people gave stay in either case.
    A check that takes everybody's points by one and the same exception is broken itself: --apply refuses.
    """
    course = find_course(classroom)
    require_linux()
    _quiet()
    from autograder.database import describe
    from autograder.grading import regrade as work

    if unsafe:
        os.environ[UNSAFE_VARIABLE] = "1"
    with stoppable(), console.status(_("Grading {exercise} by its present source").format(exercise=exercise)):
        done = (work.apply if apply else work.preview)(course, exercise, jobs)
    if done.changes:
        table = Table(_("student"), _("check"), _("before"), _("after"), _("message"))
        for change in done.changes:
            points = ["–" if value is None else f"{value:g}" for value in (change.before, change.after)]
            kept = [_("stays: a person gave the points")] if change.by_hand else []
            words = "; ".join(filter(None, [*kept, change.message]))
            table.add_row(*map(cell, (change.student, change.grade_id, *points, words)))
        console.print(table)
    for fault in done.faults:
        say(f"{fault.student}: {_(fault.verdict)}: {fault.reason}")
    up, down = done.count(1), done.count(-1)
    say(
        _("{exercise}: of {students} graded, {unchanged} unchanged, {up} up, {down} down").format(
            exercise=exercise, students=done.students, unchanged=done.students - up - down, up=up, down=down
        )
    )
    if done.first_time:
        graded = ngettext(
            "{count} more is graded for the first time", "{count} more are graded for the first time", done.first_time
        )
        sentence = graded if apply else _("{count} more would be graded for the first time")
        say(sentence.format(count=done.first_time))
    if apply:
        say(_("Written to {describe}. Next: autograder feedback").format(describe=describe(course)))
    elif done.refusal:
        say(done.refusal[0].upper() + done.refusal[1:])
    elif done.changes or done.first_time:
        say(_("Nothing was written. To write: autograder regrade {exercise} --apply").format(exercise=exercise))


def _quiet() -> None:
    """SQLAlchemy 2.1 warns of how nbgrader 0.9.6 asks; the answers are right."""
    warnings.simplefilter("ignore")

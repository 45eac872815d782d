"""The command that explains to a class: pages of feedback, and the files that take them back to Moodle and Canvas."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from autograder.commands.common import Classroom, console, say, stoppable
from autograder.course import Course, UserError, find_course
from autograder.nbgrader_setup import nbgrader_api
from simpo_language.speech import _, ngettext

if TYPE_CHECKING:  # it loads nbgrader, for which `--help` need not wait
    from autograder.handing_in.received import Received
    from autograder.pages.class_known import Key, Known

commands = typer.Typer()
SYSTEM_OF = {  # where the button is, in words that a person finds it by
    "moodle": "in the assignment: Submissions > Upload multiple feedback files in a zip (Feedback files must be on)",
    "canvas": "on the assignment's page: Upload Submissions, the button that Download Submissions brings",
}


@commands.command()
def feedback(
    student: Annotated[list[str] | None, typer.Option(help="Only this student's pages; may be repeated.")] = None,
    exercise: Annotated[list[str] | None, typer.Option(help="Only this exercise's pages; may be repeated.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write again what has not changed.")] = False,
    solutions: Annotated[
        bool, typer.Option("--solutions", help="After the deadline: with a worked answer under each part.")
    ] = False,
    to: Annotated[
        str | None, typer.Option(help="moodle or canvas: then make the zip files that it takes feedback from.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --to: the zip files' folder (default: this one).")] = None,
    worksheet: Annotated[
        Path | None,
        typer.Option(
            help="With --to moodle: the assignment's grading worksheet, which says who is which participant; needed "
            "only where what was graded is no download of Moodle's, and for groups."
        ),
    ] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="With --to: PDF files in place of HTML, made by Chromium or Chrome.")
    ] = False,
    classroom: Classroom = None,
) -> None:
    """Write a page of feedback for every graded notebook, and one for each student.

    Writes again only what has changed: by grading, or by a person's points and comments.

    With --to, each student's feedback on what is one assignment there becomes one file, complete in itself, in a zip
    file for that assignment.
    """
    course = find_course(classroom)
    if to not in (None, *SYSTEM_OF):
        raise UserError(
            _("--to is {to!r}: it must be one of {system_of}").format(to=to, system_of=", ".join(SYSTEM_OF))
        )
    if not to and (out or worksheet or pdf):
        raise UserError(_("--out, --worksheet and --pdf go with --to moodle or --to canvas"))
    if worksheet and to != "moodle":
        raise UserError(_("--worksheet is Moodle's: it goes with --to moodle"))
    keys, known = write_pages(course, student or (), exercise or (), force=force, solutions=solutions)
    if to:
        named = _named(course, to, keys, worksheet)
        _write_zips(course, known, to, named, out or Path(), solutions=solutions, pdf=pdf)
        _say_unplaced(to, known, [key for key in keys if key not in named], by_worksheet=bool(worksheet))


def _named(course: Course, to: str, keys: Collection["Key"], worksheet: Path | None) -> dict["Key", "Received"]:
    """How the system names these submissions: by its worksheet, or else by its download."""
    from autograder.gradebook.scores import class_scores
    from autograder.handing_in.roster import load
    from autograder.reports.sheets import finder, who
    from autograder.returns.feedback_zips import from_worksheet, received

    if not worksheet:
        return {key: one for key, one in received(course, to).items() if key in keys}
    find = finder(class_scores(course).students, load(course))

    def owner(row: Mapping[str, str]) -> str:
        found = find(*who(row))
        return found.id if found else ""

    return from_worksheet(worksheet, keys, owner)


def _write_zips(
    course: Course,
    known: "Known",
    to: str,
    named: Mapping["Key", "Received"],
    folder: Path,
    *,
    solutions: bool,
    pdf: bool,
) -> None:
    from autograder.pages.feedback_book import book_html
    from autograder.returns.feedback_zips import parcels, path_of, write_parcel
    from autograder.returns.pdf import find_browser, pdf_of

    browser = find_browser() if pdf else ""

    def content(student: str, exercises: Collection[str]) -> bytes:
        html = book_html(course, known, student, exercises, solutions=solutions, is_open=pdf)
        return pdf_of(html, browser) if pdf else html.encode("utf-8", "replace")

    made = parcels(named, to)
    for parcel in made:
        path = path_of(parcel, to, folder, is_only=len(made) == 1)
        writing = write_parcel(parcel, path, content, ".pdf" if pdf else ".html")
        count = len(_tracked(writing, len(parcel.files)))
        megabytes = path.stat().st_size / 1e6
        students = ngettext("{count} student's file", "{count} students' files", count).format(count=count)
        say(
            _("{path}: {students}, {megabytes:.1f} MB, for {names}").format(
                path=path, students=students, megabytes=megabytes, names=", ".join(parcel.exercises)
            )
        )
        if parcel.shared:
            say(
                _(
                    "note: {names}: in a group, all of which see the file of the member whose upload it was, "
                    "with that member's name"
                ).format(names=", ".join(parcel.shared))
            )
    if made:
        say(_("Next, {system_of}").format(system_of=SYSTEM_OF[to]))


def _say_unplaced(to: str, known: "Known", keys: Iterable["Key"], *, by_worksheet: bool) -> None:
    """Name those whose feedback is in no zip file, and say why."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for student, exercise in keys:
        if (student, exercise) not in known.marks and (student, exercise) in known.others:
            reason = "what was handed in is no notebook"
        elif by_worksheet:
            reason = "the worksheet has no row of theirs"
        else:
            reason = _(
                "nothing says how {capitalize} calls them: run `autograder grade` on its download once more"
            ).format(capitalize=to.capitalize())
            reason += ", or give --worksheet" if to == "moodle" else ""
        reasons[reason].append(f"{student}, {exercise}" if exercise else student)
    for reason, who in reasons.items():
        say(_("not in a zip file: {who}: {reason}").format(who="; ".join(who), reason=reason))


def _tracked(writing: Iterable[str], total: int) -> list[str]:
    columns = (TextColumn("Feedback files"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        return list(progress.track(writing, total=total))


@stoppable()
def write_pages(
    course: Course,
    students: Collection[str] = (),
    exercises: Collection[str] = (),
    *,
    force: bool = False,
    solutions: bool = False,
) -> tuple[list["Key"], "Known"]:
    """Write the pages that are missing or show what is no longer so. students, exercises: all if empty.

    Returns:
        The submissions that were chosen, with those that have no page, and what is known of the class.
    """
    from autograder.handing_in.other_files import other_files
    from autograder.pages.class_known import graded, read_known, refused
    from autograder.pages.feedback import write_pages
    from autograder.pages.feedback_list import write_indexes

    everything = graded(course)
    not_gradable = refused(course)  # have no page, but a line on the student's list
    others = other_files(course.classroom)  # nor have these
    if not (everything or not_gradable or others):
        raise UserError(
            _("nothing is graded yet in {classroom}: run `autograder grade SUBMISSIONS` first").format(
                classroom=course.classroom
            )
        )
    found = {*everything, *not_gradable, *others}
    for wanted, place, what in ((students, 0, _("student")), (exercises, 1, _("exercise"))):
        for name in wanted:
            if name not in {key[place] for key in found}:
                raise UserError(
                    _("no notebook is graded of {what} {name!r} in {folder}").format(
                        what=what, name=name, folder=course.classroom / "autograded"
                    )
                )
        found = {key for key in found if not wanted or key[place] in wanted}
    chosen = [key for key in everything if key in found]
    if solutions:
        _refuse_early(course, {exercise for _, exercise in chosen})
    columns = (TextColumn(_("Feedback")), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with nbgrader_api(course).gradebook as gradebook:
        known = read_known(course, gradebook)
    with Progress(*columns, console=console, transient=True) as progress:
        written = write_pages(course, known, chosen, force=force, solutions=solutions)
        new = sum(is_new for _, is_new in progress.track(written, total=len(chosen)))
    owners = sorted({student for student, _ in found})
    lists = sum(is_new for _, is_new in write_indexes(course, known, owners, force=force))
    say(_("Feedback: {folder}/<student>/index.html").format(folder=course.classroom / "feedback"))
    pages_written = ngettext("{new} page written, {old} as before", "{new} pages written, {old} as before", new)
    listed = ngettext("{count} student's list written", "{count} students' lists written", lists)
    say(f"{pages_written.format(new=new, old=len(chosen) - new)}; {listed.format(count=lists)}")
    return sorted(found), known


def _refuse_early(course: Course, exercises: Collection[str]) -> None:
    """Raise UserError while somebody may still hand in one of the exercises."""
    from datetime import UTC, datetime

    from autograder.gradebook.due import last_times

    for exercise, until in sorted(last_times(course).items()):
        if exercise in exercises and until > datetime.now(UTC):
            raise UserError(
                _(
                    "{exercise} may be handed in until {time:%Y-%m-%d %H:%M}, and worked answers would "
                    "be known before: wait, or name the other exercises with --exercise"
                ).format(exercise=exercise, time=until.astimezone())
            )

"""One page about a whole class: points, checks, mistakes, and what waits for a person.

A single HTML file that loads nothing and runs nothing, to be opened, printed or sent as it is. With
`anonymous` it holds no name, no id and no word that a student wrote: each student is a code, the same in
every report of this class, made with a secret key that stays in the classroom.
"""

import base64
import datetime
import io
import re
import statistics
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from autograder.authoring.editions import english_of
from autograder.cells import edition, read_notebook
from autograder.course import Course, UserError
from autograder.gradebook.codes import codes
from autograder.gradebook.scores import ClassScores, Student, class_scores
from autograder.grading.records import results
from autograder.handing_in.other_files import OtherFile, other_files
from autograder.handing_in.submissions import submitted
from autograder.messages import UNNAMED
from autograder.pages import html as pages
from autograder.reports.analysis import EACH_SIDE, ENOUGH, CheckFigures, figures, mistakes
from autograder.reports.next_steps import next_steps
from autograder.reports.status import standings, total
from autograder.results import GRADED, Result
from simpo_language.speech import _, ngettext, spoken

MISTAKES = 25  # rows
FOLD_FROM = 20  # rows: a longer list is folded
SHARED = 2  # students who made a mistake; what one alone did is not common
FINAL, PROVISIONAL = "#2456b8", "#a9c1ee"


@dataclass(frozen=True)
class Points:
    """How the points of one exercise are spread."""

    title: str
    submissions: int
    mean: float
    median: float
    max_points: float
    waiting: int
    figure: str  # a data: URL of an SVG
    description: str  # what is to be seen in it


@dataclass(frozen=True)
class Remark:
    """Something about one student's work that a person should know."""

    student: str
    exercise: str
    words: str


def render(course: Course, *, anonymous: bool = False) -> str:
    """The page, as HTML.

    Raises:
        UserError: Nothing is graded yet.
    """
    graded, others = results(course), other_files(course.classroom)
    if not (graded or others):
        raise UserError(
            _("nothing is graded yet in {classroom}: run `autograder grade SUBMISSIONS` first").format(
                classroom=course.classroom
            )
        )
    titles = {name: title(course, name) for name in course.exercises()}
    lines = [line for line in standings(course) if line.is_begun]
    scores = class_scores(course).only([line.exercise for line in lines])
    who = codes(course) if anonymous else _names(scores.students)
    common = mistakes(graded, {name: _english_of(course, name) for name in {result.exercise for result in graded}})
    shared = [mistake for mistake in common if mistake.words != UNNAMED and mistake.count >= SHARED]
    return pages.render(
        "report",
        "report",
        language=spoken(),
        anonymous=anonymous,
        made=datetime.datetime.now().astimezone(),
        titles=titles,
        students=len(scores.students),
        lines=lines,
        total=total(lines),
        share=_share(graded),
        points=[_points(titles[name], name, scores) for name in scores.exercises if _final(scores, name)],
        checks=_by_exercise(figures(graded)),
        enough=ENOUGH,
        each_side=EACH_SIDE,
        mistakes=shared[:MISTAKES],
        unnamed=sum(mistake.count for mistake in common if mistake.words == UNNAMED),
        troubles=_sorted([*_troubles(graded, who, anonymous), *_others(others.values(), who, anonymous)]),
        flags=_flags(graded, who, anonymous),
        repairs=_repairs(graded, who, anonymous),
        missing=_missing(scores, {*others, *((one.student, one.exercise) for one in submitted(course))}, who),
        steps=next_steps(course, total(lines), graded),
        fold_from=FOLD_FROM,
    )


def _english_of(course: Course, exercise: str) -> dict[str, str]:
    path = course.classroom / "source" / exercise / f"{exercise}.ipynb"
    return english_of(read_notebook(path)) if path.is_file() else {}


def title(course: Course, exercise: str) -> str:
    """What an exercise calls itself in the first heading of its notebook, without the word "Exercise"."""
    source = edition(read_notebook(course.solutions / f"{exercise}.ipynb"), spoken())
    heading: str = source.cells[0].source.split("\n")[0]
    return re.sub(r"^(Exercise|练习)\s*", "", heading.lstrip("# ")).strip() or exercise


def _names(students: Iterable[Student]) -> Callable[[str], str]:
    named = {student.id: f"{student.name} ({student.id})" if student.name else student.id for student in students}
    return lambda student: named.get(student, student)


def _share(graded: list[Result]) -> float:
    """The share of its checks' points that a graded submission has, on average. (Essays may not have been read.)"""
    shares = [result.points / result.max_points for result in graded if result.checks]
    return statistics.mean(shares) if shares else 0.0


def _final(scores: ClassScores, exercise: str) -> dict[float, tuple[int, int]]:
    """How many submissions have so many points: final scores, provisional ones."""
    found: dict[float, tuple[int, int]] = {}
    for (_student, name), score in scores.scores.items():
        if name == exercise:
            final, provisional = found.get(score.points, (0, 0))
            found[score.points] = (final + score.is_final, provisional + (not score.is_final))
    return found


def _points(heading: str, exercise: str, scores: ClassScores) -> Points:
    spread = _final(scores, exercise)
    every = [points for points, counts in spread.items() for _ in range(sum(counts))]
    maximum = scores.max_points[exercise]
    waiting = scores.waiting(exercise)
    listed = "; ".join(
        ngettext("{points} point: {count}", "{points} points: {count}", points).format(
            points=f"{points:g}", count=sum(spread[points])
        )
        for points in sorted(spread)
    )
    described = _("Histogram of the points of {submissions}, {waiting} of them provisional. {listed}.")
    return Points(
        title=heading,
        submissions=len(every),
        mean=statistics.mean(every),
        median=statistics.median(every),
        max_points=maximum,
        waiting=waiting,
        figure=_histogram(spread, maximum),
        description=described.format(submissions=_submissions(len(every)), waiting=waiting, listed=listed),
    )


def _histogram(spread: dict[float, tuple[int, int]], maximum: float) -> str:
    """One bar for each whole number of points, provisional scores on top and hatched; a data: URL."""
    import numpy as np
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    places = np.arange(int(maximum) + 1)
    heights = np.zeros((2, len(places)))
    for points, counts in spread.items():
        heights[:, min(int(points + 0.5), len(places) - 1)] += counts
    # Text stays text, which the browser draws: that matplotlib's font lacks Chinese is of no account
    with (
        warnings.catch_warnings(action="ignore"),
        rc_context({"svg.fonttype": "none", "svg.hashsalt": "report", "font.size": 9, "hatch.linewidth": 0.6}),
    ):
        figure = Figure(figsize=(3.4, 1.9), layout="constrained")
        axes = figure.add_subplot()
        axes.bar(places, heights[0], 0.8, color=FINAL)
        seen, below = heights[1] > 0, heights[0]
        axes.bar(
            places[seen], heights[1][seen], 0.8, below[seen], color=PROVISIONAL, hatch="////", edgecolor=FINAL, lw=0.4
        )
        axes.set_ylim(0, 1.08 * heights.sum(axis=0).max())
        axes.set_xlim(-0.7, maximum + 0.7)
        axes.set_xticks(places[:: 2 if maximum > 7 else 1])
        axes.set_xlabel(_("points"))
        axes.set_ylabel(_("submissions"))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
        axes.spines[["top", "right"]].set_visible(False)
        svg = io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(svg.getvalue()).decode()


def _by_exercise(checks: list[CheckFigures]) -> dict[str, list[CheckFigures]]:
    found: dict[str, list[CheckFigures]] = {}
    for check in checks:
        found.setdefault(check.exercise, []).append(check)
    return found


def _troubles(graded: list[Result], who: Callable[[str], str], anonymous: bool) -> list[Remark]:
    """Submissions that were not graded to their end. The reasons may have students' words in them."""

    def words(result: Result) -> str:
        return _(result.verdict) if anonymous or not result.reason else f"{_(result.verdict)}: {result.reason}"

    return _sorted(
        Remark(who(result.student), result.exercise, words(result)) for result in graded if result.verdict != GRADED
    )


def _others(others: Iterable[OtherFile], who: Callable[[str], str], anonymous: bool) -> Iterable[Remark]:
    """What was handed in and is no notebook; its name may be the student's."""
    for one in others:
        words = _("handed in, not a notebook") if anonymous else one.words
        yield Remark(who(one.student), one.exercise or _("not known"), words)


def _flags(graded: list[Result], who: Callable[[str], str], anonymous: bool) -> list[Remark]:
    """Signs of forgery, in words that may hold names of students' variables."""
    return _sorted(
        Remark(
            who(result.student),
            result.exercise,
            ngettext("{count} sign", "{count} signs", count).format(count=count)
            if anonymous
            else "; ".join(result.flags),
        )
        for result in graded
        if (count := len(result.flags))
    )


def _repairs(graded: list[Result], who: Callable[[str], str], anonymous: bool) -> list[Remark]:
    """What was restored from the source before grading, some of it in students' words."""
    return _sorted(
        Remark(
            who(result.student),
            result.exercise,
            ngettext("{count} cell", "{count} cells", count).format(count=count)
            if anonymous
            else "; ".join(map(str, result.repairs)),
        )
        for result in graded
        if (count := len(result.repairs))
    )


def _submissions(count: int) -> str:
    return ngettext("{count} submission", "{count} submissions", count).format(count=count)


@dataclass(frozen=True)
class Missing:
    """Who has not handed in an exercise, of those who have handed in any; or, without an exercise, who has none."""

    exercise: str
    students: tuple[str, ...]


def _missing(scores: ClassScores, handed_in: set[tuple[str, str]], who: Callable[[str], str]) -> list[Missing]:
    """By exercise, the students who lack it. A file need not be readable."""
    active = {student for student, _ in handed_in}
    absent = [student.id for student in scores.students if student.id not in active]
    found = [Missing("", tuple(sorted(map(who, absent))))]
    for exercise in scores.exercises:
        lacking = [s.id for s in scores.students if s.id in active and (s.id, exercise) not in handed_in]
        found.append(Missing(exercise, tuple(sorted(map(who, lacking)))))
    return [one for one in found if one.students]


def _sorted(remarks: Iterable[Remark]) -> list[Remark]:
    return sorted(remarks, key=lambda remark: (remark.student, remark.exercise))

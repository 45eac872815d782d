"""What `grade` prints at its end: who got what, and what is the matter."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from rich.table import Table

from autograder.commands.common import cell, console, say
from autograder.course import Course
from autograder.messages import read
from autograder.results import GRADED, NOT_ATTEMPTED, WRONG, Result
from simpo_language.speech import _, ngettext

AT_LEAST = 2  # students at whose work one check must stop before it is suspected


def say_results(course: Course, done: Sequence[tuple[Result, bool]]) -> None:
    """A line for each submission that is new or has no ordinary result, counts of all, and the checks that look wrong.

    done: the result of each submission of the classroom, and whether it is new.
    """
    from autograder.gradebook.scores import essays_waiting, names

    shown = [result for result, is_new in done if is_new or result.verdict != GRADED or result.flags]
    if shown:
        console.print(results_table(shown, names(course), essays_waiting(course)))
    new = sum(is_new for _, is_new in done)
    verdicts = Counter(result.verdict for result, _ in done)
    counts = _(", ").join(f"{n} {_(verdict)}" for verdict, n in verdicts.items())
    say(_("{counts}; {new} new, {old} as before").format(counts=counts, new=new, old=len(done) - new))
    if rest := len(done) - len(shown):
        say(_("Not in the table: {rest} as before.").format(rest=rest))
    _say_broken(course, done)


def _say_broken(course: Course, done: Sequence[tuple[Result, bool]]) -> None:
    from autograder.grading.broken_checks import broken_checks

    fresh = {result.exercise for result, is_new in done if is_new}
    next_step = "autograder grade" if course.is_any else "autograder regrade"
    for check in broken_checks([pair[0] for pair in done if pair[0].exercise in fresh], at_least=AT_LEAST):
        say(
            _("{exercise}: {sentence}. If the check is wrong, mend it; then {next_step}.").format(
                exercise=check.exercise, sentence=check.sentence, next_step=next_step
            )
        )


def results_table(
    results: Iterable[Result], names: Mapping[str, str] | None = None, waiting: Collection[tuple[str, str]] = ()
) -> Table:
    """Student, exercise, points, and what went wrong in the words of the checks.

    names: of students, by id; waiting: student and exercise where an essay waits for a person.
    """
    shown = sorted(results, key=lambda result: (result.student, result.exercise))
    known = {result.student: (names or {}).get(result.student, "") for result in shown}
    table = Table()
    name = [_("name")] * any(known.values())
    for heading in (_("student"), *name, _("exercise"), _("points"), _("what went wrong")):
        table.add_column(heading, overflow="fold")  # a name that is cut short may be two people's
    for result in shown:
        points, words = "-", [f"{_(result.verdict)}: {result.reason}"]
        if result.checks:
            points, words = f"{result.points:g}/{result.max_points:g}", _what_went_wrong(result)
        if (result.student, result.exercise) in waiting:
            points += _(" + essay")
        name = [known[result.student]] * any(known.values())
        table.add_row(*map(cell, (result.student, *name, result.exercise, points, "\n".join(words))))
    return table


def _what_went_wrong(result: Result) -> list[str]:
    untouched = sum(check.status == NOT_ATTEMPTED for check in result.checks)
    wrong = [check for check in result.checks if check.status == WRONG]
    words = [_(result.verdict)] if result.verdict != GRADED else []
    words += [str(result.reason)] if result.reason else []
    blank = ngettext("{count} check not attempted", "{count} checks not attempted", untouched)
    words += [blank.format(count=untouched)] if untouched else []
    words += [f"{check.grade_id}: {read(check.message).cause}" for check in wrong[:2]]
    words += [_("and {count} more").format(count=len(wrong) - 2)] if len(wrong) > 2 else []
    words += [_("flagged for a person: {flag}").format(flag=flag) for flag in result.flags]
    words += [_("repaired: {repair}").format(repair=result.repairs[0])] if result.repairs else []
    more = len(result.repairs) - 1
    others = ngettext("and {count} more repair", "and {count} more repairs", more)
    words += [others.format(count=more)] if more > 0 else []
    return words

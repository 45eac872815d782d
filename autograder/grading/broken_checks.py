"""Checks that seem to be wrong themselves: they stop with one and the same exception, and pay nobody."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from autograder.messages import read
from autograder.results import NOT_ATTEMPTED, Check, Result
from simpo_language.speech import _

NAMED = 5  # students, in a sentence
REFUSED = "AssertionError"  # how tests of other courses say no


@dataclass(frozen=True)
class BrokenCheck:
    """A check, and what it stops with."""

    exercise: str
    grade_id: str
    exception: str  # its name and words, as the first student's
    stopped: tuple[str, ...]  # the students whose work it stopped at
    others: tuple[str, ...]  # those at whose work it did not, all of them without a point

    @property
    def sentence(self) -> str:
        """What is wrong with it, and by whom it was not failed in this way."""
        said = _("the check {grade_id} gives nobody a point and stops with {exception}").format(
            grade_id=self.grade_id, exception=self.exception
        )
        if not self.others:
            return said
        more = _(" and {count} more").format(count=len(self.others) - NAMED) if len(self.others) > NAMED else ""
        sentence = _("{sentence} (not for {students}{more}, who did not get that far)")
        return sentence.format(sentence=said, students=", ".join(self.others[:NAMED]), more=more)


def broken_checks(results: Iterable[Result], *, at_least: int = 1) -> list[BrokenCheck]:
    """The broken checks among those of these results, in the order in which they stand.

    at_least: of how many students' work one must be stopped by its exception. One may have done that by themselves.
    """
    found: dict[tuple[str, str], list[tuple[str, Check]]] = defaultdict(list)
    for result in results:
        for check in result.checks:
            found[result.exercise, check.grade_id].append((result.student, check))
    judged = (_judged(*key, checks, at_least) for key, checks in found.items())
    return [one for one in judged if one]


def _judged(exercise: str, grade_id: str, checks: list[tuple[str, Check]], at_least: int) -> BrokenCheck | None:
    messages = {student: read(check.message) for student, check in checks if check.status != NOT_ATTEMPTED}
    stopped = [student for student, message in messages.items() if message.stopped_by not in ("", REFUSED)]
    exceptions = {messages[student].stopped_by for student in stopped}
    others = tuple(student for student, _ in checks if student not in stopped)
    if any(check.points for _, check in checks) or len(exceptions) != 1 or len(stopped) < at_least:
        return None
    return BrokenCheck(exercise, grade_id, messages[stopped[0]].sentence, tuple(stopped), others)

"""What can come of a submission: verdicts, checks, points. Plain data, and nothing to load."""

from dataclasses import dataclass, field
from typing import Any

from simpo_language.speech import N_, Said, said_again

# Verdicts that come with points: the notebook ran to its end, or this stopped it.
GRADED, TIMED_OUT, OUT_OF_MEMORY = N_("graded"), N_("timed out"), N_("out of memory")
TOO_MUCH_OUTPUT, DIED = N_("too much output"), N_("died")
# Verdicts without points: the file can't be read as a notebook; no fault of the student's, and tried again; this
# machine can't confine students' code, so that nothing was run, and nobody's will be.
NOT_GRADABLE, GRADER_FAULT, NOT_CONFINED = N_("not gradable"), N_("grader fault"), N_("not confined")

RIGHT, WRONG, NOT_ATTEMPTED = "right", "wrong", "not attempted"  # what a check can come to


@dataclass(frozen=True)
class Check:
    """What came of one graded code cell."""

    grade_id: str
    points: float
    max_points: float
    status: str  # RIGHT, WRONG or NOT_ATTEMPTED
    message: str  # what the student is told; empty if right


@dataclass(frozen=True)
class Result:
    """What came of one submission. Essays are not in it: people grade those in the gradebook."""

    student: str
    exercise: str
    verdict: str  # one of those above
    checks: tuple[Check, ...] = ()
    reason: str | Said = ""  # why it was not graded
    repairs: tuple[str | Said, ...] = ()  # what was not as it was given out, and is again
    flags: tuple[str, ...] = ()  # signs of forgery, for a person to look at; the points stand as they are

    @property
    def points(self) -> float:
        return sum(check.points for check in self.checks)

    @property
    def max_points(self) -> float:
        return sum(check.max_points for check in self.checks)


def result_from(stored: dict[str, Any]) -> Result:
    """A result as it was before `dataclasses.asdict`, also after a way through JSON, which knows no tuples."""
    checks = tuple(Check(**check) for check in stored["checks"])
    repairs, reason = tuple(map(said_again, stored["repairs"])), said_again(stored["reason"])
    return Result(**{**stored, "repairs": repairs, "reason": reason, "flags": tuple(stored["flags"]), "checks": checks})


@dataclass(frozen=True)
class Marked:
    """What came of marking a submission: the result, and what nbgrader would keep."""

    result: Result
    notebook: str = ""  # the autograded one; empty if the submission has no points
    scores: dict[str, float | None] = field(default_factory=dict)  # of each graded cell; None: a person's to give
    comments: dict[str, str | None] = field(default_factory=dict)  # nbgrader's, on each answer
    answers: dict[str, str] = field(default_factory=dict)  # a digest of each answer's text
    log: str = ""

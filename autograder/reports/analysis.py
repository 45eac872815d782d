"""What a class's results say about the exercises: how hard each check is, what it tells apart, which mistakes recur."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from autograder.authoring.editions import in_english
from autograder.messages import read
from autograder.results import NOT_ATTEMPTED, WRONG, Result
from simpo_language.speech import N_

ENOUGH = 10  # submissions; with fewer a correlation says nothing
EACH_SIDE = 3  # submissions that earned all of a check's points, and that did not; with fewer it rests on too few


@dataclass(frozen=True)
class CheckFigures:
    """How one check went in a class."""

    exercise: str
    grade_id: str
    submissions: int  # those in which something was attempted
    right: float  # share of its points that was earned, 0 to 1
    discrimination: float | None  # None: too few submissions, or all alike
    wrong: int
    not_attempted: int

    @property
    def is_reliable(self) -> bool:
        """Whether enough submissions stand behind the discrimination to doubt the check."""
        lost = self.wrong + self.not_attempted
        return self.submissions >= ENOUGH and min(lost, self.submissions - lost) >= EACH_SIDE

    @property
    def concern(self) -> str:
        """Why an instructor should look at the check; empty if there is no reason."""
        if self.is_reliable and self.discrimination is not None and self.discrimination < 0:
            return N_("those who do well lose it: is it right?")
        if self.submissions >= ENOUGH and self.right < 0.3:
            return N_("most lose it: is it explained?")
        return ""


@dataclass(frozen=True)
class Mistake:
    """A mistake, in the words of the check that caught it."""

    exercise: str
    grade_id: str
    words: str
    count: int
    submissions: int


def figures(results: Iterable[Result]) -> list[CheckFigures]:
    """The figures of each check, in the order of the exercises and of their cells.

    Discrimination is the correlation, over submissions, of the points of the check with those of the
    exercise's other checks (the corrected point-biserial of item analysis): near 0, or below, the check
    tells nothing about who can do the exercise. Submissions in which nothing was attempted are left out.
    Source: Ebel and Frisbie, Essentials of Educational Measurement, 1991, chapter 13
    """
    found = []
    for exercise, attempts in _attempts(results).items():
        grade_ids = list(dict.fromkeys(check.grade_id for result in attempts for check in result.checks))
        checks = [{check.grade_id: check for check in result.checks} for result in attempts]
        points = np.array([[c[name].points if name in c else 0.0 for name in grade_ids] for c in checks])
        for place, name in enumerate(grade_ids):
            own = [c[name] for c in checks if name in c]
            found.append(
                CheckFigures(
                    exercise=exercise,
                    grade_id=name,
                    submissions=len(own),
                    right=sum(check.points for check in own) / sum(check.max_points for check in own),
                    discrimination=_correlation(points[:, place], points.sum(axis=1) - points[:, place]),
                    wrong=sum(check.status == WRONG for check in own),
                    not_attempted=sum(check.status == NOT_ATTEMPTED for check in own),
                )
            )
    return found


def mistakes(results: Iterable[Result], english: Mapping[str, Mapping[str, str]] | None = None) -> list[Mistake]:
    """The mistakes of a class, the commonest first.

    english: by exercise, of what its other editions say, so that a mistake is one, in whatever language it was told:
        as from `english_of`.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    attempts = _attempts(results)
    for exercise, submissions in attempts.items():
        for result in submissions:
            lost = [check for check in result.checks if check.status == WRONG]
            told = [(check.grade_id, in_english(check.message, (english or {}).get(exercise, {}))) for check in lost]
            counts.update((exercise, grade_id, read(message).mistake) for grade_id, message in told)
    found = [Mistake(*key, count, len(attempts[key[0]])) for key, count in counts.items()]
    return sorted(found, key=lambda mistake: (-mistake.count, mistake.exercise, mistake.grade_id, mistake.words))


def _attempts(results: Iterable[Result]) -> dict[str, list[Result]]:
    """By exercise, the graded submissions in which something was attempted."""
    found: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: result.exercise):
        if any(check.status != NOT_ATTEMPTED for check in result.checks):
            found.setdefault(result.exercise, []).append(result)
    return found


def _correlation(check: np.ndarray, rest: np.ndarray) -> float | None:
    if len(check) < ENOUGH or np.ptp(check) == 0 or np.ptp(rest) == 0:
        return None
    return float(np.corrcoef(check, rest)[0, 1])

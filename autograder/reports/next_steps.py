"""What a teacher does next, in order, and the command for it: what `status` ends with, and the report begins with.

First what brings points to students who have none yet, then what may change points, then what people read, then what
goes out: whoever works from the top down does nothing twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from autograder.course import Course
from autograder.gradebook.due import late
from autograder.grading.broken_checks import broken_checks
from autograder.handing_in.lms_files import TIMESTAMP, read_timestamp
from autograder.handing_in.submissions import Submission, submitted
from autograder.handing_in.unplaced import unplaced
from autograder.reports.analysis import figures
from autograder.reports.status import Standing
from autograder.results import Result
from simpo_language.speech import N_, _

NAMED = 5  # of a list, in a sentence
AT_LEAST = 2  # students at whose work a check must stop before it is doubted


@dataclass(frozen=True)
class Step:
    """One thing to do. names: of whom or what, the first of them; empty where a table says it."""

    count: int
    words: str
    command: str
    names: str = ""

    @property
    def sentence(self) -> str:
        """It, with the command behind it."""
        return f"{self.counted}{f' ({self.names})' if self.names else ''}: {self.command}"

    @property
    def counted(self) -> str:
        return _(self.words).format(count=self.count)


# In this order: a field of a standing, or one of the kinds below; what it is, and the command.
ORDER: Mapping[str, tuple[str, str]] = {
    "to_grade": (N_("{count} not graded yet"), "autograder grade"),
    "out_of_date": (
        N_("{count} changed since they were graded, or no longer in the gradebook"),
        "autograder grade, or first autograder regrade EXERCISE",
    ),
    "unplaced": (
        N_("{count} files that are nobody's; put who it is, or the spelling as lms_name, on the roster"),
        "autograder roster FILE, then autograder grade DOWNLOADS",
    ),
    "other_files": (N_("{count} handed in what can't be graded; ask for the notebook (.ipynb)"), "autograder status"),
    "not_gradable": (
        N_("{count} not gradable, and why stands in the report; ask for the file again"),
        "autograder report",
    ),
    "doubted": (
        N_("{count} checks that look wrong; if one is, mend it"),
        "autograder report, then autograder regrade EXERCISE",
    ),
    "stopped": (N_("{count} stopped before their end"), "autograder report"),
    "flagged": (N_("{count} with signs of forgery"), "autograder report"),
    "essays": (N_("{count} with an essay to read"), "autograder essays"),
    "appeals": (
        N_("{count} with a check that comes out otherwise since a person gave points for it; these stay"),
        "autograder formgrader",
    ),
    "late": (
        N_("{count} handed in late; whoever has a reason gets an extension"),
        "autograder due EXERCISE TIME --student ID",
    ),
    "old_feedback": (N_("{count} with feedback to write"), "autograder feedback"),
}


def next_steps(course: Course, whole: Standing, graded: Iterable[Result]) -> list[Step]:
    """What is to be done, in order; nothing that is done. whole: the sum of all exercises."""
    found: dict[str, Sequence[str]] = {
        "unplaced": [one.name for one in unplaced(course.classroom)],
        "doubted": doubted(graded),
        "late": [f"{one.student}, {one.exercise}" for one in late_ones(course)],
    }
    steps = []
    for kind, (words, command) in ORDER.items():
        names = found.get(kind, ())
        if count := len(names) or getattr(whole, kind, 0):
            steps.append(Step(count, words, command, _some(names)))
    return steps


def doubted(graded: Iterable[Result]) -> list[str]:
    """The checks that look wrong: those that stop at everybody's work, and those that who does well loses."""
    results = list(graded)
    broken = [(one.exercise, one.grade_id) for one in broken_checks(results, at_least=AT_LEAST)]
    lost = [
        (one.exercise, one.grade_id)
        for one in figures(results)
        if one.is_reliable and one.discrimination is not None and one.discrimination < 0
    ]
    return [f"{exercise}: {name}" for exercise, name in sorted({*broken, *lost})]


def late_ones(course: Course) -> list[Submission]:
    """The submissions that came after their due time, the student's own if there is one."""
    timed = []
    for one in submitted(course):
        try:
            time = read_timestamp(one.folder / TIMESTAMP)
        except (OSError, ValueError):
            continue
        timed.append(Submission(one.student, one.exercise, one.folder, time))
    return [one for one, _by in late(course, timed)] if timed else []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")

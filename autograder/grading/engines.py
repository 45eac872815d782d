"""The two engines behind one interface: what grades this project's course, and what grades any other of nbgrader's."""

from collections.abc import Iterator
from typing import Protocol

from autograder.course import Course
from autograder.handing_in.submissions import Submission
from autograder.results import Result


class Engine(Protocol):
    """A module that grades a course: `grade`, or `anycourse`."""

    ISOLATION: str  # where checks run if nobody says where (see `shared`)

    def prepare(self, course: Course) -> list[str]:
        """Bring the course's gradebook up to date for grading. Returns what was done or is odd, a sentence each.

        Raises:
            UserError: It can't be; the message says what to mend.
        """

    def submissions(self, course: Course) -> list[Submission]:
        """Every submission in the classroom, in order of exercise and student."""

    def grade(
        self, course: Course, *, force: bool, jobs: int, isolation: str, scheduler: str
    ) -> Iterator[tuple[Result, bool]]:
        """Grade every submission; yield each result, and whether it is new.

        force: grade again what has not changed. jobs: how many workers. isolation: where checks run.
        scheduler: address of a Dask scheduler whose workers mark instead; empty for workers here.

        Raises:
            UserError: Students' code can't be confined here, or the engine knows no scheduler.
        """


def engine_of(course: Course) -> Engine:
    """What grades this course. Loads nbgrader."""
    if course.is_any:
        from autograder.grading import anycourse

        return anycourse
    from autograder.grading import grade

    return grade

"""What is known of a class when its feedback is written: points, what could not be graded, and who is who."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder.course import Course
from autograder.gradebook.marks import Marks, read_marks
from autograder.gradebook.scores import read_scores
from autograder.grading.records import results
from autograder.handing_in.other_files import OtherFile, other_files
from autograder.handing_in.submissions import submitted
from autograder.results import NOT_GRADABLE
from simpo_language.speech import Said

Key = tuple[str, str]  # student, exercise


@dataclass(frozen=True)
class Known:
    """What is known of a class when its feedback is written."""

    marks: Mapping[Key, Marks]
    refused: Mapping[Key, str | Said]  # why what was handed in last could not be graded
    others: Mapping[Key, OtherFile]  # what was handed in and is no notebook
    max_points: Mapping[str, float]  # of each exercise that somebody has handed in, as in `export`
    names: Mapping[str, str] = field(default_factory=dict)  # of the students, by id, where the gradebook has them


def graded(course: Course) -> list[Key]:
    """Every graded submission of the class, by student."""
    pages = course.classroom.glob("autograded/*/*/*.ipynb")
    return sorted((path.parts[-3], path.stem) for path in pages if path.stem == path.parent.name)


def refused(course: Course) -> dict[Key, str | Said]:
    """Why what was handed in last could not be graded, by student and exercise."""
    return {(r.student, r.exercise): r.reason for r in results(course) if r.verdict == NOT_GRADABLE}


def read_known(course: Course, gradebook: Any) -> Known:
    """Read nbgrader's gradebook, which is open, and what is known of the files that could not be graded."""
    scores = read_scores(gradebook)
    others = other_files(course.classroom)
    begun = scores.begun([*(exercise for _, exercise in others), *(one.exercise for one in submitted(course))])
    names = {student.id: student.name for student in scores.students if student.name}
    return Known(read_marks(gradebook, scores), refused(course), others, scores.only(begun).max_points, names)

"""What came of each submission, kept beside the gradebook in graded/<student>/<exercise>.json.

Each record has a key made of all that the result depends on, so that a second run grades only what has changed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autograder.code_digest import code_digest
from autograder.course import STUDENT_MODULES, Course
from autograder.execution.data_files import digest_of
from autograder.execution.shared import RUNNERS, SEPARATE
from autograder.files import write_whole
from autograder.handing_in.lms_files import TIMESTAMP
from autograder.handing_in.submissions import Submission, content_of, submitted
from autograder.results import NOT_GRADABLE, Result, result_from
from simpo_language.speech import catalogues

CHECKED_WITH = sorted({module.partition(".")[0] for module in STUDENT_MODULES})  # what hidden tests import


def grader() -> str:
    """Another for every change of the code that results depend on: what marks, what runs, what checks compare with."""
    words = b"".join(path.read_bytes() for path in catalogues("checks"))
    code = code_digest("autograder.grading.marking", "autograder.inside", *CHECKED_WITH)
    return code + hashlib.sha256(words).hexdigest()


@dataclass(frozen=True)
class Record:
    """What was kept of a submission's grading."""

    result: Result
    key: str
    is_same: bool  # neither the submission nor the source nor the grader has changed since
    is_written: bool  # the gradebook holds what came of it

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to do."""
        return self.is_same and self.is_written


def recorded(
    course: Course, submission: Submission, written: Mapping[tuple[str, str], str], *isolations: str
) -> Record | None:
    """What is known of a submission, and whether it would be graded again now; None: it never was.

    written: the keys that the gradebook has (`own_table.written_keys`).
    isolations: where its checks may have run (see `shared`); anywhere, if none is named.
    """
    found = recall(course, submission)
    if found is None:
        return None
    key, result = found
    page = course.notebook("autograded", submission.student, submission.exercise)
    has_points = result.verdict != NOT_GRADABLE
    is_whole = not has_points or page.is_file()
    content = content_of(submission.notebook)
    same = any(key == key_of(course, submission, content, one) for one in isolations or RUNNERS)
    is_written = not has_points or written.get((submission.student, submission.exercise)) == key
    return Record(result, key, is_whole and same, is_written)


def results(course: Course) -> list[Result]:
    """The results of every submission graded so far, as they were recorded."""
    found = [recall(course, submission) for submission in submitted(course)]
    return [result for _, result in filter(None, found)]


def key_of(course: Course, submission: Submission, content: bytes, isolation: str = SEPARATE) -> str:
    """What a submission with this content is recorded under."""
    source = (course.solutions / f"{submission.exercise}.ipynb").read_bytes()
    timestamp = submission.folder / TIMESTAMP  # the late penalty depends on it
    handed_in = digest_of(timestamp) if timestamp.is_file() else b""
    parts = (content, source, handed_in, grader().encode(), isolation.encode())
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def remember(course: Course, submission: Submission, key: str, result: Result) -> None:
    """Keep a result."""
    write_whole(_path(course, submission), json.dumps({"key": key, "result": asdict(result)}, indent=1))


def log_path(course: Course, submission: Submission) -> Path:
    """Where the words of a submission's grading are."""
    return _path(course, submission).with_suffix(".log")


def _path(course: Course, submission: Submission) -> Path:
    return course.classroom / "graded" / submission.student / f"{submission.exercise}.json"


def recall(course: Course, submission: Submission) -> tuple[str, Result] | None:
    """A record's key and result; None if there is none, or it is from another time."""
    try:
        stored: dict[str, Any] = json.loads(_path(course, submission).read_text(encoding="utf-8"))
        return stored["key"], result_from(stored["result"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""Until when single students may hand in: classroom/extensions.json.

nbgrader keeps an extension with the submission, so it has no place for one before anything is handed in. Here it is
kept as a time; grading gives it to nbgrader.
"""

import json
from collections.abc import Mapping
from datetime import datetime

from autograder.course import Course, UserError
from autograder.files import write_whole
from simpo_language.speech import _

Extensions = Mapping[tuple[str, str], datetime]  # by student and exercise, in UTC
FILE = "extensions.json"


def read_extensions(course: Course) -> dict[tuple[str, str], datetime]:
    """The class's extensions.

    Raises:
        UserError: The file can't be read.
    """
    path = course.classroom / FILE
    if not path.is_file():
        return {}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {
            (student, exercise): datetime.fromisoformat(time)
            for exercise, times in stored.items()
            for student, time in times.items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(
            _(
                "{path} can't be read ({error}); expected what `autograder due` wrote: restore it, or "
                "delete it and set the extensions again"
            ).format(path=path, error=error)
        ) from None


def write_extensions(course: Course, extensions: Extensions) -> None:
    """Keep these extensions and no others, whole or not at all."""
    if extensions == read_extensions(course):
        return
    stored: dict[str, dict[str, str]] = {}
    for (student, exercise), time in sorted(extensions.items()):
        stored.setdefault(exercise, {})[student] = time.isoformat()
    write_whole(course.classroom / FILE, json.dumps(stored, indent=1, ensure_ascii=False) + "\n")

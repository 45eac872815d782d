"""How Moodle and Canvas named what they gave out: by these names they know again whose feedback a file is.

Kept in the classroom when downloads are collected, in received.json, by student and exercise.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.files import write_whole

RECEIVED = "received.json"
# the person, Moodle's number of the participant; what stands behind is the student's
MOODLE = re.compile(r"(?P<prefix>(?P<name>[^_]+)_(?P<number>\d+)_assignsubmission_(file|onlinetext))(_.*)?")
# the person, Canvas's numbers of the user and of the file that they uploaded, the file
CANVAS = re.compile(r"(?P<prefix>\w+?(_LATE)?_(?P<user>\d+)_(?P<upload>\d{3,}))_(?P<file>.+)\.(ipynb|zip)")


@dataclass(frozen=True)
class Received:
    """One submission, as its system named it. `number` tells persons apart, within an assignment at least."""

    prefix: str
    number: str
    file: str = ""  # Canvas's, without its suffix


def keep_received(classroom: Path, named: Mapping[tuple[str, str], str]) -> None:
    """Remember the names of these submissions, by student and exercise; a later download's go before an older's."""
    if not named:
        return
    known = _read(classroom)
    found = known | {f"{student}/{exercise}": name for (student, exercise), name in named.items()}
    if found != known:
        write_whole(classroom / RECEIVED, json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def from_moodle(classroom: Path) -> dict[tuple[str, str], Received]:
    """What came from Moodle, by student and exercise."""
    return {
        key: Received(match["prefix"], match["number"])
        for key, name in _names(classroom).items()
        if (match := MOODLE.fullmatch(name))
    }


def from_canvas(classroom: Path) -> dict[tuple[str, str], Received]:
    """What came from Canvas, by student and exercise."""
    return {
        key: Received(match["prefix"], match["user"], match["file"])
        for key, name in _names(classroom).items()
        if not MOODLE.fullmatch(name) and (match := CANVAS.fullmatch(name))
    }


def _names(classroom: Path) -> dict[tuple[str, str], str]:
    found = {}
    for key, name in _read(classroom).items():
        student, _, exercise = key.rpartition("/")
        found[student, exercise] = name
    return found


def _read(classroom: Path) -> dict[str, str]:
    """The names by student/exercise; none where the file is missing or somebody has spoilt it."""
    try:
        stored = json.loads((classroom / RECEIVED).read_text(encoding="utf-8"))
        return {str(key): str(name) for key, name in stored.items()}
    except (OSError, ValueError, AttributeError):
        return {}

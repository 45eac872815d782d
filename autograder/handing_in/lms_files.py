"""What lies beside the notebooks of a download and says whose they are, and when they were handed in.

Moodle's grading worksheet and list of groups, Gradescope's metadata, nbgrader's timestamps and packs' manifests.
docs/handing-in.md says where each format is defined.
"""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from autograder.course import UserError
from autograder.documents.columns import (
    ADDRESSES,
    CHANGED,
    FULL_NAMES,
    GROUPS,
    IDENTIFIERS,
    MEMBERS,
    NUMBERS,
    PARTICIPANT,
    USERNAMES,
)
from autograder.documents.tables import first_of, heading, read_sheet
from autograder.files import write_whole
from autograder.handing_in.archives import File, Left
from autograder.handing_in.people import Sender, plain_name
from simpo_language.speech import _

TIMESTAMP, METADATA, MANIFEST = "timestamp.txt", "submission_metadata.yml", "simpo-practice.json"
TIME_BYTES = 200
TABLES = (".csv", ".xlsx")
YAML_DEPTH = 20
MANIFEST_BYTES = 10_000
WORKSHEET = "Moodle's grading worksheet"
_UPLOAD = re.compile(r".*_assignsubmission_|\w+?_\d+_\d{3,}_")  # what Moodle and Canvas put before a student's file
# How Moodle's English language packs write a time: by and large, in the USA, and both with 24 hours.
MOODLE_TIMES = ("%A, %d %B %Y, %I:%M %p", "%A, %B %d, %Y, %I:%M %p", "%A, %d %B %Y, %H:%M", "%A, %B %d, %Y, %H:%M")
CHINESE_TIME = re.compile(  # 2026年11月20日 星期五 20:00, or 下午 8:00
    r"(?P<year>\d{4})年\s*(?P<month>\d{1,2})月\s*(?P<day>\d{1,2})日\D*?(?P<half>[上下]午)?\s*(?P<hour>\d{1,2}):(?P<minute>\d\d)"
    r"\s*(?P<late_half>[上下]午)?"
)


@dataclass(frozen=True)
class Origin:
    """Who handed something in and when, as far as a download says."""

    sender: Sender
    time: datetime | None = None  # in UTC
    time_from: str = ""  # who says so
    upload: int = 0  # Canvas's number of the upload: the later, the higher
    marked_late: bool = False  # by Canvas, which gives no time
    named: str = ""  # the folder or file that Moodle or Canvas named, by which they know their own again


@dataclass
class LmsFiles:
    """What was found, and which files said it."""

    participants: dict[str, Origin] = field(default_factory=dict)  # by Moodle's number
    folders: dict[PurePosixPath, list[Origin]] = field(default_factory=dict)  # Gradescope's, each of a group
    packs: dict[PurePosixPath, Origin] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)  # groups.csv: by a group's plain name, its students
    times: dict[PurePosixPath, datetime] = field(default_factory=dict)  # by folder
    exercises: set[PurePosixPath] = field(default_factory=set)  # nbgrader's folders, with the notebook of their name
    read: set[PurePosixPath] = field(default_factory=set)
    left: list[Left] = field(default_factory=list)


def read_lms_files(files: Iterable[File]) -> LmsFiles:
    """Read what lies beside the notebooks. What only looks like it, or is deeper than its LMS puts it, is not read:
    a student may have made it."""
    found = LmsFiles()
    for file in sorted(files, key=lambda file: len(file.name.parts)):
        name = file.name
        if name.name == f"{name.parent.name}.ipynb":
            found.exercises.add(name.parent)
        try:
            if name.suffix.lower() in TABLES and len(name.parts) == 1 and not _UPLOAD.match(name.name):
                read = _read_table(file.path, found)
            elif name.name == METADATA:
                read = _is_exports_own(name, found) and _read_metadata(file, found)
            elif name.name == MANIFEST:
                found.packs[name.parent] = Origin(Sender(id=packed_by(file.path)))
                read = True
            elif (read := name.name == TIMESTAMP) and (time := read_timestamp(file.path)):
                found.times[name.parent] = time
        except (ValueError, UserError) as error:
            found.left.append(Left(str(name), f"unreadable: {error}"))
            read = True
        if read:
            found.read.add(name)
    return found


def packed_by(manifest: Path) -> str:
    """The id of the student in a pack's manifest; empty if it was packed without. Raises ValueError if it is none."""
    try:
        is_one = manifest.stat().st_size <= MANIFEST_BYTES
        student = json.loads(manifest.read_text(encoding="utf-8"))["student"] if is_one else None
    except (ValueError, KeyError, TypeError, RecursionError):
        student = None
    if not isinstance(student, str):
        raise ValueError(_("it is not the manifest of a pack; ask the student to pack again"))
    return student


def read_timestamp(path: Path) -> datetime | None:
    """The time in nbgrader's timestamp.txt; None if it is empty. Raises ValueError if it can't be read as a time."""
    from nbgrader.utils import parse_utc

    try:
        if path.exists() and not path.is_file():
            raise ValueError("a pipe, say, for which one would wait")
        if path.stat().st_size > TIME_BYTES:
            raise ValueError(_("too long"))  # to read ten megabytes as a time takes hours
        words = path.read_text(encoding="utf-8").strip()
        return parse_utc(words).replace(tzinfo=UTC) if words else None
    except (ValueError, OverflowError, AttributeError, TypeError):
        raise ValueError(_("it is no time; expected one such as 2026-11-20 12:00:00 UTC")) from None


def write_timestamp(path: Path, time: datetime) -> None:
    """Write a time, in UTC, as nbgrader reads it."""
    write_whole(path, f"{time:%Y-%m-%d %H:%M:%S} UTC\n")


def _read_table(path: Path, found: LmsFiles) -> bool:
    """A table beside the notebooks, if it is one of the two that say whose they are."""
    sheet = read_sheet(path)
    rows = sheet.rows
    if sheet.names & set(map(heading, GROUPS)) and sheet.names & set(map(heading, MEMBERS)):
        for _, row in rows:
            if group := plain_name(first_of(row, GROUPS)):
                found.groups.setdefault(group, []).append(first_of(row, MEMBERS))
        return True
    if not any(PARTICIPANT.fullmatch(first_of(row, IDENTIFIERS)) for _, row in rows):
        return False
    _read_worksheet(path, rows, found)
    return True


def _read_worksheet(path: Path, rows: Iterable[tuple[int, dict[str, str]]], found: LmsFiles) -> None:
    """Moodle's grading worksheet: who a participant is, and when they last changed their submission."""
    for line, row in rows:
        if participant := PARTICIPANT.fullmatch(first_of(row, IDENTIFIERS)):
            number = participant["number"]
            sender = Sender(
                id=first_of(row, (*NUMBERS, *USERNAMES)),
                name=first_of(row, FULL_NAMES),
                email=first_of(row, ADDRESSES),
                ticket=number,
            )
            words = first_of(row, CHANGED)
            time = _moodle_time(words)
            if time is None and words.strip("-"):
                found.left.append(
                    Left(
                        _("{name}, line {line}").format(name=path.name, line=line),
                        _("{words!r} is not a time in Moodle's English or Chinese").format(words=words),
                    )
                )
            found.participants[number] = Origin(sender, time, WORKSHEET if time else "")


def _moodle_time(words: str) -> datetime | None:
    """Moodle gives no zone: it shows times in that of the person who downloads, so this computer's is taken."""
    for form in MOODLE_TIMES:
        with suppress(ValueError):
            return datetime.strptime(words, form).astimezone(UTC)
    if match := CHINESE_TIME.match(words):
        year, month, day, hour, minute = (int(match[name]) for name in ("year", "month", "day", "hour", "minute"))
        if half := match["half"] or match["late_half"]:
            hour = hour % 12 + 12 * (half == "下午")
        with suppress(ValueError):
            return datetime(year, month, day, hour, minute).astimezone(UTC)
    return None


def _read_metadata(file: File, found: LmsFiles) -> bool:
    """Gradescope's submission_metadata.yml: the submitters and the time of each folder beside it."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast
    try:
        text = file.path.read_text(encoding="utf-8")
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > YAML_DEPTH or _is_bomb(event):
                raise ValueError(_("it holds what Gradescope does not write"))
        stored = yaml.load(text, Loader=loader)
        for folder, entry in stored.items():
            time = entry.get(":created_at")
            if isinstance(time, datetime):
                time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
            found.folders[file.name.parent / str(folder)] = [
                Origin(_submitter(who), *((time, METADATA) if isinstance(time, datetime) else ()))
                for who in entry[":submitters"]
            ]
    except Exception as error:  # PyYAML's own, and whatever comes of values that are not Gradescope's
        raise ValueError(
            _("it is not Gradescope's metadata ({name}: {error})").format(name=type(error).__name__, error=error)
        ) from None
    return True


def _is_exports_own(name: PurePosixPath, found: LmsFiles) -> bool:
    """Whether Gradescope can have written this metadata, which stands not in what one student handed in."""
    return not any(parent in found.folders for parent in name.parents) and not any(map(_UPLOAD.match, name.parts))


def _is_bomb(event: Any) -> bool:
    """A merge key: a few of them, in each other, make gigabytes. Or a number to the base 60, which takes hours."""
    value, tag = getattr(event, "value", None) or "", getattr(event, "tag", None) or ""
    return tag.endswith("merge") or value == "<<" or (len(value) > 100 and set(value) <= set("0123456789:_+-."))


def _submitter(who: dict[str, Any]) -> Sender:
    found = [who.get(key) for key in (":name", ":sid", ":email")]
    name, sid, email = (str(value).strip() if isinstance(value, str | int) else "" for value in found)
    return Sender(id=sid, name=name, email=email)

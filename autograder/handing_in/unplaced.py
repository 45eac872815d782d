"""Files of a download that are nobody's, kept in the classroom until a later run places them: unplaced.json."""

import json
from collections.abc import Iterable
from pathlib import Path

from autograder.files import write_whole
from autograder.handing_in.archives import Left

UNPLACED = "unplaced.json"


def keep_unplaced(classroom: Path, downloads: Path, left: Iterable[Left]) -> None:
    """Remember whom nobody could be found for in a download; what an earlier run left of the same one is forgotten."""
    known = _read(classroom)
    found = {one.name: one.reason for one in left}
    wanted = {name: files for name, files in known.items() if name != str(downloads.resolve())}
    wanted |= {str(downloads.resolve()): found} if found else {}
    if wanted != known:
        write_whole(classroom / UNPLACED, json.dumps(wanted, indent=1, ensure_ascii=False) + "\n")


def unplaced(classroom: Path) -> list[Left]:
    """The files that nobody could place, of all downloads that are still there."""
    return [
        Left(name, reason)
        for download, files in _read(classroom).items()
        if Path(download).exists()
        for name, reason in files.items()
    ]


def _read(classroom: Path) -> dict[str, dict[str, str]]:
    """By download, the files and why; none where it is missing or spoilt."""
    try:
        stored = json.loads((classroom / UNPLACED).read_text(encoding="utf-8"))
        return {str(key): {str(name): str(why) for name, why in files.items()} for key, files in stored.items()}
    except (OSError, ValueError, AttributeError):
        return {}

"""What students handed in that is no notebook, or none that can be read: kept by student, so that it is never nothing.

The files stay where they were downloaded; the classroom keeps whose they are, and what was wrong with them.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from autograder.files import write_whole
from autograder.handing_in.archives import NOT_A_NOTEBOOK
from simpo_language.speech import _

OTHER_FILES = "other_files.json"  # in the classroom


@dataclass(frozen=True)
class OtherFile:
    """A file that a student handed in and that can't be graded."""

    student: str
    exercise: str  # empty: neither its name nor what came with it says which
    name: str
    reason: str

    @property
    def is_of_another_kind(self) -> bool:
        """Whether it is no notebook at all."""
        return self.reason == NOT_A_NOTEBOOK

    @property
    def words(self) -> str:
        """What to tell a person."""
        if self.is_of_another_kind:
            return _("handed in, not a notebook: {name}").format(name=self.name)
        return _("handed in, but can't be graded: {name} ({reason})").format(name=self.name, reason=self.reason)


def other_files(classroom: Path) -> dict[tuple[str, str], OtherFile]:
    """By student and exercise; without those in whose place a notebook has come since."""
    found = {key: one for key, one in _stored(classroom).items() if not _has_notebook(classroom, *key)}
    return dict(sorted(found.items()))


def keep_other_files(classroom: Path, found: Iterable[OtherFile], taken: Collection[tuple[str, str]]) -> None:
    """Keep what a download held of a student who handed in no notebook instead.

    taken: the notebooks that it held, by student and exercise.
    """
    kept, before = _stored(classroom), _stored(classroom)
    theirs = {student for student, _ in taken}
    for student in theirs:
        kept.pop((student, ""), None)
    for one in found:
        key = one.student, one.exercise
        if key not in taken and (one.exercise or one.student not in theirs):
            kept[key] = one
    if kept != before:
        rows = [asdict(one) for _, one in sorted(kept.items())]
        write_whole(classroom / OTHER_FILES, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def _stored(classroom: Path) -> dict[tuple[str, str], OtherFile]:
    try:
        rows = json.loads((classroom / OTHER_FILES).read_text(encoding="utf-8"))
        return {(row["student"], row["exercise"]): OtherFile(**row) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _has_notebook(classroom: Path, student: str, exercise: str) -> bool:
    return bool(exercise) and (classroom / "submitted" / student / exercise / f"{exercise}.ipynb").exists()

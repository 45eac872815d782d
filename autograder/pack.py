"""The zip file that a student hands in, checked before it is made: `autograder pack`.

It needs no instructor's files: `outline` knows what each notebook must hold. In a notebook:

    from autograder.pack import pack
    pack(student="your-id")
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autograder.course import OUTLINE, UserError
from autograder.documents.reading import read_student_notebook
from autograder.files import write_whole
from autograder.handing_in.downloads import COPY, TooLarge, check_readable
from autograder.handing_in.lms_files import MANIFEST
from autograder.handing_in.outline import FILE, Expected, load_outline
from autograder.handing_in.packing_list import Finding, examine
from autograder.handing_in.people import ID_RULE, STUDENT
from simpo_language.speech import _, ngettext

EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of every file in it, so that the same notebooks give the same bytes


@dataclass(frozen=True)
class Sheet:
    """A notebook that is handed in, or is missing, and what was found in it."""

    exercise: str
    path: Path | None  # None: it is not in the zip file
    findings: tuple[Finding, ...]

    def lines(self) -> Iterator[str]:
        missing = _("{file}, missing")
        when = f"{datetime.fromtimestamp(self.path.stat().st_mtime):%Y-%m-%d %H:%M}" if self.path else ""
        stands = _("{file}, saved {time}") if self.path else missing
        yield stands.format(file=f"{self.exercise}.ipynb", time=when) + (
            "" if self.findings else _(": nothing to mend")
        )
        for finding in self.findings:
            yield (_("  LOSES POINTS: ") if finding.costs else _("  note: ")) + finding.words


@dataclass(frozen=True, repr=False)
class Packed:
    """What was packed; shown in a notebook as the report that the command prints."""

    archive: Path
    sheets: tuple[Sheet, ...]

    @property
    def costs(self) -> int:
        """How many things will cost points."""
        return sum(finding.costs for sheet in self.sheets for finding in sheet.findings)

    def __repr__(self) -> str:
        lines = [line for sheet in self.sheets for line in sheet.lines()]
        count = sum(sheet.path is not None for sheet in self.sheets)
        packed = ngettext(
            "Packed {count} notebook as it was last saved: upload {file}",
            "Packed {count} notebooks as they were last saved: upload {file}",
            count,
        )
        lines += ["", packed.format(count=count, file=self.archive)]
        if count < len(self.sheets):
            lines.append(_("To hand in some exercises only, name them: autograder pack 01_simpo_loss"))
        if self.costs:
            things = ngettext(
                "{count} thing loses points: mend what you can, save (Ctrl+S), and pack again.",
                "{count} things lose points: mend what you can, save (Ctrl+S), and pack again.",
                self.costs,
            )
            lines.append(things.format(count=self.costs))
        return "\n".join(lines)


def pack(notebooks: Sequence[str | Path] = (), *, student: str = "", folder: Path = Path()) -> Packed:
    """Check the notebooks and write the zip file to hand in, into `folder`.

    notebooks: names of exercises, or files; all exercises, from `folder`, if empty.
    student: the id under which an instructor knows the student; an LMS knows it without.

    Raises:
        UserError: There is nothing to pack, or the id can't be one.
    """
    if student and not STUDENT.fullmatch(student):
        raise UserError(_("the id {student!r} {id_rule}").format(student=student, id_rule=_(ID_RULE)))
    outline = load_outline(_outline_beside(folder))
    chosen = _choose(notebooks, folder, outline)
    sheets = [_check(exercise, paths, outline[exercise]) for exercise, paths in chosen.items()]
    contents = {f"{sheet.exercise}.ipynb": sheet.path.read_bytes() for sheet in sheets if sheet.path}
    if not contents:
        found = [finding.words for sheet in sheets for finding in sheet.findings]
        words = found[0] if len(found) == 1 else _("go to the folder where they are, or name the files")
        raise UserError(
            _("no notebook of this course to pack in {folder}: {words}").format(folder=folder.resolve(), words=words)
        )
    archive = folder / f"simpo-practice{'_' * bool(student)}{student}.zip"
    _write(archive, student, contents)
    return Packed(archive, tuple(sheets))


def _outline_beside(folder: Path) -> Path:
    """A course that was changed after `autograder start --teach` gives out its own outline with its notebooks."""
    beside = (folder / OUTLINE, folder.resolve().parent / OUTLINE)  # in zh/ it is the folder above
    return next((file for file in beside if file.is_file()), FILE)


def _choose(notebooks: Sequence[str | Path], folder: Path, outline: dict[str, list[Expected]]) -> dict[str, list[Path]]:
    """The files that may be each exercise's notebook, the one to take first."""
    if not notebooks:
        files = [path for path in sorted(folder.glob("*.ipynb")) if not path.name.startswith(".")]
        chosen: dict[str, list[Path]] = {exercise: [] for exercise in outline}
    else:
        files = [folder / name if str(name) not in outline else folder / f"{name}.ipynb" for name in notebooks]
        chosen = {}
    for path in files:
        if not path.is_file():
            raise UserError(_("{path} does not exist").format(path=path))
        exercise = _exercise(path, outline)
        if exercise:
            chosen.setdefault(exercise, []).append(path)
        elif notebooks:
            raise UserError(
                _("{path} is no notebook of this course; there are {exercises}").format(
                    path=path, exercises=", ".join(outline)
                )
            )
    for exercise, paths in chosen.items():
        paths.sort(key=lambda path: (path.stem != exercise, -path.stat().st_mtime))  # of copies, the last saved
    return chosen


def _exercise(path: Path, outline: dict[str, list[Expected]]) -> str:
    """The exercise of a notebook, by its name or its cells; empty if it is none of this course's."""
    stem = COPY.sub("", path.stem)
    if stem in outline:
        return stem
    try:
        ids = {cell.get("id") for cell in read_student_notebook(path).notebook.cells}
    except (OSError, ValueError):
        return ""
    return next(
        (exercise for exercise, cells in outline.items() if 2 * len(ids & {c.id for c in cells}) > len(cells)), ""
    )


def _check(exercise: str, paths: Sequence[Path], expected: Sequence[Expected]) -> Sheet:
    """Look at the notebook that is handed in, the first of `paths`."""
    if not paths:
        words = _("it is not in this folder, and gets no points unless you hand it in")
        return Sheet(exercise, None, (Finding(words, costs=True),))
    path, *others = paths
    try:
        check_readable(path)
    except ValueError as error:
        is_large = isinstance(error, TooLarge)
        clear, anew = _("Edit > Clear Outputs of All Cells"), _("open it and look, or start from a fresh copy")
        words = _("{file} can't be graded and is left out: {error}. In JupyterLab: {mend}; then save it")
        told = words.format(file=path.name, error=error, mend=clear if is_large else anew)
        return Sheet(exercise, None, (Finding(told, costs=True),))
    findings = []
    if path.stem != exercise:
        findings.append(
            Finding(_("{name} is handed in under the name {exercise}.ipynb").format(name=path.name, exercise=exercise))
        )
    for other in others:
        later = _("{name} is another copy, though it was saved later; it is not handed in")
        words = _("{name} is another copy; it is not handed in")
        is_later = other.stat().st_mtime > path.stat().st_mtime
        findings.append(Finding((later if is_later else words).format(name=other.name)))
    reading = read_student_notebook(path)
    findings += [Finding(str(remark)) for remark in reading.remarks]
    return Sheet(exercise, path, (*findings, *examine(reading.notebook, expected)))


def _write(archive: Path, student: str, contents: dict[str, bytes]) -> None:
    """Write the zip file with its manifest: the same bytes for the same notebooks."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}
    manifest = json.dumps({"pack": 1, "student": student, "sha256": sums}, indent=1).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        for name, content in sorted({**contents, MANIFEST: manifest}.items()):
            member = zipfile.ZipInfo(name, EPOCH)
            member.external_attr = 0o644 << 16
            opened.writestr(member, content, zipfile.ZIP_DEFLATED)
    write_whole(archive, packed.getvalue())

"""Files from strangers: what a folder or zip file of downloads holds, trusting none of it.

Nothing is unpacked under a name that the archive chose: each file gets a number, and its name is kept beside
it. So no archive can write outside the scratch folder, over another file, or through a link.
"""

import lzma
import re
import stat
import unicodedata
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from autograder.course import UserError
from autograder.documents.reading import encoding_of
from simpo_language.speech import N_, _

NOTEBOOK_BYTES = 20_000_000  # a notebook of this course takes 50 kB, with figures 500 kB; of a larger one outputs go
STUDENT_BYTES = 10 * NOTEBOOK_BYTES  # what any file may have, and any archive unpack to
CLASS_BYTES = 4_000_000_000  # what a large one may, if it is not mostly air:
# what file names in Chinese are made of
CHINESE = re.compile(r"[\x00-\x7f\u3000-\u303f\u4e00-\u9fff\uff00-\uffef·—…“”‘’]*")
RATIO = 20  # notebooks shrink 5 to 10 times
MEMBERS = 100_000  # files in a class's archive,
FEWER_MEMBERS = 3000  # and in one that lies among others: to find out whose each file is takes milliseconds
NAME, FOLDERS = 1000, 30  # characters and parts of a file's name in an archive
DEPTH = 3  # the class's zip file; the students' in it, as 学习通 makes them; and what a student has zipped
WANTED = {".ipynb", ".zip", ".csv", ".yml", ".txt", ".json"}
# what zipfile raises over bytes that are not what they claim (NotImplementedError is a RuntimeError)
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, EOFError, OSError, OverflowError, ValueError)
NOT_A_NOTEBOOK = N_("unknown: not a notebook")


@dataclass(frozen=True)
class File:
    """A file of a download: its name there (an archive counts as a folder), and where its bytes are."""

    name: PurePosixPath
    path: Path


@dataclass(frozen=True)
class Left:
    """A file that was not taken, and why."""

    name: str
    reason: str


def gather(downloads: Path, scratch: Path) -> tuple[list[File], list[Left]]:
    """The files in a folder or zip file, those in zip files inside it too, and what was left.

    scratch: an empty folder for what is unpacked. Nothing in `downloads` is changed.

    Raises:
        UserError: `downloads` is neither a folder nor a zip file, or the zip file can't be read.
    """
    unpacking = _Unpacking(scratch)
    if downloads.is_dir():
        for path in sorted(downloads.rglob("*")):
            name = PurePosixPath(_readable(path.relative_to(downloads).as_posix()))
            if is_litter(name):
                continue
            if path.is_symlink():
                unpacking.leave(name, "a link; only files are taken")
            elif path.is_file():
                unpacking.take(File(name, path), depth=0)
            elif not path.is_dir():
                unpacking.leave(name, "neither a file nor a folder")
    elif zipfile.is_zipfile(downloads):
        try:
            unpacking.unpack(File(PurePosixPath(), downloads), depth=1)
        except ValueError as error:
            raise UserError(
                _("{downloads} can't be unpacked: {error}").format(downloads=downloads, error=error)
            ) from None
    elif downloads.exists():
        raise UserError(
            _("{downloads} is neither a folder nor a complete zip file; was it downloaded to the end?").format(
                downloads=downloads
            )
        )
    else:
        raise UserError(
            _("{downloads} does not exist; give the folder or zip file of the submissions").format(downloads=downloads)
        )
    return unpacking.files, unpacking.left


def is_litter(name: PurePosixPath) -> bool:
    """Files that operating systems, Office and Jupyter leave about."""
    if name.name.casefold() in ("thumbs.db", "desktop.ini") or name.name.startswith("~$"):
        return True
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in name.parts)


@dataclass
class _Unpacking:
    """What has been found so far."""

    scratch: Path
    files: list[File] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    unpacked: int = 0  # files written to the scratch folder
    room: int = 0  # bytes to which the outermost archive, with those in it, may still unpack

    def leave(self, name: PurePosixPath, reason: str) -> None:
        self.left.append(Left(str(name), reason))

    def take(self, file: File, depth: int) -> None:
        """Keep a file; open it if it is an archive. depth: how many archives it lies in."""
        if file.name.suffix.lower() != ".zip":
            self.files.append(file)
        elif depth == DEPTH:
            self.leave(
                file.name,
                "refused: zip files in each other, more than three deep; it must hold the notebooks themselves",
            )
        else:
            try:
                self.unpack(file, depth + 1)
            except ValueError as error:
                self.leave(file.name, str(error))

    def unpack(self, archive: File, depth: int) -> None:
        """Take the files of an archive. Raises ValueError, with a sentence, if it can't be opened or is too large."""
        try:
            opened = zipfile.ZipFile(archive.path)
        except DAMAGE as error:
            raise ValueError(
                _("unreadable: not a complete zip file ({error}); download or ask for it again").format(error=error)
            ) from None
        with opened:
            members = [member for member in opened.infolist() if not member.filename.endswith("/")]
            most = FEWER_MEMBERS if archive.name.parts else MEMBERS
            if len(members) > most:
                by_itself = _("; if it is a whole class's, give it by itself")
                whole = by_itself if depth == 1 and archive.name.parts else ""
                raise ValueError(
                    _("refused: it holds {count:,} files; expected at most {most:,}{whole}").format(
                        count=len(members), most=most, whole=whole
                    )
                )
            self._take_room(members, archive.path.stat().st_size, is_outermost=depth == 1)
            for member in members:
                self._take_member(opened, member, archive.name, depth)

    def _take_room(self, members: list[zipfile.ZipInfo], packed: int, *, is_outermost: bool) -> None:
        """Raise ValueError, with a sentence, if an archive is a bomb. Python reads no more than a stated size."""
        unpacked = sum(member.file_size for member in members if _is_wanted(PurePosixPath(member.filename[-NAME:])))
        limit = max(STUDENT_BYTES, min(CLASS_BYTES, RATIO * packed))
        self.room = limit if is_outermost else self.room
        limit = min(limit, self.room)
        if unpacked > limit:
            words = _("its {packed:,} bytes would unpack to {unpacked:,}; expected at most {limit:,}").format(
                packed=packed, unpacked=unpacked, limit=limit
            )
            raise ValueError(_("refused: {words}").format(words=words))
        self.room -= unpacked

    def _take_member(
        self, opened: zipfile.ZipFile, member: zipfile.ZipInfo, archive: PurePosixPath, depth: int
    ) -> None:
        size, folders = len(member.filename), member.filename.count("/")
        if size > NAME or folders > FOLDERS:
            words = _(
                "its name has {size:,} characters and {folders:,} folders; expected at most {most:,} and {most_folders}"
            ).format(size=size, folders=folders, most=NAME, most_folders=FOLDERS)
            self.leave(archive / member.filename[:60], _("refused: {words}").format(words=words))
            return
        inside = PurePosixPath(_member_name(member))
        name = archive.joinpath(*[part for part in inside.parts if part != "/"])
        if is_litter(inside):
            return
        if reason := _refusal(member, inside):
            self.leave(name, reason)
            return
        try:
            content = opened.read(member)
        except DAMAGE as error:
            self.leave(
                name,
                _("unreadable: damaged in the zip file ({error}); download or ask for it again").format(error=error),
            )
            return
        self.unpacked += 1
        path = self.scratch / f"{self.unpacked:06}{inside.suffix.lower()}"
        path.write_bytes(content)
        self.take(File(name, path), depth)


def _refusal(member: zipfile.ZipInfo, name: PurePosixPath) -> str:
    """Why a member of an archive is not unpacked; empty if it is."""
    if name.is_absolute() or not name.parts or ".." in name.parts or name.parts[0].endswith(":"):
        return _("refused: it points outside the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        return _("refused: a link, which points outside the archive")
    if not _is_wanted(name):
        return NOT_A_NOTEBOOK
    if member.flag_bits & 1:
        return _("refused: it is locked with a password; ask for it without one")
    limit = STUDENT_BYTES if name.suffix.lower() in (".zip", ".yml", ".ipynb") else NOTEBOOK_BYTES
    if member.file_size > limit:
        return _("unreadable: {file_size:,} bytes unpacked; expected at most {limit:,}").format(
            file_size=member.file_size, limit=limit
        )
    return ""


def _is_wanted(name: PurePosixPath) -> bool:
    return name.suffix.lower() in WANTED


def _member_name(member: zipfile.ZipInfo) -> str:
    """A member's name. Without the flag for UTF-8, Python takes it for cp437; but macOS writes UTF-8 without the flag,
    and Windows in China writes GB18030."""
    name = member.filename
    if not member.flag_bits & 0x800:
        with suppress(UnicodeError):
            written = name.encode("cp437")
            encoding = encoding_of(written)
            if encoding == "utf-8" or (encoding == "gb18030" and CHINESE.fullmatch(written.decode(encoding))):
                name = written.decode(encoding)
    return _readable(name.replace("\\", "/"))


def _readable(name: str) -> str:
    """A name that can be printed, its letters composed (macOS takes é apart)."""
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    return "".join(letter if letter.isprintable() else "?" for letter in name)

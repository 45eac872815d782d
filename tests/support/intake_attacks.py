"""Hostile downloads: names, archives and what lies beside notebooks; what each puts in, and what must be said of it."""

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

EXERCISE = "01_simpo_loss"


@dataclass(frozen=True)
class IntakeAttack:
    """What is put into a folder of downloads beside an honest file."""

    name: str
    put: Callable[[Path, bytes], None]  # the folder, and a notebook's bytes
    words: str  # of what is said of it; empty where it is taken, under a safe name


def packed(members, compression=zipfile.ZIP_DEFLATED, attributes=0):
    """A zip file's bytes. members: name and content."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = compression, attributes
            archive.writestr(info, content)
    return stream.getvalue()


def _zip(member, words, **options):
    def put(folder, notebook):
        (folder / "evil.zip").write_bytes(packed([(member, notebook)], **options))

    return put, words


def _file(name, words, content=None):
    return (
        lambda folder, notebook: (folder / name).write_bytes(notebook if content is None else content) and None,
        words,
    )


def _nested(folder, notebook):
    content = packed([(f"eve_{EXERCISE}.ipynb", notebook)])
    for number in range(4):
        content = packed([(f"{number}.zip", content)])
    (folder / "evil.zip").write_bytes(content)


def _locked(folder, notebook):
    content = bytearray(packed([(f"eve_{EXERCISE}.ipynb", notebook)]))
    content[6] |= 1  # the flags of the member, and of its entry in the list
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (folder / "evil.zip").write_bytes(bytes(content))


def _many(folder, notebook):
    members = [(f"{number}.txt", b"") for number in range(3_001)]
    (folder / "evil.zip").write_bytes(packed(members, zipfile.ZIP_STORED))


def _bomb(folder, notebook):
    (folder / "evil.zip").write_bytes(packed([("a.ipynb", bytes(300_000_000))]))


def _nameless(folder, notebook):
    """Python's zipfile takes a name to end at its first zero."""
    (folder / "evil.zip").write_bytes(packed([("A.ipynb", notebook)]).replace(b"A.ipynb", b"\0.ipynb"))


OUTSIDE = "it points outside the archive"
ATTACKS = [
    IntakeAttack(name, put, words)
    for name, (put, words) in {
        "a name that climbs out of the archive": _zip(f"../../../eve_{EXERCISE}.ipynb", OUTSIDE),
        "a name that begins at the root": _zip(f"/tmp/eve_{EXERCISE}.ipynb", OUTSIDE),
        "a name with a drive": _zip(f"C:\\eve_{EXERCISE}.ipynb", OUTSIDE),
        "a name that climbs by backslashes": _zip(f"..\\..\\eve_{EXERCISE}.ipynb", OUTSIDE),
        "a member that is a link": _zip(f"eve_{EXERCISE}.ipynb", "a link", attributes=0o120777 << 16),
        "a name of five thousand characters": _zip("x" * 5000 + ".ipynb", "its name has 5,006 characters"),
        "a hundred folders": _zip("a/" * 100 + f"eve_{EXERCISE}.ipynb", "100 folders"),
        "archives in archives": (_nested, "zip files in each other, more than three deep"),
        "an archive with a password": (_locked, "locked with a password"),
        "too many files": (_many, "files; expected at most"),
        "a bomb": (_bomb, "would unpack to 300,000,000"),
        "a member without a name": (_nameless, OUTSIDE),
        "half an archive": _file("evil.zip", "not a complete zip file", b"PK\x03\x04" + bytes(500)),
        "a link": (lambda folder, notebook: (folder / f"eve_{EXERCISE}.ipynb").symlink_to("/etc/passwd"), "a link"),
        "a pipe": (lambda folder, notebook: os.mkfifo(folder / f"eve_{EXERCISE}.ipynb"), "neither a file nor a folder"),
        "a name that is a path": _file(f"..%2f..%2feve_{EXERCISE}.ipynb", ""),
        "a name that a terminal obeys": _file(f"\x1b[2Jeve_{EXERCISE}.ipynb", ""),
        "a name that is turned round": _file(f"\u202eeve_{EXERCISE}.ipynb", ""),
        "a name that a spreadsheet runs": _file(f"=cmd()_{EXERCISE}.ipynb", ""),
        "a name of dots": _file(f".._{EXERCISE}.ipynb", ""),
        "a name of a file half written": _file(f"{EXERCISE}.ipynb.part", ""),
        "a name that is no UTF-8": (
            lambda folder, notebook: Path(os.fsdecode(os.fsencode(folder) + b"/\xff_01_simpo_loss.ipynb")).write_bytes(
                notebook
            )
            and None,
            "",
        ),
        "a list of who it is that is none": _file("submission_metadata.yml", "", b"&a [*a, {: !!python/x"),
    }.items()
]  # fmt: skip

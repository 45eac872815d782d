"""Downloads as learning management systems make them, from the formats that docs/handing-in.md cites."""

import re
import zipfile
from dataclasses import dataclass


@dataclass(frozen=True)
class Handed:
    """What a student uploaded, and what the LMS knows of it."""

    first: str
    last: str
    content: bytes
    file: str = "01_simpo_loss.ipynb"
    number: int = 1001  # Moodle's participant, Canvas's user, Gradescope's submission
    upload: int = 90001  # Canvas's attachment
    late: bool = False
    time: str = "Monday, 30 November 2026, 2:14 PM"
    email: str = ""
    sid: str = ""


def moodle(path, handed, *, folders=True, trailing="_"):
    """The button "Download all submissions": mod/assign/classes/downloader.php. Older ones put `_` last."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for one in handed:
            name = f"{one.first} {one.last}".replace("_", " ")
            prefix = f"{name}_{one.number}_assignsubmission_file"
            file = one.file if folders else one.file.rsplit("/")[-1]
            opened.writestr(f"{prefix}{trailing}/{file}" if folders else f"{prefix}_{file}", one.content)
    return path


def moodle_worksheet(path, handed, *, extra=()):
    """The button "Download grading worksheet": mod/assign/gradingtable.php. A mark for UTF-8 comes first."""
    rows = ["Identifier,Full name,ID number,Email address,Status,Grade,Maximum grade,Last modified (submission)"]
    for one in handed:
        status = "Submitted for grading"
        rows.append(
            f'Participant {one.number},"{one.first} {one.last}",{one.sid},{one.email},{status},,10.00,"{one.time}"'
        )
    path.write_text("\ufeff" + "\r\n".join([*rows, *extra]) + "\r\n", encoding="utf-8")
    return path


def canvas(path, handed):
    """The button "Download Submissions": lib/content_zipper.rb."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for one in handed:
            user = f"{one.last}, {one.first}".lower()
            parts = [user, *(["LATE"] if one.late else []), str(one.number)]
            who = re.sub(r"\W", "", "_".join(parts))
            opened.writestr(f"{who}_{one.upload}_{one.file}", one.content)
    return path


def canvas_gradebook(path, handed):
    """The export of the gradebook: lib/gradebook_exporter.rb."""
    rows = ["Student,ID,SIS User ID,SIS Login ID,Section,01 (55)", "    Points Possible,,,,,10.00"]
    rows += [f'"{one.last}, {one.first}",{one.number},{one.sid},{one.email},A,' for one in handed]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def gradescope(path, groups):
    """What Gradescope exports: a folder for each submission, and the metadata. groups: who handed in together."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        metadata = "---\n"
        for group in groups:
            one = group[0]
            opened.writestr(f"assignment_77_export/submission_{one.number}/{one.file}", one.content)
            metadata += f"submission_{one.number}:\n  :submitters:\n"
            for who in group:
                metadata += f"  - :name: {who.first} {who.last}\n    :sid: '{who.sid}'\n    :email: {who.email}\n"
            metadata += "  :created_at: 2026-11-30 21:13:43.123456000 Z\n  :score: 0.0\n"
        opened.writestr("assignment_77_export/submission_metadata.yml", metadata)
    return path

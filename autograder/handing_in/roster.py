"""Who is in the class: the roster, and the class lists of others that are read into it.

The classroom's roster.csv has nbgrader's columns (id, first_name, last_name, email, lms_user_id) and one
more, lms_name: how the LMS writes a name that is not the first and the last name. Exports of Moodle
(participants, grading worksheet) and of Canvas (gradebook) are read into it, with English or Chinese headings.
"""

import csv
import io
import re
import unicodedata
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path

from autograder.course import Course, UserError
from autograder.documents.columns import (
    EMAILS,
    FIRST_NAMES,
    FULL_NAMES,
    IDS,
    LAST_NAMES,
    NO_POINTS,
    ROLES,
    STAFF,
    TOTALS,
    USERNAMES,
)
from autograder.documents.tables import check_whole, first_of, heading, read_sheet
from autograder.files import write_whole
from autograder.handing_in.people import ID_RULE, STUDENT, Person, slug
from autograder.nbgrader_setup import nbgrader_api
from simpo_language.speech import _

EXPECTED = "id, ID number, SIS User ID, Username, Email address, Full name, 学号, 用户名, 电子邮件地址, 姓名"
TEST_STUDENT = "Student, Test"  # Canvas's, by whom a teacher sees the course as students do; has no SIS User ID
SUFFIX = re.compile(r"(jr|sr|ii|iii|iv)\.?", re.IGNORECASE)  # Canvas may write one after the first name


def load(course: Course) -> list[Person]:
    """The classroom's roster; empty if it has none."""
    path = _stored(course)
    return read(path) if path.is_file() else []


def add(course: Course, people: Iterable[Person]) -> list[Person]:
    """Add people to the classroom's roster and to the gradebook; return the whole roster.

    Somebody who is there (by id or by email) keeps their id and what the new entry does not say.
    """
    roster = {person.id: person for person in load(course)}
    ids = {person.email.casefold(): person.id for person in roster.values() if person.email}
    for person in people:
        known = roster.get(person.id) or roster.get(ids.get(person.email.casefold(), ""))
        said = {key: value for key, value in asdict(person).items() if value}
        merged = Person(**{**(asdict(known) if known else {}), **said, "id": known.id if known else person.id})
        roster[merged.id] = merged
    everybody = sorted(roster.values(), key=lambda person: person.id)
    _store(course, everybody)
    _write_students(course, everybody)
    return everybody


def _write_students(course: Course, people: Iterable[Person]) -> None:
    """Bring the gradebook's students up to date, in one transaction: nbgrader's own way takes one for each."""
    with warnings.catch_warnings(), nbgrader_api(course).gradebook as gradebook:
        warnings.simplefilter("ignore")  # SQLAlchemy 2.1 warns of how nbgrader 0.9.6 adds rows; they are added
        from nbgrader.api import Student

        known = {student.id: student for student in gradebook.students}
        for person in people:
            student = known.get(person.id) or Student(id=person.id)
            for key, words in asdict(person).items():
                if words and key not in ("id", "lms_name"):
                    setattr(student, key, words)
            gradebook.db.add(student)
        gradebook.db.commit()


def read(path: Path) -> list[Person]:
    """The people in a CSV file or a workbook: a roster, or what a learning management system exports.

    Raises:
        UserError: It is not such a file; the message names the line and the column.
    """
    people: dict[str, Person] = {}
    columns = (*IDS, *FULL_NAMES)
    sheet = read_sheet(path)
    if sheet.rows and not set(map(heading, columns)) & sheet.names:
        seen = ", ".join(filter(None, sheet.headings)) or "empty"
        raise UserError(
            _(
                "{path}: no column says who a student is. Its headings are {seen}; expected at least one of {expected}"
            ).format(path=path, seen=seen, expected=EXPECTED)
        )
    for line, row in sheet.rows:
        if person := _person(row, f"{path}, line {line}"):
            if people.get(person.id, person) != person:
                raise UserError(
                    _("{path}, line {line}: a second student with the id {id!r}; each id must be one's own").format(
                        path=path, line=line, id=person.id
                    )
                )
            people[person.id] = person
    if not people:
        raise UserError(
            _("{path} holds no students; expected a column id, or an export of Moodle or Canvas").format(path=path)
        )
    return list(people.values())


def _person(row: Mapping[str, str], where: str) -> Person | None:
    """The student in a row; None for rows that are nobody's (of totals, in a Canvas export) or a teacher's."""
    row = {column: "" if NO_POINTS.fullmatch(cell) else cell for column, cell in row.items()}
    canvas = "section" in row and "id" in row  # Canvas's ID is its own number
    if canvas and not row["id"]:
        return None  # "Points Possible", and the row that says which columns are hidden
    if STAFF.search(first_of(row, ROLES)) and not re.search("student|学生", first_of(row, ROLES), re.IGNORECASE):
        return None
    name, first, last = (first_of(row, columns) for columns in (FULL_NAMES, FIRST_NAMES, LAST_NAMES))
    chosen = first_of(row, (*IDS[1:], "id") if canvas else IDS) or slug(name)
    if canvas and name == TEST_STUDENT and not row.get("sisuserid"):
        return None
    chosen = unicodedata.normalize("NFKC", chosen).replace("’", "'")
    if TOTALS.fullmatch(chosen) or TOTALS.fullmatch(name):
        return None
    check_whole(chosen, where)
    if not chosen:
        raise UserError(
            _("{where}: nothing says who this is; fill in an id, an email address or a full name").format(where=where)
        )
    if not STUDENT.fullmatch(chosen):
        raise UserError(
            _("{where}: the id {chosen!r} {id_rule}").format(where=where, chosen=chosen, id_rule=_(ID_RULE))
        )
    email = next((row[heading(column)] for column in EMAILS if "@" in row.get(heading(column), "")), "")
    if name and not (first or last):
        last, comma, first = (part.strip() for part in name.rpartition(","))
        if SUFFIX.fullmatch(first):  # King, Martin, Jr.
            last, comma, first = (part.strip() for part in name.partition(","))
        if not comma:
            first, _space, last = name.rpartition(" ")
    own = row.get("lmsuserid", "")
    called = [word for word in (first_of(row, (column,)) for column in USERNAMES) if word not in ("", chosen, email)]
    return Person(chosen, first, last, email, row["id"] if canvas else own, "; ".join(filter(None, [name, *called])))


def _stored(course: Course) -> Path:
    return course.classroom / "roster.csv"


def _store(course: Course, people: Iterable[Person]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [column.name for column in fields(Person)])
    writer.writeheader()
    writer.writerows(asdict(person) for person in people)
    write_whole(_stored(course), text.getvalue().encode("utf-8-sig"))  # the mark lets spreadsheets read UTF-8

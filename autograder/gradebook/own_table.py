"""Which grading the gradebook's scores come of: a small table beside nbgrader's, written together with the scores.

A record in graded/ says that a submission was graded. Only the gradebook can say whether it still holds what came
of that: it may have been restored from an older copy, or a student removed from it and added again.
"""

import functools
import json
from collections.abc import Mapping
from typing import Any


@functools.cache
def written_table() -> Any:
    """The table. nbgrader neither knows nor minds it."""
    from sqlalchemy import Column, MetaData, String, Table, Text

    return Table(
        "autograder_written",
        MetaData(),
        Column("submission", String(32), primary_key=True),  # nbgrader's id: one that is added again gets another
        Column("key", String(64), nullable=False),  # as in the record
        Column("answers", Text, nullable=False),  # JSON: a digest of each answer's text, by grade_id
    )


def written_keys(gradebook: Any) -> dict[tuple[str, str], str]:
    """The key under which each submission was written, by student and exercise. One query for the class.

    gradebook: nbgrader's, open.
    """
    from nbgrader.api import Assignment, SubmittedAssignment
    from sqlalchemy import inspect, select

    table = written_table()
    if not inspect(gradebook.db.connection()).has_table(table.name):
        return {}
    query = (
        select(SubmittedAssignment.student_id, Assignment.name, table.c.key)
        .select_from(table)
        .join(SubmittedAssignment, SubmittedAssignment.id == table.c.submission)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
    )
    return {(student, exercise): key for student, exercise, key in gradebook.db.execute(query)}


def written_key(database: Any, submission: str) -> str:
    """The key under which a submission was written; empty if none was kept. submission: its id."""
    from sqlalchemy import select

    table = written_table()
    return str(database.scalar(select(table.c.key).where(table.c.submission == submission)) or "")


def written_answers(database: Any, submission: str) -> dict[str, str] | None:
    """What was kept of a submission's answers; None if nothing was. submission: its id."""
    from sqlalchemy import select

    table = written_table()
    kept = database.scalar(select(table.c.answers).where(table.c.submission == submission))
    return None if kept is None else dict(json.loads(kept))


def keep_written(database: Any, submission: str, key: str, answers: Mapping[str, str]) -> None:
    """Keep under which key a submission was written, in the transaction that writes it."""
    from sqlalchemy import delete, insert

    table = written_table()
    database.execute(delete(table).where(table.c.submission == submission))
    database.execute(insert(table).values(submission=submission, key=key, answers=json.dumps(dict(answers))))

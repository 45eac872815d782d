"""Points that a person gave key points of a mark scheme at the desk, in place of the scheme's own."""

import functools
from typing import Any


@functools.cache
def key_points_table() -> Any:
    """The table. nbgrader neither knows nor minds it."""
    from sqlalchemy import Column, Float, Integer, MetaData, String, Table

    return Table(
        "autograder_key_points",
        MetaData(),
        Column("exercise", String(128), primary_key=True),
        Column("grade_id", String(128), primary_key=True),
        Column("place", Integer, primary_key=True, autoincrement=False),  # in the scheme, from 0
        Column("instead_of", Float, nullable=False),  # the scheme's points: where it says others now, it has the word
        Column("points", Float, nullable=False),
    )


def changed_points(database: Any, exercise: str) -> dict[str, dict[int, tuple[float, float]]]:
    """Of each changed key point of an exercise, by grade_id and place: the scheme's points, and those instead."""
    from sqlalchemy import select

    its = key_points_table().c
    found: dict[str, dict[int, tuple[float, float]]] = {}
    query = select(its.grade_id, its.place, its.instead_of, its.points).where(its.exercise == exercise)
    for grade_id, place, before, points in database.execute(query):
        found.setdefault(grade_id, {})[place] = (before, points)
    return found


def keep_points(database: Any, exercise: str, grade_id: str, place: int, *, instead_of: float, points: float) -> None:
    """Let a key point earn other points than its scheme says, in the transaction of whoever calls."""
    from sqlalchemy import delete, insert

    table = key_points_table()
    key = {"exercise": exercise, "grade_id": grade_id, "place": place}
    database.execute(delete(table).filter_by(**key))
    if points != instead_of:
        database.execute(insert(table).values(**key, instead_of=instead_of, points=points))

"""Comments that people have written before: those to a key point, and those to a whole essay, the most used first."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from autograder.desk.mark import mark_of
from autograder.desk.mark_scheme import Scheme
from autograder.gradebook.essay_marks import EssayRow


def used_comments(rows: Iterable[EssayRow], scheme: Scheme) -> dict[str, Any]:
    """For each key point, and for the whole, the comments and how often each was used.

    rows: with their comments.
    """
    points: list[Counter[str]] = [Counter() for _ in scheme.key_points]
    whole: Counter[str] = Counter()
    for row in rows:
        mark = mark_of(row.comment, row.score, scheme)
        for counter, remark in zip(points, mark.remarks, strict=False):
            counter.update([remark.strip()] if remark.strip() else [])
        whole.update([mark.words.strip()] if mark.words.strip() else [])
    return {"points": [counter.most_common() for counter in points], "whole": whole.most_common()}

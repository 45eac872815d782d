"""Essays that are alike, for a question's reader: who is, what differs, and one mark for several of them."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from autograder.desk.alike import groups_elsewhere
from autograder.desk.desk import Desk, refused
from autograder.desk.differences import marked
from autograder.desk.questions import Question
from autograder.gradebook.essay_marks import Changed, EssayRow, essay_rows
from autograder.gradebook.writer import Writer

KEPT = 32  # questions' groups


class Groups:
    """Which essays of a question are alike; found anew when a text is another. Nothing of it is written anywhere."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[list[int]] | None] = OrderedDict()

    async def of(self, written: Sequence[tuple[str, str]]) -> dict[str, list[str]] | None:
        """Who stands with whom, by id; None if scikit-learn is not installed. written: ids and texts."""
        texts = [text for _, text in written]
        key = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
        if key not in self._kept:
            self._kept[key] = await groups_elsewhere(texts)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        found = self._kept[key]
        if found is None:
            return None
        members = ([written[place][0] for place in group] for group in found)
        return {one: [other for other in group if other != one] for group in members for one in group}


def written_texts(desk: Desk, question: Question) -> list[tuple[str, str]]:
    """The id and the text of each essay that is not empty."""
    texts = ((row.id, desk.text(question, row)) for row in desk.rows(question))
    return [(notebook, text.source) for notebook, text in texts if not text.is_empty]


def beside(desk: Desk, question: Question, notebook: str, others: Sequence[str]) -> list[dict[str, Any]]:
    """Essays beside another: each with what differs from it marked, and what a page needs to give it a mark."""
    opened: Writer = desk.opened()
    rows = {row.id: row for row in essay_rows(opened.gradebook.db, question.essay, notebook, *others, comments=True)}
    if notebook not in rows:
        raise KeyError(notebook)
    text = desk.text(question, rows[notebook]).source
    found = []
    for row in (rows[other] for other in others if other in rows):
        own = desk.text(question, row)
        found.append({**_short(row), "digest": own.digest, "html": marked(text, own.source)})
    return found


def save_several(desk: Desk, question: Question, sent: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give several essays one mark, or put back those they had; say of each what stands there now, or why not.

    sent: `several`, of which each has an id, a digest and a version, and `back` if there is no `mark` for all.
    """
    done = []
    for one in sent.get("several", []):
        common = {} if "back" in one else {"mark": sent.get("mark")}
        try:
            done.append(desk.save(question, str(one.get("id")), {**one, **common}))
        except Changed as error:
            done.append(refused(error, question.scheme))
    return done


def _short(row: EssayRow) -> dict[str, Any]:
    back = {"score": row.score, "comment": row.comment, "waits": row.waits}
    return {"id": row.id, "version": row.version, "waits": row.waits, "score": row.score, "back": back}

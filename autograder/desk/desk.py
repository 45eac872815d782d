"""What the desk's pages ask and send: essays, marks, who has what open. One thread at a time.

Everything here is plain data, ready to be JSON.
"""

import contextlib
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from autograder.course import Course, UserError
from autograder.desk.mark import comment_of, mark_from, mark_of
from autograder.desk.mark_scheme import Scheme
from autograder.desk.questions import Question, in_order, question_of, standing
from autograder.desk.texts import Text, Texts
from autograder.desk.used_comments import used_comments
from autograder.gradebook.essay_marks import Changed, EssayRow, essay_row, essay_rows, essays, save_mark, waiting
from autograder.gradebook.key_points import key_points_table
from autograder.gradebook.own_table import written_table
from autograder.gradebook.scores import Student
from autograder.gradebook.writer import Writer, has_gradebook, open_gradebook
from simpo_language.speech import _

OPEN_SECONDS = 180  # an essay that another reader has had on the screen for longer is not counted as theirs
WAITS, READ, OPEN = "w", "r", "o"


class Desk:
    """A course's essays. Its gradebook stays open; each question begins with what stands there now."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.texts = Texts(course)
        self._opened: Writer | None = None
        self._file: object = None
        self._closing = contextlib.ExitStack()
        self._order: dict[str, list[str]] = {}  # by question, the essays in its order
        self._on_screen: dict[str, tuple[str, float]] = {}  # by reader's page: the essay, and since when

    # What is shown

    def all_questions(self) -> list[dict[str, Any]]:
        """Every essay question, and how far its readers are."""
        opened = self.opened()
        database = opened.gradebook.db
        found = []
        for essay in essays(database):
            question = question_of(self.course, database, essay)
            found.append(
                {
                    "exercise": essay.exercise,
                    "grade_id": essay.grade_id,
                    "max_points": essay.max_points,
                    "titles": question.titles,
                    **asdict(standing(essay_rows(database, essay))),
                }
            )
        return found

    def question(self, exercise: str, grade_id: str) -> Question:
        """Raises KeyError if there is no such question."""
        database = self.opened().gradebook.db
        for essay in essays(database):
            if (essay.exercise, essay.grade_id) == (exercise, grade_id):
                return question_of(self.course, database, essay)
        raise KeyError(f"{exercise}/{grade_id}")

    def begin(self, question: Question, reader: str) -> dict[str, Any]:
        """What a page of this question begins with."""
        rows = self.rows(question)
        database = self.opened().gradebook.db
        return {
            "order": [row.id for row in rows],
            "states": self.states(question, reader, ""),
            "max_points": question.essay.max_points,
            "key_points": [asdict(point) for point in question.scheme.key_points],
            "used": used_comments(essay_rows(database, question.essay, comments=True), question.scheme),
        }

    def card(self, question: Question, notebook: str) -> dict[str, Any]:
        """One essay. Raises KeyError if it is not there."""
        row = essay_row(self.opened().gradebook.db, question.essay, notebook)
        text = self.text(question, row)
        return {
            **_mark_card(row, question.scheme),
            "html": text.html,
            "digest": text.digest,
            "language": text.language,
            "is_empty": text.is_empty,
        }

    def states(self, question: Question, reader: str, showing: str) -> str:
        """In order, a letter for each essay: who waits, who is read, which another reader has on the screen."""
        waits, essay = waiting(self.opened().gradebook.db, question.essay), question.essay
        if waits.keys() != set(self._order.get(essay.cell, ())):
            self._order[essay.cell] = [row.id for row in self.rows(question)]
        self._on_screen[reader] = (showing, time.monotonic())
        since = time.monotonic() - OPEN_SECONDS
        elsewhere = {shown for who, (shown, at) in self._on_screen.items() if who != reader and at > since}
        return "".join(
            READ if not waits.get(one) else OPEN if one in elsewhere else WAITS for one in self._order[essay.cell]
        )

    def names(self, question: Question) -> dict[str, str]:
        """Whose the essays are, by id."""
        people = {
            row.id: Student(row.id, row.first_name or "", row.last_name or "").name
            for row in self.opened().gradebook.students
        }
        return {
            row.id: f"{people[row.student]} ({row.student})" if people.get(row.student) else row.student
            for row in self.rows(question)
        }

    def search(self, question: Question, wanted: str, *, with_names: bool) -> list[dict[str, str]]:
        """The essays that hold these words, in order: id and the words around."""
        names = self.names(question) if with_names else {}
        found, lower = [], wanted.casefold()
        for row in self.rows(question):
            for source in (self.text(question, row).source, names.get(row.id, "")):
                place = source.casefold().find(lower)
                if place >= 0:
                    found.append({"id": row.id, "around": source[max(0, place - 30) : place + len(wanted) + 50]})
                    break
        return found

    # What is saved

    def save(self, question: Question, notebook: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Write a mark, or put back one that stood there, and return what stands there now.

        sent: the digest of the text and the version of the mark that were shown; `mark`, or `back` as a card has it.

        Raises:
            Changed: The text or the mark is another now; nothing was written.
            KeyError: There is no such essay.
            ValueError: What was sent is no mark.
        """
        opened, scheme = self.opened(), question.scheme
        seen = essay_row(opened.gradebook.db, question.essay, notebook)
        text = self.text(question, seen)
        wanted = _put_back(seen, sent["back"]) if "back" in sent else _marked(seen, sent.get("mark"), scheme, text)
        version, is_same = str(sent.get("version")), self._is_same(question, sent)
        return _mark_card(save_mark(opened, question.essay, wanted, version, is_same), scheme)

    def _is_same(self, question: Question, sent: Mapping[str, Any]) -> Any:
        essay, database = question.essay, self.opened().gradebook.db

        def is_same(now: EssayRow) -> bool:
            digest = self.texts.digest_now(database, now.submission, now.student, essay.exercise, essay.grade_id)
            return digest == sent.get("digest")

        return is_same

    # What both need

    def rows(self, question: Question) -> list[EssayRow]:
        """The essays of a question in its order, without comments."""
        return in_order(question.essay, essay_rows(self.opened().gradebook.db, question.essay))

    def text(self, question: Question, row: EssayRow) -> Text:
        return self.texts.read(row.student, question.essay.exercise, question.essay.grade_id)

    def opened(self) -> Writer:
        """The gradebook, with nothing remembered of what it held before.

        Raises:
            UserError: There is none.
        """
        file = self.course.classroom / "gradebook.db"
        state = file.stat().st_ino if file.is_file() else None  # another, where a copy was put back
        if (self._opened is None or state != self._file) and not has_gradebook(self.course):
            words = _("there is no gradebook in {classroom}: run `autograder grade DOWNLOADS` first")
            raise UserError(words.format(classroom=self.course.classroom))
        if self._opened is None or state != self._file:
            self._closing.close()
            warnings.simplefilter("ignore")  # SQLAlchemy 2.1 warns of how nbgrader 0.9.6 asks
            self._opened, self._file = self._closing.enter_context(open_gradebook(self.course)), state
            for table in (written_table(), key_points_table()):
                table.create(self._opened.gradebook.db.connection(), checkfirst=True)
            self._opened.gradebook.db.commit()
        self._opened.gradebook.db.rollback()
        self._opened.gradebook.db.expunge_all()
        return self._opened


def _mark_card(row: EssayRow, scheme: Scheme) -> dict[str, Any]:
    """What people gave for an essay."""
    return {
        "id": row.id,
        "version": row.version,
        "mark": asdict(mark_of(row.comment, row.score, scheme)),
        "score": row.score if row.score is not None else row.automatic,
        "waits": row.waits,
        "again": row.waits and row.score is not None,  # the text is another than the one that got the points
        "back": {"score": row.score, "comment": row.comment, "waits": row.waits},
    }


def _marked(seen: EssayRow, sent: Any, scheme: Scheme, text: Text) -> EssayRow:
    """The row with this mark: read, once there are points."""
    mark = mark_from(sent, scheme)
    score = mark.score(scheme)
    waits = seen.automatic is None if score is None else False
    return replace(seen, score=score, comment=comment_of(mark, scheme, text.language), waits=waits)


def _put_back(seen: EssayRow, sent: Any) -> EssayRow:
    try:
        score = None if sent["score"] is None else float(sent["score"])
        return replace(seen, score=score, comment=str(sent["comment"]), waits=bool(sent["waits"]))
    except (KeyError, TypeError, ValueError):
        raise ValueError("what is to be put back has score, comment and waits") from None


def refused(error: Changed, scheme: Scheme) -> dict[str, Any]:
    """What a page is told of a save that was refused."""
    return {"refused": "text" if error.is_text else "mark", "now": _mark_card(error.row, scheme)}

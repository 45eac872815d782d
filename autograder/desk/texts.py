"""What students wrote: their essays as they stand in autograded/, and whether they still do."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from autograder.cells import digest_of, is_answer, language_of, role
from autograder.course import ESSAY_PLACEHOLDER, Course
from autograder.gradebook.own_table import written_answers, written_key
from autograder.grading.records import recall
from autograder.handing_in.submissions import Submission
from autograder.pages.prose import embedded, markdown
from autograder.student_data.visible import visible

KEPT = 20_000  # texts in memory: a class of three thousand


@dataclass(frozen=True)
class Text:
    """A student's essay."""

    source: str  # markdown
    digest: str  # of it; by this, whoever gives a mark proves to have been shown this text
    language: str  # of the edition that was handed in
    attachments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return self.source.strip() in ("", ESSAY_PLACEHOLDER)

    @property
    def html(self) -> str:
        """Harmless HTML, as on the feedback pages."""
        source = embedded(self.source, self.attachments, lambda data, kind: f"data:{kind};base64,{data}")
        return visible(markdown(visible(source)))


def digest_of_all(answers: Mapping[str, str]) -> str:
    """One digest of the digests of all answers."""
    return digest_of(json.dumps(dict(answers), sort_keys=True))


NOTHING = Text("", "", "en")  # where no autograded notebook can be read


class Texts:
    """The essays of a course. What was read is kept until its file is another."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self._kept: OrderedDict[Path, tuple[tuple[int, int], dict[str, Text]]] = OrderedDict()

    def read(self, student: str, exercise: str, grade_id: str) -> Text:
        """A student's essay; NOTHING where there is none."""
        return self._answers(self.course.notebook("autograded", student, exercise)).get(grade_id, NOTHING)

    def digest_now(self, database: Any, submission: str, student: str, exercise: str, grade_id: str) -> str:
        """The digest of the text that the gradebook's points are, or will be, of."""
        return self.answers_now(database, submission, student, exercise).get(grade_id, "")

    def answers_now(self, database: Any, submission: str, student: str, exercise: str) -> dict[str, str]:
        """The digests of all answers, by grade_id, that the gradebook's points are, or will be, of.

        While `autograder grade` replaces a submission, the gradebook knows the new text before autograded/ has it,
        and the record in graded/ is written last. nbgrader's own autograder tells our table nothing: then the record
        is of the same grading as the table, and autograded/ has the word.

        submission: nbgrader's id of it.
        """
        kept = written_answers(database, submission)
        record = recall(self.course, Submission(student, exercise, Path()))
        if kept is not None and (record is None or record[0] != written_key(database, submission)):
            return kept
        answers = self._answers(self.course.notebook("autograded", student, exercise))
        return {grade_id: text.digest for grade_id, text in answers.items()}

    def _answers(self, path: Path) -> dict[str, Text]:
        try:
            status = path.stat()
            state = (status.st_mtime_ns, status.st_size)
            if (known := self._kept.get(path)) is None or known[0] != state:
                known = (state, _read(path))
                self._kept[path] = known
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        except (OSError, ValueError):
            return {}
        return known[1]


def _read(path: Path) -> dict[str, Text]:
    """The answers of an autograded notebook, by grade_id. It is this grader's or nbgrader's own writing."""
    notebook = nbformat.reader.reads(path.read_text(encoding="utf-8"))  # not validated: that takes longer
    language = language_of(notebook)
    return {
        role(cell)["grade_id"]: Text(cell.source, digest_of(cell.source), language, cell.get("attachments", {}))
        for cell in filter(is_answer, notebook.cells)
    }

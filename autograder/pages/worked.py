"""Worked answers for pages of feedback: what the source's solutions say, and which misconception each one cures."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from autograder.cells import CHINESE, LANGUAGES, in_language, is_answer, read_notebook, regions, role
from autograder.course import Course
from autograder.pages.prose import markdown, python

MISCONCEPTIONS = "misconceptions.toml"  # in solutions/: [exercise.answer], a sentence in each language


@dataclass(frozen=True)
class Worked:
    """A worked answer. cures: the misconception that it cures; may be empty."""

    name: str  # the answer's grade_id
    answer: Markup
    cures: Markup


def worked_answers(course: Course, exercise: str, language: str) -> tuple[Worked, ...]:
    """The worked answers of an exercise, in the notebook's order, as it was last graded.

    Raises:
        FileNotFoundError: The classroom lacks the exercise's source.
    """
    cures = misconceptions(course).get(exercise, {})
    source = in_language(read_notebook(course.classroom / "source" / exercise / f"{exercise}.ipynb"), language)
    return tuple(
        Worked(name, _answer(cell, language), markdown(cures.get(name, {}).get(language, "")))
        for cell in source.cells
        if is_answer(cell) and (name := role(cell)["grade_id"])
    )


def misconceptions(course: Course) -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """By exercise, answer and language; empty if the course has written none."""
    path = course.solutions / MISCONCEPTIONS
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def digest(course: Course, exercise: str) -> str:
    """Another for every change of what `worked_answers` gives. Raises FileNotFoundError, as it does."""
    source = (course.classroom / "source" / exercise / f"{exercise}.ipynb").read_bytes()
    return hashlib.sha256(source + repr(misconceptions(course).get(exercise)).encode()).hexdigest()


def _answer(cell: Any, language: str) -> Markup:
    if cell.cell_type == "markdown":
        paragraphs = cell.source.split("\n\n")  # a model answer in both languages
        ours = [text for text in paragraphs if bool(CHINESE.search(text)) == (language == LANGUAGES[1])]
        return markdown("\n\n".join(ours or paragraphs))
    inside, outside, _ = regions(cell.source, "SOLUTION")
    if inside and not inside[0].startswith(" "):  # variables: the stub's lines before them only name them
        return python("\n".join(inside).strip())
    lines = [line for line in cell.source.split("\n") if not line.strip().startswith(("### BEGIN", "### END"))]
    return python("\n".join(lines if inside else outside).strip())

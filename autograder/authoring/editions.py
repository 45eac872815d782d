"""Editions: an exercise's source with what its cells say in each language, which release and grading choose from.

What a cell says in another language stands in its metadata, in the classroom's copies of source and release, so that
all who get these two files have every edition. `cells.edition` and `cells.in_language` choose.
"""

import ast
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbformat.notebooknode import NotebookNode, from_dict

from autograder.authoring.catalogues import (
    catalogue_file,
    catalogue_problems,
    is_translated,
    languages,
    read_catalogue,
    texts_in,
    updated_catalogue,
)
from autograder.authoring.rewording import EXPRESSION, reworded
from autograder.authoring.texts import strings_of
from autograder.cells import CHINESE_HALF, EDITIONS, LANGUAGE, MADE_OF, in_language, is_test, read_notebook
from autograder.course import Course
from autograder.files import write_whole

MODULE = "_checks"  # what autograder.checks is called in released notebooks
IMPORT = f"import autograder.checks as {MODULE}"
IMPORTED = "from autograder.checks import"  # stands in the set-up cell


def combined(course: Course, exercise: str) -> NotebookNode:
    """An exercise's source with all its editions, as the classroom keeps it."""
    source = read_notebook(course.solutions / f"{exercise}.ipynb")
    others = [language for language in languages(course)[1:] if is_translated(course, language)]
    words = {language: read_catalogue(catalogue_file(course, exercise, language)) for language in others}
    notebook = with_editions(source, words)
    notebook.metadata[MADE_OF] = made_of(course, exercise)
    return notebook


def made_of(course: Course, exercise: str) -> str:
    """A digest of the files that an exercise's editions are made of."""
    files = [course.solutions / f"{exercise}.ipynb"]
    files += [catalogue_file(course, exercise, language) for language in languages(course)[1:]]
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest())
    return digest.hexdigest()


def with_editions(source: NotebookNode, words: Mapping[str, Mapping[str, str]]) -> NotebookNode:
    """The source with what its cells say in other languages. words: for each language, what to say for each message."""
    notebook = from_dict(source)
    for language, said in words.items():
        texts = texts_in(source, language)
        for cell in notebook.cells:
            is_code = cell.cell_type == "code"
            text = cell.source if is_code else CHINESE_HALF.split(cell.source)[0].strip()
            other = reworded(text, texts.get(cell.id, ()), said)
            if is_code and IMPORTED in text:
                other = _speaking(other, language)
            if other != text:
                cell.metadata.setdefault(EDITIONS, {})[language] = other
    return notebook


def _speaking(source: str, language: str) -> str:
    """The set-up cell, which tells the checks what language they speak."""
    if IMPORT not in source:
        source = source.replace(IMPORTED, f"{IMPORT}\n{IMPORTED}", 1)
    return f'{source.rstrip()}\n\n{MODULE}.language("{language}")'


class EachEdition:
    """For a step of nbgrader's that changes cells: it takes every edition of them."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> Any:
        made = {}
        for language in sorted({one for cell in nb.cells for one in cell.metadata.get(EDITIONS, ())}):
            edition = from_dict(in_language(nb, language))
            edition.metadata[LANGUAGE] = language
            made[language] = super().preprocess(edition, resources)[0]  # type: ignore[misc]
        nb, resources = super().preprocess(nb, resources)  # type: ignore[misc]
        for language, edition in made.items():
            for cell, other in zip(nb.cells, edition.cells, strict=True):
                if other.source != cell.source:
                    cell.metadata.setdefault(EDITIONS, {})[language] = other.source
        return nb, resources


def english_of(source: NotebookNode) -> dict[str, str]:
    """The English of each string that the classroom's source or release of an exercise says in another language.

    A message that students get is one of them or, where there are braces in it, made of it.
    """
    found: dict[str, str] = {}
    for cell in source.cells:
        if cell.cell_type == "code":
            for other in cell.metadata.get(EDITIONS, {}).values():
                ours_alone = re.sub(rf'^{MODULE}\.language\(".*"\)$', "", other, flags=re.MULTILINE)
                pairs = zip(*(strings_of(ast.parse(text)) for text in (cell.source, ours_alone)), strict=True)
                found |= {theirs: ours for ours, theirs in pairs if theirs != ours}
    return found


def in_english(message: str, english: Mapping[str, str]) -> str:
    """A check's message with the texts that end its lines in English. english: as from `english_of`."""
    return "\n".join(_line_in_english(line, english) for line in message.split("\n"))


def _line_in_english(line: str, english: Mapping[str, str]) -> str:
    whole = max((text for text in english if line.endswith(text)), key=len, default="")
    if whole:
        return line.removesuffix(whole) + english[whole]
    for text, ours in english.items():
        literal, *rest = EXPRESSION.split(text)
        if rest and (
            found := re.search(f"{re.escape(literal)}{''.join('(.*?)' + re.escape(one) for one in rest)}$", line)
        ):
            values = dict(zip(EXPRESSION.findall(text), found.groups(), strict=True))
            return line[: found.start()] + _filled(ours, values)
    return line


def _filled(words: str, values: Mapping[str, str]) -> str:
    return EXPRESSION.sub(lambda place: values.get(place[0], ""), words)


def labels_of(released: NotebookNode) -> dict[str, str]:
    """The English of what the figures of a released notebook may say, for where no font has another script's signs."""
    shown = [cell for cell in released.cells if cell.cell_type == "code" and not is_test(cell)]
    return english_of(NotebookNode(cells=[cell for cell in shown if re.search(r"\bplots\b", cell.source)]))


def untranslated(course: Course, sources: Mapping[str, NotebookNode]) -> list[str]:
    """What the catalogues lack, and what is out of date in them: one sentence each, naming file and cell."""
    found = []
    for language in languages(course)[1:]:
        if is_translated(course, language):
            for exercise, source in sources.items():
                path = catalogue_file(course, exercise, language)
                if not path.is_file():
                    continue  # a new exercise, which says in code what it says in English
                problems = catalogue_problems(path, source, language)
                found += [f"solutions/{language}/{path.name}, {problem}" for problem in problems]
    return found


def update_catalogues(course: Course, sources: Mapping[str, NotebookNode], language: str) -> list[Path]:
    """Bring the catalogues of a language up to date; return those that were written."""
    written = []
    for exercise, source in sources.items():
        path = catalogue_file(course, exercise, language)
        text = updated_catalogue(path, source, language)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_whole(path, text)
            written.append(path)
    return written

"""Catalogues: what an exercise's texts are in another language, in gettext's form.

solutions/zh/NN_name.po holds the texts that stand in code. Chinese prose stands in the source notebooks themselves; the
catalogue of any other language, solutions/LANGUAGE/NN_name.po, holds the prose as well, paragraph by paragraph.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import polib
from nbformat.notebooknode import NotebookNode

from autograder.authoring.texts import Text, placeholders, prose_of, texts_of, words_of
from autograder.cells import CHINESE_HALF, LANGUAGES, is_answer
from autograder.course import Course

CLOSE = 0.75  # how alike two texts are if one is a change of the other
SHOWN = 60  # characters of a text that a message shows
FUZZY = "fuzzy"  # gettext's word for a translation that a person must look at


def languages(course: Course) -> tuple[str, ...]:
    """The languages of the editions: English, Chinese, and all that have catalogues."""
    others = sorted(path.name for path in course.solutions.glob("*/") if any(path.glob("*.po")))
    return (*LANGUAGES, *(name for name in others if name not in LANGUAGES))


def catalogue_file(course: Course, exercise: str, language: str) -> Path:
    """Where the catalogue of an exercise is."""
    return course.solutions / language / f"{exercise}.po"


def is_translated(course: Course, language: str) -> bool:
    """Whether a course has catalogues of a language at all; without any, code says in it what it says in English."""
    return any((course.solutions / language).glob("*.po"))


def texts_in(notebook: NotebookNode, language: str) -> dict[str, list[Text]]:
    """The texts that a catalogue of a language needs, by the id of their cell, in order."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = dict(zip((cell.id for cell in code), texts_of(cell.source for cell in code), strict=True))
    if language not in LANGUAGES:
        prose = [cell for cell in notebook.cells if cell.cell_type == "markdown" and not is_answer(cell)]
        found |= {cell.id: list(prose_of(CHINESE_HALF.split(cell.source)[0].strip())) for cell in prose}
    return {cell.id: found[cell.id] for cell in notebook.cells if found.get(cell.id)}


def read_catalogue(path: Path) -> dict[str, str]:
    """What to say for each text; those without a translation are not in it, nor a catalogue that is not there."""
    if not path.is_file():
        return {}
    return {entry.msgid: entry.msgstr for entry in polib.pofile(str(path)).translated_entries()}


def catalogue_problems(path: Path, notebook: NotebookNode, language: str) -> Iterator[str]:
    """What is wrong with a catalogue: a sentence for each text that it lacks, and each entry that is out of date."""
    texts = texts_in(notebook, language)
    entries = {entry.msgid: entry for entry in (polib.pofile(str(path)) if path.is_file() else ())}
    entries = {name: entry for name, entry in entries.items() if not entry.obsolete}
    wanted = {text.message: (cell, text) for cell, found in texts.items() for text in found}
    for message, (cell, text) in wanted.items():
        entry = entries.get(message)
        if entry is None or not entry.msgstr:
            yield f"cell {cell!r}: {_short(message)} has no translation"
        elif FUZZY in entry.flags:
            yield f"cell {cell!r}: {_short(message)} has changed, and its translation not yet"
        elif text.is_formatted and set(placeholders(message)) != set(placeholders(entry.msgstr)):
            yield f"cell {cell!r}: the translation of {_short(message)} has other braces; expected the same as there"
    for message in entries.keys() - wanted.keys():
        yield f"{_short(message)} stands in no cell any more"


def updated_catalogue(path: Path, notebook: NotebookNode, language: str) -> str:
    """The text of a catalogue for a notebook as it is now.

    Translations are kept. A text that has changed gets its former translation, marked as fuzzy; what stands in no cell
    any more is kept at the end, marked as obsolete.
    """
    before = polib.pofile(str(path)) if path.is_file() else ()
    known = {entry.msgid: entry for entry in before}
    wanted = texts_in(notebook, language)
    messages = {text.message for texts in wanted.values() for text in texts}
    gone = {
        entry.previous_msgid or name: entry for name, entry in known.items() if name not in messages and entry.msgstr
    }
    catalogue = polib.POFile(wrapwidth=100)
    catalogue.metadata = {"Language": language, "Content-Type": "text/plain; charset=UTF-8"}
    entries: dict[str, polib.POEntry] = {}
    for cell, texts in wanted.items():
        for text in texts:
            if text.message not in entries:
                entries[text.message] = _entry(text, known, gone)
                catalogue.append(entries[text.message])
            if (cell, "") not in entries[text.message].occurrences:
                entries[text.message].occurrences.append((cell, ""))
    used = {entry.previous_msgid for entry in entries.values()}
    for name, entry in gone.items():
        if name not in used:
            catalogue.append(polib.POEntry(msgid=name, msgstr=entry.msgstr, obsolete=True))
    return str(catalogue) + "\n"


def _entry(text: Text, known: Mapping[str, polib.POEntry], gone: Mapping[str, polib.POEntry]) -> polib.POEntry:
    """An entry of a new catalogue. known, gone: those of the one before, all and those that are out of date."""
    before = known.get(text.message)
    flags = ["python-brace-format"] if text.is_formatted else []
    made = polib.POEntry(msgid=text.message, msgstr="", comment=text.kind, flags=flags)
    if before is not None and before.msgstr:
        made.msgstr = before.msgstr
        if FUZZY in before.flags:
            made.flags, made.previous_msgid = [FUZZY, *flags], before.previous_msgid
    elif alike := difflib.get_close_matches(text.message, gone, n=1, cutoff=CLOSE):
        made.msgstr, made.previous_msgid, made.flags = gone[alike[0]].msgstr, alike[0], [FUZZY, *flags]
    return made


def pseudo_catalogue(notebook: NotebookNode, language: str) -> dict[str, str]:
    """A catalogue of a language that is none: every text is English between marks, so that what lacks them shows."""
    messages = {text.message for texts in texts_in(notebook, language).values() for text in texts}
    return {message: _marked(message) for message in messages}


def _marked(message: str) -> str:
    """⟦every line⟧, with the blanks around it where they were, and Markdown's signs before the words."""
    return "\n".join(re.sub(r"^([\s>#|*-]*)(.*\S)(\s*)$", r"\1⟦\2⟧\3", line) for line in message.split("\n"))


def missing_marks(shown: str) -> list[str]:
    """The lines of what is shown that have words outside the marks of a pseudo-language."""
    return [line for line in shown.split("\n") if len(words_of(re.sub(r"⟦[^⟧]*⟧", "", line))) > 1]


def _short(message: str) -> str:
    first = message if len(message) <= SHOWN else f"{message[:SHOWN]}…"
    return repr(first)

"""A notebook's file, the roles of its cells, and its two editions."""

import hashlib
import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode

from autograder.student_data.json_amounts import holds_more
from simpo_language.speech import said

CHINESE_HALF = re.compile(r"^[ \t]*<!-- zh -->[ \t]*$", re.MULTILINE)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
LANGUAGES = ("en", "zh")  # those that the sources are written in
LANGUAGE = "autograder_language"  # in a notebook's metadata: its edition's, if that is not English
MADE_OF = "made_of"  # in the metadata of the classroom's notebooks: a digest of the files that they are made of
EDITIONS = "editions"  # in a cell's metadata, in the classroom: what the cell says in other languages
CHECK_TITLES = ("Check: ", "测试点：")  # how the first line of a visible check begins
MESSAGE = 200  # characters of what nbformat says; it may quote the whole file
CELLS = 2_000  # of a notebook: to run one, and to show it, costs more than its bytes
OBJECTS = 300_000  # of JSON in a notebook: each takes a hundred times its bytes in memory


def read_notebook(path: Path) -> NotebookNode:
    """The notebook at `path`. Raises ValueError with one sentence if it can't be read as one."""
    return parse_notebook(path.read_bytes())


def parse_notebook(content: bytes) -> NotebookNode:
    """The notebook in a file's content. Raises ValueError with one sentence if it can't be read as one."""
    if has_many_objects(content):
        raise ValueError(
            said("it holds more than {count:,} objects or lists; that is no notebook written by hand", count=OBJECTS)
        )
    try:
        text = content.decode("utf-8")
        notebook = nbformat.convert(nbformat.reader.reads(text), 4)  # as nbformat.reads does, which validates, too
        nbformat.validate(notebook)
    except UnicodeDecodeError as error:
        raise ValueError(said("it is not UTF-8 text (byte {place})", place=error.start)) from None
    except RecursionError:
        raise ValueError(said("it is nested too deeply for a notebook")) from None
    except nbformat.reader.NotJSONError:
        raise ValueError(said("it is not complete JSON ({count} characters; cut off?)", count=len(text))) from None
    except nbformat.ValidationError as error:
        raise ValueError(said("it is not a notebook: {words}", words=_first_line(error))) from None
    except Exception as error:  # nbformat raises anything on JSON that is no notebook
        raise ValueError(
            said("it is not a notebook ({error}: {words})", error=type(error).__name__, words=_first_line(error))
        ) from None
    return notebook


def has_many_objects(content: bytes) -> bool:
    """Whether more objects or lists stand in it than a notebook needs, or memory has room for."""
    return holds_more(content, b"{", OBJECTS) or holds_more(content, b"[", OBJECTS)


def _first_line(error: Exception) -> str:
    """How an error of nbformat's begins; all of it may quote the whole file, and fail where that is nested deeply."""
    return (str(getattr(error, "message", "") or error).splitlines() or [""])[0][:MESSAGE]


def write_notebook(notebook: NotebookNode) -> str:
    """The notebook as text, the same text for the same notebook."""
    return str(nbformat.writes(notebook, version=nbformat.NO_CONVERT, indent=1)) + "\n"


def role(cell: NotebookNode) -> dict[str, Any]:
    """nbgrader's metadata of a cell; empty for a free cell."""
    return dict(cell.metadata.get("nbgrader", {}))


def is_test(cell: NotebookNode) -> bool:
    """A code cell that earns points by running."""
    return bool(role(cell).get("grade")) and not role(cell).get("solution") and cell.cell_type == "code"


def is_answer(cell: NotebookNode) -> bool:
    """A cell that the student writes: code, or an essay."""
    return bool(role(cell).get("solution"))


def edition(notebook: NotebookNode, language: str) -> NotebookNode:
    """The notebook in one language: text cells keep one of their halves, code cells say what they say in it."""
    copy = in_language(nbformat.from_dict(notebook), language)
    for cell in copy.cells:
        halves = CHINESE_HALF.split(cell.source)
        if cell.cell_type == "markdown" and len(halves) == 2:
            cell.source = halves[language == LANGUAGES[1]].strip()
    copy.metadata.pop(MADE_OF, None)
    if language != LANGUAGES[0]:
        copy.metadata[LANGUAGE] = language
    return copy


def in_language(notebook: NotebookNode, language: str) -> NotebookNode:
    """The notebook with its code in one language; text cells keep both halves. The notebook given stays as it is."""
    cells = []
    for cell in notebook.cells:
        if EDITIONS in cell.metadata:
            metadata = {key: value for key, value in cell.metadata.items() if key != EDITIONS}
            source = cell.metadata[EDITIONS].get(language, cell.source)
            cell = nbformat.from_dict({**cell, "source": source, "metadata": metadata})
            if language != LANGUAGES[0] and "checksum" in role(cell):
                from nbgrader.utils import compute_checksum

                cell.metadata.nbgrader["checksum"] = compute_checksum(cell)
        cells.append(cell)
    return NotebookNode({**notebook, "cells": cells, "metadata": NotebookNode(notebook.metadata)})


def language_of(notebook: NotebookNode) -> str:
    """The language of a notebook of one edition: it says so or, if it is older, its heading does."""
    said = notebook.metadata.get(LANGUAGE)
    if isinstance(said, str) and re.fullmatch(r"[a-zA-Z_]{2,20}", said):
        return said
    title = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    return LANGUAGES[1] if CHINESE.search(title.strip().partition("\n")[0]) else LANGUAGES[0]


def regions(source: str, name: str) -> tuple[list[str], list[str], str]:
    """A cell's lines inside the markers BEGIN/END `name`, those outside, and what is wrong with the markers."""
    inside: list[str] = []
    outside: list[str] = []
    depth = 0
    for line in source.split("\n"):
        if f"BEGIN {name}" in line:
            depth += 1
        elif f"END {name}" in line:
            depth -= 1
        else:
            (inside if depth else outside).append(line)
        if depth not in (0, 1):
            return inside, outside, f"its markers BEGIN {name} and END {name} don't alternate"
    return inside, outside, f"END {name} is missing" if depth else ""


def answers_of(notebook: NotebookNode) -> dict[str, str]:
    """A digest of each answer's text, by grade_id."""
    return {role(cell)["grade_id"]: digest_of(cell.source) for cell in filter(is_answer, notebook.cells)}


def digest_of(answer: str) -> str:
    """By which an answer's text is known."""
    return hashlib.sha256(answer.encode("utf-8", "surrogatepass")).hexdigest()


def check_title(source: str) -> str:
    """What a check looks at, as its first line says."""
    return source.split("\n")[0].lstrip("# ")


def bare_title(source: str) -> str:
    """The title of a check without the word that says that it is one."""
    title = check_title(source)
    return next((title.removeprefix(word) for word in CHECK_TITLES if title.startswith(word)), title)


def what_is_checked(source: str) -> str:
    """The first sentence of a check's title, without the word that says that it is one."""
    return re.split(r"\. |。", bare_title(source))[0].rstrip(".")


def check_titles(classroom: Path, exercise: str) -> dict[str, str]:
    """What each check of an exercise looks at, by its grade_id; empty if the classroom lacks the released notebook."""
    path = classroom / "release" / exercise / f"{exercise}.ipynb"
    cells = read_notebook(path).cells if path.is_file() else []
    return {role(cell)["grade_id"]: check_title(cell.source) for cell in cells if is_test(cell)}

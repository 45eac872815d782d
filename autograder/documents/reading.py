"""A student's notebook, read as any editor, merger or mishap may have left it.

What counts is kept: each cell's type, its text, its id where it is one, nbgrader's role, what is attached to it, and
the errors that it showed. All else (outputs, counts, other metadata) comes anew when the notebook is run, so that
nothing about it can be a reason to refuse. Only what holds no cells is no notebook.
"""

import codecs
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode, from_dict

from autograder.cells import CELLS, OBJECTS, has_many_objects
from simpo_language.speech import N_, Said, said

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # nbformat's own
KINDS = {"code": "code", "markdown": "markdown", "raw": "raw", "heading": "markdown", "html": "markdown"}
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
MARKS = ("<<<<<<<", "=======", ">>>>>>>")  # what git and others leave where two versions meet
LARGE = 5_000_000  # bytes; of a larger file the outputs are not even read
STEPS = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}
CELL_DEPTH = 3  # a notebook, its list of cells, a cell
TAGS = 100  # of a cell; more are nobody's
WEB_PAGE = N_("a web page")
OTHER_KINDS = (  # how other files begin that come under a notebook's or a table's name
    (re.compile(rb"\s*<(!doctype|html|head|meta|table|\?xml)", re.IGNORECASE), WEB_PAGE),
    (re.compile(rb"PK\x03\x04"), N_("a zip file")),
    (re.compile(rb"\x1f\x8b"), N_("a gzip file")),
    (re.compile(rb"%PDF"), N_("a PDF file")),
    (re.compile(rb"\xd0\xcf\x11\xe0"), N_("a file of an old Office")),
)
# The longer mark first: UTF-32's begins with UTF-16's.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Reading:
    """A notebook, and what was odd about its file, a phrase each."""

    notebook: NotebookNode
    remarks: tuple[Said, ...] = ()


def read_student_notebook(path: Path) -> Reading:
    """The notebook in a file. Raises as `read_content`."""
    return read_content(path.read_bytes())


def read_content(content: bytes) -> Reading:
    """The notebook in a file's content.

    Raises:
        ValueError: It holds no cells; one sentence says what is there instead.
    """
    if not content.strip():
        raise ValueError(said("it is empty"))
    if kind := other_kind(content):
        if kind == WEB_PAGE:
            raise ValueError(
                said("it is a web page, not a notebook: the page that shows it was saved; download the file itself")
            )
        raise ValueError(said("it is {kind}, not a notebook", kind=Said(kind)))
    text, remarks = decoded(content)
    if len(content) > LARGE or has_many_objects(content):
        stored, behind = _without_outputs(text), 0
        remarks.append(said("its outputs were too large, and were left out"))
    else:
        stored, behind = _json(text)
    if behind:
        remarks.append(said("{count:,} characters stood behind the notebook, and were left out", count=behind))
    return Reading(rebuilt(stored), tuple(remarks))


def rebuilt(stored: Any) -> NotebookNode:
    """A notebook made anew of what counts in another's JSON. Raises ValueError, with a sentence, if it has no cells."""
    cells = [_cell(cell) for cell in _cells(stored) if isinstance(cell, dict)]
    if not cells:
        raise ValueError(said("it is not a notebook: there are no cells in it"))
    if len(cells) > CELLS:
        words = said("it has {count:,} cells; expected at most {most:,}", count=len(cells), most=CELLS)
        raise ValueError(words)
    return from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": KERNEL}, "cells": _named(cells)})


# From bytes to JSON


def other_kind(content: bytes) -> str:
    """What a file is that is no text of ours, going by how it begins; empty if nothing is known against it."""
    return next((kind for begin, kind in OTHER_KINDS if begin.match(content)), "")


def decoded(content: bytes) -> tuple[str, list[Said]]:
    """A file's text; and in which encoding it was, if not in that of every notebook."""
    encoding = encoding_of(content)
    text = content.decode(encoding or "utf-8", "replace").lstrip("\ufeff")
    if not encoding:
        return text, [said("its file had bytes that are no UTF-8; they are shown as �")]
    return text, [] if encoding == "utf-8" else [
        said("its file was in {encoding}, not in UTF-8", encoding=encoding.upper())
    ]


def encoding_of(content: bytes) -> str:
    """A text's encoding, of whose text a byte order mark is the first character; empty if it is none known here."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return encoding
    for encoding in _encodings(content):
        try:
            content.decode(encoding)
        except UnicodeError:
            continue
        return encoding
    return ""


def _encodings(content: bytes) -> Iterator[str]:
    """Those to try, each only when the one before has failed."""
    yield "utf-8"
    yield from _wide(content)
    if _is_western(content):
        yield "cp1252"
    yield "gb18030"


def _wide(content: bytes) -> list[str]:
    """UTF-16 without a mark: a notebook begins with a bracket, which then has a zero beside it."""
    return {b"{\0": ["utf-16-le"], b"\0{": ["utf-16-be"]}.get(content[:2], [])


def _is_western(content: bytes) -> bool:
    """Whether each byte beyond ASCII stands alone beside a Latin letter, as accents do; Chinese takes two together."""
    runs = re.findall(rb"([A-Za-z]?)([\x80-\xff]+)([A-Za-z]?)", content)
    return all(len(run) == 1 and (before or after) for before, run, after in runs)


def _json(text: str) -> tuple[Any, int]:
    """What the text holds, and how many characters stand behind it."""
    begin = len(text) - len(text.lstrip())
    try:
        stored, end = json.JSONDecoder(parse_int=_number).raw_decode(text, begin)
    except RecursionError:
        raise ValueError(said("it is nested too deeply for a notebook")) from None
    except ValueError:
        if line := _conflict(text):
            raise ValueError(
                said(
                    "merge conflict markers stand in it, from line {line} on: keep one of the two versions, "
                    "and save it",
                    line=line,
                )
            ) from None
        raise ValueError(said("it is not complete JSON ({count} characters; cut off?)", count=len(text))) from None
    return stored, len(text[end:].strip())


def _without_outputs(text: str) -> Any:
    """What a large text holds, less its cells' outputs, of which nothing comes to stand in memory.

    Raises:
        ValueError: It is not JSON, or the rest is large as well; with a sentence.
    """
    import ijson

    kept = ijson.ObjectBuilder()
    content = text.encode("utf-8", "replace")
    depth = objects = 0
    is_output = False
    try:
        for event, value in ijson.basic_parse(io.BytesIO(content), buf_size=len(content), use_float=True):
            depth += STEPS.get(event, 0)
            if is_output:
                is_output = depth > CELL_DEPTH  # until what began is ended; a bare value is ended at once
                continue
            objects += event in ("start_map", "start_array")
            if objects > OBJECTS:
                raise ValueError(
                    said("it holds more than {count:,} objects or lists, which no hand has written", count=OBJECTS)
                )
            if is_output := event == "map_key" and value == "outputs" and depth == CELL_DEPTH:
                continue
            kept.event(event, value)
            if depth == 0:
                break
    except ijson.JSONError:
        raise ValueError(said("it is not complete JSON ({count} characters; cut off?)", count=len(text))) from None
    return getattr(kept, "value", None)


def _number(digits: str) -> int:
    """A whole number; Python takes none of thousands of digits, and none of these counts here."""
    return int(digits) if len(digits) < 1000 else 0


def _conflict(text: str) -> int:
    """The line of the first conflict marker; 0 if there is none."""
    lines = text.splitlines()
    found = [number for number, line in enumerate(lines, start=1) if line.startswith(MARKS)]
    return found[0] if any(line.startswith(MARKS[0]) for line in lines) else 0


# From JSON to cells


def _cells(stored: Any) -> Iterable[Any]:
    """The cells of a notebook of any version. Raises ValueError, with a sentence, if it has none."""
    if not isinstance(stored, dict):
        raise ValueError(said("it is not a notebook: it holds {kind} instead of cells", kind=_kind(stored)))
    if "cells" not in stored and isinstance(stored.get("content"), dict):
        stored = stored["content"]  # as a Jupyter server sends a notebook, and JupyterLite keeps it
    if isinstance(cells := stored.get("cells"), list):
        return cells
    try:  # before version 4, cells stood in worksheets, or had other names
        return list(nbformat.convert(nbformat.from_dict(stored), 4).cells)
    except Exception:  # nbformat raises anything on JSON that is no notebook
        raise ValueError(said("it is not a notebook: there are no cells in it")) from None


def _kind(stored: Any) -> Said:
    kinds = {list: said("a list"), str: said("text"), type(None): said("nothing"), bool: said("a truth value")}
    return kinds.get(type(stored), said("a number"))


def _cell(stored: dict[str, Any]) -> dict[str, Any]:
    """What counts of a cell."""
    kind = stored.get("cell_type")
    cell_type = KINDS.get(kind, "raw") if isinstance(kind, str) else "raw"
    cell: dict[str, Any] = {"cell_type": cell_type, "source": text_of(stored.get("source")), "metadata": {}}
    if isinstance(name := stored.get("id"), str) and ID.fullmatch(name):
        cell["id"] = name
    metadata = stored.get("metadata")
    if isinstance(metadata, dict):
        cell["metadata"] = _metadata(metadata)
    if cell_type == "code":
        cell |= {"execution_count": None, "outputs": list(_errors(stored.get("outputs")))}
    elif attachments := _attachments(stored.get("attachments")):
        cell["attachments"] = attachments
    return cell


def text_of(stored: Any) -> str:
    """A cell's text: one string, or its lines."""
    if isinstance(stored, list):
        return "".join(line for line in stored if isinstance(line, str))
    return stored if isinstance(stored, str) else ""


def _metadata(stored: dict[str, Any]) -> dict[str, Any]:
    """nbgrader's role and the tags, which grading takes away and reports."""
    kept: dict[str, Any] = {}
    if isinstance(stored.get("nbgrader"), dict):
        kept["nbgrader"] = stored["nbgrader"]
    if isinstance(tags := stored.get("tags"), list):
        kept["tags"] = list(dict.fromkeys(tag for tag in tags if isinstance(tag, str)))[:TAGS]
    return {name: part for name, part in kept.items() if part}


def _errors(stored: Any) -> Iterable[dict[str, Any]]:
    """The errors among a cell's outputs: what a check said when it ran last."""
    for output in stored if isinstance(stored, list) else ():
        if isinstance(output, dict) and output.get("output_type") == "error":
            words = {name: text_of(output.get(name)) for name in ("ename", "evalue")}
            yield {"output_type": "error", **words, "traceback": []}


def _attachments(stored: Any) -> dict[str, dict[str, str]]:
    """Pictures that were put into a text: by name and kind."""
    found = {}
    for name, kinds in stored.items() if isinstance(stored, dict) else ():
        if isinstance(kinds, dict):
            found[name] = {kind: text_of(data) for kind, data in kinds.items() if "/" in kind}
    return {name: kinds for name, kinds in found.items() if kinds}


def _named(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells, those without an id of their own with a new one."""
    taken = {cell["id"] for cell in cells if "id" in cell}
    for number, cell in enumerate(cells):
        if "id" not in cell:
            name = f"cell-{number}"
            while name in taken:
                name += "-x"
            cell["id"] = name
            taken.add(name)
    return cells

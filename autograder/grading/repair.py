"""Rebuild a submitted notebook from the instructor's: its cells, and in them the student's answers.

Students copy, delete, move, rename and retype cells, and so do their tools. Here every cell with a role
(set-up, answer, check) is taken from the source notebook, its metadata and tags too; from the submission
come the text of the answers and the student's own cells. Each repair is a sentence in the log and in the
notebook's metadata.
"""

import contextlib
import functools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbformat.notebooknode import NotebookNode, from_dict
from nbgrader.api import MissingEntry
from nbgrader.preprocessors import NbGraderPreprocessor, OverwriteCells
from nbgrader.utils import compute_checksum, is_locked
from traitlets import Unicode

from autograder.cells import (
    CHINESE_HALF,
    LANGUAGE,
    LANGUAGES,
    MADE_OF,
    in_language,
    is_answer,
    language_of,
    parse_notebook,
    role,
)
from autograder.documents.reading import rebuilt
from autograder.execution.data_files import shadows
from autograder.grading.lost_answers import as_code, find_lost_answers, given_texts
from autograder.handing_in.outline import digest, load_outline
from simpo_language.speech import Said, kept, said

REPAIRS = 30  # that are listed
NOTES = "autograder"  # the key of the notebook's metadata under which repairs and verdict are kept


class RestoreCells(NbGraderPreprocessor):
    """nbgrader's step: the first, so that no later one stumbles over a cell that is not as it was."""

    course = Unicode("", help="The course's folder, with source/ and release/").tag(config=True)
    outline = Unicode("", help="The course's outline.json, if it has one: see `given_out`").tag(config=True)
    released = Unicode(
        "", help="Where released notebooks are, with {assignment} and {notebook}; nbgrader then fills in their checks"
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Any) -> Any:
        names = resources["nbgrader"]
        if self.released:
            path = Path(self.released.format(assignment=names["assignment"], notebook=names["notebook"]))
            files = (path.read_bytes(), path.read_bytes())
        else:
            files = instructors_files(Path(self.course), names["assignment"])
        versions = given_out(Path(self.outline), names["assignment"])
        source, released = map(parse_once, files)
        repaired, repairs = restore(nb, source, released, versions)
        set_aside(repaired, repairs, shadows(Path(resources["metadata"]["path"])))
        for repair in repairs:
            self.log.warning("Repaired: %s", repair)
        return repaired, resources


class OverwriteEdition(OverwriteCells):
    """nbgrader's OverwriteCells, which knows the English edition alone: the others' code cells keep what they say."""

    def preprocess_cell(self, cell: NotebookNode, resources: Any, cell_index: int) -> Any:
        text, own = cell.source, role(cell).get("checksum")
        name = role(cell).get("grade_id")
        if cell.cell_type == "code" and is_locked(cell) and name:  # RestoreCells took it from the source
            with contextlib.suppress(MissingEntry):
                known = self.gradebook.find_source_cell(name, self.notebook_id, self.assignment_id)
                cell.source = known.source
                cell, resources = super().preprocess_cell(cell, resources, cell_index)
                cell.source = text
                cell.metadata.nbgrader["checksum"] = compute_checksum(cell)
                return cell, resources
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.cell_type == "code" and is_answer(cell) and own:
            cell.metadata.nbgrader["checksum"] = (
                own  # of the stub as this edition has it: by it nbgrader knows it again
            )
        return cell, resources


def set_aside(repaired: NotebookNode, repairs: list[Said], names: Iterable[str]) -> None:
    """Add to the repairs that these files beside the notebook are not used."""
    repairs += [said("{name} has the name of a module and was set aside", name=name) for name in names]
    repaired.metadata[NOTES]["repairs"] = list(map(kept, repairs))


def instructors_files(classroom: Path, exercise: str) -> tuple[bytes, bytes]:
    """An exercise's source, and what students were given."""
    source, released = (
        (classroom / step / exercise / f"{exercise}.ipynb").read_bytes() for step in ("source", "release")
    )
    return source, released


@functools.lru_cache(maxsize=64)
def parse_once(content: bytes) -> NotebookNode:
    """A notebook of the instructor's, which nobody changes."""
    return parse_notebook(content)


def given_out(outline: Path, exercise: str) -> dict[str, tuple[str, ...]]:
    """The digests of all that each cell of an exercise ever said when it was given out, by its name."""
    known = load_outline(outline) if outline.is_file() else {}
    return {cell.id: cell.texts for cell in known.get(exercise, ())}


def restore(
    nb: NotebookNode,
    source: NotebookNode,
    released: NotebookNode,
    versions: Mapping[str, Sequence[str]] | None = None,
) -> tuple[NotebookNode, list[Said]]:
    """The submission `nb` with the cells of the source, in the language handed in, and what had to be repaired.

    source: the instructor's notebook; its checks count.
    released: what students were given; its answer cells stand where an answer is missing.
    versions: as from `given_out`: a cell that says what an earlier version said was not edited by the student.
    """
    nb = rebuilt(_writable(nb))
    language, texts = language_of(nb), given_texts(released)
    source, released = in_language(source, language), in_language(released, language)
    stubs = {role(cell)["grade_id"]: cell for cell in released.cells if _has_role(cell)}
    wanted = [cell for cell in source.cells if _has_role(cell)]
    given = [stubs[role(cell)["grade_id"]] for cell in wanted]
    places = _match(nb.cells, given)
    lost = find_lost_answers(nb.cells, given, places, texts)
    all_nameless = bool(places) and all(_grade_id(nb.cells[place]) is None for place in places.values())
    repairs = (
        [said("the cells had lost their names, and had to be known by what stands in them")] if all_nameless else []
    )
    blocks: list[list[NotebookNode]] = [[]]  # the student's own cells before the first, after the first, ...
    order: dict[int, int] = {}  # place in nb: number of the block that begins there
    used: set[int] = set()  # places whose text stands in an answer's cell now, or was a stub that nobody filled in
    for number, (cell, original) in enumerate(zip(wanted, given, strict=True)):
        place = begin = places.get(number)
        grade_id = role(cell)["grade_id"]
        if (answer := lost.get(number)) is not None:
            repairs.append(answer.sentence)
            restored = _with(original, answer.source, answer.attachments)
            used.update(answer.places)
            if place is not None and nb.cells[place].source.strip() in ("", original.source.strip()):
                used.add(place)
            begin = answer.places[0] if answer.places else place
        elif place is None:
            repairs.append(said("{cell} was missing and is back", cell=grade_id))
            restored = original
        else:
            theirs = nb.cells[place]
            repairs += _differences(theirs, original, all_nameless, (versions or {}).get(grade_id, ()))
            text = as_code(theirs.source) if original.cell_type == "code" else theirs.source
            restored = _with(original, text, theirs.get("attachments"))
        if begin is not None:
            order[begin] = number + 1
        blocks.append([_fresh(restored if is_answer(cell) else cell, original)])
    _give_back(nb.cells, blocks, order, used, repairs)
    if len(repairs) > REPAIRS:
        repairs[REPAIRS:] = [said("and {count:,} repairs more", count=len(repairs) - REPAIRS)]
    edition = {LANGUAGE: language} if language != LANGUAGES[0] else {}
    own = {key: value for key, value in source.metadata.items() if key != MADE_OF}
    notes = {**own, **edition, NOTES: {"repairs": list(map(kept, repairs))}}
    cells = _unique([cell for block in blocks for cell in block])
    return from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": notes, "cells": cells}), repairs


def _give_back(
    cells: list[NotebookNode],
    blocks: list[list[NotebookNode]],
    order: Mapping[int, int],
    used: Collection[int],
    repairs: list[Said],
) -> None:
    """Put the student's own cells behind the cells with a role that they stood behind. Names: as in `restore`."""
    current = 0
    for place, cell in enumerate(cells):
        if place in order:
            current = order[place]
        elif place not in used:
            blocks[current].append(_own(cell, repairs))
    if list(order) != sorted(order):
        repairs.append(said("cells had been moved and are in their places again"))


def _with(original: NotebookNode, text: str, attachments: Any) -> NotebookNode:
    """An answer's cell as it was given out, with the student's text and what is attached to it."""
    attached = {"attachments": attachments} if attachments and original.cell_type != "code" else {}
    return from_dict({**original, "source": text, **attached})


def _match(cells: list[NotebookNode], wanted: list[NotebookNode]) -> dict[int, int]:
    """For each wanted cell, by its number, the place of the submitted cell that is it."""
    by_id = _places(cell.get("id") for cell in cells)
    by_name = _places(map(_grade_id, cells))
    by_text = _places(cell.source.strip() for cell in cells)
    same_id = [by_id.get(str(one.get("id")), set()) for one in wanted]
    same_name = [by_name.get(str(role(one)["grade_id"]), set()) for one in wanted]
    same_text = [_any_of(by_text, one.source) for one in wanted]
    found: dict[int, int] = {}
    for candidates in (
        [a & b for a, b in zip(same_id, same_name, strict=True)],
        same_id,
        same_name,
        same_text,
    ):
        for number, possible in enumerate(candidates):
            free = sorted(possible - set(found.values()))
            if number not in found and free:
                found[number] = free[0]
    return found


def _any_of(by_text: dict[str, set[int]], source: str) -> set[int]:
    """Where a cell's text stands, in both languages or in one of them."""
    texts = (source, *CHINESE_HALF.split(source))
    return set().union(*(by_text.get(text.strip(), set()) for text in texts if text.strip()))


def _places(keys: Iterable[Any]) -> dict[str, set[int]]:
    """Where each text is; students' tools may have put something else there, which is nowhere."""
    found: dict[str, set[int]] = {}
    for place, key in enumerate(keys):
        if isinstance(key, str):
            found.setdefault(key, set()).add(place)
    return found


def _grade_id(cell: NotebookNode) -> Any:
    nbgrader = cell.metadata.get("nbgrader")
    return nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None


def _differences(cell: NotebookNode, original: NotebookNode, all_nameless: bool, versions: Sequence[str]) -> list[Said]:
    """What the student's tools did to a cell, one sentence each."""
    grade_id, found = role(original)["grade_id"], []
    if cell.cell_type != original.cell_type:
        found.append(
            said(
                "{cell} was a {was} cell, and is a {kind} cell again",
                cell=grade_id,
                was=cell.cell_type,
                kind=original.cell_type,
            )
        )
    if _grade_id(cell) is None:
        found += [] if all_nameless else [said("{cell} had lost its name, and has it again", cell=grade_id)]
    elif _grade_id(cell) != grade_id:
        found.append(
            said("{cell} was renamed {name!r}, and has its name again", cell=grade_id, name=str(_grade_id(cell))[:60])
        )
    else:
        roles = cell.metadata.nbgrader
        for key in ("grade", "solution", "locked", "points"):
            if roles.get(key) != role(original).get(key):
                found.append(
                    said(
                        "{cell} had {key} = {value}, and has {right}",
                        cell=grade_id,
                        key=key,
                        value=str(roles.get(key))[:60],
                        right=str(role(original).get(key)),
                    )
                )
    text = original.cell_type == "code" and not is_answer(original)  # prose is in one of two languages
    if text and cell.source.strip() != original.source.strip() and digest(cell.source) not in versions:
        found.append(said("{cell} was edited, and says again what it said", cell=grade_id))
    if tags := set(map(str, cell.metadata.get("tags") or [])) - {"raises-exception"}:
        found.append(said("{cell} had tags ({tags}), which are off", cell=grade_id, tags=", ".join(sorted(tags))[:60]))
    return found


def _fresh(cell: NotebookNode, original: NotebookNode) -> NotebookNode:
    """A cell with a role, without outputs; its name, points and checksum as they were released."""
    fresh = from_dict(cell)
    fresh.metadata = from_dict({"nbgrader": {**role(original), **role(cell)}})
    if "checksum" in role(original):
        fresh.metadata.nbgrader["checksum"] = role(original)["checksum"]
    fresh["id"] = original.get("id") or fresh.get("id") or role(original)["grade_id"][:64]  # old notebooks have no ids
    if fresh.cell_type == "code":
        fresh["outputs"], fresh["execution_count"] = [], None
    return fresh


def _own(cell: NotebookNode, repairs: list[Said]) -> NotebookNode:
    """A cell of the student's own: without a role, tags or outputs."""
    if _grade_id(cell) is not None:
        repairs.append(
            said("a second cell named {name!r} is the student's own cell now", name=str(_grade_id(cell))[:60])
        )
    own = from_dict({key: cell[key] for key in ("cell_type", "source", "id", "attachments") if key in cell})
    own["metadata"] = from_dict({})
    if own.cell_type == "code":
        own["outputs"], own["execution_count"] = [], None
    return own


def _writable(kept: Any) -> Any:
    """The same without lone surrogates, which JSON can carry and no file can hold."""
    return json.loads(json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace"))


def _unique(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells, each with an id of its own; those with a role keep theirs."""
    taken = {"", *(cell.get("id") for cell in cells if role(cell))}
    for number, cell in enumerate(cells):
        if not role(cell):
            while cell.get("id", "") in taken:
                cell["id"] = f"own-{number}-{len(taken)}"
                number += 1
            taken.add(cell["id"])
    return cells


def _has_role(cell: NotebookNode) -> bool:
    return any(role(cell).get(key) for key in ("grade", "solution", "locked", "task"))

"""nbgrader's execution step: the notebook runs in forks of a warm process instead of a Jupyter kernel."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, from_dict
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Enum

from autograder.cells import is_test, role
from autograder.execution.run import BOTH, CHECK, STUDENTS, Executed, Step, is_unsafe, refusal
from autograder.execution.shared import RUNNERS, SEPARATE
from autograder.grading.repair import NOTES
from autograder.results import NOT_CONFINED


class GraderFault(Exception):
    """What went wrong was no fault of the student's; the submission has no score and is tried again."""


class WarmExecute(NbGraderPreprocessor):
    """Fills in the outputs of every code cell. Errors are outputs, too: the next cell runs on.

    The verdict and the flags go into the notebook's metadata, beside the repairs.
    """

    isolation = Enum(list(RUNNERS), SEPARATE, help="Where checks run: see `shared`").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Any) -> Any:
        if is_unsafe():
            self.log.warning("UNSAFE: this student's code runs unconfined, with the rights of whoever grades")
        steps = steps_of(nb)
        executed = READY.pop(key_of(steps), None)
        if executed is None:
            executed = RUNNERS[self.isolation](steps, [Path(resources.get("metadata", {}).get("path") or ".")])
        if executed.fault:
            raise GraderFault(refusal(executed.fault) if executed.verdict == NOT_CONFINED else executed.fault)
        flags = fill(nb, executed)
        self.log.info("Verdict: %s", executed.verdict)
        for flag in flags:
            self.log.warning("Flagged for a person: %s", flag)
        return nb, resources


READY: dict[str, Executed] = {}  # what came of notebooks that workers have run already (see `anycourse`)


def fill(nb: NotebookNode, executed: Executed) -> tuple[str, ...]:
    """Put what came of the code cells into the notebook, and the verdict and the flags into its metadata.

    Returns the flags: what a person should know.
    """
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    flags = list(executed.flags)
    for number, (cell, outputs) in enumerate(zip(cells, executed.outputs, strict=True), start=1):
        cell.outputs = [from_dict(output) for output in outputs]
        cell.execution_count = number
        if is_test(cell):
            flags += _without_wrong_points(cell)
    nb.metadata.setdefault(NOTES, {}).update(verdict=executed.verdict, flags=flags)
    return tuple(flags)


def _without_wrong_points(cell: NotebookNode) -> Iterator[str]:
    """Let a check's value that can't be its points be one that is only shown; over it nbgrader gives up the submission.

    All other values that are no points it takes for those of a check that passed.
    """
    for output in cell.outputs:
        if output.output_type != "execute_result":
            continue
        shown, most = output.data.get("text/plain", ""), float(role(cell)["points"])
        is_too_much = False
        with contextlib.suppress(ValueError):
            is_too_much = float(shown) > most
        if is_too_much:
            yield f"the test {role(cell)['grade_id']} shows {shown[:40]}, more than its {most:g} points"
        if is_too_much or not shown:
            output.output_type = "display_data"
            del output["execution_count"]


def steps_of(nb: NotebookNode) -> list[Step]:
    """A notebook's code cells, and where each runs."""
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    return [(_where(cell), cell.source, str(role(cell).get("grade_id", ""))) for cell in cells]


def key_of(steps: list[Step]) -> str:
    """The same for the same steps."""
    return hashlib.sha256(json.dumps(steps).encode()).hexdigest()


def _where(cell: NotebookNode) -> str:
    if is_test(cell):
        return CHECK
    return BOTH if role(cell).get("locked") else STUDENTS

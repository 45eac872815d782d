"""nbgrader's execution step: the notebook runs in forks of a warm process instead of a Jupyter kernel."""

from pathlib import Path
from typing import Any

from nbformat import NotebookNode, from_dict
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.notebook import BOTH, CHECK, STUDENTS, Executed, Step, is_unsafe, run_steps
from autograder.repair import NOTES
from autograder.sources import is_test, role


class GraderFault(Exception):
    """What went wrong was no fault of the student's; the submission has no score and is tried again."""


class WarmExecute(NbGraderPreprocessor):
    """Fills in the outputs of every code cell. Errors are outputs, too: the next cell runs on.

    The verdict goes into the notebook's metadata, beside the repairs.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> Any:
        if is_unsafe():
            self.log.warning("UNSAFE: this student's code runs unconfined, with the rights of whoever grades")
        executed = run_steps(steps_of(nb), [Path(resources.get("metadata", {}).get("path") or ".")])
        if executed.fault:
            raise GraderFault(executed.fault)
        fill(nb, executed)
        self.log.info("Verdict: %s", executed.verdict)
        return nb, resources


def fill(nb: NotebookNode, executed: Executed) -> None:
    """Put what came of the code cells into the notebook, and the verdict into its metadata."""
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    for number, (cell, outputs) in enumerate(zip(cells, executed.outputs, strict=True), start=1):
        cell.outputs = [from_dict(output) for output in outputs]
        cell.execution_count = number
    nb.metadata.setdefault(NOTES, {})["verdict"] = executed.verdict


def steps_of(nb: NotebookNode) -> list[Step]:
    """A notebook's code cells, and where each runs."""
    return [(_where(cell), cell.source) for cell in nb.cells if cell.cell_type == "code"]


def _where(cell: NotebookNode) -> str:
    if is_test(cell):
        return CHECK
    return BOTH if role(cell).get("locked") else STUDENTS

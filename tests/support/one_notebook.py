"""Cells in a student's process, as grading runs them."""

from pathlib import Path

from autograder.execution.outputs import Output
from autograder.execution.run import CELL_SECONDS, session


def run_cells(sources: list[str], folder: Path, seconds: float = CELL_SECONDS) -> list[list[Output]]:
    """The outputs of each cell, in nbformat's form, run in order in a student's process.

    folder: its files are there when the cells run.
    seconds: that one cell may take; then it is interrupted and its last output says so.
    """
    with session(folder, seconds=seconds) as notebook:
        return [notebook.run(source) for source in sources]

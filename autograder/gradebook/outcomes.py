"""What came of each check of a notebook that has run, by nbgrader's own rules: for grading, and for Validate."""

from typing import Any

from nbformat.notebooknode import NotebookNode

from autograder.cells import is_test
from autograder.messages import stopped_by, wrote_to_stderr
from autograder.results import NOT_ATTEMPTED, RIGHT, WRONG, Check


def notebook_checks(autograded: NotebookNode) -> tuple[Check, ...]:
    """What came of each graded code cell of an autograded notebook, by nbgrader's own rules."""
    from nbgrader.utils import determine_grade

    checks = []
    for cell in filter(is_test, autograded.cells):
        points, max_points = determine_grade(cell)
        status, message = _read_outputs(cell.outputs)
        if points == max_points:
            status, message = RIGHT, ""
        checks.append(Check(cell.metadata.nbgrader.grade_id, float(points or 0), float(max_points), status, message))
    return tuple(checks)


def _read_outputs(outputs: list[Any]) -> tuple[str, str]:
    for output in outputs:
        if output.output_type == "error" and output.ename in ("CheckFailed", "NotAttempted"):
            return (NOT_ATTEMPTED if output.ename == "NotAttempted" else WRONG), output.evalue
        if output.output_type == "error":
            return WRONG, stopped_by(output.ename, output.evalue)
        if output.output_type == "stream" and output.name == "stderr":
            return WRONG, wrote_to_stderr(output.text)
    return WRONG, ""

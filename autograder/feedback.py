"""Feedback: one HTML page per graded notebook, made by nbgrader, without the hidden tests."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.course import Course, UserError
from autograder.marking import RIGHT, Check, notebook_checks
from autograder.repair import NOTES
from autograder.session import DIED, OUT_OF_MEMORY, TIMED_OUT, TOO_MUCH_OUTPUT
from autograder.sources import REGIONS, is_test, regions, role

# What the student is told when the notebook did not run to its end. Points earned before stay.
VERDICTS = {
    TIMED_OUT: "Some of your code did not finish in time and was stopped. Is there a loop that never ends? "
    "Points for what ran before are kept.",
    OUT_OF_MEMORY: "Some of your code needed more memory than a notebook may use. Does a list or an array grow "
    "without end? Points for what fitted are kept.",
    TOO_MUCH_OUTPUT: "Some of your code printed, showed or wrote too much and was stopped. Is there a print in a loop "
    "that never ends? Points for what ran before are kept.",
    DIED: "Your notebook's process ended before all cells had run. Does something call exit() or crash Python? "
    "Points for what ran before are kept.",
}
HIDDEN = [name for name in REGIONS if name != "SOLUTION"]


class ExplainChecks(NbGraderPreprocessor):
    """Begin with what went wrong, in the checks' words; of the author's cells show what students may see."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> Any:
        checks, unread = notebook_checks(nb), _unread_points(resources["nbgrader"])
        for cell in nb.cells:
            for name in HIDDEN if role(cell).get("locked") else ():
                cell.source = "\n".join(regions(cell.source, name)[1]).strip("\n")
            if is_test(cell) and cell.source.startswith("#"):
                cell.source = cell.source.split("\n")[0]  # what is checked, not how
        nb.cells.insert(0, new_markdown_cell(_summary(checks, unread) + _remarks(nb.metadata.get(NOTES, {}))))
        return nb, resources


def _unread_points(submission: dict[str, str]) -> float:
    """The points of the essays that nobody has read yet."""
    from nbgrader.api import Gradebook

    with Gradebook(submission["db_url"]) as gradebook:
        notebook = gradebook.find_submission_notebook(
            submission["notebook"], submission["assignment"], submission["student"]
        )
        return sum(grade.max_score for grade in notebook.grades if grade.needs_manual_grade)


def _summary(checks: Iterable[Check], unread: float) -> str:
    """What each lost check says, as Markdown; the messages as code, because students' text is in them."""
    lost = [check for check in checks if check.status != RIGHT]
    points = sum(check.points for check in checks)
    possible = sum(check.max_points for check in checks)
    lines = [f"**Checks: {points:g} of {possible:g} points.**"]
    if unread:
        lines[0] += f" Your essay ({unread:g} points) has not been read yet; above it counts as 0 until it is."
    lines += ["", "What the checks saw:" if lost else "Every check passed.", ""]
    for check in lost:
        lines += [f"- `{check.grade_id}` ({check.points:g} of {check.max_points:g} points)", ""]
        lines += ["      " + line for line in check.message.splitlines()] + [""]
    return "\n".join(lines)


def _remarks(notes: dict[str, Any]) -> str:
    """What else the student should know of how the notebook was graded, as Markdown."""
    lines = [VERDICTS[notes["verdict"]]] if notes.get("verdict") in VERDICTS else []
    lines += [f"The notebook was repaired before grading: {len(notes['repairs'])} of its cells were not as they were "
              "given out. Your answers were kept."] if notes.get("repairs") else []  # fmt: skip
    return "".join(f"\n\n{line}" for line in lines)


def write_feedback(course: Course, student: str, exercise: str) -> Path:
    """Write the page of one graded submission; return where it is.

    Raises:
        UserError: nbgrader could not make the page.
    """
    outcome = course.api().generate_feedback(exercise, student, force=True)
    page = course.notebook("feedback", student, exercise, ".html")
    if not outcome["success"] or not page.is_file():
        words = str(outcome.get("error") or outcome.get("log")).strip()
        raise UserError(f"nbgrader could not write the feedback for {student}, {exercise}:\n{words}")
    return page


def is_current(course: Course, student: str, exercise: str) -> bool:
    """Whether the page is as new as the graded notebook."""
    page = course.notebook("feedback", student, exercise, ".html")
    graded = course.notebook("autograded", student, exercise)
    return page.is_file() and page.stat().st_mtime >= graded.stat().st_mtime

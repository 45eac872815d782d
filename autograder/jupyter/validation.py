"""The Validate button above a notebook, answered in sentences.

nbgrader's own answer is "Success! Your notebook passes all the tests", which nobody can know before the
hidden tests have run, or the source of each failed cell with a traceback. This one says which visible checks
pass, what the others saw, and how many run only at grading.
"""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbclient.exceptions import DeadKernelError
from nbformat.notebooknode import NotebookNode

from autograder.cells import bare_title, is_answer, is_test, language_of, role
from autograder.course import ESSAY_PLACEHOLDER
from autograder.documents.reading import read_student_notebook
from autograder.execution.syntax import syntax_tree
from autograder.gradebook.outcomes import notebook_checks
from autograder.results import NOT_ATTEMPTED, RIGHT
from autograder.student_data.visible import visible
from simpo_language.speech import _, speaking

AT_GRADING = "at grading"
MARKS = {RIGHT: "✓", NOT_ATTEMPTED: "○", AT_GRADING: "·"}
# nbgrader's dialogue puts "The following cell failed" and a cell's source before what it is given
STYLE = """<style>
#validation-message > :not(:last-child) { display: none; }
#validation-message .sentences { white-space: normal; font-family: var(--jp-ui-font-family); max-width: 44em; }
#validation-message .sentences ul { padding: 0; }
#validation-message .sentences li { list-style: none; margin: .5em 0; }
#validation-message .sentences code { display: block; margin: .2em 0 0 1.4em; white-space: pre-wrap; }
#validation-message .sentences b { display: inline-block; width: 1.4em; }
#validation-message .wrong b { color: var(--jp-error-color1); }
#validation-message .right b { color: var(--jp-success-color1); }
</style>"""


# Nobody sees them, and those of a recursion take a kernel a minute of the cell's time
TRACEBACKS = ["--InteractiveShell.xmode=Minimal"]


@dataclass(frozen=True)
class Line:
    """One visible check, or one that runs only at grading."""

    status: str  # RIGHT, WRONG, NOT_ATTEMPTED or AT_GRADING
    title: str
    message: str  # what the check saw; empty if right


def validate(path: Path) -> str:
    """Run a copy of the notebook from start to end in a fresh kernel; what its checks say, as HTML."""
    try:
        notebook = read_student_notebook(path).notebook
    except ValueError as error:
        sentence = _("{name} can't be run: {why}.")
        return _page(f"<h3>{html.escape(sentence.format(name=path.name, why=error))}</h3>")
    with speaking(language_of(notebook)):
        try:
            run(notebook, path.parent)
        except DeadKernelError:
            died = _("Python ended before all cells had run. Does something call exit(), or take all memory?")
            return _page(f"<h3>{died}</h3>")
        return _page("\n".join(report(notebook)))


def run(notebook: NotebookNode, folder: Path) -> None:
    """Run all cells, on after an error, as nbgrader does."""
    from nbgrader.preprocessors import ClearOutput, Execute

    ClearOutput().preprocess(notebook, {})
    Execute(extra_arguments=TRACEBACKS).preprocess(notebook, {"metadata": {"path": str(folder)}})


def lines(notebook: NotebookNode) -> list[Line]:
    """What each test cell of a notebook that has run says."""
    found = []
    for cell, check in zip(filter(is_test, notebook.cells), notebook_checks(notebook), strict=True):
        first = cell.source.split("\n")[0]
        title = bare_title(first) if first.startswith("# ") else check.grade_id
        is_empty = check.status == RIGHT and not syntax_tree(cell.source).body
        found.append(Line(AT_GRADING if is_empty else check.status, title[:1].upper() + title[1:], check.message))
    return found


def report(notebook: NotebookNode) -> Iterator[str]:
    """The whole answer, as pieces of HTML."""
    checks = lines(notebook)
    visible = [line for line in checks if line.status != AT_GRADING]
    right = sum(line.status == RIGHT for line in visible)
    every, some = _("All {visible} visible checks pass."), _("{right} of {visible} visible checks pass.")
    title = (every if right == len(visible) else some).format(right=right, visible=len(visible))
    hidden = len(checks) - len(visible)
    yield f"<h3>{title}</h3>"
    more = _("{hidden} more run only when your work is graded, so this is not yet your mark.")
    yield f"<p>{more.format(hidden=hidden)}</p>" if hidden else ""
    for essay in filter(_is_essay, notebook.cells):
        is_empty = essay.source.strip() in ("", ESSAY_PLACEHOLDER)
        empty = _("The essay is read by a person. It is still empty.")
        yield f"<p>{empty if is_empty else _('The essay is read by a person. You have written it.')}</p>"
    if changed := _changed(notebook):
        back = _("{count} of the given cells are not as they were given out. Grading puts them back.")
        yield f"<p>{back.format(count=changed)}</p>"
    for cell, error in _stopped(notebook):
        code = html.escape(f"{cell.source.strip().splitlines()[0]}\n{error}")
        stopped = _("This cell stops with an error, and what comes after may miss what it defines:")
        yield f"<p class='wrong'><b>✗</b>{stopped}<code>{code}</code></p>"
    yield "<ul>"
    for line in checks:
        said = html.escape(line.message)
        message = _(": not attempted yet") if line.status == NOT_ATTEMPTED else f"<code>{said}</code>" if said else ""
        kind = line.status.replace(" ", "-")
        yield f"<li class='{kind}'><b>{MARKS.get(line.status, '✗')}</b>{html.escape(line.title)}{message}</li>"
    yield "</ul>"


def _page(content: str) -> str:
    return f"{STYLE}<div class='sentences'>{visible(content)}</div>"


def _is_essay(cell: NotebookNode) -> bool:
    return is_answer(cell) and cell.cell_type == "markdown"


def _changed(notebook: NotebookNode) -> int:
    from nbgrader.utils import compute_checksum

    given = [cell for cell in notebook.cells if role(cell).get("locked") and role(cell).get("checksum")]
    return sum(compute_checksum(cell) != role(cell)["checksum"] for cell in given)


def _stopped(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    """Cells that are no checks and raised an error of their own."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []) if not is_test(cell) else ():
            if output.output_type == "error" and output.ename not in ("CheckFailed", "NotAttempted"):
                yield cell, f"{output.ename}: {output.evalue}"

"""How far a student has come: which visible checks pass in the notebooks as they are saved. Nothing is run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat.notebooknode import NotebookNode

from autograder.cells import bare_title, is_test, read_notebook
from autograder.execution.syntax import syntax_tree
from autograder.messages import PASSED
from simpo_language.speech import _, speaking


@dataclass(frozen=True)
class Progress:
    """Where a saved notebook stands."""

    file: str
    title: str
    visible: int = 0  # checks that students see the code of
    passed: int = 0  # of those
    run: int = 0  # of those, with any output
    check: str = ""  # what the first looks at that has not passed; empty if all have
    why: str = ""  # it can't be read


def progress(language: str, folder: Path | None = None) -> str:
    """A table of the exercises in a folder (the current one), and where to go on, as Markdown."""
    with speaking(language):
        return _table(folder or Path.cwd())


def _table(folder: Path) -> str:
    found = [_progress(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")) if not path.name.startswith("00_")]
    if not found:
        return _("No exercise lies in this folder, {folder}.").format(folder=folder)
    open_ones = sorted((one for one in found if one.check), key=lambda one: not one.run)  # begun first, in order
    if open_ones:
        where = _("**Go on** with [{title}]({file}), at the check: {check}").format(**vars(open_ones[0]))
    else:
        where = (
            "" if any(one.why for one in found) else _("**All visible checks pass.** More are run when you hand in.")
        )
    head = f"| {_('Exercise')} | {_('Visible checks that pass')} |\n|---|---|"
    return "\n".join([head, *map(_row, found), "", where])


def passed(cell: NotebookNode) -> bool:
    """Whether a check printed its line when it last ran."""
    texts = (output.text for output in cell.get("outputs", []) if output.output_type == "stream")
    return any(line.startswith(PASSED) for text in texts for line in text.splitlines())


def _progress(path: Path) -> Progress:
    try:
        notebook = read_notebook(path)
    except ValueError as error:
        return Progress(path.name, path.stem, why=str(error))
    checks = list(_visible(notebook))
    left = next((bare_title(cell.source) for cell in checks if not passed(cell)), "")
    return Progress(
        path.name,
        _title(notebook) or path.stem,
        visible=len(checks),
        passed=sum(map(passed, checks)),
        run=sum(bool(cell.get("outputs")) for cell in checks),
        check=left,
    )


def _visible(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """The checks of which more than a comment is left without the hidden tests."""
    for cell in filter(is_test, notebook.cells):
        try:
            if syntax_tree(cell.source).body:
                yield cell
        except SyntaxError:  # edited
            yield cell


def _title(notebook: NotebookNode) -> str:
    heading: str = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    return heading.strip().partition("\n")[0].lstrip("# ")


def _row(one: Progress) -> str:
    count = _("{passed} of {visible}") if one.run else _("not begun")
    state = _("can't be read: {why}") if one.why else count
    mark = PASSED if one.visible and one.passed == one.visible else ""
    return f"| [{one.title}]({one.file}) | {mark}{state.format(**vars(one))} |"

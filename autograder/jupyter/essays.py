"""A submission in the formgrader: each essay beside its mark scheme, first; the rest of the notebook folded away.

templates/formgrade/ lays the page out. It extends nbgrader's own, whose scripts keep points and comments.
"""

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.preprocessors import Preprocessor
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_markdown_cell
from traitlets import Dict

from autograder.cells import CHINESE_HALF, LANGUAGES, answers_of, is_answer, is_test, language_of, regions, role
from autograder.course import ESSAY_PLACEHOLDER
from autograder.desk.mark_scheme import numbered, read_scheme
from autograder.desk.texts import digest_of_all
from autograder.pages.prose import embedded, markdown
from autograder.student_data.visible import visible

TEMPLATES = Path(__file__).with_name("templates")


def exporter(config: Any, changed: Mapping[str, Mapping[int, tuple[float, float]]] | None = None) -> HTMLExporter:
    """What makes the page.

    config: nbgrader's own settings for it, which are kept.
    changed: key points that earn other points than their scheme says, by grade_id and place.
    """
    import nbgrader

    theirs = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader"
    ours = copy.deepcopy(config)
    ours.HTMLExporter.preprocessors = [EssaysFirst]
    ours.EssaysFirst.changed = dict(changed or {})
    ours.HTMLExporter.extra_template_basedirs = [str(TEMPLATES), str(theirs / "templates")]
    ours.HTMLExporter.extra_template_paths = [str(theirs)]  # where this course's template finds the one it extends
    ours.HTMLExporter.sanitize_html = True  # what code displays
    return CleanExporter(config=ours)


class CleanExporter(HTMLExporter):
    """Markdown as on the feedback pages: no scripts, which would act with the reader's rights and give themselves
    points, and formulas that need no network."""

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kw: Any) -> tuple[str, Any]:
        page, resources = super().from_notebook_node(nb, resources, **kw)
        return visible(page), resources

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        attachments = context.get("cell", {}).get("attachments", {})
        html = markdown(embedded(source, attachments, lambda data, kind: f"data:{kind};base64,{data}"))
        is_scheme = context.get("cell", {}).get("metadata", {}).get("desk", {}).get("part") in ("scheme", "other")
        return numbered(html) if is_scheme else html


class EssaysFirst(Preprocessor):
    """Order a submission's cells for its reader. `metadata.desk` tells the template where each part begins."""

    changed = Dict(help="Key points that earn other points than their scheme says: by grade_id and place").tag(
        config=True
    )

    def preprocess(self, nb: NotebookNode, resources: Any) -> Any:
        resources["read"] = digest_of_all(answers_of(nb))  # comes back with what is saved
        first, language = [], language_of(nb)
        for position, cell in enumerate(nb.cells):
            if is_essay(cell):
                changed = self.changed.get(role(cell)["grade_id"], {})
                first += [_answer(cell), *_scheme(nb.cells[position - 1], role(cell)["points"], language, changed)]
        rest = [cell for cell in nb.cells if not is_essay(cell)]
        if first and rest:
            rest[0].metadata["desk"] = {"part": "rest", "earned": _earned(nb)}
            nb.cells = first + rest
        return nb, resources


def is_essay(cell: NotebookNode) -> bool:
    """An answer that a person reads and gives points for."""
    return is_answer(cell) and bool(role(cell).get("grade")) and cell.cell_type == "markdown"


def _answer(cell: NotebookNode) -> NotebookNode:
    empty = cell.source.strip() in ("", ESSAY_PLACEHOLDER)
    cell.metadata["desk"] = {"part": "answer", "words": 0 if empty else count_words(cell.source)}
    return cell


def count_words(text: str) -> int:
    """Words of a text; each Chinese character is one."""
    return len(re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+(?:['’-][^\W\u4e00-\u9fff]+)*", text))


def _scheme(
    cell: NotebookNode, points: float, language: str, changed: Mapping[int, tuple[float, float]]
) -> list[NotebookNode]:
    """The mark scheme in the language of the answer, then in the other."""
    halves = ["\n".join(regions(half, "MARK SCHEME")[0]).strip() for half in CHINESE_HALF.split(cell.source)]
    parts = dict(zip(LANGUAGES, halves, strict=False))
    scheme = read_scheme(cell.source, points).taking(changed)
    each = [point.points for point in scheme.key_points]
    ordered = sorted(filter(lambda key: parts[key], parts), key=lambda key: key != language)
    return [
        new_markdown_cell(
            parts[key],
            metadata={"desk": {"part": "scheme" if key == ordered[0] else "other", "each": each, "points": points}},
        )
        for key in ordered
    ]


def _earned(notebook: NotebookNode) -> str:
    """What the checks gave, as in `8 of 10`."""
    from nbgrader.utils import determine_grade

    grades = [determine_grade(cell) for cell in filter(is_test, notebook.cells)]
    return f"{sum(score or 0 for score, _ in grades):g} of {sum(most for _, most in grades):g}"

"""How nbgrader reads a submission: as Jupyter would or, where that can't, as this grader does."""

from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter

from autograder.documents.reading import read_content


class AnyNotebookExporter(NotebookExporter):
    """Stock nbgrader's, for files that editors, mergers and mishaps have left as well."""

    def from_file(self, file_stream: Any, resources: Any = None, **kw: Any) -> tuple[Any, Any]:
        try:
            notebook = nbformat.read(file_stream, as_version=4)
        except Exception:  # nbformat raises anything on a file that it can't read
            notebook = read_content(Path(file_stream.name).read_bytes()).notebook
        exported, resources = self.from_notebook_node(notebook, resources=resources, **kw)
        return exported, resources

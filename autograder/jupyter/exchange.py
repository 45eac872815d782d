"""nbgrader's exchange folder, for a course on JupyterHub: what `nbgrader release_assignment` puts there."""

from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeReleaseAssignment
from traitlets import Enum

from autograder.authoring.release import keep_running
from autograder.cells import LANGUAGES, edition, read_notebook, write_notebook
from autograder.files import write_whole


class ReleaseEdition(ExchangeReleaseAssignment):
    """Release an exercise in one language, as `autograder release` makes it for notebooks/."""

    language = Enum(LANGUAGES, LANGUAGES[0], help="The edition that students fetch: en or zh.").tag(config=True)

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        super().do_copy(src, dest, log=log)
        for path in Path(dest).glob("*.ipynb"):
            notebook = edition(keep_running(read_notebook(path)), self.language)
            write_whole(path, write_notebook(notebook))

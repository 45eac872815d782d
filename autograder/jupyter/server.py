"""A Jupyter server extension: the Validate button and the formgrader's pages as this course wants them.

`autograder lab` and `autograder formgrader` turn it on (autograder/jupyter/settings/), and `make` does for plain
`jupyter lab`, by a copy in the environment. It answers at two of nbgrader's addresses before nbgrader does, because a
server loads its extensions in the order of their names.
"""

import asyncio
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from nbgrader.server_extensions.formgrader.handlers import SubmissionHandler
from tornado.web import HTTPError, authenticated

from autograder.jupyter.essays import exporter
from autograder.jupyter.validation import validate


class ValidateHandler(JupyterHandler):
    """What the Validate button asks."""

    @authenticated
    async def post(self) -> None:
        path = self.get_argument("path", None) or self.get_json_body()["path"]
        root = Path(self.serverapp.root_dir).resolve()
        file = (root / path.lstrip("/")).resolve()
        if not file.is_relative_to(root):
            raise HTTPError(403, f"{path} is outside of this server's folder")
        answer = await asyncio.to_thread(validate, file)
        self.finish({"success": True, "value": {"failed": [{"source": "", "error": answer}]}})


class EssayHandler(SubmissionHandler):
    """A submission, for a person who grades its essays."""

    @property
    def exporter(self) -> Any:
        return exporter(super().exporter.config)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "autograder.jupyter.server"}]


def _load_jupyter_server_extension(app: Any) -> None:
    base = app.web_app.settings["base_url"]
    handlers = {"/assignments/validate": ValidateHandler, r"/formgrader/submissions/([^/]+)/?": EssayHandler}
    app.web_app.add_handlers(".*$", [(url_path_join(base, path), handler) for path, handler in handlers.items()])

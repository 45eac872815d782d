"""A Jupyter server extension: the Validate button, the essay desk, and the formgrader's pages as this course wants.

`autograder lab`, `essays` and `formgrader` turn it on (autograder/jupyter/settings/), and `make` does for plain
`jupyter lab`, by a copy in the environment. It answers at some of nbgrader's addresses before nbgrader does, because a
server loads its extensions in the order of their names.
"""

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado.web import HTTPError, authenticated

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


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "autograder.jupyter.server"}]


def _load_jupyter_server_extension(app: Any) -> None:
    base = app.web_app.settings["base_url"]
    ours: list[tuple[Any, ...]] = [("/assignments/validate", ValidateHandler)]
    if find_spec("nh3"):  # what a student installs does without, and has no essays to grade
        from autograder.desk.handlers import handlers as desk_handlers
        from autograder.jupyter.formgrader import handlers as formgrader_handlers
        from autograder.jupyter.formgrader_lists import handlers as list_handlers

        ours += [*formgrader_handlers(), *list_handlers(), *desk_handlers()]
    app.web_app.add_handlers(".*$", [(url_path_join(base, path), *rest) for path, *rest in ours])

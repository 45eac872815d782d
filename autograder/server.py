"""Where the server extension was: settings that an earlier version installed name it. It loads, and says so."""

import logging
from typing import Any

from autograder.jupyter.server import _load_jupyter_server_extension as load


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "autograder.server"}]


def _load_jupyter_server_extension(app: Any) -> None:
    logging.getLogger(__name__).warning(
        "Jupyter's settings name autograder.server, which is autograder.jupyter.server now: "
        "run `make lab` once in the course's folder, which installs today's"
    )
    load(app)

"""JupyterLab as this course starts it."""

import os
import sys
from pathlib import Path

SETTINGS = Path(__file__).with_name("jupyter")  # answers Validate in sentences; doesn't ask about Jupyter's news


def lab_command(folder: Path, page: str) -> list[str]:
    """The command that serves a folder in JupyterLab and opens `page` in the browser."""
    options = [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url={page}"]
    return [sys.executable, "-m", "jupyterlab", *options]


def lab_environment() -> dict[str, str]:
    """The environment for it: the course's settings, and of two kernels named python3 this environment's."""
    paths = [str(SETTINGS), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    course = {"JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths)), "JUPYTER_PREFER_ENV_PATH": "1"}
    return {**os.environ, **course}

"""JupyterLab as this course starts it."""

import importlib.util
import os
import sys
from pathlib import Path

from autograder.authoring.landing import START
from autograder.course import UserError
from autograder.doctor import install_command
from simpo_language.speech import _

SETTINGS = Path(__file__).with_name("settings")  # answers Validate in sentences; doesn't ask about Jupyter's news


def notebooks_folder() -> Path:
    """The folder with the list of exercises, seen from the working folder. A student's copy has no solutions/."""
    here = Path.cwd()
    for folder in (*(above / "notebooks" for above in (here, *here.parents)), here):
        if (folder / f"{START}.ipynb").is_file():
            return folder
    raise UserError(
        _(
            "no exercises here: {here} and the folders above have no notebooks/{start}.ipynb. "
            "`autograder start FOLDER` writes them into a folder"
        ).format(here=here, start=START)
    )


def lab_command(folder: Path, page: str) -> list[str]:
    """The command that serves a folder in JupyterLab and opens `page` in the browser.

    Raises:
        UserError: JupyterLab is not installed.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise UserError(
            _("JupyterLab is not installed here: run `{install_command}`").format(
                install_command=install_command("lab")
            )
        )
    options = [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url={page}"]
    return [sys.executable, "-m", "jupyterlab", *options]


def lab_environment() -> dict[str, str]:
    """The environment for it: the course's settings, and of two kernels named python3 this environment's; its
    programs first, so that `autograder pack` works in a terminal of JupyterLab."""
    programs = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    paths = [str(SETTINGS), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    course = {"JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths)), "JUPYTER_PREFER_ENV_PATH": "1"}
    return {**os.environ, **course, "PATH": os.pathsep.join(filter(None, programs))}

"""The commands in the documents, and a way to run them as a reader would."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """The lines of a page's code blocks that name no language, without what stands after a #."""
    found = []
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = [] if language else block.splitlines()
        found += [shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))]
    return found


def run_all(
    folder: Path, wanted: Iterable[str], before: Mapping[str, Callable[[], None]] | None = None
) -> dict[str, tuple[int, str]]:
    """Run commands of `autograder` in a folder, in order: each one's exit status and words.

    before: what must have happened before a command runs.
    """
    said = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TZ", "UTC")
        for command in wanted:
            (before or {}).get(command, lambda: None)()
            program, *arguments = shlex.split(command)
            assert program == "autograder", command
            run = CliRunner().invoke(app, arguments)
            said[command] = run.exit_code, run.output + (str(run.exception) if run.exc_info and run.exit_code else "")
    return said

"""Modules that are named in a string, a setting or a page are there: nothing else says so when one has moved.

An attack that imports a module which is gone no longer attacks, and its test passes all the same.
"""

import importlib
import importlib.util
import json
import re
import subprocess

import pytest
from project import ROOT

from autograder.course import STUDENT_MODULES
from autograder.inside import pristine

PACKAGES = ("autograder", "simpo_core", "simpo_language")
TEXTS = {".py", ".toml", ".json", ".md", ".ipynb", ".yml", ".j2", ".js", ""}
DOTTED = re.compile(rf"(?<![\w./-])(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+(?![\w/])")
PATHS = re.compile(rf"(?<![\w.-])(?:(?:{'|'.join(PACKAGES)})/[\w/]+\.\w+|(?:tests|benchmarks)/[\w/]+\.py\b)")
NAME = r"\w+(?: as \w+)?"
IMPORTS = re.compile(rf"from ((?:{'|'.join(PACKAGES)})(?:\.\w+)*) import (\([^)]*\)|{NAME}(?:, {NAME})*)")
NO_MODULE = {  # files: Jupyter's settings, a student's, Gradescope's, a catalogue; what another system has not
    *("autograder.json", "autograder.py", "simpo_core.py", "autograder.zip", "autograder.mo", "autograder.x"),
}


def texts():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("which files are the project's, git would say")
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    return {path: path.read_text(encoding="utf-8") for path in paths if path.suffix in TEXTS and path.is_file()}


def imported(text):
    """The names in imports from our packages, those in strings and notebooks as well."""
    for module, names in IMPORTS.findall(text.replace("\\n", " ").replace('"', " ")):  # lines of a notebook
        yield from (f"{module}.{name.split()[0]}" for name in re.findall(NAME, names))


def is_there(name):
    """Whether a dotted name is a module, or can be had from one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            if not importlib.util.find_spec(".".join(parts[:end])):
                continue
        except ModuleNotFoundError:
            continue
        thing = importlib.import_module(".".join(parts[:end])) if end < len(parts) else None
        for part in parts[end:]:
            if not hasattr(thing, part):
                return False
            thing = getattr(thing, part)
        return True
    return False


def test_every_dotted_name_is_there():
    named = {(name, path) for path, text in texts().items() for name in DOTTED.findall(text)}
    assert len({name for name, _ in named}) > 80
    gone = {name for name, _ in named if name not in NO_MODULE and not is_there(name)}
    assert {(name, str(path.relative_to(ROOT))) for name, path in named if name in gone} == set()


def test_every_import_finds_its_name():
    named = {(name, path) for path, text in texts().items() for name in imported(text)}
    assert len({name for name, _ in named}) > 400
    gone = {name for name, _ in named if not is_there(name)}
    assert {(name, str(path.relative_to(ROOT))) for name, path in named if name in gone} == set()


def test_every_file_that_is_named_by_its_path_is_there():
    named = {(name, path.relative_to(ROOT)) for path, text in texts().items() for name in PATHS.findall(text)}
    assert len(named) > 10
    assert {(name, str(path)) for name, path in named if not (ROOT / name).is_file()} == set()


@pytest.mark.parametrize("name", ["", ".checks", ".checks.check_close"])
def test_a_name_that_is_gone_is_found(name):
    assert not is_there(f"autograder{name}.gone")


@pytest.mark.parametrize("name", [*pristine.MODULES, *STUDENT_MODULES])
def test_the_modules_that_are_watched_or_shown(name):
    assert importlib.util.find_spec(name)


def test_jupyters_settings_name_a_server_extension():
    found = []
    for path in (ROOT / "autograder").rglob("jupyter_server_config.d/*.json"):
        found += json.loads(path.read_text(encoding="utf-8"))["ServerApp"]["jpserver_extensions"]
    assert found
    for name in found:
        assert hasattr(importlib.import_module(name), "_load_jupyter_server_extension"), name

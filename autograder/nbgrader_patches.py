"""What is changed in nbgrader and its libraries at run time, and why: one page to read at each new nbgrader.

- `leave_out` starts sooner: `import nbgrader` loads its Jupyter server extensions and all its programs; here its
  modules load one by one, as they are needed. And jsonschema builds a grammar of internet addresses, for a format
  that no notebook's schema has. Both in this process alone; whatever asks for more of nbgrader still gets it.
- `tell_once` keeps tracebacks of errors that are raised as well from the terminal.
- `keep_engines`, `ask_alembic_here`, `environment_on_path`, `ignore_by_name` spare seconds that say nothing.
"""

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any


def leave_out() -> None:
    """Call it before the first import of either; later, it changes nothing."""
    if "nbgrader" not in sys.modules:
        _without_extensions()
    if "jsonschema" not in sys.modules:
        _without_addresses()


def _without_extensions() -> None:
    """A package `nbgrader` whose modules can be imported, and whose own code has not run."""
    spec = importlib.util.find_spec("nbgrader")
    if spec is None or spec.submodule_search_locations is None:
        return  # whoever imports it will be told
    package: Any = ModuleType("nbgrader")
    package.__spec__, package.__file__ = spec, spec.origin
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["nbgrader"] = package
    package.__version__ = importlib.import_module("nbgrader._version").__version__


def _without_addresses() -> None:
    """Load jsonschema as if rfc3987_syntax, which it does without, were not installed."""
    name = "rfc3987_syntax"
    kept = {name: sys.modules[name]} if name in sys.modules else {}
    missing: Any = None  # makes an import of it fail
    sys.modules[name] = missing
    try:
        importlib.import_module("jsonschema")
    finally:
        del sys.modules[name]
        sys.modules.update(kept)


def keep_engines() -> None:
    """nbgrader makes a new database engine for every question; with one engine SQL is compiled once."""
    import nbgrader.api

    if not hasattr(nbgrader.api.create_engine, "cache_info"):
        nbgrader.api.create_engine = functools.cache(nbgrader.api.create_engine)


def ask_alembic_here() -> None:
    """For a new gradebook nbgrader starts a program that says which version its tables have: seconds for a word."""
    import nbgrader.api

    def newest() -> str:
        from alembic.script import ScriptDirectory

        return str(ScriptDirectory(str(Path(nbgrader.api.__file__).with_name("alembic"))).get_current_head())

    nbgrader.api.get_alembic_version = newest


def environment_on_path() -> None:
    """nbgrader calls the program `alembic` by name: find this environment's, activated or not."""
    programs = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "")
    if programs not in path.split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + path


def ignore_by_name() -> None:
    """nbgrader lists the whole folder for each file that it may ignore: thirty thousand of them would take an hour."""
    import nbgrader.utils

    nbgrader.utils.is_ignored = _is_ignored


def _is_ignored(filename: str, ignore_globs: Sequence[str] | None = None) -> bool:
    """As nbgrader's of this name."""
    name = os.path.basename(filename)
    return any(fnmatch(name, each) and name.startswith(".") <= each.startswith(".") for each in ignore_globs or ())


def tell_once() -> None:
    """Let nbgrader's gradebook not print a traceback of each error of the database that it raises, too."""
    import logging

    logging.getLogger("tornado.application").addFilter(_is_not_raised)  # a second time does nothing


def _is_not_raised(record: Any) -> bool:
    return not str(record.msg).startswith("Rolling back session due to database error")

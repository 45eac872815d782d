"""Start sooner: import nbgrader and nbformat without what grading never uses, which is most of their time.

Two things are left out, in this process alone. `import nbgrader` loads its Jupyter server extensions and all
its programs; here its modules load one by one, as they are needed. And jsonschema builds a grammar of internet
addresses, for a format that no notebook's schema has.

Nothing is lost: whatever asks for more of nbgrader still gets it.
"""

import importlib.util
import sys
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

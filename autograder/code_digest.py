"""A digest of the code that something depends on, found by its imports: another code, another digest."""

import dis
import functools
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

KINDS = {".py", ".j2", ".css", ".js", ".json", ".mo"}
LANGUAGE = "simpo_language"  # the package of what the others say; it is theirs, too


@functools.cache
def code_digest(*modules: str) -> str:
    """The digest of these modules and of all that they import, at whatever place, of their own packages.

    modules: full names. A package stands for all in it, templates and settings too.

    Raises:
        ModuleNotFoundError: There is no such module.
    """
    packages = {name.partition(".")[0] for name in modules} | {LANGUAGE}
    found: dict[str, list[Path]] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = _files(name, is_wanted=name in modules)
        imported = {other for path in found[name] for other in _imports(path)} if name not in packages else set()
        waiting += [other for other in imported if other.partition(".")[0] in packages - set(modules)]
    paths = {path for paths in found.values() for path in paths}
    digests = sorted(hashlib.sha256(path.read_bytes()).digest() for path in paths)  # alike wherever it is installed
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _files(name: str, *, is_wanted: bool) -> list[Path]:
    """A module's file. A package's are all in it if it is wanted itself, and none if it was only passed through."""
    package, *inner = name.split(".")
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, *inner)
        if path.is_dir():
            return [each for each in path.rglob("*") if each.suffix in KINDS] if is_wanted else []
        if path.with_suffix(".py").is_file():
            return [path.with_suffix(".py")]
    if is_wanted:
        raise ModuleNotFoundError(f"no module is named {name}", name=name)
    return []  # a name within a module


def _imports(path: Path) -> Iterator[str]:
    """The names in a file's imports; `from package import module` may name a module, or what is in one."""
    if path.suffix != ".py":
        return
    waiting = [compile(path.read_bytes(), str(path), "exec", dont_inherit=True)]
    while waiting:
        code, module = waiting.pop(), ""
        waiting += [part for part in code.co_consts if isinstance(part, CodeType)]
        for step in dis.get_instructions(code):
            if step.opname == "IMPORT_NAME":
                yield (module := str(step.argval))
            elif step.opname == "IMPORT_FROM":
                yield f"{module}.{step.argval}"

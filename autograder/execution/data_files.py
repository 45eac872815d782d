"""Files beside a notebook: which go along when it runs, and which would stand before a module."""

import importlib.machinery
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

BESIDE_BYTES = 20_000_000  # in all; what comes after, in order of names, stays
FILES = 1000


def shadows(folder: Path) -> list[str]:
    """Names beside a notebook that are also those of modules, such as torch.py: they are set aside.

    Where the notebook's folder stands first on Python's path, as in JupyterLab, such a file is imported
    instead of the module, by the checks too.
    """
    return sorted(entry.name for entry in folder.iterdir() if _is_known(_module(entry), folder))


def files_beside(folder: Path) -> Iterator[Path]:
    """What goes along: regular files, as many and as large as allowed, and none that shadows a module."""
    left, aside = BESIDE_BYTES, set(shadows(folder))
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if path.is_symlink() or not path.is_file() or path.suffix == ".ipynb":
            continue
        if path.relative_to(folder).parts[0] in aside:
            continue
        left -= path.stat().st_size
        if left < 0 or number > FILES:
            return
        yield path


def copy_files(folder: Path, private: Path) -> None:
    """Copy what goes along."""
    for path in files_beside(folder):
        target = private / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _module(entry: Path) -> str:
    """The name under which Python would import this file or folder; empty if it would not."""
    if entry.is_dir():
        return entry.name if any(entry.glob("__init__.*")) else ""
    endings = [ending for ending in importlib.machinery.all_suffixes() if entry.name.endswith(ending)]
    return entry.name.removesuffix(max(endings, key=len)) if endings else ""


def _is_known(module: str, folder: Path) -> bool:
    if not module.isidentifier():
        return False
    if module in sys.stdlib_module_names:
        return True
    try:
        spec = importlib.util.find_spec(module)
    except ValueError:  # it is loaded, and has no spec
        return True
    return spec is not None and not (spec.origin and folder.resolve() in Path(spec.origin).resolve().parents)

"""Files beside a notebook: which go along when it runs, and which would stand before a module."""

import errno
import functools
import hashlib
import importlib.machinery
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

BESIDE_BYTES = 20_000_000  # that are copied, in order of names
FILES = 1000
NO_PLACE = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
LINKS = 50


def shadows(folder: Path) -> list[str]:
    """Names beside a notebook that are also those of modules, such as torch.py: they are set aside.

    Where the notebook's folder stands first on Python's path, as in JupyterLab, such a file is imported
    instead of the module, by the checks too.
    """
    return sorted(entry.name for entry in folder.iterdir() if _is_known(_module(entry), folder))


def files_beside(folder: Path) -> Iterator[Path]:
    """What goes along: regular files, as many and as large as allowed, and none that shadows a module."""
    left = BESIDE_BYTES
    for path in _regular_files(folder):
        left -= path.stat().st_size
        if left < 0:
            return
        yield path


def copy_files(folder: Path, private: Path) -> list[str]:
    """Copy what goes along, as far as there is nothing yet in its place.

    Of what is too large for that a link is put there, by which it can be read; returns where the links lead.
    """
    copied = set(files_beside(folder))
    linked: list[str] = []
    for path in _regular_files(folder):
        if path in copied:
            put(private / path.relative_to(folder), functools.partial(shutil.copyfile, path))
        elif len(linked) < LINKS:
            linked.append(str(path.resolve()))
            put(private / path.relative_to(folder), functools.partial(os.symlink, linked[-1]))
    return linked


def digest_of(path: Path) -> bytes:
    """A digest of a file; of one that is too large to be copied, of its size and time alone."""
    about = path.stat()
    if about.st_size > BESIDE_BYTES:
        return hashlib.sha256(f"{about.st_size} {about.st_mtime_ns}".encode()).digest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def put(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file of a student's, unless its name can't be: too long here, or of something else that is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write(path)
    except OSError as error:
        if error.errno not in NO_PLACE:
            raise


def _regular_files(folder: Path) -> Iterator[Path]:
    aside = set(shadows(folder))
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if number > FILES:
            return
        is_file = path.is_file() and not path.is_symlink() and path.suffix != ".ipynb"
        if is_file and path.relative_to(folder).parts[0] not in aside:
            yield path


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

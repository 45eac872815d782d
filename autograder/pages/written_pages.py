"""A page of feedback as it lies in the classroom: the key of all that it shows, its language, and how it is written."""

import hashlib
import re
from pathlib import Path
from typing import Any

from autograder.code_digest import code_digest
from autograder.files import write_whole
from autograder.pages.html import render
from simpo_language.speech import SOURCE, speaking
from simpo_language.speech import known as known_language


def render_page(template: str, language: str, key: str, *, is_open: bool = False, **shown: Any) -> str:
    """A page of feedback. is_open: with nothing folded, as for paper."""
    shown = {"prefix": "", "is_open": is_open, **shown}
    with speaking(language):
        return render(template, "feedback", language=language, key=key, **shown)


def design() -> str:
    """Another for every change of the code that makes pages, and of all that it uses."""
    return code_digest("autograder.pages", "simpo_language")


def hash_of(*parts: Any) -> str:
    """The key of a page that shows these."""
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()


def key_in(path: Path) -> str:
    """The key of a page that was written before; empty if there is none."""
    return _head(path).partition('name="autograder-key" content="')[2].partition('"')[0]


def language_in(page: Path) -> str:
    """The language of a page that was written before; English if it says none, or one that is not known."""
    found = re.search('<html lang="([^"]*)"', _head(page))
    return known_language(found[1]) if found else SOURCE


def _head(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(300)
    except OSError:
        return ""


def write_page(path: Path, html: str) -> None:
    """The whole page or none. Half characters, which JSON can carry and UTF-8 can't, become question marks."""
    write_whole(path, html.encode("utf-8", "replace"))

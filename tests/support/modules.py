"""The list of modules in docs/maintainer.md, from the first line of each one's docstring.

python tests/support/modules.py    # writes it
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("simpo_core", "autograder", "simpo_language")
PAGE = ROOT / "docs" / "maintainer.md"
BEGIN, END = "<!-- modules: python tests/support/modules.py -->\n", "<!-- end of modules -->\n"


def modules(package: str) -> list[Path]:
    """A package's modules, the root's first, then room by room."""
    found = [path for path in (ROOT / package).rglob("*.py") if path.name != "__init__.py"]
    return sorted(found, key=lambda path: (len(path.parts), path.parts))


def first_line(path: Path) -> str:
    """What a module or a room says of itself; empty if it says nothing."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def listing() -> str:
    return "".join(line + "\n" for package in PACKAGES for line in _lines(package))


def _lines(package: str) -> Iterator[str]:
    room = None
    for path in modules(package):
        if path.parent != room:
            room = path.parent
            words = first_line(room / "__init__.py")
            yield from ("", f"**{room.relative_to(ROOT)}/**" + (f": {words}" if words else ""), "")
        yield f"- `{path.name}`: {first_line(path)}"
    yield ""


def with_listing(page: str) -> str:
    """The page with today's list in it."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"{PAGE} lacks {BEGIN.strip()} and {END.strip()}"
    return before + BEGIN + listing() + END + after


if __name__ == "__main__":
    PAGE.write_text(with_listing(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

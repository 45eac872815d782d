import sys

import pytest

from autograder.code_digest import code_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package, and the digest of one of its modules after a change."""
    files = {
        "__init__.py": "",
        "page.py": "def late():\n    from laid_out.rooms import words\n",
        "rooms/__init__.py": "",
        "rooms/words.py": "import laid_out.numbers\nHELLO = 'hello'",
        "rooms/other.py": "",
        "numbers.py": "ONE = 1",
        "templates/page.html.j2": "<p>",
    }
    for name, text in files.items():
        path = tmp_path / "laid_out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    def digest(*modules, change=None):
        code_digest.cache_clear()
        for name in [name for name in sys.modules if name.startswith("laid_out")]:
            monkeypatch.delitem(sys.modules, name)
        if change:
            (tmp_path / "laid_out" / change).write_text("changed = True")
        return code_digest(*modules)

    yield digest
    code_digest.cache_clear()


@pytest.mark.parametrize(
    ("change", "is_other"),
    [("page.py", True), ("rooms/words.py", True), ("numbers.py", True), ("rooms/other.py", False)],
)
def test_what_is_imported_counts_from_wherever(package, change, is_other):
    before = package("laid_out.page")
    assert (package("laid_out.page", change=change) != before) is is_other


@pytest.mark.parametrize("change", ["rooms/other.py", "templates/page.html.j2"])
def test_of_a_package_every_file_counts(package, change):
    before = package("laid_out")
    assert package("laid_out", change=change) != before


def test_the_same_code_has_the_same_digest(package):
    assert package("laid_out.page") == package("laid_out.page")


def test_a_module_that_is_gone_is_said(package):
    with pytest.raises(ModuleNotFoundError, match=r"laid_out\.gone"):
        package("laid_out.gone")

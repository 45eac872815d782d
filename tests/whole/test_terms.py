"""The Chinese of the course keeps to its list of terms, docs/zh/terms.md."""

import re

import polib
import pytest
from project import ROOT

from autograder.cells import CHINESE_HALF, read_notebook

TERMS = ROOT / "docs" / "zh" / "terms.md"
CATALOGUES = [*sorted(ROOT.glob("solutions/zh/*.po")), *sorted(ROOT.glob("simpo_language/catalogues/zh/*/*.po"))]
PAGES = [path for path in sorted((ROOT / "docs" / "zh").glob("*.md")) if path != TERMS]
CODE = re.compile(r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|\\\*", re.DOTALL)


def unwanted():
    """What the list says is not to be used."""
    rows = [line.split("|")[1:-1] for line in TERMS.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [word.strip() for *_, words in rows[1:] for word in words.split("，") if word.strip()]


def chinese_of(path):
    """The Chinese texts of a catalogue, a source notebook or a page."""
    if path.suffix == ".po":
        return [entry.msgstr for entry in polib.pofile(str(path)) if not entry.obsolete]
    if path.suffix == ".ipynb":
        halves = [CHINESE_HALF.split(cell.source) for cell in read_notebook(path).cells if cell.cell_type == "markdown"]
        return [parts[1] for parts in halves if len(parts) == 2]
    return [path.read_text("utf-8")]


def test_the_list_names_what_is_not_to_be_used():
    assert {"讲义", "评阅", "评判者", "前向计算", "平级"} <= set(unwanted())


@pytest.mark.parametrize(
    "path", [*CATALOGUES, *PAGES, *sorted(ROOT.glob("solutions/*.ipynb"))], ids=lambda path: path.name
)
def test_the_chinese_keeps_to_the_terms(path):
    texts = chinese_of(path)
    found = [(word, text[max(text.find(word) - 10, 0) :][:30]) for text in texts for word in unwanted() if word in text]
    assert found == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("solutions/*.ipynb")), ids=lambda path: path.name)
def test_emphasis_is_bold_and_colons_are_full_width(path):
    for text in chinese_of(path):
        prose = CODE.sub(" ", text)
        assert re.findall(r"(?<![*\w])\*(?![*\s])[^*\n]+(?<![*\s])\*(?!\*)", prose) == []
        assert re.findall(r"[\u4e00-\u9fff]:(?=\s|[\u4e00-\u9fff]|$)", prose) == []

"""The site: strict about links, loads nothing from elsewhere, and shows no solution."""

import json
import re
import subprocess
import sys

import pytest
from project import ROOT

from autograder.cells import is_answer, read_notebook

pytestmark = pytest.mark.thorough("builds a site, for which notebooks are run")
EXERCISE = "01_simpo_loss"
pytest.importorskip("mkdocs", reason="the site's packages are an extra of their own: pip install -e '.[site]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site with one exercise."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, ROOT / "docs" / "site" / "build.py", "--exercises", EXERCISE[:2], "--out", folder]
    run = subprocess.run(build, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr  # mkdocs is strict: a link that leads nowhere stops it
    return folder


@pytest.mark.parametrize("edition", ["notebooks", "notebooks/zh"])
def test_an_exercise_has_its_figures_in_words_too_and_no_solution(site, edition):
    page = (site / edition / f"{EXERCISE}.html").read_text(encoding="utf-8")
    pictures = re.findall(r'<img[^>]*alt="([^"]*)"[^>]*>', page)
    assert pictures
    assert all(len(words) > 20 for words in pictures)
    assert "<math" in page
    text = re.sub(r"<[^>]+>|\s", "", page)
    given = read_notebook(ROOT / edition / f"{EXERCISE}.ipynb")
    said = re.sub(r"\s", "", "".join(cell.source for cell in given.cells))  # a hint may hold a formula
    source = read_notebook(ROOT / "solutions" / f"{EXERCISE}.ipynb")
    for cell in filter(is_answer, source.cells):
        for solution in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.DOTALL):
            lines = [re.sub(r"\s", "", line) for line in solution.splitlines() if len(line.strip()) > 20]
            assert [line for line in lines if line in text and line not in said] == []


def test_a_page_loads_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(https?:[^"]+)"', page.read_text("utf-8"))
        assert loaded == [], page


def test_it_can_be_searched_in_both_languages(site):
    found = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    for place, word in (("notebooks/01", "loss"), ("notebooks/zh/01", "损失")):
        assert any(one["location"].startswith(place) and word in one["text"] for one in found)

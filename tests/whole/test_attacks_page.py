"""docs/attacks.md lists the hostile submissions that are tested, as they are."""

import json

import pytest
from attack_corpus import attacks
from project import ROOT


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import attacks as benchmark

    return benchmark


def test_the_page_is_the_one_made_from_the_corpus_and_what_was_measured(page):
    measured = json.loads(page.RESULTS.read_text("utf-8"))
    assert page.PAGE.read_text("utf-8") == page.table(measured), "run: python benchmarks/attacks.py --table"


def test_nothing_was_measured_that_is_no_attack(page):
    names = {attack.name for attack in attacks()}
    assert len(names) == len(attacks()) >= 60
    assert set(json.loads(page.RESULTS.read_text("utf-8"))) <= names


def test_what_stock_made_of_an_attack_is_said_in_words(page):
    nothing = {
        "success": True,
        "error": "",
        "points": 1,
        "secret": False,
        "script": False,
        "changed": False,
        "left": False,
    }
    assert page.in_words(nothing) == "nothing gained"
    assert page.in_words({**nothing, "points": 10.0, "secret": True}) == "10 points; a secret comes out"
    assert page.in_words({**nothing, "success": False, "error": "KeyError: 'x'"}) == (
        "no score, nbgrader fails (KeyError: 'x')"
    )

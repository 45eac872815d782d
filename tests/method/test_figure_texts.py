import json
import warnings

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import fontManager
from project import ROOT

from simpo_core import figure_texts, plots
from simpo_core.figure_texts import english, font_with, make_readable

LABELS = {"间隔（奈特）": "margin (nats)", "平方损失，beta = {beta:g}": "Squared loss, beta = {beta:g}", "左": "left"}


@pytest.fixture
def no_chinese(monkeypatch):
    """A computer whose fonts have no Chinese."""
    monkeypatch.setattr(fontManager, "ttflist", [entry for entry in fontManager.ttflist if entry.name == "DejaVu Sans"])
    monkeypatch.setattr(figure_texts, "_labels", lambda: LABELS)
    figure_texts.font_with.cache_clear()
    figure_texts._forms.cache_clear()
    yield
    figure_texts.font_with.cache_clear()
    figure_texts._forms.cache_clear()


def figure():
    ax = plots.axes("平方损失，beta = 2.5", "间隔（奈特）", "loss")
    ax.bar(["左", "right"], [1, 2], label="左")
    ax.legend()
    return ax.get_figure()


def drawn(made):
    """Every text of the figure as it is drawn; a warning, of a missing sign for example, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(made).draw()
    ax = made.axes[0]
    ticks = [label.get_text() for label in ax.get_xticklabels()]
    return [ax.get_title(), ax.get_xlabel(), ax.get_legend().get_texts()[0].get_text(), *ticks]


def test_without_a_font_the_english_text_stands_there_and_nothing_warns(no_chinese):
    made = figure()
    make_readable(made)
    assert drawn(made) == ["Squared loss, beta = 2.5", "margin (nats)", "left", "left", "right"]


def test_what_has_no_english_loses_the_signs_that_cannot_be_drawn(no_chinese):
    assert english("新词 new") == "new"


@pytest.mark.skipif(not font_with(frozenset("损失间隔")), reason="no font here has Chinese")
def test_with_a_font_the_text_stands_as_it_is_and_nothing_warns():
    made = figure()
    make_readable(made)
    assert drawn(made)[:2] == ["平方损失，beta = 2.5", "间隔（奈特）"]


def test_an_english_figure_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(figure_texts, "font_with", lambda signs: pytest.fail("a font was looked for"))
    make_readable(plots.axes("β and ‖x‖ → 0", "margin", "loss").get_figure())


def test_a_font_that_is_gone_is_none(monkeypatch, tmp_path):
    assert figure_texts._signs_in(str(tmp_path / "gone.ttf")) == frozenset()


def test_the_english_of_every_figure_is_known():
    labels = json.loads((ROOT / "simpo_core" / "data" / "labels.json").read_text("utf-8"))
    assert labels["间隔 r（奈特）"] == "margin r (nats)"
    assert english("在平方损失上下降，lr = 0.8") == "Descent on the squared loss, lr = 0.8"

import base64
import io

import numpy as np
import pytest
from PIL import Image

from simpo_core import plots


@pytest.fixture
def displayed(monkeypatch):
    """What is sent to the notebook: (data, metadata) of each display."""
    sent = []

    class Handle:
        def update(self, data, raw, metadata):
            sent.append((data, metadata))

    def display(data, raw=False, metadata=None, display_id=None):
        sent.append((data, metadata))
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    return sent


def draw(slope=1.0):
    ax = plots.axes("A line", "x (nats)", "y (nats)")
    plots.draw_curves(ax, [0, 1], {"y": [0, slope]})
    return ax


def is_png(data):
    return base64.b64decode(data["image/png"]).startswith(b"\x89PNG")


def test_figures_have_title_labels_and_legend():
    ax = draw()
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("A line", "x (nats)", "y (nats)")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["y"]


def test_curves_differ_in_colour_and_dash():
    ax = plots.axes("Lines", "x", "y")
    plots.draw_curves(ax, [0, 1], {str(n): [0, n] for n in range(4)})
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.get_lines()}
    assert len({colour for colour, _ in looks}) == len({dash for _, dash in looks}) == 4


def test_a_figure_is_shown_with_its_alternative_text(displayed):
    plots.show(draw(), "A line that rises.")
    ((data, metadata),) = displayed
    assert is_png(data)
    assert data["text/plain"] == "A line that rises."
    assert metadata == {"image/png": {"alt": "A line that rises."}}


def test_a_figure_of_few_colours_looks_like_the_whole_one(displayed):
    ax = draw()
    plots.show(ax, "A line that rises.")
    shown = Image.open(io.BytesIO(base64.b64decode(displayed[0][0]["image/png"]))).convert("RGB")
    whole = np.asarray(ax.get_figure().canvas.buffer_rgba())[..., :3].astype(int)
    assert shown.size == (640, 360)
    assert shown.getpixel((0, 0)) == (255, 255, 255)
    assert np.abs(np.asarray(shown) - whole).max() <= 24


def test_words_on_the_axes_get_their_own_ticks():
    ax = plots.axes("Bars", "word", "y")
    ax.bar(["one", "two"], [1, 2])
    ax.get_figure().canvas.draw()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["one", "two"]


def test_sliders_redraw_the_figure_in_place(displayed):
    slopes = []

    def draw_and_note(slope):
        slopes.append(slope)
        return draw(slope)

    plots.explore(draw_and_note, "A line that rises.", slope=(0.0, 3.0, 0.5, 1.0))
    figure, (box, _) = displayed
    assert is_png(figure[0])
    (slider,) = box.children
    assert (slider.min, slider.max, slider.step, slider.value) == (0.0, 3.0, 0.5, 1.0)
    slider.value = 2.5
    assert slopes == [1.0, 2.5]
    data, metadata = displayed[-1]
    assert is_png(data)
    assert metadata["image/png"]["alt"] == "A line that rises. Now at slope = 2.5."


def test_several_axes_stand_side_by_side():
    left, right = plots.axes("Two", "x", "y", columns=2)
    assert left.get_figure() is right.get_figure()

"""Figures for the notebooks: one look, readable by colour-blind eyes, with text for those who can't see them.

Every figure says in `alt` what it shows. With sliders, the figure stands in the notebook as an ordinary
picture first, so that it is there where widgets don't run; a moved slider redraws it in place.
"""

import base64
import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simpo_core.figure_texts import make_readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with any colour vision (https://jfly.uni-koeln.de/color/).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")


def axes(title: str, xlabel: str, ylabel: str, *, columns: int = 1) -> Any:
    """A new figure with a grid: its Axes, or a list of them where `columns` is above 1.

    Args:
        title: What the figure shows, above the (first) axes.
        xlabel: Name and unit of the horizontal axis.
        ylabel: Name and unit of the vertical axis.
        columns: How many axes stand side by side.
    """
    from matplotlib.figure import Figure  # not pyplot: no global state, nothing shown twice

    width = 6.4 if columns == 1 else 4.6 * columns
    figure = Figure(figsize=(width, 3.6))
    figure.subplots_adjust(
        left=0.8 / width, right=1 - 0.2 / width, bottom=0.16, top=0.9, wspace=0.9 / 4
    )  # no layout engine: it draws twice
    all_axes = [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
    for ax in all_axes:
        ax.set_prop_cycle(color=COLOURS)
        ax.grid(alpha=0.3)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.locator_params(nbins=6, steps=[1, 2, 4, 5, 10])  # each tick takes time
        ax.yaxis.set_label_coords(-0.55 / (width * ax.get_position().width), 0.5)  # else it looks for room, at length
    all_axes[0].set_title(title, y=1.02)  # the same
    return all_axes[0] if columns == 1 else all_axes


def draw_curves(ax: "Axes", x: Sequence[float], curves: Mapping[str, Sequence[float]]) -> None:
    """Draw each curve over x in a colour and a dash of its own, and name them in a legend."""
    for number, (name, y) in enumerate(curves.items()):
        ax.plot(x, y, label=name, linestyle=DASHES[number % len(DASHES)], linewidth=2)
    ax.legend()


def show(figure: "Figure | Axes", alt: str) -> None:
    """Show a figure in the notebook, with text that says what can be seen in it."""
    from IPython.display import display

    display({"image/png": _png(figure), "text/plain": alt}, raw=True, metadata=_alt(alt))


def explore(draw: Callable[..., "Figure | Axes"], alt: str, **sliders: tuple[float, float, float, float]) -> None:
    """Show a figure with sliders that redraw it.

    Args:
        draw: Draws the figure from the sliders' values, given by name, and returns it or its axes.
        alt: What can be seen at the start.
        sliders: For each parameter (smallest, largest, step, start).
    """
    from IPython.display import display

    start = {name: first for name, (_, _, _, first) in sliders.items()}
    handle = display(
        {"image/png": _png(draw(**start)), "text/plain": alt}, raw=True, metadata=_alt(alt), display_id=True
    )
    try:
        import ipywidgets
    except ImportError:
        print("Install ipywidgets to move sliders here.")
        return
    widgets = {
        name: ipywidgets.FloatSlider(
            value=first, min=low, max=high, step=step, description=name, continuous_update=False
        )
        for name, (low, high, step, first) in sliders.items()
    }

    def redraw(_: Any) -> None:
        values = {name: widget.value for name, widget in widgets.items()}
        now = f"{alt} Now at {', '.join(f'{name} = {value:g}' for name, value in values.items())}."
        handle.update({"image/png": _png(draw(**values)), "text/plain": now}, raw=True, metadata=_alt(now))

    for widget in widgets.values():
        widget.observe(redraw, names="value")
    display(ipywidgets.VBox(list(widgets.values())))


def _alt(alt: str) -> dict[str, dict[str, str]]:
    return {"image/png": {"alt": alt}}


def _png(figure: "Figure | Axes") -> str:
    """The figure as a PNG of few colours, in a third of the bytes and of the time that all of them would take."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    whole: Any = figure.get_figure() or figure
    whole.set_dpi(100)
    make_readable(whole)
    canvas = FigureCanvasAgg(whole)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE)
    image.putpalette([255 if value == 254 else value for value in image.getpalette() or ()])  # white again
    buffer = io.BytesIO()
    image.save(buffer, format="png", compress_level=1, compress_type=zlib.Z_RLE)
    return base64.b64encode(buffer.getvalue()).decode()

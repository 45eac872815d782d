"""Texts of figures in any script: in a font that has its signs or, where there is none, in English.

matplotlib's own font has no Chinese. Where another of the fonts that matplotlib knows has what a text needs, its signs
are drawn in that; without one, the English text stands there, for empty boxes say nothing.
"""

import functools
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Tried first, in this order: sans-serif fonts with Chinese of the common systems. Any other will do, too.
FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",  # what matplotlib calls a file with all of Noto Sans CJK
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
    "Hiragino Sans GB",
    "Heiti SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
)
LATIN = 0x250  # every font has the signs before it
_BRACES = re.compile(r"\{([^{}]*)\}")


def make_readable(figure: "Figure") -> None:
    """Give each text of a figure whose signs matplotlib's font lacks a font that has them, or its English words."""
    from matplotlib.category import StrCategoryFormatter
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter

    for text in figure.findobj(Text):
        if foreign := _foreign(text.get_text()):
            if font := font_with(foreign):
                text.set_fontfamily([*text.get_fontfamily(), font])
            else:
                text.set_text(english(text.get_text()))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if not isinstance(axis.get_major_formatter(), (FixedFormatter, StrCategoryFormatter)):
            continue
        places: Any = axis.get_majorticklocs()
        labels = axis.get_major_formatter().format_ticks(places)
        if foreign := _foreign("".join(labels)):
            if font := font_with(foreign):
                axis.set_tick_params(labelfontfamily=["sans-serif", font])
            else:
                axis.set_ticks(places, labels=[english(label) for label in labels])


def _foreign(text: str) -> frozenset[str]:
    """The signs in a text that matplotlib's font lacks."""
    beyond = {sign for sign in text if ord(sign) >= LATIN}
    return frozenset(sign for sign in beyond if ord(sign) not in _signs_of_own()) if beyond else frozenset()


@functools.cache
def _signs_of_own() -> Mapping[int, int]:
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    return FT2Font(findfont(FontProperties())).get_charmap()


@functools.lru_cache(maxsize=256)
def font_with(signs: frozenset[str]) -> str:
    """The name of a font that has these signs, one of matplotlib's; empty if none has all of them."""
    from matplotlib.font_manager import fontManager

    known = {entry.name: entry.fname for entry in reversed(fontManager.ttflist) if entry.style == "normal"}
    names = [*(name for name in FONTS if name in known), *sorted(known.keys() - {*FONTS})]
    return next((name for name in names if {ord(sign) for sign in signs} <= _signs_in(known[name])), "")


@functools.lru_cache(maxsize=64)
def _signs_in(file: str) -> frozenset[int]:
    """The signs that a font has; none if it can't be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):  # it is gone, or not for this process to read; or no font at all
        return frozenset()


def english(text: str) -> str:
    """What a figure's text is in English. If that is not known, the signs that can't be drawn are left out."""
    if text in _labels():
        return _labels()[text]
    for form, names, words in _forms():
        if found := form.fullmatch(text):
            return _filled(words, dict(zip(names, found.groups(), strict=True)))
    return "".join(sign for sign in text if sign not in _foreign(text)).strip()


def _filled(words: str, values: Mapping[str, str]) -> str:
    return _BRACES.sub(lambda place: values.get(place[1], ""), words)


@functools.cache
def _labels() -> Mapping[str, str]:
    """The English of figures' texts in other languages; what is computed stands in braces."""
    file = files("simpo_core") / "data" / "labels.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


@functools.cache
def _forms() -> list[tuple[re.Pattern[str], list[str], str]]:
    """For each text with braces: what such a text looks like, the names in its braces, and its English."""
    found = []
    for text, words in _labels().items():
        if "{" in text:
            literal, *rest = _BRACES.split(text)  # words, a name, words, ...
            pattern = re.escape(literal) + "".join("(.*?)" + re.escape(part) for part in rest[1::2])
            found.append((re.compile(pattern, re.DOTALL), rest[::2], words))
    return found

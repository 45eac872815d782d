"""A cell's outputs as HTML: text as it stands, pictures embedded and small, and no more than a page has room for."""

import base64
import io
import re
from collections.abc import Iterable
from html import escape
from typing import Any

from markupsafe import Markup

from autograder.pages.prose import formula, markdown
from autograder.pages.sanitise import clean
from autograder.student_data.visible import visible
from simpo_language.speech import _

ROOM = 160_000  # characters of HTML that what a student made may take on a page; the task takes up to 100,000 more
REFUSED = 60  # outputs and cells that found no room; after so many, no output is looked at
TEXT = 5_000  # characters of one output
LARGE = 30_000  # bytes of a picture that is taken as it is; a larger one is drawn anew
WIDEST, TALLEST = 1000, 2000  # pixels
PIXELS = 40_000_000  # a larger picture is not opened

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FIGURE = re.compile(r"<Figure size .*>|<IPython\.core\.display\..*>|<PIL\..*>")  # says nothing of what can be seen
_FOLDERS = re.compile(r"(\bFile )/\S*/")
_PICTURES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif")


class Room:
    """What a page has left for what the student made."""

    def __init__(self, size: int = ROOM) -> None:
        self.left, self.left_out, self.to_read = size, 0, size

    def reads(self, source: str) -> bool:
        """Whether there is time for this text of a cell; as `takes`, before it is made HTML."""
        fits = len(source) <= self.to_read
        self.to_read -= len(source) if fits else 0
        self.left_out += not fits
        return fits

    def takes(self, html: str) -> bool:
        """Whether this still fits; if so, its room is taken, and otherwise it counts as left out."""
        size = len(visible(html))  # as it will stand on the page
        fits = size <= self.left
        self.left -= size if fits else 0
        self.left_out += not fits
        return fits


def outputs(found: Iterable[Any], room: Room) -> Markup:
    """The outputs of one cell."""
    shown, full = [], False
    for output in found:
        if room.left_out > REFUSED:  # to make them small takes time, too
            room.left_out += 1
            full = True
        elif room.takes(html := _output(output)):
            shown.append(html)
        else:
            full = True
    said = _("Left out: the page would become too large.")
    note = f'<p class="quiet">{said}</p>' if full else ""
    return Markup("".join(shown) + note)


def plain(text: str, *, most: int = TEXT, from_end: bool = False) -> str:
    """Text without colours, cut where it is long; `html.render` shows what else acts instead of being seen."""
    text = _COLOURS.sub("", text)
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))  # a bar redraws its line
    text = text.rstrip()
    if len(text) <= most:
        return text
    return f"[…]\n{text[-most:]}" if from_end else f"{text[:most]}\n[… {len(text) - most:,}]"


def _output(output: Any) -> str:
    if output.output_type == "stream":
        return _text(output.text, " stderr" if output.name == "stderr" else "")
    if output.output_type == "error":
        return _error(output)
    data = output.get("data", {})
    if any(kind.startswith("application/vnd.jupyter.widget") for kind in data):
        return ""  # a slider: it stands beside a figure, and can't be moved here
    texts = {"text/plain": "", **{kind: value for kind, value in data.items() if isinstance(value, str)}}
    return _rich(texts, output.get("metadata", {}))


def _error(output: Any) -> str:
    """The sentence of an exception; where it came from, folded, without the folders of who graded."""
    sentence = plain(f"{output.ename}: {output.evalue}", most=500)
    traceback = plain(_FOLDERS.sub(r"\1", "\n".join(output.traceback)), from_end=True)
    if traceback.count("\n") < 2:
        return _text(traceback or sentence, " error")
    summary = f'<summary class="error">{escape(sentence, quote=False)}</summary>'
    return f"<details>{summary}<div>{_text(traceback)}</div></details>"


def _rich(data: dict[str, str], metadata: Any) -> str:
    """The best of the forms that an object shows itself in."""
    html = clean(data.get("text/html", "")[: 20 * TEXT])
    if "<img" in html or re.sub(r"<[^<>]*>", "", html).strip():
        return f'<div class="output html" tabindex="0">{html}</div>'
    for kind in (kind for kind in _PICTURES if kind in data):
        described = metadata.get(kind, {}) if isinstance(metadata.get(kind), dict) else {}
        text = "" if _FIGURE.fullmatch(data["text/plain"]) else data["text/plain"]
        if html := _picture(data[kind], kind, str(described.get("alt") or text or _("Figure"))):
            return html
        said = _("A picture that can't be shown here.")
        return f'<p class="quiet">{said}</p>'
    if "text/markdown" in data:
        return f'<div class="output html" tabindex="0">{markdown(data["text/markdown"][:TEXT])}</div>'
    if "text/latex" in data:
        return f'<div class="output html" tabindex="0">{clean(formula(data["text/latex"][:TEXT].strip("$ ")))}</div>'
    return _text(data["text/plain"])


def _text(text: str, name: str = "", *, from_end: bool = False) -> str:
    shown = plain(text, from_end=from_end)
    return f'<pre class="output{name}" tabindex="0">{escape(shown, quote=False)}</pre>' if shown else ""


def _picture(data: str, kind: str, alt: str) -> str:
    """A picture inside the page; empty if it can't be read."""
    url = picture_url(data, kind)
    return f'<img class="output" src="{url}" alt="{escape(plain(alt, most=500))}">' if url else ""


def picture_url(data: str, kind: str) -> str:
    """A picture as a data: URL, small enough for a page; empty if it can't be read."""
    if kind == "image/svg+xml":  # drawn as a picture it runs no script and fetches nothing
        data = base64.b64encode(data.encode("utf-8", "replace")).decode()
    else:
        try:
            raw = base64.b64decode(data)
            kind, raw = _smaller(raw) if len(raw) > LARGE else (kind, raw)
        except Exception:  # Pillow raises whatever a broken file makes it stumble over
            return ""
        data = base64.b64encode(raw).decode()
    return f"data:{kind};base64,{data}"


def _smaller(raw: bytes) -> tuple[str, bytes]:
    """A large picture as WebP, at most `WIDEST` pixels wide."""
    from PIL import Image

    with Image.open(io.BytesIO(raw), formats=("PNG", "JPEG", "GIF")) as picture:
        if picture.width * picture.height > PIXELS:
            raise ValueError(f"{picture.width} times {picture.height} pixels")
        drawn = picture.convert("RGBA" if "transparency" in picture.info or "A" in picture.getbands() else "RGB")
        drawn.thumbnail((WIDEST, TALLEST))
        buffer = io.BytesIO()
        drawn.save(buffer, "WEBP", quality=80, method=1)
        return "image/webp", buffer.getvalue()

"""Markdown, formulas and code as HTML that needs no script: MathML, and colours by class.

The same text gives the same HTML, so what the author wrote is rendered once for the whole class.
"""

import functools
import re
from collections.abc import Callable, Mapping
from html import escape
from itertools import groupby, pairwise
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pygments
from latex2mathml.converter import convert
from markupsafe import Markup
from mistune import block_parser, helpers, inline_parser
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatter import Formatter
from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String

from autograder.pages.sanitise import clean

_CLASSES = {Keyword: "k", Operator.Word: "k", String: "s", Number: "n", Comment: "c", Name.Function: "f"}
_ATTACHMENT = re.compile(r"attachment:([^)\s\"'>]+)")
_MATHML = "{http://www.w3.org/1998/Math/MathML}"
_FORMULA = re.compile(r"\\\\[(\[]|\\begin\{")
_MOST_FORMULAS = 300  # for each that begins in this way, Jupyter's parser may read all the rest of the text
_ALIGNED = re.compile(r"\\(begin|end)\{(?:aligned|gathered|eqnarray\*?)\}")  # latex2mathml knows align*


@functools.lru_cache(maxsize=4096)
def markdown(text: str) -> Markup:
    """A markdown cell: Jupyter's markdown with formulas; headings below those of the page."""
    if len(_FORMULA.findall(text)) > _MOST_FORMULAS:
        return as_written(text)
    return Markup(clean(_MARKDOWN.render(text)))


def embedded(text: str, attachments: Mapping[str, Mapping[str, str]], draw: Callable[[str, str], str]) -> str:
    """A markdown text with the pictures that are attached to its cell inside it.

    draw: makes a data: URL of a picture's base64 and its MIME type; empty if it can't.
    """

    def picture(found: re.Match[str]) -> str:
        for kind, data in attachments.get(unquote(found[1]), {}).items():
            return draw(data, kind) or found[0]
        return found[0]

    return _ATTACHMENT.sub(picture, text) if attachments else text


def as_written(text: str) -> Markup:
    """Text as it stands."""
    return Markup(f'<div class="code"><pre tabindex="0">{escape(text)}</pre></div>')


@functools.lru_cache(maxsize=4096)
def python(source: str) -> Markup:
    """A code cell in colours."""
    return Markup(_code(source))


@functools.lru_cache(maxsize=4096)
def formula(latex: str, display: str = "inline") -> str:
    """LaTeX as MathML; as it is written, where it can't be read. For `clean`: it may hold a student's HTML."""
    try:
        tree = ElementTree.fromstring(convert(_ALIGNED.sub(r"\\\1{align*}", latex), display=display))
    except Exception:  # it raises whatever comes of bad LaTeX, IndexError as well; and & or < may be left in it
        return f"<code>{escape(latex)}</code>"
    for row in tree.iter(f"{_MATHML}mrow"):
        _space_functions(row)
    ElementTree.register_namespace("", _MATHML.strip("{}"))
    return ElementTree.tostring(tree, encoding="unicode")


def _space_functions(row: ElementTree.Element) -> None:
    """A thin space between log and its argument, unless a bracket follows."""
    for place, (one, after) in reversed(list(enumerate(pairwise(row), start=1))):
        name = one.tag == f"{_MATHML}mi" and len(one.text or "") > 1 and (one.text or "").isascii()
        if name and after.tag not in (f"{_MATHML}mo", f"{_MATHML}mspace"):
            row.insert(place, ElementTree.Element(f"{_MATHML}mspace", width="0.17em"))


class _Renderer(IPythonRenderer):
    """Jupyter's renderer, with formulas as MathML, colours by class, and boxes that scroll."""

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        tag = f"h{min(level + 1, 6) if level > 2 else 4}"
        return f"<{tag}>{text}</{tag}>\n"

    def block_code(self, code: str, info: str | None = None) -> str:
        plain = info is not None and info.split(maxsplit=1)[:1] not in (["python"], ["py"], ["python3"])
        return f'<div class="code"><pre tabindex="0">{escape(code)}</pre></div>' if plain else _code(code)

    def inline_math(self, body: str) -> str:
        return formula(body)

    def block_math(self, body: str) -> str:
        return f'<div class="formula" tabindex="0">{formula(body, "block")}</div>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(body if "equation" in name else f"\\begin{{{name}}}{body}\\end{{{name}}}")

    def table(self, text: str) -> str:
        return f'<div class="table" tabindex="0"><table>\n{text}</table></div>\n'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return f'<img alt="{escape(text)}" src="{escape(url)}">'


class _Spans(Formatter):
    """A span for each token that has a colour."""

    def format(self, tokensource: Any, outfile: Any) -> None:
        for name, tokens in groupby(tokensource, lambda token: _class(token[0])):
            text = escape("".join(text for _, text in tokens), quote=False)
            outfile.write(f'<span class="{name}">{text}</span>' if name else text)


def _class(kind: Any) -> str | None:
    return next((_CLASSES[parent] for parent in reversed(kind.split()) if parent in _CLASSES), None)


def _code(source: str) -> str:
    coloured = pygments.highlight(source, _LEXER, _SPANS).rstrip("\n")
    return f'<div class="code"><pre tabindex="0">{coloured}</pre></div>'


# mistune lets line breaks and tabs stand in a value without quotes, so that it reads a tag of n of them in 2^n ways
_ATTRIBUTES = helpers.HTML_ATTRIBUTES.replace("[^ !", r"[^\s!")
inline_parser._INLINE_HTML_TAG = re.compile(rf"<{helpers.HTML_TAGNAME}{_ATTRIBUTES}\s*/?>|</{helpers.HTML_TAGNAME}\s*>")
block_parser._OPEN_TAG_END = re.compile(_ATTRIBUTES + r"[ \t]*>[ \t]*(?:\n|$)")
_LEXER, _SPANS = PythonLexer(), _Spans()
_MARKDOWN = MarkdownWithMath(renderer=_Renderer(escape=False))

"""A language made on the fly that marks each translated text, ⟦so⟧: what it doesn't mark is in English for all."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import catalogues
import polib

from simpo_language import speech

CODE = "xx"
PATH = re.compile(r"\S*[/\\._@=]\S*|\S*\d\S*|--?[\w-]+|[a-z]+(?:-[a-z0-9]+)+|`[^`]*`|<[^>]*>|\b[A-Z]{2,}\b")
WORD = re.compile(r"[A-Za-z]{3,}")
NO_PROSE = ("style", "code", "pre", "svg", "script", "math", "textarea")
NO_PROSE_CLASSES = ("prose", "output", "code")


def make(folder: Path) -> None:
    """Write its catalogues: every sentence of the packages, marked."""
    for domain in speech.DOMAINS:
        catalogue = polib.POFile()
        catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Plural-Forms": catalogues.GERMANIC}
        for one in catalogues.sentences(domain).values():
            marked = [f"⟦{text}⟧" for text in (one.text, one.many) if text]
            plural = {"msgid_plural": one.many, "msgstr_plural": dict(enumerate(marked))} if one.many else {}
            catalogue.append(polib.POEntry(msgid=one.text, msgstr="" if one.many else marked[0], **plural))
        path = folder / CODE / "LC_MESSAGES" / f"{domain}.mo"
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue.save_as_mofile(str(path))


@contextmanager
def known(folder: Path) -> Iterator[None]:
    """Within it, the packages find this language and no other."""
    before = speech.CATALOGUES
    speech.CATALOGUES = folder
    forget = (speech.languages.cache_clear, speech._catalogue.cache_clear)
    try:
        for clear in forget:
            clear()
        yield
    finally:
        speech.CATALOGUES = before
        speech.speak(speech.SOURCE)
        for clear in forget:
            clear()


def unmarked(text: str, allowed: Collection[str] = ()) -> list[str]:
    """The words that are no translated text, nor code, a path, an option or one of those that are allowed."""
    while text != (text := re.sub(r"⟦[^⟦⟧]*⟧", " · ", text)):
        pass
    return sorted({word for word in WORD.findall(PATH.sub(" ", text)) if word not in allowed})


class _Prose(HTMLParser):
    """The text of a page but for code, pictures and what students and authors wrote."""

    VOID = ("meta", "link", "br", "img", "input", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.open: list[bool] = []  # of each open tag, whether it hides what is in it

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        classes = (attributes.get("class") or "").split()
        if not any(self.open):
            self.text += [attributes[name] for name in ("aria-label", "title", "alt") if attributes.get(name)]
        if tag not in self.VOID:
            self.open.append(tag in NO_PROSE or any(one in NO_PROSE_CLASSES for one in classes))

    def handle_endtag(self, tag):
        if tag not in self.VOID and self.open:
            self.open.pop()

    def handle_data(self, data):
        if not any(self.open):
            self.text.append(data)


def prose(html: str) -> str:
    """What a page says in words of ours."""
    parser = _Prose()
    parser.feed(html)
    return "\n".join(parser.text)

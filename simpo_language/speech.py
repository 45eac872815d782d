"""Which language is spoken, and sentences in it, out of gettext's catalogues beside this file.

A sentence stands in the code in English, with named fields, and is looked up where it is said:

    _("{name} is not defined").format(name=name)

Whoever speaks to a person says in which language: `speak` for the process (a notebook's kernel, a command),
`speaking` for a stretch of code (one student's page). Until then, and without a catalogue, it is English.
Standard library alone: checks are made of it, in every student's kernel.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gettext import NullTranslations

SOURCE = "en"  # what the code is written in
CATALOGUES = Path(__file__).with_name("catalogues")
# The catalogues of a language, the one first that every student's kernel reads. A text is looked up in each.
DOMAINS = ("checks", "autograder", "simpo_core", "simpo_language")
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # gettext's: the first that is set

_of_process = [SOURCE]
_of_stretch: ContextVar[str] = ContextVar("language", default="")


@functools.cache
def languages() -> tuple[str, ...]:
    """The codes of all languages: English, and one for each folder of catalogues."""
    found = sorted(path.name for path in CATALOGUES.iterdir() if (path / "LC_MESSAGES").is_dir())
    return (SOURCE, *found)


def known(code: str) -> str:
    """The language that a code names, in any of its spellings; English if there is no catalogue for it.

    >>> known("zh_CN.UTF-8"), known("zh-Hans"), known("C.UTF-8"), known("")
    ('zh', 'zh', 'en', 'en')
    """
    name = code.strip().replace("-", "_").partition(".")[0].lower()
    return next((one for one in languages() if one.lower() in (name, name.partition("_")[0])), SOURCE)


def speak(code: str) -> None:
    """From now on this process speaks the language that the code names."""
    _of_process[0] = known(code)


@contextlib.contextmanager
def speaking(code: str) -> Iterator[None]:
    """Within it, this thread or task speaks the language that the code names."""
    before = _of_stretch.set(known(code))
    try:
        yield
    finally:
        _of_stretch.reset(before)


def spoken() -> str:
    """The language that is spoken here and now."""
    return _of_stretch.get() or _of_process[0]


def of_environment(environment: Mapping[str, str] = os.environ) -> str:
    """The language of whoever sits at the machine: of the first of the variables that is set, or of Windows."""
    wish = next((environment[name] for name in VARIABLES if environment.get(name)), "")
    if not wish and sys.platform == "win32":
        return known(_of_windows())
    named = [one for one in wish.split(":") if known(one) != SOURCE or one.lower().startswith(SOURCE)]
    return known(named[0]) if named else SOURCE


def _of_windows() -> str:
    import ctypes
    import locale

    return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")  # type: ignore[attr-defined]


# Sentences


def _(text: str) -> str:
    """The text in the language that is spoken; as it stands if no catalogue has it."""
    language = spoken()
    if language == SOURCE:
        return text
    return next((found for one in DOMAINS if (found := _catalogue(language, one).gettext(text)) != text), text)


def translated(language: str) -> Callable[[str], str]:
    """`_` for one language, whatever is spoken."""

    def translate(text: str) -> str:
        with speaking(language):
            return _(text)

    return translate


def ngettext(one: str, many: str, number: float) -> str:
    """The form that fits the number, in the language that is spoken: `one` or `many` in English."""
    english = one if number == 1 else many
    language = spoken()
    if language == SOURCE:
        return english
    found = (_catalogue(language, domain).ngettext(one, many, int(number)) for domain in DOMAINS)
    return next((form for form in found if form not in (one, many)), english)


def N_(text: str) -> str:  # noqa: N802 gettext's name for it
    """The text as it is: marked for the catalogues, and looked up by `_` where it is said."""
    return text


@dataclass(frozen=True)
class Said:
    """A sentence with its fields, said whenever it is read, in the language that its reader speaks.

    For what is kept, or crosses from process to process: `str()` says it.
    """

    text: str  # in English, as `N_` marks it
    fields: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return _(self.text).format(**dict(self.fields))


def said(text: str, /, **fields: Any) -> Said:
    """A sentence to be said later. The text is marked for the catalogues by standing here."""
    return Said(text, tuple(fields.items()))


def sentence_of(error: BaseException) -> "str | Said":
    """What an exception says: its sentence, if it was raised with one."""
    first = error.args[0] if error.args else ""
    return first if isinstance(first, Said) else str(error)


def kept(sentence: "str | Said") -> Any:
    """A sentence as JSON carries it; `said_again` makes it one again."""
    return asdict(sentence) if isinstance(sentence, Said) else sentence


def said_again(stored: Any) -> "str | Said":
    """What `dataclasses.asdict` and JSON have made of a sentence, or of a plain text, as it was."""
    if not isinstance(stored, Mapping):
        return str(stored)
    return Said(str(stored["text"]), tuple((str(name), _value(value)) for name, value in stored["fields"]))


def _value(stored: Any) -> Any:
    return said_again(stored) if isinstance(stored, Mapping) else stored


# Catalogues


def load(domain: str) -> None:
    """Read every language's catalogue of a domain, before a process is confined and can't."""
    for language in languages():
        _catalogue(language, domain)


def catalogues(domain: str) -> list[Path]:
    """The files of a domain's catalogues, compiled, language by language."""
    return sorted(CATALOGUES.glob(f"*/LC_MESSAGES/{domain}.mo"))


@functools.cache
def _catalogue(language: str, domain: str) -> "NullTranslations":
    """A language's catalogue of one domain; an empty one if there is none, or a confined process may not read it."""
    import gettext

    try:
        with (CATALOGUES / language / "LC_MESSAGES" / f"{domain}.mo").open("rb") as file:
            return gettext.GNUTranslations(file)
    except OSError:
        return gettext.NullTranslations()

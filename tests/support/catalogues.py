"""The catalogues of the two packages: every sentence that they say, and what it is in the other languages.

python tests/support/catalogues.py            # brings simpo_language/catalogues up to date with the code
python tests/support/catalogues.py --missing  # the same, and prints what is not translated yet
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polib
from jinja2 import Environment

from simpo_language.speech import CATALOGUES, DOMAINS, SOURCE, languages

ROOT = Path(__file__).resolve().parent.parent.parent
SPOKEN_BY_CHECKS = ("checks.py", "messages.py", "checking", "student_data", "inside", "execution")  # in autograder/
PACKAGES = ("autograder", "simpo_core", "simpo_language")
CALLS = {"_", "N_", "said", "ngettext"}
HELP = {"Option", "Argument", "Typer"}  # typer's, with `help=`
WRAPPED = 100
PLURAL = {"zh": "nplurals=1; plural=0;"}
GERMANIC = "nplurals=2; plural=(n != 1);"


@dataclass(frozen=True)
class Sentence:
    """One text to translate."""

    text: str
    many: str = ""  # its plural
    where: str = ""  # the file


def sentences(domain: str) -> dict[str, Sentence]:
    """Every text of a domain, by the English one, file by file."""
    found: dict[str, Sentence] = {}
    for path in (found for package in PACKAGES for found in sorted(ROOT.glob(f"{package}/**/*"))):
        if domain_of(path) == domain:
            for one in {".py": in_code, ".j2": in_template}.get(path.suffix, lambda path: iter(()))(path):
                kept = found.get(one.text)
                if kept is None or (one.many and not kept.many):
                    found[one.text] = one
    return found


def domain_of(path: Path) -> str:
    """The catalogue that a file's sentences stand in."""
    package, first, *_ = path.relative_to(ROOT).parts
    return "checks" if package == "autograder" and first in SPOKEN_BY_CHECKS else package


def in_code(path: Path) -> Iterator[Sentence]:
    """The texts of a module: arguments of `_` and its like, and what commands say of themselves by --help."""
    where = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            texts = [_text(argument) for argument in node.args]
            if name in CALLS and texts and texts[0]:
                yield Sentence(texts[0], texts[1] if name == "ngettext" else "", where)
            elif name in CALLS and isinstance(node.args[0], ast.JoinedStr):
                raise ValueError(
                    f"{where}:{node.lineno}: a translated text is no f-string; name its fields: .format(…)"
                )
            elif name in HELP:
                yield from (
                    Sentence(text, "", where)
                    for keyword in node.keywords
                    if keyword.arg == "help" and (text := _text(keyword.value))
                )
        elif isinstance(node, ast.FunctionDef) and any(map(_is_command, node.decorator_list)):
            yield from (Sentence(text, "", where) for text in [ast.get_docstring(node)] if text)


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_command(decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(function, ast.Attribute) and function.attr in ("command", "callback")


def in_template(path: Path) -> Iterator[Sentence]:
    """The texts of a template: `{{ _("…") }}`, `{{ ngettext("…", "…", n) }}`."""
    environment = Environment(extensions=["jinja2.ext.i18n"])
    for _, name, texts in environment.extract_translations(path.read_text(encoding="utf-8")):
        one, *more = texts if isinstance(texts, tuple) else (texts,)
        if one:  # else it is looked up by a variable, and marked where that is set
            yield Sentence(one, more[0] if name == "ngettext" else "", path.relative_to(ROOT).as_posix())


def updated(language: str, domain: str) -> polib.POFile:
    """A language's catalogue as the code wants it: what is gone is left out, what is new has no words yet."""
    path = CATALOGUES / language / "LC_MESSAGES" / f"{domain}.po"
    kept = {entry.msgid: entry for entry in polib.pofile(str(path), encoding="utf-8")} if path.is_file() else {}
    catalogue = polib.POFile(wrapwidth=WRAPPED)
    catalogue.metadata = {
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": PLURAL.get(language, GERMANIC),
    }
    for one in sentences(domain).values():
        entry = polib.POEntry(msgid=one.text, occurrences=[(one.where, "")])
        before = kept.get(one.text)
        if one.many:
            entry.msgid_plural = one.many
            entry.msgstr_plural = dict(before.msgstr_plural) if before and before.msgstr_plural else {0: ""}
        elif before:
            entry.msgstr = before.msgstr
        catalogue.append(entry)
    return catalogue


def missing(catalogue: polib.POFile) -> list[str]:
    """What has no words in a language yet."""
    return [entry.msgid for entry in catalogue if not (entry.msgstr or any((entry.msgstr_plural or {}).values()))]


def write(language: str) -> dict[str, list[str]]:
    """Bring a language's catalogues up to date, compiled ones too; what is missing, by domain."""
    lacking = {}
    for domain in DOMAINS:
        catalogue = updated(language, domain)
        path = CATALOGUES / language / "LC_MESSAGES" / f"{domain}.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue.save(str(path))
        catalogue.save_as_mofile(str(path.with_suffix(".mo")))
        lacking[domain] = missing(catalogue)
    return lacking


if __name__ == "__main__":
    for language in languages():
        if language != SOURCE:
            for domain, texts in write(language).items():
                print(f"{language}/{domain}: {len(texts)} not translated")
                if "--missing" in sys.argv:
                    print(*(f"  {inspect.cleandoc(text)!r}" for text in texts), sep="\n")

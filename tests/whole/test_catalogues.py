"""The catalogues hold every sentence of the packages, translated, with the same fields; compiled, they say the same."""

import string
import subprocess
import sys

import catalogues
import polib
import pytest
from project import ROOT

from simpo_language.speech import CATALOGUES, DOMAINS, SOURCE, languages

OTHERS = [language for language in languages() if language != SOURCE]
BOTH = [(language, domain) for language in OTHERS for domain in DOMAINS]
REFRESH = "run `python tests/support/catalogues.py --missing`, translate what it prints, and run it again"


def read(language, domain):
    return polib.pofile(str(CATALOGUES / language / "LC_MESSAGES" / f"{domain}.po"), encoding="utf-8")


def texts(entry):
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize(("language", "domain"), BOTH)
def test_every_sentence_is_in_the_catalogue_and_translated(language, domain):
    wanted = {text: (one.text, one.many) for text, one in catalogues.sentences(domain).items()}
    found = {entry.msgid: (entry.msgid, entry.msgid_plural) for entry in read(language, domain)}
    assert wanted == found, REFRESH
    assert catalogues.missing(read(language, domain)) == [], REFRESH


@pytest.mark.parametrize(("language", "domain"), BOTH)
def test_a_translation_has_the_fields_of_its_sentence_and_no_others(language, domain):
    def fields(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    for entry in read(language, domain):
        wanted = fields(entry.msgid) | fields(entry.msgid_plural or "")
        for text in texts(entry):
            assert fields(text) == wanted, entry.msgid


@pytest.mark.parametrize(("language", "domain"), BOTH)
def test_what_is_compiled_says_what_the_catalogue_says(language, domain):
    def contents(catalogue):
        return {entry.msgid: texts(entry) for entry in catalogue}

    compiled = polib.mofile(str(CATALOGUES / language / "LC_MESSAGES" / f"{domain}.mo"), encoding="utf-8")
    assert contents(compiled) == contents(read(language, domain)), REFRESH


def test_an_f_string_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogues, "ROOT", tmp_path)
    path = tmp_path / "module.py"
    path.write_text('_(f"{name} is gone")\n')
    with pytest.raises(ValueError, match=r"module\.py:1: a translated text is no f-string"):
        list(catalogues.in_code(path))


def test_a_check_speaks_the_language_of_its_notebook_whatever_the_students_locale():
    script = """
import autograder.checks as _checks
from autograder.checks import answer, check_close
_checks.language("zh")
_checks.passed(1, "手算一例", more=True)
try:
    check_close(answer("loss", 0.3), 0.25, hint="平方了吗？")
except _checks.CheckFailed as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={"LANG": "C.UTF-8"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "✓ 1 分：手算一例；提交后还有更多测试",
        "✗ 测试未通过：loss：得到 0.3，应为 0.25",
        "→ 提示：平方了吗？",
    ]

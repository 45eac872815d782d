"""Sentences in the language that is spoken, tried with a catalogue of three words."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import polib
import pytest

from simpo_language import speech
from simpo_language.speech import _, known, ngettext, of_environment, said, said_again, speak, speaking, spoken


@pytest.fixture
def klingon(tmp_path, monkeypatch):
    """A third language: a folder with catalogues, and nothing else."""
    folder = tmp_path / "tlh" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    catalogue = polib.POFile()
    catalogue.metadata = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Plural-Forms": "nplurals=3; plural=(n == 1 ? 0 : n == 2 ? 1 : 2);",
    }
    catalogue.append(polib.POEntry(msgid="{name} is gone", msgstr="loj {name}"))
    forms = {0: "wa' Duj", 1: "cha' Duj", 2: "{n} Duj"}
    catalogue.append(polib.POEntry(msgid="{n} ship", msgid_plural="{n} ships", msgstr_plural=forms))
    catalogue.save_as_mofile(str(folder / "autograder.mo"))
    monkeypatch.setattr(speech, "CATALOGUES", tmp_path)
    speech.languages.cache_clear()
    yield "tlh"
    speak("en")
    speech.languages.cache_clear()


def test_a_folder_of_catalogues_is_a_language(klingon):
    assert speech.languages() == ("en", klingon)
    assert known("tlh_KL.UTF-8") == klingon
    assert known("zh") == "en"  # there is no folder of it


def test_a_text_is_looked_up_in_what_is_spoken(klingon):
    assert _("{name} is gone") == "{name} is gone"
    with speaking(klingon):
        assert _("{name} is gone").format(name="qIrq") == "loj qIrq"
        assert _("no catalogue has it") == "no catalogue has it"
    speak(klingon)
    assert spoken() == klingon
    with speaking("en"):
        assert _("{name} is gone") == "{name} is gone"
    assert _("{name} is gone") == "loj {name}"


def test_each_language_has_its_own_plurals(klingon):
    assert [ngettext("{n} ship", "{n} ships", n) for n in (0, 1, 2)] == ["{n} ships", "{n} ship", "{n} ships"]
    with speaking(klingon):
        assert [ngettext("{n} ship", "{n} ships", n) for n in (1, 2, 5)] == ["wa' Duj", "cha' Duj", "{n} Duj"]
        assert ngettext("{n} cat", "{n} cats", 2) == "{n} cats"


def test_a_thread_speaks_for_itself(klingon):
    with speaking(klingon), ThreadPoolExecutor() as others:
        assert others.submit(spoken).result() == "en"


def test_a_sentence_that_is_kept_is_said_in_its_readers_language(klingon):
    inner = said("{name} is gone", name="Spock")
    kept = said("{name} is gone", name=inner)
    stored = asdict(kept)  # as a record keeps it
    assert said_again(stored) == kept
    assert said_again("words") == "words"
    assert str(kept) == "Spock is gone is gone"
    with speaking(klingon):
        assert str(said_again(stored)) == "loj loj Spock"
        assert str(ValueError(kept)) == "loj loj Spock"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN"}, "zh"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "fr:zh:en"}, "zh"),  # of fr there is no catalogue
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en:zh"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_environment_says_what_is_read_here(environment, language):
    assert of_environment(environment) == language


def test_windows_says_it_by_a_number(monkeypatch):
    import ctypes
    from types import SimpleNamespace

    kernel = SimpleNamespace(GetUserDefaultUILanguage=lambda: 0x0804)  # Microsoft's zh-CN
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    assert of_environment({}) == "zh"
    assert of_environment({"LANG": "en_US.UTF-8"}) == "en"


def test_english_reads_no_catalogue():
    script = (
        "import sys, simpo_language.speech as s; assert s._('Hint: ') == 'Hint: '; assert 'gettext' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

"""The option --language, and what typer says by itself, in both languages."""

import pytest
import typer
from typer.testing import CliRunner

from simpo_language.command_line import Commands, UnknownLanguage, choose_language, option
from simpo_language.speech import speak, spoken

app = typer.Typer(cls=Commands)


@app.callback()
def of_all(language: str = option()) -> None:
    """Release, grade and explain the exercises of SimPO practice."""


@app.command()
def status() -> None:
    """Write nothing; exit 1 and name stale files."""


@pytest.fixture(autouse=True)
def english(monkeypatch):
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.setenv(name, "")
    yield
    speak("en")


@pytest.mark.parametrize("line", [["--language", "zh", "status"], ["status", "--language=zh"]])
def test_the_option_stands_anywhere_on_the_line(line, monkeypatch):
    assert choose_language(line) == ["status"]
    assert spoken() == "zh"


def test_without_the_option_it_is_the_environments(monkeypatch):
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert choose_language(["status", "--", "--language", "en"]) == ["status", "--", "--language", "en"]
    assert spoken() == "zh"


def test_a_language_without_a_catalogue_is_refused():
    with pytest.raises(UnknownLanguage, match="--language is 'tlh': it must be one of en, zh"):
        choose_language(["--language", "tlh"])


def test_help_and_refusals_are_in_the_language_that_is_spoken():
    english = CliRunner().invoke(app, ["status", "--help"]).output
    speak("zh")
    chinese = CliRunner().invoke(app, ["status", "--help"]).output
    speak("en")
    assert "Show this message and exit." in english
    assert "显示本帮助后退出。" in chinese
    assert "不写任何文件" not in english
    assert CliRunner().invoke(app, ["status", "--help"]).output == english
    speak("zh")
    assert "没有 --foo 这个选项。" in CliRunner().invoke(app, ["status", "--foo"]).output

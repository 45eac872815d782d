"""A command line in its user's language: what typer prints by itself, the help of commands, and the option --language.

typer takes help from docstrings and options when modules are loaded, in English; it is looked up in the catalogues
when a command is shown.
"""

import os
from collections.abc import Sequence
from typing import Any

import typer
from typer import rich_utils
from typer.core import TyperGroup

from simpo_language.speech import N_, _, known, languages, of_environment, speak

OPTION = "--language"
HELP = N_("Language of what is printed, such as en or zh (default: the environment's). Stands anywhere on the line.")
PANELS = {  # typer's own words, and ours for them
    "ARGUMENTS_PANEL_TITLE": N_("Arguments"),
    "OPTIONS_PANEL_TITLE": N_("Options"),
    "COMMANDS_PANEL_TITLE": N_("Commands"),
    "ERRORS_PANEL_TITLE": N_("Error"),
    "DEFAULT_STRING": N_("[default: {}]"),
    "REQUIRED_LONG_STRING": N_("[required]"),
    "ABORTED_TEXT": N_("Aborted."),
    "RICH_HELP": N_("Try [blue]'{command_path} {help_option}'[/] for help."),
}
OF_HELP = N_("Show this message and exit.")
OF_TYPER = (  # typer's own help
    N_("Install completion for the current shell."),
    N_("Show completion for the current shell, to copy it or customize the installation."),
)


class UnknownLanguage(ValueError):
    """There is no catalogue of a language."""


def choose_language(arguments: Sequence[str]) -> list[str]:
    """Speak what the option --language says, or else the environment, here and in what is started from here.

    Returns:
        The arguments without the option.

    Raises:
        UnknownLanguage: The option names none that there is.
    """
    speak(of_environment())
    rest, wish = [], None
    waiting = iter(arguments)
    for one in waiting:
        if one == "--":
            rest += [one, *waiting]
        elif one == OPTION or one.startswith(f"{OPTION}="):
            wish = one.partition("=")[2] or next(waiting, "")
        else:
            rest.append(one)
    if wish is not None:
        if known(wish) == known("") and not wish.lower().startswith(known("")):
            sentence = _("--language is {language!r}: it must be one of {languages}")
            raise UnknownLanguage(sentence.format(language=wish, languages=", ".join(languages())))
        speak(wish)
        os.environ["LANGUAGE"] = known(wish)
    return rest


class Commands(TyperGroup):
    """The commands of a command line, each shown and refused in the language that is spoken."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        for name, words in PANELS.items():
            setattr(rich_utils, name, _(words))
        _translate(self)
        with _Translated():
            return super().make_context(*args, **kwargs)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _translate(command)
        return command

    def invoke(self, ctx: Any) -> Any:
        with _Translated():
            return super().invoke(ctx)


def option() -> Any:
    """The option as the help shows it; `choose_language` has taken it off the line before."""
    return typer.Option(OPTION, help=HELP, metavar="CODE")


def _translate(command: Any) -> None:
    """A command's help and its options', in the language that is spoken now."""
    for one in (command, *command.params):
        english = one.__dict__.setdefault("help_in_english", getattr(one, "help", None))
        if english:
            one.help = _(english)
    command.options_metavar = _("[OPTIONS]")
    if not command.__dict__.get("says_usage"):
        command.says_usage = True
        usage, own = command.get_usage, command.get_help_option
        command.get_usage = lambda ctx: usage(ctx).replace("Usage: ", _("Usage: "), 1)

        def of_help(ctx: Any) -> Any:
            found = own(ctx)
            if found is not None:
                found.help = _(OF_HELP)
            return found

        command.get_help_option = of_help


class _Translated:
    """What typer refuses a command line with, said in the language that is spoken: by the error's kind and fields."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        sentence = _refusal(error)
        if sentence:
            error.format_message = lambda: sentence


def _refusal(error: Any) -> str:
    kind = type(error).__name__
    parameter = getattr(error, "param", None)
    name = " / ".join(parameter.opts) if parameter is not None else ""
    name = name if name.startswith("-") else name.upper()
    if kind == "NoSuchOption":
        sentence = _("There is no option {name}.").format(name=error.option_name)
        near = ", ".join(sorted(error.possibilities or ()))
        return sentence + (_(" Is one of these meant: {names}?").format(names=near) if near else "")
    if kind == "MissingParameter":
        return _("{name} is missing.").format(name=name)
    if kind == "BadParameter" and parameter is not None:
        value = error.message
        return _("Invalid value for {name}: {value}").format(name=name, value=value)
    return ""

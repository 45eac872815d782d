"""The form of what a check tells a student: made here, and read here alone.

    ✗ Check failed: half(3.0): it is 6.0, expected 1.5
    ↳ In your line: return 2 * x
    → Hint: Is it twice instead of half?

Each line begins with a sign, which is the same in every language; the words up to the colon are a label for people.
What answered by an exception has a line of its own for it, as Python writes it:

    ✗ Check failed: half(0.0) raised an exception
    ! ZeroDivisionError: float division by zero

A check that did not come to its own sentence is told by the exception that stopped it, or by what it wrote to
stderr, for which nbgrader takes its points. Loads nothing: checks are made of it, in every student's kernel.
"""

import re
from dataclasses import dataclass

from simpo_language.speech import N_, _

FAILED, RAISED, LINE, HINT = "✗ ", "! ", "↳ ", "→ "  # the signs
STDERR = "⚠ "
PASSED = "✓ "  # how the line begins that a check prints when it has passed
EXPECTED = N_(", expected ")  # between the two halves of a sentence: what was seen, and what was not
STDERR_CHARACTERS = 200  # of it, in the message
UNNAMED = ""  # the mistake of a message that names none

SEEN_PART, EXPECTED_PART, HINT_PART, LINE_PART, OTHER_PART = "seen", "expected", "hint", "your_line", ""

_LABEL = re.compile(r"[^:：]*[:：] ?")
_STOPPED = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")


def failed(sentence: str, hint: str = "", line: str = "") -> str:
    """A check's message. sentence: what was seen and what was expected; line: of the student's code."""
    lines = [FAILED + _("Check failed: ") + sentence]
    lines += [LINE + _("In your line: ") + line] if line else []
    lines += [HINT + _("Hint: ") + hint] if hint else []
    return "\n".join(lines)


def raised(what: str, error: BaseException) -> str:
    """The sentence of a check whose question the student's code answered by an exception."""
    words = str(error).replace("\n", "\n  ")  # none of its lines begins with a sign
    sentence = _("{what} raised an exception").format(what=what)
    return f"{sentence}\n{RAISED}{stopped_by(type(error).__name__, words)}"


def stopped_by(name: str, words: str) -> str:
    """The message of a check that an exception stopped, which is no check's own sentence."""
    return f"{name}: {words}" if words else name


def wrote_to_stderr(text: str) -> str:
    """The message of a check that lost its points over text on stderr."""
    return STDERR + _("The cell wrote to stderr: ") + text.strip()[:STDERR_CHARACTERS]


@dataclass(frozen=True)
class Message:
    """A message, taken apart."""

    sentence: str = ""  # its first line, without the words that say that it is a check's
    hint: str = ""
    raised: str = ""  # the exception with which the student's code answered the check's question
    stopped_by: str = ""  # the exception that stopped the check before it came to a sentence of its own
    is_stderr: bool = False

    @property
    def cause(self) -> str:
        """The hint if there is one, otherwise what was seen."""
        return self.hint or self.sentence

    @property
    def mistake(self) -> str:
        """The mistake that it names: the error, or its hint; or UNNAMED. Holds no words of the student's.

        In the language that is spoken, but for the hint, which is in the message's own.
        """
        if self.raised:
            return _("raises {exception}").format(exception=self.raised)
        if self.hint:
            return self.hint
        return _("writes to stderr") if self.is_stderr else UNNAMED


def read(text: str) -> Message:
    """What a message says, in whatever language."""
    first, *rest = text.splitlines() or [""]
    exceptions = [line.removeprefix(RAISED) for line in rest if line.startswith(RAISED)]
    hints = [_without_label(line.removeprefix(HINT)) for line in rest if line.startswith(HINT)]
    own = _without_label(first.removeprefix(FAILED)) if first.startswith(FAILED) else first.removeprefix(STDERR)
    stopped = _STOPPED.match(text)
    return Message(
        ": ".join((own, *exceptions[:1])),
        hints[-1] if hints else "",
        raised=exceptions[0].partition(":")[0] if exceptions else "",
        stopped_by=stopped[0] if stopped else "",
        is_stderr=text.startswith(STDERR),
    )


def parts(text: str) -> list[tuple[str, str]]:
    """A message line by line: what each part is (one of the constants above), and its words."""
    return [part for line in text.splitlines() for part in _parts(line)]


def _parts(line: str) -> list[tuple[str, str]]:
    for sign, part in ((HINT, HINT_PART), (LINE, LINE_PART)):
        if line.startswith(sign):
            return [(part, _without_label(line.removeprefix(sign)))]
    if not line.startswith(FAILED):
        return [(OTHER_PART, line.removeprefix(RAISED).removeprefix(STDERR))]
    sentence = _without_label(line.removeprefix(FAILED))
    seen, between, expected = sentence.rpartition(_(EXPECTED))
    return [(SEEN_PART, seen), (EXPECTED_PART, expected.strip())] if between else [(OTHER_PART, sentence)]


def _without_label(line: str) -> str:
    """The words behind a line's label, which holds no colon of its own."""
    return _LABEL.sub("", line, count=1)

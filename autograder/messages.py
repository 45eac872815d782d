"""The form of what a check tells a student: made here, and read here alone.

    Check failed: half(3.0): it is 6.0, expected 1.5
    In your line: return 2 * x
    Hint: Is it twice instead of half?

A check that did not come to its own sentence is told by the exception that stopped it, or by what it wrote to
stderr, for which nbgrader takes its points. Loads nothing: checks are made of it, in every student's kernel.
"""

import re
from dataclasses import dataclass

FAILED, LINE, HINT, EXPECTED = "Check failed: ", "In your line: ", "Hint: ", ", expected "
PASSED = "\N{CHECK MARK} "  # how the line begins that a check prints when it has passed
STDERR = "The cell wrote to stderr: "
STDERR_CHARACTERS = 200  # of it, in the message
UNNAMED = "another value, which no hint names"

SEEN_PART, EXPECTED_PART, HINT_PART, LINE_PART, OTHER_PART = "seen", "expected", "hint", "your_line", ""

_RAISED = re.compile(r"\braised ([A-Z]\w*)")
_STOPPED = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")


def failed(sentence: str, hint: str = "", line: str = "") -> str:
    """A check's message. sentence: what was seen and what was expected; line: of the student's code."""
    return FAILED + sentence + (f"\n{LINE}{line}" if line else "") + (f"\n{HINT}{hint}" if hint else "")


def raised(what: str, error: BaseException) -> str:
    """The sentence of a check whose question the student's code answered by an exception."""
    return f"{what} raised {type(error).__name__}: {error}"


def stopped_by(name: str, words: str) -> str:
    """The message of a check that an exception stopped, which is no check's own sentence."""
    return f"{name}: {words}" if words else name


def wrote_to_stderr(text: str) -> str:
    """The message of a check that lost its points over text on stderr."""
    return STDERR + text.strip()[:STDERR_CHARACTERS]


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
        """The mistake that it names: the error, or its hint. Holds no words of the student's."""
        if self.raised:
            return f"raises {self.raised}"
        if self.hint:
            return self.hint
        return "writes to stderr" if self.is_stderr else UNNAMED


def read(text: str) -> Message:
    """What a message says."""
    first, *rest = text.splitlines() or [""]
    hint = next((line.removeprefix(HINT) for line in rest if line.startswith(HINT)), "")
    raised, stopped = _RAISED.search(text), _STOPPED.match(text)
    return Message(
        first.removeprefix(FAILED),
        hint,
        raised=raised[1] if raised else "",
        stopped_by=stopped[0] if stopped else "",
        is_stderr=text.startswith(STDERR),
    )


def parts(text: str) -> list[tuple[str, str]]:
    """A message line by line: what each part is (one of the constants above), and its words."""
    return [part for line in text.splitlines() for part in _parts(line)]


def _parts(line: str) -> list[tuple[str, str]]:
    for start, part in ((HINT, HINT_PART), (LINE, LINE_PART)):
        if line.startswith(start):
            return [(part, line.removeprefix(start))]
    seen, between, expected = line.removeprefix(FAILED).rpartition(EXPECTED)
    return [(SEEN_PART, seen), (EXPECTED_PART, expected)] if between else [(OTHER_PART, expected)]

"""Rules that an answer keeps or breaks, checked by a program: no judge, no opinion.

Measured on SmolLM2-135M-Instruct, sampled at temperature 0.7: of answers to the bare training prompts 0.8 % keep
"one-sentence" and none of 602 "three-lines"; with the wish 58 % and 11 % do (data/README.md).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

MAX_WORDS = 25  # of the one sentence
MAX_WORDS_OF_LINE = 10  # of each of the three lines

# A full stop behind these does not end a sentence, unless a word follows that usually begins one.
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“])(?:e\.g|i\.e|etc|vs|approx|ca|cf|al|no|fig|Dr|Mr|Mrs|Ms|Prof|St|Mt|Jr|Sr|(?:[A-Za-z]\.)*[A-Za-z])\.$",
    re.IGNORECASE,
)
_STARTER = re.compile(r"(?:The|This|These|That|It|They|In|We|You|He|She|A|An|There|However|For)\b")
_END = re.compile(r"[.!?…]+[\"'”’)\]*]*(?=\s)")
_GLUED = re.compile(r"[a-z]{2}[.!?](?=[A-Z][a-z])")  # "the end.The next"
_LIST_MARK = re.compile(r"(?:[-*•–]|\(?\d+[.)]|#+)\s")


def count_words(text: str) -> int:
    """Words as a person counts them: "well-known" is one, a dash alone is none."""
    return sum(any(letter.isalnum() for letter in word) for word in text.split())


def sentences(text: str) -> list[str]:
    """The sentences of a text. Decimals, initials and abbreviations don't end one; a new line does.

    >>> sentences("Pi is about 3.14. It is used, e.g. for circles, in the U.S. Army.")
    ['Pi is about 3.14.', 'It is used, e.g. for circles, in the U.S. Army.']
    """
    return [sentence for line in text.splitlines() for sentence in _sentences_of_line(line.strip()) if sentence]


def _sentences_of_line(line: str) -> list[str]:
    ends = {end.end() for pattern in (_END, _GLUED) for end in pattern.finditer(line)}
    cuts = sorted(end for end in ends if _ends_sentence(line[:end], line[end:].lstrip()))
    return [line[start:end].strip() for start, end in zip([0, *cuts], [*cuts, len(line)], strict=True)]


def _ends_sentence(before: str, after: str) -> bool:
    """Whether a sentence ends between the two, given that `before` ends in . ! ? or an ellipsis."""
    if not after or after[0].islower():
        return False
    if _ABBREVIATION.search(before):
        return _STARTER.match(after) is not None
    return True


def keeps_one_sentence(answer: str) -> bool:
    """Exactly one sentence of at most 25 words that ends in a full stop. No line break, no list, no trailing dots.

    A single word is no sentence.

    >>> keeps_one_sentence("Friction is a force that slows things down.")
    True
    >>> keeps_one_sentence("Friction is a force. It slows things down.")
    False
    """
    text = answer.strip()
    return (
        text.endswith(".")
        and not text.endswith("..")
        and _LIST_MARK.match(text) is None
        and 2 <= count_words(text) <= MAX_WORDS
        and sentences(text) == [text]
    )


def keeps_three_lines(answer: str) -> bool:
    """Exactly three lines, as of a short poem: each of 2 to 10 words, all different, no list, no blank line.

    >>> keeps_three_lines("The rain is falling,\\nsoft upon the window,\\na song without words.")
    True
    >>> keeps_three_lines("1. Rain is water.\\n2. Rain falls.\\n3. Rain is wet.")
    False
    """
    lines = answer.strip().splitlines()
    return (
        len(lines) == 3
        and all(2 <= count_words(line) <= MAX_WORDS_OF_LINE for line in lines)
        and not any(_LIST_MARK.match(line.strip()) for line in lines)
        and len({line.strip().lower() for line in lines}) == 3
    )


@dataclass(frozen=True)
class Rule:
    """A rule, and how to ask for it.

    `wish` is what `make_pairs` appends to a prompt to sample answers that may keep the rule; neither
    training nor evaluation ever sees it.
    """

    name: str
    description: str
    wish: str
    keeps: Callable[[str], bool]


RULES = {
    rule.name: rule
    for rule in (
        Rule(
            name="one-sentence",
            description=f"exactly one sentence of at most {MAX_WORDS} words, ending in a full stop",
            wish="Answer in one sentence.",
            keeps=keeps_one_sentence,
        ),
        Rule(
            name="three-lines",
            description=f"exactly three different lines of at most {MAX_WORDS_OF_LINE} words, as of a short poem",
            wish="Answer in a short poem of three lines.",
            keeps=keeps_three_lines,
        ),
    )
}

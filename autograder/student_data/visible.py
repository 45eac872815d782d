"""What strangers wrote, made safe to look at: what a terminal or a browser would obey is shown instead."""

import re

# Control characters but tabs and ends of lines; what turns the direction of text round; what no file can hold.
_OBEYED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)"
)


def visible(text: str) -> str:
    r"""The text, with each character that would act instead of being seen as Python writes it.

    >>> print(visible("\x1b[2J \u202egnp.exe"))
    \x1b[2J \u202egnp.exe
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)

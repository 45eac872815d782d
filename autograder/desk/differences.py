"""One text beside another: what of it the other does not have, as HTML."""

import re
from difflib import SequenceMatcher
from html import escape

from autograder.student_data.visible import visible

MOST = 4_000_000  # pairs of words that are compared: two texts of 2,000 words each
_TOKENS = re.compile(r"[\u3400-\u9fff]|\w+|\s+|.", re.ASCII | re.DOTALL)


def marked(text: str, shown: str) -> str:
    """`shown`, with what `text` does not have in <ins> and what only `text` has in <del>; harmless HTML.

    Words are compared, of Chinese characters. Texts that are too long for that stand unmarked.
    """
    before, after = _TOKENS.findall(text), _TOKENS.findall(shown)
    if len(before) * len(after) > MOST:
        return _safe(shown)
    parts = []
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        gone, new = "".join(before[a:b]), "".join(after[c:d])
        if kind == "equal":
            parts.append(_safe(new))
            continue
        parts.append(f"<del>{_safe(gone)}</del>" if gone.strip() else "")
        parts.append(f"<ins>{_safe(new)}</ins>" if new.strip() else _safe(new))
    return "".join(parts)


def _safe(text: str) -> str:
    return visible(escape(text))

"""How much JSON holds, told before it costs anything: a value takes up to a hundred times its bytes in memory."""

import re
from typing import Any

TEXTS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)


def holds_more(content: bytes, signs: bytes, most: int) -> bool:
    """Whether more of these characters stand in it, outside its texts.

    signs: `,[{` for all values (about); `{` or `[` for objects or lists alone.
    """
    return _count(content, signs) > most and _count(TEXTS.sub(b"", content), signs) > most


def values_in(content: bytes, most: int) -> int:
    """About how many values JSON holds: numbers, texts, lists and objects.

    most: up to here an upper bound will do, which takes what stands in texts for values, too.
    """
    found = _count(content, b",[{")
    return found if found <= most else _count(TEXTS.sub(b"", content), b",[{")


def is_deep(tree: Any, most: int) -> bool:
    """Whether lists and objects stand in each other more than so many times."""
    level = [tree]
    for _ in range(most):
        level = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]
        level = [part for part in level if isinstance(part, dict | list)]
        if not level:
            return False
    return True


def _count(content: bytes, signs: bytes) -> int:
    return sum(content.count(sign) for sign in signs)

"""People's names, as they are written and sorted: Chinese ones with the family name first, and no space."""

import re

_CHINESE = re.compile("[\u3400-\u9fff\uf900-\ufaff]")


def is_chinese(name: str) -> bool:
    """Whether a name is written in Chinese characters.

    >>> is_chinese("王小明"), is_chinese("Zoë Müller")
    (True, False)
    """
    return bool(_CHINESE.search(name))


def full_name(first: str, last: str) -> str:
    """A person's whole name, of which either part may be empty.

    >>> full_name("小明", "王"), full_name("Zoë", "Müller"), full_name("王小明", "")
    ('王小明', 'Zoë Müller', '王小明')
    """
    if is_chinese(first) and is_chinese(last):
        return last + first
    return f"{first} {last}".strip()


def in_order(first: str, last: str) -> tuple[bytes, bytes]:
    """What names are sorted by: the family name, then the other. Common Chinese characters come as in pinyin.

    GB 18030 has the 3755 commonest characters in the order of their pinyin, as GB 2312 had.

    >>> sorted(["张", "李", "王", "陈"], key=lambda name: in_order("", name))
    ['陈', '李', '王', '张']
    """
    whole = not last and is_chinese(first)  # "王小明" in one field
    return tuple(part.encode("gb18030", "replace") for part in ((first, "") if whole else (last, first)))  # type: ignore[return-value]

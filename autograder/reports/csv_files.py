"""CSV files, written so that no spreadsheet runs them."""

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what spreadsheets take for the beginning of a formula


def number(points: float) -> str:
    """Points as every system reads them: a full stop for the fraction, two places, no zeros at the end."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def disarmed(words: str) -> str:
    """Words that no spreadsheet takes for a formula: an apostrophe goes before those that begin like one.

    Source: https://owasp.org/www-community/attacks/CSV_Injection

    >>> disarmed("=1+1"), disarmed("Ada")
    ("'=1+1", 'Ada')
    """
    return f"'{words}" if words.lstrip(" ").startswith(FORMULA) else words


def spreadsheet(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV: quoted where needed, lines ended as RFC 4180 says."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()

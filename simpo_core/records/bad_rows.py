"""Rows that can't be used: all named before a run starts, or left out and counted."""

from collections.abc import Sequence

from simpo_core.inputs import UserError

NAMED = 10


class RowError(UserError):
    """A row that can't be used: `where` it is, such as "prefs.jsonl line 12", and the `reason`."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where, self.reason = where, reason


def leave_out(errors: Sequence[RowError], total: int, *, skip_bad: bool, notes: list[str]) -> None:
    """Add a note that says which rows of `total` are left out, if there are any and `skip_bad` allows it.

    Raises:
        UserError: There are some and it doesn't, or no row is left; names the first ten.
    """
    if not errors:
        return
    if skip_bad and len(errors) < total:
        notes.append(f"{len(errors)} of {total} rows left out, as skip_bad says:{_named(errors)}")
        return
    if len(errors) == 1:
        raise errors[0]
    advice = "" if len(errors) == total else "; with skip_bad = true they are left out"
    raise UserError(f"{len(errors)} of {total} rows can't be used{advice}:{_named(errors)}")


def _named(errors: Sequence[RowError]) -> str:
    more = f", and {len(errors) - NAMED} more" if len(errors) > NAMED else ""
    if len({error.reason for error in errors}) == 1:
        return f" {', '.join(error.where for error in errors[:NAMED])}{more}: {errors[0].reason}"
    return "".join(f"\n  {error}" for error in errors[:NAMED]) + (f"\n  {more.removeprefix(', ')}" if more else "")

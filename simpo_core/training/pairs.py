"""The pairs of a run: read, checked and tokenised as its settings say."""

from pathlib import Path
from typing import Any

from simpo_core.data_report import check_pairs, odd_lines
from simpo_core.inputs import UserError
from simpo_core.pair_files import read_pairs
from simpo_core.preferences import Pair, TokenPair, usable
from simpo_core.training.config import FinetuneConfig


def read_records(config: FinetuneConfig, notes: list[str]) -> list[Pair]:
    """The run's pairs; `notes` gets what a person should be told. Raises UserError as `read_pairs`."""
    return read_pairs(
        config.data,
        columns=config.columns,
        form=config.data_form,
        settings=config.chat_template_kwargs,
        skip_bad=config.skip_bad,
        notes=notes,
    )


def set_template(config: FinetuneConfig, tokenizer: Any) -> None:
    """Give the tokenizer the run's chat template, which its checkpoints keep; its own stays where the run has none.

    Raises UserError if it can't be read.
    """
    if not config.chat_template:
        return
    path = Path(config.chat_template).expanduser()
    try:
        tokenizer.chat_template = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UserError(f"chat_template: {path} can't be read: {reason}") from None


def tokens_of(records: list[Pair], config: FinetuneConfig, tokenizer: Any, notes: list[str]) -> list[TokenPair]:
    """The pairs to train on, cut to fit; `notes` gets what `simpo check-data` would find.

    Raises:
        UserError: Pairs can't be used (and `skip_bad` doesn't leave them out), or none is left.
    """
    lengths = {"max_length": config.max_length, "max_prompt_length": config.max_prompt_length}
    report, fitted = check_pairs(records, tokenizer, **lengths, skip_bad=config.skip_bad, notes=notes)
    pairs, cuts = usable(fitted, **lengths)
    notes += [*cuts, *(f"of {report.pairs} pairs, {line}" for line in odd_lines(report))]
    return pairs

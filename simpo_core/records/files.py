"""Rows of JSON Lines, JSON, CSV, Parquet, folders of them, and data sets on the Hugging Face hub."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simpo_core.inputs import UserError
from simpo_core.records.bad_rows import RowError

HUB_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(/(?P<config>[\w.-]+))?(:(?P<split>[\w.%:\[\]+-]+))?")


@dataclass(frozen=True)
class Row:
    """One row. Its record is a dict if all is well; where it can't be read, a RowError instead."""

    where: str  # "prefs.jsonl line 12"
    unit: str  # "line"
    record: Any


def read_rows(source: str | Path | Sequence[str]) -> Iterator[Row]:
    """The rows of a file, a folder's files by name, a data set on the hub (org/name:split), or several of these.

    Lines, items and rows are counted from 1. Blank lines are counted and skipped.

    Raises:
        UserError: There is no such file or data set, or it can't be read.
    """
    if not isinstance(source, (str, Path)):
        for one in source:
            yield from read_rows(one)
        return
    path = Path(source).expanduser()
    if path.is_dir() and path.suffix.lower() not in READERS:
        yield from _folder(path)
    elif path.suffix.lower() in READERS:
        unit, records = READERS[path.suffix.lower()]
        try:
            for number, record in records(path):
                where = f"{path.name} {unit} {number}"
                yield Row(where, unit, RowError(where, str(record)) if isinstance(record, UserError) else record)
        except OSError as error:
            reason = error.strerror or str(error).partition("\n")[0]
            raise UserError(f"{path} can't be read: {reason}") from None
    elif not path.exists() and (found := HUB_NAME.fullmatch(str(source))):
        yield from _hub(str(source), found["name"], found["config"], found["split"] or "train")
    else:
        raise UserError(
            f"{path}: expected a file of pairs, named .jsonl (one JSON object per line), .json, .csv, .tsv or "
            ".parquet, a folder of such files, or a data set on the hub (org/name or org/name:split)"
        )


# -- Files: readers give the number and the record of each row, or a UserError that says why there is none -----------


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as file:  # lines end at \n alone: a string may hold other line separators, such as U+2028
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                yield number, UserError(f"byte {error.start + 1} is not UTF-8; save the file as UTF-8")
                continue
            if text.strip():
                yield number, _parse(text.rstrip())


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"{error.msg} at column {error.colno}"
        return UserError(f"it is not JSON ({at}); each line is one whole JSON object; was it cut off?")
    except (ValueError, RecursionError):  # a number of thousands of digits, or brackets thousands deep
        return UserError("it can't be read as JSON: a number is too long, or it is nested too deep")


def _json_file(path: Path) -> Iterator[tuple[int, Any]]:
    """A list of objects, alone or in an object under a name such as "data"; or JSON Lines by another name."""
    try:
        value = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise UserError(f"{path.name} is not JSON: {error}; was it cut off?") from None
        yield from _json_lines(path)
        return
    except (ValueError, RecursionError):  # also bytes that are not Unicode
        raise UserError(f"{path.name} can't be read as JSON: is it UTF-8, and not nested too deep?") from None
    if isinstance(value, dict):
        lists = [x for x in value.values() if isinstance(x, list) and x and isinstance(x[0], dict)]
        value = lists[0] if len(lists) == 1 and len(value) <= 3 and "chosen" not in value else [value]
    if not isinstance(value, list):
        raise UserError(f"{path.name} holds neither a list of objects nor an object: each item needs a pair")
    yield from enumerate(value, start=1)


def _csv_file(path: Path) -> Iterator[tuple[int, Any]]:
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            rows = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
            for number, row in enumerate(rows, start=1):
                if None in row:
                    yield number, UserError("more fields than the first line has: is a comma or a quote not quoted?")
                else:
                    yield number, {name: _cell(cell) for name, cell in row.items()}
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"{path.name} can't be read as CSV in UTF-8: {error}") from None


def _cell(cell: str | None) -> Any:
    """A cell's text; a list of messages, where it holds one as JSON."""
    if cell and cell.startswith("[{"):
        value = _parse(cell)
        return cell if isinstance(value, UserError) else value
    return cell


def _parquet_rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(f"{path.name}: parquet needs pyarrow; pip install pyarrow, or save as .jsonl") from None
    number = 0
    try:
        with path.open("rb") as file:
            for batch in parquet.ParquetFile(file).iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, _without_gaps(row)
    except (pyarrow.ArrowException, ValueError) as error:  # ValueError: bytes that are not UTF-8
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path.name} can't be read as parquet after row {number}: {reason}") from None


def _without_gaps(value: Any) -> Any:
    """Without what is null in an object: a table gives every object the fields that any of them has."""
    if isinstance(value, dict):
        return {name: _without_gaps(x) for name, x in value.items() if x is not None}
    return [_without_gaps(x) for x in value] if isinstance(value, list) else value


READERS: dict[str, tuple[str, Callable[[Path], Iterator[tuple[int, Any]]]]] = {
    ".jsonl": ("line", _json_lines),
    ".json": ("item", _json_file),
    ".csv": ("row", _csv_file),
    ".tsv": ("row", _csv_file),
    ".parquet": ("row", _parquet_rows),
}


# -- Folders and the hub -----------------------------------------------------------------------------------------------


def _folder(path: Path) -> Iterator[Row]:
    if (path / "state.json").is_file() and (path / "dataset_info.json").is_file():  # of Dataset.save_to_disk
        yield from _data_set(path.name, lambda datasets: datasets.load_from_disk(str(path)))
        return
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in READERS)
    if not files:
        raise UserError(f"{path} is a folder without a file named {', '.join(READERS)}")
    for file in files:
        yield from read_rows(file)


def _hub(source: str, name: str, config: str | None, split: str) -> Iterator[Row]:
    yield from _data_set(source, lambda datasets: datasets.load_dataset(name, config, split=split))


def _data_set(name: str, load: Callable[[Any], Any]) -> Iterator[Row]:
    try:
        import datasets
    except ImportError:
        raise UserError(f"{name}: no such file, and a data set needs the package datasets: pip install it") from None
    try:
        rows = load(datasets)
    except Exception as error:  # datasets has errors of a dozen kinds: no network, no such split, a damaged cache
        reason = (str(error) or type(error).__name__).partition("\n")[0]
        raise UserError(f"{name}: no such file, and as a data set it can't be loaded: {reason}") from None
    for number, row in enumerate(rows, start=1):
        yield Row(f"{name} row {number}", "row", _without_gaps(row))

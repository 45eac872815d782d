import json
import sys

import pytest

from simpo_core.inputs import UserError
from simpo_core.records.bad_rows import RowError
from simpo_core.records.files import read_rows

ROWS = [{"prompt": f"{n} + 1?", "chosen": f"{n + 1}.", "rejected": "Ä, or “ü”\n?"} for n in range(3)]
CHAT = {"prompt": [{"role": "user", "content": "2 + 2?"}]}


def records(source):
    return [row.record for row in read_rows(source)]


def error_of(source):
    with pytest.raises(UserError) as caught:
        list(read_rows(source))
    return str(caught.value)


def write_jsonl(path, rows=ROWS):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# -- JSON ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps({"data": ROWS}),
        json.dumps({"version": 1, "train": ROWS}, indent=1),
        "".join(json.dumps(row) + "\n" for row in ROWS),  # JSON Lines by another name
    ],
)
def test_a_json_file_holds_a_list_or_lines(tmp_path, text):
    path = tmp_path / "prefs.json"
    path.write_text("\ufeff" + text if text[0] == "[" else text, encoding="utf-8")
    assert records(path) == ROWS
    assert [row.where for row in read_rows(path)] == [f"prefs.json item {n}" for n in (1, 2, 3)]


def test_an_object_that_is_itself_a_pair_is_one(tmp_path):
    path = tmp_path / "one.json"
    path.write_text(json.dumps(CHAT | {"chosen": [{}], "rejected": [{}]}))
    assert len(records(path)) == 1


@pytest.mark.parametrize("text", ['[{"prompt": "2', "3", '"text"', "\x80", "[" * 100_000])
def test_a_json_file_that_cant_be_read_is_named(tmp_path, text):
    path = tmp_path / "prefs.json"
    path.write_bytes(text.encode("latin-1"))
    assert "prefs.json" in error_of(path)


# -- CSV -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "separator"), [("prefs.csv", ","), ("prefs.tsv", "\t")])
def test_csv_gives_the_rows_of_jsonl(tmp_path, name, separator):
    import csv

    path = tmp_path / name
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, ["prompt", "chosen", "rejected"], delimiter=separator)
        writer.writeheader()
        writer.writerows(ROWS)
    assert records(path) == ROWS
    assert next(row.where for row in read_rows(path)) == f"{name} row 1"


def test_messages_in_a_cell_are_read(tmp_path):
    path = tmp_path / "prefs.csv"
    path.write_text('prompt,chosen\n"[{""role"": ""user"", ""content"": ""2 + 2?""}]",[{broken\n')
    assert records(path) == [CHAT | {"chosen": "[{broken"}]


def test_a_csv_row_with_too_many_fields_is_named_and_a_broken_file_too(tmp_path):
    path = tmp_path / "prefs.csv"
    path.write_text("prompt,chosen,rejected\na,b,c\na,b, c, d\n")
    good, bad = records(path)
    assert good == {"prompt": "a", "chosen": "b", "rejected": "c"}
    assert isinstance(bad, RowError)
    assert str(bad).startswith("prefs.csv row 2: more fields than the first line has")
    path.write_bytes(b"prompt,chosen\n\xe4,b\n")
    assert error_of(path).startswith("prefs.csv can't be read as CSV in UTF-8: ")


# -- Several, folders, data sets -------------------------------------------------------------------------------------


def test_several_files_and_a_folder_of_files_follow_each_other(tmp_path):
    one, two = write_jsonl(tmp_path / "b.jsonl", ROWS[1:]), tmp_path / "a.json"
    two.write_text(json.dumps(ROWS[:1]))
    (tmp_path / "README.md").write_text("not read")
    assert records([str(two), str(one)]) == ROWS
    assert [row.where for row in read_rows(tmp_path)] == ["a.json item 1", "b.jsonl line 1", "b.jsonl line 2"]
    (tmp_path / "empty").mkdir()
    assert "empty is a folder without a file named .jsonl, .json" in error_of(tmp_path / "empty")


@pytest.mark.filterwarnings("ignore")
def test_a_data_set_is_read_through_datasets(tmp_path, monkeypatch):
    import datasets

    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"))
    assert records(tmp_path / "saved") == ROWS
    assert [row.where for row in read_rows(tmp_path / "saved")][:1] == ["saved row 1"]


@pytest.mark.filterwarnings("ignore")
def test_a_name_on_the_hub_is_asked_of_datasets(tmp_path, monkeypatch):
    import datasets

    asked = []

    def load_dataset(name, config, split):  # the hub itself is not there in a test
        asked.append((name, config, split))
        if split == "none":
            raise ValueError("Unknown split\nmore")
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert records("org/pairs:train_prefs") == records("org/pairs") == records("org/pairs/en:test[:10%]") == ROWS
    assert asked == [
        ("org/pairs", None, "train_prefs"),
        ("org/pairs", None, "train"),
        ("org/pairs", "en", "test[:10%]"),
    ]
    assert (
        error_of("org/pairs:none")
        == "org/pairs:none: no such file, and as a data set it can't be loaded: Unknown split"
    )


def test_without_datasets_a_name_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert error_of("org/pairs") == "org/pairs: no such file, and a data set needs the package datasets: pip install it"


def test_what_other_rows_alone_have_is_left_out_of_parquet(tmp_path):
    import pyarrow
    from pyarrow import parquet

    rows = [{"tools": [{"name": "plus", "a": 1}]}, {"tools": [{"name": "minus", "b": [{"c": 1}, {"d": 2}]}]}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "prefs.parquet")
    assert records(tmp_path / "prefs.parquet") == rows

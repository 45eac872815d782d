import os
import sqlite3

import pytest

from autograder.files import no_room, raise_if_full, write_whole


def test_it_makes_the_folder_and_keeps_line_ends(tmp_path):
    write_whole(tmp_path / "new" / "file.csv", "é\r\n中\n")
    assert (tmp_path / "new" / "file.csv").read_bytes() == "é\r\n中\n".encode()


def test_what_is_read_only_is_replaced_all_the_same(tmp_path):
    write_whole(tmp_path / "page", b"one", mode=0o444)
    assert (tmp_path / "page").stat().st_mode & 0o777 == 0o444
    write_whole(tmp_path / "page", b"two", mode=0o444)
    assert (tmp_path / "page").read_bytes() == b"two"


def test_a_secret_is_never_readable_by_others(tmp_path, monkeypatch):
    modes = []
    monkeypatch.setattr(os, "replace", lambda partial, path: modes.append(partial.stat().st_mode & 0o777))
    write_whole(tmp_path / "secret", "password", mode=0o600)
    assert modes == [0o600]


def test_what_stops_halfway_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half a character: \ud800")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("kept", "old")]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "kept"
    path.write_text("old")

    def full(partial, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("kept", "old")]


def test_what_a_killed_process_left_is_no_obstacle(tmp_path):
    (tmp_path / f".kept.{os.getpid()}.part").write_text("a part")
    write_whole(tmp_path / "kept", "whole")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("kept", "whole")]


def test_a_file_of_anybodys_with_such_a_name_is_no_obstacle(tmp_path):
    # students hand in folders: what was once written as kept.part would have stopped at this
    (tmp_path / "kept.part").mkdir()
    write_whole(tmp_path / "kept", "whole")
    assert (tmp_path / "kept").read_text() == "whole"


def test_a_full_disk_is_found_in_a_traceback_where_there_is_nothing_else():
    with pytest.raises(OSError, match="No space left") as caught:
        raise_if_full("Traceback ...\nOSError: [Errno 28] No space left on device: '/course/a b.ipynb'\nmore")
    assert no_room(caught.value).startswith("/course/a b.ipynb: No space left on device. ")
    with pytest.raises(sqlite3.OperationalError):
        raise_if_full("sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database or disk is full")
    raise_if_full("OSError: [Errno 2] No such file or directory: 'x'\nValueError: database or disk is full")

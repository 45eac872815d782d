"""What is remembered of how a system named its files."""

import pytest

from autograder.handing_in.received import Received, from_canvas, from_moodle, keep_received

LOSS = "01_simpo_loss"


def test_names_of_both_systems_are_told_apart(tmp_path):
    names = {
        ("zoë", LOSS): "Zoë Müller_4711_assignsubmission_file_",
        ("77", LOSS): "Participant_77_assignsubmission_file_01_simpo_loss.ipynb",
        ("bob", LOSS): "bergbob_LATE_1234_56789_01_simpo_loss-1.ipynb",
        ("cy", LOSS): "youngcy_1235_56790_simpo-practice.zip",
    }
    keep_received(tmp_path, names)
    assert from_moodle(tmp_path) == {
        ("zoë", LOSS): Received("Zoë Müller_4711_assignsubmission_file", "4711"),
        ("77", LOSS): Received("Participant_77_assignsubmission_file", "77"),
    }
    assert from_canvas(tmp_path) == {
        ("bob", LOSS): Received("bergbob_LATE_1234_56789", "1234", "01_simpo_loss-1"),
        ("cy", LOSS): Received("youngcy_1235_56790", "1235", "simpo-practice"),
    }


def test_a_later_download_goes_before_and_the_others_stay(tmp_path):
    keep_received(tmp_path, {("a", LOSS): "A_1_assignsubmission_file_", ("b", LOSS): "B_2_assignsubmission_file_"})
    keep_received(tmp_path, {("a", LOSS): "A_9_assignsubmission_file_"})
    assert {key[0]: one.number for key, one in from_moodle(tmp_path).items()} == {"a": "9", "b": "2"}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}'])
def test_what_was_spoilt_names_nobody(tmp_path, content):
    (tmp_path / "received.json").write_text(content)
    assert from_moodle(tmp_path) == from_canvas(tmp_path) == {}

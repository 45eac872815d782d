"""Large pages change what forks cost, and nothing else."""

import subprocess
import sys

import pytest

from autograder.inside import large_pages

TRIAL = """
import re
from pathlib import Path
from autograder.inside.large_pages import bring_into_large_pages
def large():
    return sum(map(int, re.findall(r"AnonHugePages: +(\\d+)", Path("/proc/self/smaps").read_text())))
kept = [bytes([number]) * 50_000 for number in range(200)]
print(bring_into_large_pages(), large(), all(kept[n] == bytes([n]) * 50_000 for n in range(200)))
"""


def test_memory_keeps_what_is_in_it_and_comes_to_lie_in_large_pages():
    shown = subprocess.run([sys.executable, "-c", TRIAL], check=True, capture_output=True, text=True).stdout.split()
    assert shown[2] == "True"
    if shown[0] == "0":
        pytest.skip("this kernel has none to give")
    assert int(shown[1]) > 0


def test_where_the_kernel_has_none_nothing_happens(monkeypatch, tmp_path):
    monkeypatch.setattr(large_pages, "SIZE", tmp_path / "missing")
    assert large_pages.bring_into_large_pages() == 0

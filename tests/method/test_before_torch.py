import os
import subprocess
import sys

from project import ROOT
from tiny import write_pairs


def test_what_torchs_libraries_read_is_set_before_torch_is_loaded_and_not_over_what_was_set(tmp_path):
    names = ("OMP_WAIT_POLICY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    script = f"""
import os, sys
from simpo_core import cli
class Torch:
    def find_spec(self, name, *more):
        if name == "torch":
            print(*[os.environ.get(name) for name in {names}])
            os._exit(0)
sys.meta_path.insert(0, Torch())
sys.argv = ["simpo", "check-data", "{write_pairs(tmp_path / "pairs.jsonl")}", "--model", "fresh"]
cli.main()
"""

    def seen(**variables):
        without = {name: x for name, x in os.environ.items() if name not in (*names, "GOMP_SPINCOUNT", "KMP_BLOCKTIME")}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=without | variables, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert seen() == ["PASSIVE", "256"]
    assert seen(OMP_WAIT_POLICY="ACTIVE", ONEDNN_PRIMITIVE_CACHE_CAPACITY="9") == ["ACTIVE", "9"]
    assert seen(GOMP_SPINCOUNT="100") == ["None", "256"]

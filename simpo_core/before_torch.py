"""What torch's libraries read when they are loaded: how threads wait, and how much machine code is kept."""

import os


def prepare_for_torch() -> None:
    """Set what torch's libraries read when they are loaded, unless something else was set.

    OpenMP's threads sleep while they wait for each other. By default they spin, which starves each other where other
    programs want the cores: beside busy ones a step took 18 times as long (docs/speed.md).
    oneDNN, which multiplies in bfloat16 on a CPU, keeps the machine code of 256 shapes, which is more than a step has,
    and not of 1024: rows have ever new lengths, so that a run would take more memory with every step.
    """
    if not any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")

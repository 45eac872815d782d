"""Which checkpoints a run's folder holds."""

from pathlib import Path

STATE = "training.pt"  # what a run needs to go on: a checkpoint without it is a model alone


def newest_checkpoint(output: Path) -> Path | None:
    """The checkpoint of the highest step in a run's folder from which it can go on, or None."""
    return max((path for path in checkpoints(output) if (path / STATE).is_file()), key=step_of, default=None)


def newest_model(output: Path, *, before: int | None = None) -> Path | None:
    """As `newest_checkpoint`, but one from which no run can go on will do: its model is all that is wanted.

    before: The step below which it must be.
    """
    return max((path for path in models(output) if before is None or step_of(path) < before), key=step_of, default=None)


def models(output: Path) -> list[Path]:
    """The checkpoints in a run's folder that hold a model, by their steps."""
    names = ("config.json", "adapter_config.json")
    return sorted((x for x in checkpoints(output) if any((x / name).is_file() for name in names)), key=step_of)


def checkpoints(output: Path) -> list[Path]:
    """All that a run's folder holds, whole or not."""
    return [path for path in output.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]


def step_of(folder: Path) -> int:
    """The step of a checkpoint."""
    return int(folder.name.rpartition("-")[2])

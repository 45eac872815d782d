"""Which checkpoints a run's folder holds."""

from pathlib import Path

STATE = "training.pt"  # what a run needs to go on: a checkpoint without it is a model alone


def newest_checkpoint(output: Path, *, before: int | None = None) -> Path | None:
    """The checkpoint of the highest step in a run's folder, below `before` if that is given, or None."""
    whole = [path for path in checkpoints(output) if (path / STATE).is_file()]
    return max((path for path in whole if before is None or _step(path) < before), key=_step, default=None)


def newest_model(output: Path) -> Path | None:
    """As `newest_checkpoint`, but one from which no run can go on will do: its model is all that is wanted."""
    names = ("config.json", "adapter_config.json")
    models = [path for path in checkpoints(output) if any((path / name).is_file() for name in names)]
    return max(models, key=_step, default=None)


def checkpoints(output: Path) -> list[Path]:
    """All that a run's folder holds, whole or not."""
    return [path for path in output.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])

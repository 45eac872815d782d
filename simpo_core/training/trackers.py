"""Where a run's numbers go beside its own files: TensorBoard and Weights & Biases, through their own libraries.

By transformers' names, as of TRL's runs: train/loss, train/rewards/margins, eval/loss ...
"""

import dataclasses
import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from simpo_core.inputs import UserError
from simpo_core.training.config import FinetuneConfig


class Tracker(Protocol):
    """Takes a run's numbers, step by step."""

    def log(self, step: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


def check_installed(names: Sequence[str]) -> None:
    """Raise UserError unless the libraries of these trackers are there."""
    lacking = [name for name in names if importlib.util.find_spec(name) is None]
    if lacking:
        raise UserError(f"report_to has {', '.join(lacking)}, not installed here: pip install {' '.join(lacking)}")


def open_trackers(config: FinetuneConfig, step: int) -> list[Tracker]:
    """The run's trackers; what they have of steps after `step`, from before a crash, is given up."""
    kinds: dict[str, Any] = {"tensorboard": TensorBoard, "wandb": WandB}
    return [kinds[name](config, step) for name in config.report_to]


def track(trackers: Sequence[Tracker], row: Mapping[str, Any]) -> None:
    """Give a line of metrics.jsonl or eval.jsonl to all trackers."""
    values = {name: float(value) for name, value in row.items() if name != "step"}
    renamed = {
        f"eval/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}": value
        for name, value in values.items()
    }
    for tracker in trackers:
        tracker.log(row["step"], renamed)


class TensorBoard:
    """Event files in the output folder: `tensorboard --logdir OUTPUT`."""

    def __init__(self, config: FinetuneConfig, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(Path(config.output) / "tensorboard"), purge_step=step + 1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class WandB:
    """A run of Weights & Biases, which WANDB_PROJECT, WANDB_MODE and its other variables direct."""

    def __init__(self, config: FinetuneConfig, step: int) -> None:
        import wandb

        output = Path(config.output).resolve()
        self.run = wandb.init(
            name=output.name,
            dir=str(output),
            config=dataclasses.asdict(config),
            id=hashlib.blake2b(str(output).encode(), digest_size=8).hexdigest(),  # a run that goes on is the same one
            resume="allow",
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        self.run.finish()

"""A run's folder: what `simpo finetune` writes beside the checkpoints, and when.

run.toml        the settings, every one written out
metrics.jsonl   a line a step, with TRL's names
eval.jsonl      a line for each time that the held-out pairs were measured, the first before training
.lock           held by the process that writes here
run.png         loss, rewards and log-probabilities over the steps
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from simpo_core import devices
from simpo_core.inputs import UserError
from simpo_core.language_models.saved_models import STATE, newest_checkpoint, newest_model
from simpo_core.training.checkpoint import explained, forget_older
from simpo_core.training.config import FinetuneConfig, read_config, to_toml
from simpo_core.training.evaluation import best, evaluate
from simpo_core.training.finetune import METRICS, finetune, save
from simpo_core.training.passes import LOGGED
from simpo_core.training.preparation import Training, explaining_memory, prepare
from simpo_core.training.trackers import Tracker, check_installed, open_trackers, track

METRICS_FILE = "metrics.jsonl"
EVAL_FILE = "eval.jsonl"

# These change steps by rounding at most, and what dropout drops.
MAY_CHANGE = {
    *("output", "save_every", "device", "compile", "pack_tokens"),
    *("save_dtype", "save_only_model", "keep", "report_to", "eval_every", "eval_answers"),
}


def start(config: FinetuneConfig, *, resume: bool = False) -> Training:
    """Prepare a run and its folder.

    Raises:
        UserError: The folder holds a run already and `resume` was not asked for, or it is a run with other
            settings; or what `prepare` raises.
    """
    output = Path(config.output)
    devices.join_processes(devices.choose_device(config.device))
    _check(output, config, resume=resume)
    made = not output.exists()
    if devices.rank() == 0:
        _lock(output)
    try:
        check_installed(config.report_to)
        _check(output, config, resume=resume)  # once more, now that no other run writes to it
        training = prepare(config, resume=resume)
    except BaseException:
        _unlock(output)
        if made:
            with contextlib.suppress(OSError):
                output.rmdir()
        raise
    if devices.rank() == 0:
        _replace(output / "run.toml", to_toml(config))
        for path, rows in ((output / METRICS_FILE, read_metrics(output)), (output / EVAL_FILE, read_eval(output))):
            kept = [row for row in rows if row["step"] <= training.step]
            if path.name == METRICS_FILE or training.held_out:
                _replace(path, "".join(json.dumps(row) + "\n" for row in kept))
    devices.wait_for_all()
    if training.held_out:
        training.evaluations = read_eval(output)
    return training


def train(training: Training, stopped: Callable[[], bool] = lambda: False) -> Iterator[dict[str, Any]]:
    """Take the remaining steps; log each, and save when it is time, at the end, and when `stopped` says so.

    Yields:
        The line of metrics.jsonl of each step.
    """
    try:
        yield from _train(training, stopped)
    finally:
        _unlock(Path(training.config.output))


def _train(training: Training, stopped: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    config, output = training.config, Path(training.config.output)
    peak = devices.peak_flops(training.device)
    saved = training.step
    trackers = open_trackers(config, training.step) if devices.rank() == 0 else []
    with contextlib.ExitStack() as closing:
        for tracker in trackers:
            closing.callback(tracker.close)
        if training.held_out and not training.evaluations:
            _evaluate(training, trackers)
        for step in finetune(training):
            row: dict[str, Any] = {"step": step.number, **step.metrics, "tokens_per_second": step.tokens / step.seconds}
            row["memory_gb"] = devices.peak_memory(training.device) / 1e9
            if peak and step.flops:
                row["mfu"] = step.flops / step.seconds / peak / devices.world_size()
            if devices.rank() == 0:
                _forget_older(training)  # the newest one's weights gave this step's loss
                _append(output / METRICS_FILE, json.dumps(row) + "\n")
                track(trackers, row)
            stop, last = _any_stopped(stopped(), training.device), step.number == config.steps
            if training.held_out and (last or _is_due(step.number, config.eval_every)):
                _evaluate(training, trackers)
            if stop or last or _is_due(step.number, config.save_every) or _is_best(training):
                save(training, only_model=config.save_only_model and (last or not stop))
                saved = step.number
            yield row
            if stop:
                break
        else:
            if devices.rank() == 0:
                _forget_older(training)
    if devices.rank() == 0 and saved:
        try:
            draw(output)
        except OSError as error:
            raise explained(error, output, "run.png") from error


def _is_due(step: int, every: int) -> bool:
    return bool(every) and step % every == 0


def _evaluate(training: Training, trackers: Sequence[Tracker]) -> None:
    """Measure the held-out pairs, and log it."""
    with explaining_memory(training.config):
        row = {"step": training.step, **evaluate(training)}
    training.evaluations.append(row)
    if devices.rank() == 0:
        _append(Path(training.config.output) / EVAL_FILE, json.dumps(row) + "\n")
        track(trackers, row)


def _is_best(training: Training) -> bool:
    """Whether the weights as they are have just been found the best so far by the setting `keep_best`."""
    return bool(training.config.keep_best) and best_step(training) == training.step


def best_step(training: Training) -> int | None:
    """The step whose weights are the best so far by the setting `keep_best`; None without it."""
    row = best(training.evaluations, training.config.keep_best) if training.config.keep_best else None
    return None if row is None else int(row["step"])


def _forget_older(training: Training) -> None:
    config = training.config
    forget_older(Path(config.output), keep=config.keep, best=best_step(training))


def _append(path: Path, line: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
    except OSError as error:
        raise explained(error, path.parent, path.name) from error


def _check(output: Path, config: FinetuneConfig, *, resume: bool) -> None:
    """Raise UserError, as `start`, if the run can't begin or go on in this folder."""
    kept, model = newest_checkpoint(output), newest_model(output)
    if not ((output / "run.toml").is_file() or kept or model):
        return
    if not resume:
        raise UserError(f"{output} holds a run already: go on with --resume, or name another output")
    if not (output / "run.toml").is_file():
        raise UserError(f"{output} holds {(kept or model or output).name} but no run.toml: name another output")
    _same_run(read_config(output / "run.toml"), config)
    if model != kept:
        raise UserError(
            f"{model} has no {STATE}, without which a run can't go on. Its model can be evaluated, merged and trained "
            "on: name it as the model, and another output"
        )


_LOCKS: dict[Path, FileLock] = {}  # of this process, by folder


def _lock(output: Path) -> None:
    """Keep other processes from writing to a run's folder, made if it isn't there. Raises UserError if one does."""
    output.mkdir(parents=True, exist_ok=True)
    lock = _LOCKS.setdefault(output.resolve(), FileLock(output.resolve() / ".lock", timeout=0, thread_local=False))
    try:
        lock.acquire()
    except Timeout:
        raise UserError(
            f"another process is writing to {output}: wait until it is done, or name another output"
        ) from None


def _unlock(output: Path) -> None:
    if lock := _LOCKS.pop(output.resolve(), None):
        with contextlib.suppress(OSError):  # Windows keeps what is open
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release(force=True)


def _any_stopped(here: bool, device: torch.device) -> bool:
    return bool(devices.add_up(torch.tensor(float(here), device=device)) > 0)


def read_metrics(output: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's metrics.jsonl; one that is damaged, or cut off by a crash, is left out."""
    return _read(output / METRICS_FILE, {"step", *METRICS})


def read_eval(output: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's eval.jsonl, as `read_metrics`; none where there are no held-out pairs."""
    return _read(output / EVAL_FILE, {"step", *(f"eval_{name}" for name in LOGGED)})


def _read(path: Path, names: set[str]) -> list[dict[str, Any]]:
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict) and names <= row.keys():
            rows.append(row)
    return rows


def draw(output: Path) -> Path:
    """Draw run.png from metrics.jsonl; returns its path."""
    from simpo_core.plots import axes, draw_curves

    rows = read_metrics(output)
    steps = [row["step"] for row in rows]

    def curves(*names: str) -> dict[str, list[float]]:
        return {name.rpartition("/")[2]: [row[name] for row in rows] for name in names}

    loss, rewards, logps = axes("Loss", "step", "loss of a pair", columns=3)
    draw_curves(loss, steps, curves("loss"))
    if held_out := read_eval(output):
        draw_curves(loss, [row["step"] for row in held_out], {"held-out pairs": [row["eval_loss"] for row in held_out]})
    draw_curves(rewards, steps, curves("rewards/margins", "rewards/accuracies"))
    rewards.set(title="Reward of chosen over rejected", ylabel="reward, or share of pairs")
    draw_curves(logps, steps, curves("logps/chosen", "logps/rejected"))
    logps.set(title="Score of the two responses", ylabel="log-probability (nats)")
    path = output / "run.png"
    loss.figure.savefig(path, dpi=120)
    return path


def _same_run(before: FinetuneConfig, now: FinetuneConfig) -> None:
    longer = now.schedule == "constant" and not now.warmup_ratio
    may_change = MAY_CHANGE | ({"steps", "epochs"} if longer else set())
    old, new = dataclasses.asdict(before), dataclasses.asdict(now)
    names = [name for name in old if name not in may_change and old[name] != new[name]]
    changed = [f"{name} (was {old[name]!r}, is {new[name]!r})" for name in names]
    if changed:
        raise UserError(f"{now.output} is a run with other settings: {', '.join(changed)}. Name another output")


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)

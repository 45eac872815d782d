"""Make docs/results.md: what SimPO, DPO and the squared loss teach SmolLM2-135M, measured on held-out prompts.

    python benchmarks/demonstration.py        (`make results`; half an hour on 2 CPU cores)

For each rule and method one run for each learning rate; the rate is chosen by the share of validation prompts
whose answer keeps the rule; the chosen run alone answers the test prompts. What is measured is kept in
build/demonstration/ as it comes in, so that a stopped run goes on where it was; when all is there it becomes
benchmarks/results/demonstration.json.
"""

import argparse
import copy
import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import time
from pathlib import Path

import torch

from simpo_core.config import FinetuneConfig
from simpo_core.devices import has_bfloat16
from simpo_core.evaluate import evaluate_answers, evaluate_pairs
from simpo_core.make_pairs import read_prompts
from simpo_core.models import load_model
from simpo_core.pair_files import read_pairs
from simpo_core.plots import COLOURS, axes, draw_curves
from simpo_core.preferences import tokenize_pair
from simpo_core.rules import RULES
from simpo_core.run import start, train

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "demonstration.json"
RUNS = ROOT / "build" / "demonstration"
PROGRESS = RUNS / "measured.json"
LOSS_ARGS = {"simpo": {"beta": 2.5, "gamma": 1.0}, "dpo": {"beta": 0.1}, "squared": {"beta": 5.0}}
LEARNING_RATES = (2e-6, 5e-6, 1e-5)
STEPS = 30
BATCH_PAIRS = 4
MAX_NEW_TOKENS = 80


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--only-write", action="store_true", help="make docs/results.md from what was measured")
    args = parser.parse_args()
    if not args.only_write:
        measure(args.model, args.device)
    write(json.loads(RESULTS.read_text(encoding="utf-8")))


# -- Measure ---------------------------------------------------------------------------------------------------------


def measure(model: str, device: str) -> None:
    record = json.loads(PROGRESS.read_text(encoding="utf-8")) if PROGRESS.is_file() else {}
    if record.setdefault("made_on", made_on(model, device)) != made_on(model, device):
        raise SystemExit(f"{PROGRESS} was begun with another model, device or version: remove it to start again")
    for rule in RULES:
        if f"{rule} before" not in record:
            record[f"{rule} before"] = judge(*load_model(model), rule, "test", device)
            keep(record)
        for method in LOSS_ARGS:
            for rate in LEARNING_RATES:
                if f"{rule} {method} {rate:g}" not in record:
                    record[f"{rule} {method} {rate:g}"] = run(model, device, rule, method, rate)
                    keep(record)
            if f"{rule} {method}" not in record:
                best = best_rate(record, rule, method)
                record[f"{rule} {method}"] = {
                    "learning_rate": best,
                    **judge(*load_model(str(checkpoint(rule, method, best))), rule, "test", device),
                }
                keep(record)
                shutil.rmtree(RUNS / rule / method)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    PROGRESS.replace(RESULTS)


def run(model: str, device: str, rule: str, method: str, rate: float) -> dict:
    """Train once, and judge by the validation prompts."""
    output = folder(rule, method, rate)
    shutil.rmtree(output, ignore_errors=True)
    config = FinetuneConfig(
        model=model,
        data=str(data(rule, "train")),
        output=str(output),
        method=method,
        loss_args=LOSS_ARGS[method],
        steps=STEPS,
        batch_pairs=BATCH_PAIRS,
        learning_rate=rate,
        schedule="constant",
        device=device,
    )
    started = time.perf_counter()
    training = start(config)
    rows = []
    for row in train(training):
        rows.append(row)
        print(f"{rule} {method} {rate:g} step {row['step']} loss {row['loss']:.4f}", flush=True)
    seconds = time.perf_counter() - started
    for state in output.glob("checkpoint-*/training.pt"):
        state.unlink()  # two thirds of its size, not needed any more
    return {
        "seconds": seconds,
        "steps": [{name: row[name] for name in row if name not in ("memory_gb", "mfu")} for row in rows],
        "validation": judge(training.scorer.model, training.tokenizer, rule, "validation", device),
    }


def judge(model, tokenizer, rule: str, split: str, device: str) -> dict:
    """Greedy answers to a split's prompts, and log-probabilities of the held-out pairs (the validation pairs)."""
    kind = "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
    copied = copy.deepcopy(model).to(kind, torch.bfloat16 if has_bfloat16(kind) else torch.float32)
    report = evaluate_answers(copied, tokenizer, read_prompts(split), RULES[rule], max_new_tokens=MAX_NEW_TOKENS)
    pairs = [
        tokenize_pair(pair, tokenizer, max_length=1024, max_prompt_length=512)
        for pair in read_pairs(data(rule, "validation"))
    ]
    return {
        "answers": dataclasses.asdict(report),
        "pairs": dataclasses.asdict(evaluate_pairs(model.to(kind).float(), pairs)),
    }


def best_rate(record: dict, rule: str, method: str) -> float:
    """The learning rate whose run kept the rule most often on the validation prompts; the lower one of equals."""
    return max(
        LEARNING_RATES,
        key=lambda rate: (record[f"{rule} {method} {rate:g}"]["validation"]["answers"]["keeps"]["mean"], -rate),
    )


def folder(rule: str, method: str, rate: float) -> Path:
    return RUNS / rule / method / f"{rate:g}"


def checkpoint(rule: str, method: str, rate: float) -> Path:
    return next(folder(rule, method, rate).glob("checkpoint-*"))


def data(rule: str, split: str) -> Path:
    return ROOT / "simpo_core" / "data" / f"{rule}.{split}.jsonl"


def keep(record: dict) -> None:
    PROGRESS.parent.mkdir(parents=True, exist_ok=True)
    partial = PROGRESS.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(PROGRESS)


def made_on(model: str, device: str) -> dict:
    packages = ("torch", "transformers")
    return {
        "model": model,
        "device": torch.cuda.get_device_name() if device != "cpu" and torch.cuda.is_available() else platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }


# -- Write -----------------------------------------------------------------------------------------------------------


def write(record: dict) -> None:
    """docs/results.md and its figures."""
    for rule in RULES:
        draw(record, rule)
    text = (ROOT / "benchmarks" / "results.template.md").read_text(encoding="utf-8")
    for rule in RULES:
        text = text.replace(f"{{{{{rule} table}}}}", table(record, rule))
        text = text.replace(f"{{{{{rule} rates}}}}", rates(record, rule))
        text = text.replace(f"{{{{{rule} answers}}}}", samples(record, rule))
    remarks = (ROOT / "benchmarks" / "results.remarks.md").read_text(encoding="utf-8")
    text = text.replace("{{remarks}}", remarks.strip())
    made = ", ".join(f"{name} {value}" for name, value in record["made_on"].items())
    (ROOT / "docs" / "results.md").write_text(text.replace("{{made_on}}", made), encoding="utf-8")


def table(record: dict, rule: str) -> str:
    lines = [
        "| | test answers that keep the rule | tokens in an answer | distinct answers "
        "| log-probability of chosen, nats per token | of rejected | chosen above rejected, by mean | by sum |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in entries(record, rule):
        answers, pairs = entry["answers"], entry["pairs"]
        cells = [
            name,
            percent(answers["keeps"]),
            interval(answers["tokens"], ".0f"),
            f"{answers['distinct']} of {len(answers['answers'])}",
            interval(pairs["chosen_logps"], ".2f"),
            interval(pairs["rejected_logps"], ".2f"),
            f"{pairs['accuracy']['mean']:.0%}",
            f"{pairs['accuracy_of_sums']['mean']:.0%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def rates(record: dict, rule: str) -> str:
    head = " | ".join(f"{rate:g}" for rate in LEARNING_RATES)
    lines = [f"| learning rate | {head} | seconds of a run |", "|---|" + "---|" * (len(LEARNING_RATES) + 1)]
    for method in LOSS_ARGS:
        runs = [record[f"{rule} {method} {rate:g}"] for rate in LEARNING_RATES]
        shares = [f"{run['validation']['answers']['keeps']['mean']:.0%}" for run in runs]
        seconds = sorted(run["seconds"] for run in runs)[len(runs) // 2]
        lines.append(f"| {method} | " + " | ".join(shares) + f" | {seconds:.0f} |")
    return "\n".join(lines)


def samples(record: dict, rule: str, count: int = 4) -> str:
    """The answers to some test prompts, evenly spaced and not chosen for what they say."""
    lines = []
    everything = entries(record, rule)
    total = len(everything[0][1]["answers"]["answers"])
    for number in range(total // (2 * count), total, total // count):
        lines.append(f"**{everything[0][1]['answers']['answers'][number]['prompt']}**\n")
        for name, entry in everything:
            answer = entry["answers"]["answers"][number]
            text = " / ".join(answer["text"].splitlines()) + ("" if answer["finished"] else " …")
            lines.append(f"- {name}{' ✓' if answer['keeps'] else ''}: {text}")
        lines.append("")
    return "\n".join(lines).rstrip()


def draw(record: dict, rule: str) -> None:
    """The share of answers that keep the rule, and learning curves of the chosen runs."""
    chosen = {method: record[f"{rule} {method}"]["learning_rate"] for method in LOSS_ARGS}
    rows = {method: record[f"{rule} {method} {rate:g}"]["steps"] for method, rate in chosen.items()}
    share, accuracy, margin = axes(f"{rule}: test prompts that keep it", "", "share of answers", columns=3)
    for number, (_, entry) in enumerate(entries(record, rule)):
        keeps = entry["answers"]["keeps"]
        error = [[keeps["mean"] - keeps["low"]], [keeps["high"] - keeps["mean"]]]
        colour = COLOURS[number - 1] if number else "grey"  # a method's colour is that of its curves
        share.bar(number, keeps["mean"], yerr=error, capsize=4, color=colour)
    share.set(xticks=range(4), xticklabels=[name for name, _ in entries(record, rule)], ylim=(0, 1.05))
    steps = [row["step"] for row in next(iter(rows.values()))]
    draw_curves(accuracy, steps, {name: [row["rewards/accuracies"] for row in run] for name, run in rows.items()})
    accuracy.set(title="Pairs ranked right in training", xlabel="step", ylabel="share of pairs", ylim=(0, 1.05))
    draw_curves(margin, steps, {name: [row["loss"] / run[0]["loss"] for row in run] for name, run in rows.items()})
    margin.set(title="Loss, over its first value", xlabel="step", ylabel="share of the first loss")
    path = ROOT / "docs" / "pictures" / f"results-{rule}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    share.figure.savefig(path, dpi=120)


def entries(record: dict, rule: str) -> list[tuple[str, dict]]:
    return [("before", record[f"{rule} before"]), *((name, record[f"{rule} {name}"]) for name in LOSS_ARGS)]


def percent(x: dict) -> str:
    return f"{x['mean']:.0%} ({x['low']:.0%} to {x['high']:.0%})"


def interval(x: dict, form: str) -> str:
    return f"{x['mean']:{form}} ({x['low']:{form}} to {x['high']:{form}})"


if __name__ == "__main__":
    main()

"""Make docs/results.md: what SimPO, DPO and the squared loss teach a model, measured on held-out prompts.

    python benchmarks/demonstration.py        (`make results`: SmolLM2-135M; an hour or more on 2 CPU cores)
    python benchmarks/demonstration.py --model FOLDER    (another model on the same pairs, in docs/results-FOLDER.md)

For each rule and method one run for each learning rate; the rate is chosen by the share of validation prompts
whose answer keeps the rule, and is taken for two more runs with the pairs in other orders. These three runs alone
answer the test prompts. What is measured is kept in build/demonstration/ as it comes in, so that a stopped run goes
on where it was; when all is there it becomes benchmarks/results/demonstration.json.
"""

import argparse
import copy
import dataclasses
import importlib.metadata
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from simpo_core import devices
from simpo_core.answers.evaluate import Interval, bootstrap, evaluate_answers, pair_logps
from simpo_core.answers.make_pairs import read_prompts
from simpo_core.answers.rules import RULES
from simpo_core.models import load_model
from simpo_core.pair_files import read_pairs
from simpo_core.plots import COLOURS, axes, draw_curves
from simpo_core.preferences import tokenize_pair
from simpo_core.training.config import FinetuneConfig
from simpo_core.training.run import read_metrics, start, train

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "demonstration.json"
RUNS = ROOT / "build" / "demonstration"
PROGRESS = RUNS / "measured.json"
LOSS_ARGS = {"simpo": {"beta": 2.5, "gamma": 1.0}, "dpo": {"beta": 0.1}, "squared": {"beta": 5.0}}
LEARNING_RATES = (1e-6, 3e-6, 1e-5, 3e-5)
SEEDS = (0, 1, 2)  # each is an order of the pairs; the learning rate is chosen with the first
STEPS = 24
BATCH_PAIRS = 4
MAX_NEW_TOKENS = 80


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2", help="a folder, or a name on the hub")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--only-write", action="store_true", help="make docs/results.md from what was measured")
    args = parser.parse_args()
    if not args.only_write:
        measure(args.model, args.device)
    write(json.loads(named(RESULTS, args.model).read_text(encoding="utf-8")))


def named(path: Path, model: str) -> Path:
    """The path for a model: SmolLM2's is `path`, another's has the model's name in it."""
    name = "" if model == "smollm2" else "-" + re.sub(r"[^A-Za-z0-9.]+", "-", model).strip("-")
    return path.with_name(path.stem + name + path.suffix)


# -- Measure ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run."""

    model: str
    device: str
    rule: str
    method: str
    learning_rate: float
    seed: int

    @property
    def output(self) -> Path:
        return named(RUNS / self.rule, self.model) / self.method / f"{self.learning_rate:g}-{self.seed}"


def measure(model: str, device: str) -> None:
    """Train and judge whatever is not in PROGRESS yet."""
    progress, results = named(PROGRESS, model), named(RESULTS, model)
    record = json.loads(progress.read_text(encoding="utf-8")) if progress.is_file() else {}
    if record.setdefault("made_on", made_on(model, device)) != made_on(model, device):
        raise SystemExit(f"{progress} was begun on another device or with other versions: remove it to start again")

    def fill(key: str, result: Callable[[], dict[str, Any]]) -> None:
        if key not in record:
            record[key] = result()
            keep(record, progress)

    for rule in RULES:
        fill(f"{rule} before", partial(before, model, device, rule))
        for method in LOSS_ARGS:
            for rate in LEARNING_RATES:
                run = Run(model, device, rule, method, rate, SEEDS[0])
                fill(f"{rule} {method} {rate:g}", partial(tried, run))
            for seed in SEEDS:
                run = Run(model, device, rule, method, best_rate(record, rule, method), seed)
                fill(f"{rule} {method} seed {seed}", partial(tested, run))
            shutil.rmtree(run.output.parent, ignore_errors=True)
    results.parent.mkdir(parents=True, exist_ok=True)
    progress.replace(results)


def before(model: str, device: str, rule: str) -> dict[str, Any]:
    """The model that no run has trained yet."""
    return judge(*load_model(model), rule, device)


def tried(run: Run) -> dict[str, Any]:
    """Train, and see how many validation prompts' answers keep the rule."""
    model, tokenizer = trained(run)
    names = ("step", "loss", "rewards/accuracies")
    steps = [{name: row[name] for name in names} for row in read_metrics(run.output)]
    answers = ask(model, tokenizer, run.rule, "validation", run.device)
    return {"steps": steps, "keeps": answers.keeps.mean, "tokens": answers.tokens.mean}


def tested(run: Run) -> dict[str, Any]:
    """Train, unless that is done, and judge."""
    return {"learning_rate": run.learning_rate, **judge(*trained(run), run.rule, run.device)}


def trained(run: Run) -> tuple[Any, Any]:
    """The run's model at its end, and the tokenizer."""
    done = run.output / f"checkpoint-{STEPS:06}"
    if not done.is_dir():
        shutil.rmtree(run.output, ignore_errors=True)
        config = FinetuneConfig(
            model=run.model,
            data=str(data(run.rule, "train")),
            output=str(run.output),
            method=run.method,
            loss_args=LOSS_ARGS[run.method],
            steps=STEPS,
            batch_pairs=BATCH_PAIRS,
            learning_rate=run.learning_rate,
            schedule="constant",
            seed=run.seed,
            device=run.device,
        )
        for row in train(start(config)):
            print(f"{run.output.relative_to(RUNS)} step {row['step']} loss {row['loss']:.4f}", flush=True)
        (done / "training.pt").unlink()  # two thirds of its size, not needed any more
    return load_model(str(done))


def judge(model: Any, tokenizer: Any, rule: str, device: str) -> dict[str, Any]:
    """Answers to the test prompts, and log-probabilities of the held-out pairs (which validation's prompts made)."""
    answers = ask(model, tokenizer, rule, "test", device)
    pairs = [
        tokenize_pair(pair, tokenizer, max_length=1024, max_prompt_length=512)
        for pair in read_pairs(data(rule, "validation"))
    ]
    logps = pair_logps(model.to(devices.choose_device(device)).float(), pairs)
    return {
        "answers": [dataclasses.asdict(answer) for answer in answers.answers],
        "sums": logps.sums.tolist(),
        "means": logps.means.tolist(),
    }


def ask(model: Any, tokenizer: Any, rule: str, split: str, device: str) -> Any:
    """Greedy answers to a split's prompts; in bfloat16 where that is quick."""
    kind = torch.bfloat16 if devices.has_bfloat16(device) else torch.float32
    copied = copy.deepcopy(model).to(devices.choose_device(device), kind)
    return evaluate_answers(copied, tokenizer, read_prompts(split), RULES[rule], max_new_tokens=MAX_NEW_TOKENS)


def best_rate(record: dict, rule: str, method: str) -> float:
    """The learning rate whose run kept the rule most often on the validation prompts; the lower one of equals."""
    return max(LEARNING_RATES, key=lambda rate: (record[f"{rule} {method} {rate:g}"]["keeps"], -rate))


def data(rule: str, split: str) -> Path:
    return ROOT / "simpo_core" / "data" / f"{rule}.{split}.jsonl"


def keep(record: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".partial")
    written.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    written.replace(path)


def made_on(model: str, device: str) -> dict:
    packages = ("torch", "transformers")
    on_gpu = devices.choose_device(device).type == "cuda"
    return {
        "model": model,
        "device": torch.cuda.get_device_name() if on_gpu else platform.machine(),
        "precision": "bfloat16 products" if devices.has_bfloat16(device) else "float32",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }


# -- Write -----------------------------------------------------------------------------------------------------------


def write(record: dict) -> None:
    """docs/results.md and its figures."""
    for rule in RULES:
        draw(record, rule)
    page = named(ROOT / "docs" / "results.md", record["made_on"]["model"])
    page.write_text(document(record), encoding="utf-8")


def document(record: dict) -> str:
    """The text of docs/results.md."""
    model = record["made_on"]["model"]
    text = (ROOT / "benchmarks" / "results.template.md").read_text(encoding="utf-8")
    maker = "SmolLM2-135M-Instruct"
    text = text.replace("{{model}}", maker if model == "smollm2" else Path(model).name)
    text = text.replace("{{maker}}", "it made itself" if model == "smollm2" else f"{maker} made")
    for rule in RULES:
        text = text.replace(f"{{{{{rule} table}}}}", table(record, rule))
        text = text.replace(f"{{{{{rule} rates}}}}", rates(record, rule))
        text = text.replace(f"{{{{{rule} answers}}}}", samples(record, rule))
        text = text.replace(f"{{{{{rule} figure}}}}", f"pictures/{picture(record, rule).name}")
    remarks = named(ROOT / "benchmarks" / "results.remarks.md", model)
    said = remarks.read_text(encoding="utf-8").strip() if remarks.is_file() else f"({remarks.name} is not written yet.)"
    text = text.replace("{{remarks}}", said)
    made = ", ".join(f"{name} {value}" for name, value in record["made_on"].items())
    return text.replace("{{made_on}}", made)


def table(record: dict, rule: str) -> str:
    """A row for the model before training, and for each method: means over its runs, bootstrapped over the prompts."""
    lines = [
        "| | learning rate | test answers that keep the rule | in each run | tokens in an answer | distinct answers "
        "| log-probability of chosen, nats per token | of rejected | chosen above rejected, by mean | by sum |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in entries(record, rule):
        distinct = [len({answer["text"] for answer in run["answers"]}) for run in runs]
        means, sums = (np.array([run[key] for run in runs]) for key in ("means", "sums"))  # (runs, pairs, 2)
        cells = [
            name,
            f"{runs[0]['learning_rate']:g}" if "learning_rate" in runs[0] else "",
            interval(over_prompts(runs, "keeps"), ".0%"),
            ", ".join(f"{share:.0%}" for share in shares(runs)) if len(runs) > 1 else "",
            interval(over_prompts(runs, "tokens"), ".0f"),
            f"{', '.join(map(str, distinct))} of {len(runs[0]['answers'])}",
            interval(bootstrap(means[..., 0].mean(axis=0)), ".2f"),
            interval(bootstrap(means[..., 1].mean(axis=0)), ".2f"),
            f"{(means[..., 0] > means[..., 1]).mean():.0%}",
            f"{(sums[..., 0] > sums[..., 1]).mean():.0%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def over_prompts(runs: Sequence[dict], what: str) -> Interval:
    """The mean over runs and prompts, with its bootstrap interval over prompts."""
    return bootstrap(np.mean([[answer[what] for answer in run["answers"]] for run in runs], axis=0))


def shares(runs: Sequence[dict]) -> list[float]:
    """Each run's share of answers that keep the rule."""
    return [float(np.mean([answer["keeps"] for answer in run["answers"]])) for run in runs]


def rates(record: dict, rule: str) -> str:
    """Each method's share of validation answers that keep the rule, by learning rate."""
    head = " | ".join(f"{rate:g}" for rate in LEARNING_RATES)
    lines = [f"| learning rate | {head} |", "|---|" + "---|" * len(LEARNING_RATES)]
    for method in LOSS_ARGS:
        kept = [record[f"{rule} {method} {rate:g}"]["keeps"] for rate in LEARNING_RATES]
        lines.append(f"| {method} | " + " | ".join(f"{share:.0%}" for share in kept) + " |")
    return "\n".join(lines)


def samples(record: dict, rule: str, count: int = 4) -> str:
    """The first runs' answers to some test prompts, evenly spaced and not chosen for what they say."""
    lines = []
    everything = entries(record, rule)
    prompts = [answer["prompt"] for answer in everything[0][1][0]["answers"]]
    for number in range(len(prompts) // (2 * count), len(prompts), len(prompts) // count):
        lines.append(f"**{prompts[number]}**\n")
        for name, runs in everything:
            answer = runs[0]["answers"][number]
            text = " / ".join(answer["text"].splitlines()) + ("" if answer["finished"] else " …")
            lines.append(f"- {name}{' ✓' if answer['keeps'] else ''}: {text}")
        lines.append("")
    return "\n".join(lines).rstrip()


def draw(record: dict, rule: str) -> None:
    """The share of answers that keep the rule, and learning curves of the first run at the chosen learning rate."""
    rows = {method: record[f"{rule} {method} {best_rate(record, rule, method):g}"]["steps"] for method in LOSS_ARGS}
    share, accuracy, margin = axes(f"{rule}: test prompts that keep it", "", "share of answers", columns=3)
    for number, (_, runs) in enumerate(entries(record, rule)):
        keeps = over_prompts(runs, "keeps")
        error = [[keeps.mean - keeps.low], [keeps.high - keeps.mean]]
        colour = COLOURS[number - 1] if number else "grey"  # a method's colour is that of its curves
        share.bar(number, keeps.mean, yerr=error, capsize=4, color=colour)
        if number:
            share.plot([number + 0.25] * len(runs), shares(runs), "o", markersize=4, color="black")
    share.set(xticks=range(4), xticklabels=[name for name, _ in entries(record, rule)], ylim=(0, 1.05))
    steps = [row["step"] for row in next(iter(rows.values()))]
    draw_curves(accuracy, steps, {name: [row["rewards/accuracies"] for row in run] for name, run in rows.items()})
    accuracy.set(title="Pairs ranked right in training", xlabel="step", ylabel="share of pairs", ylim=(0, 1.05))
    draw_curves(margin, steps, {name: [row["loss"] / run[0]["loss"] for row in run] for name, run in rows.items()})
    margin.set(title="Loss, over its first value", xlabel="step", ylabel="share of the first loss")
    picture(record, rule).parent.mkdir(parents=True, exist_ok=True)
    share.figure.savefig(picture(record, rule), dpi=120)


def picture(record: dict, rule: str) -> Path:
    return named(ROOT / "docs" / "pictures" / f"results-{rule}.png", record["made_on"]["model"])


def entries(record: dict, rule: str) -> list[tuple[str, list[dict]]]:
    """The judged runs: the model before training, and those of each method, by name."""
    runs = {method: [record[f"{rule} {method} seed {seed}"] for seed in SEEDS] for method in LOSS_ARGS}
    return [("before", [record[f"{rule} before"]]), *runs.items()]


def interval(x: Interval, form: str) -> str:
    return f"{x.mean:{form}} ({x.low:{form}} to {x.high:{form}})"


if __name__ == "__main__":
    main()

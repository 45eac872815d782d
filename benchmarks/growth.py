"""How a step's time and memory grow with length, pairs and vocabulary, and where its time goes.

    python benchmarks/growth.py measure     # ours and TRL's: benchmarks/results/growth.json, and the figures
    python benchmarks/growth.py draw        # the figures again, in docs/pictures
    python benchmarks/growth.py profile     # a table: what a step's time is spent on

With --device cuda: on a GPU, in bfloat16 with compiled layers, kept and drawn under names that end in -cuda.

Time is the median over the rounds; every point has processes of its own, so memory is that point's own.
"""

import argparse
import json
import os
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune import EVEN, SMOLLM2_SHAPE, describe
from sides import OURS, PEER, Case, measure, prepare_ours

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "growth.json"
PROGRESS = ROOT / "build" / "growth.json"
PICTURES = ROOT / "docs" / "pictures"
NAMES = {OURS: "simpo", PEER: "TRL"}
LABELS = {
    "length": "tokens in each of prompt, chosen, rejected",
    "pairs": "pairs in a step",
    "vocabulary": "tokens in the vocabulary",
}


def series(
    threads: int, rounds: int, device: str
) -> dict[str, tuple[dict[str, tuple[int, ...]], Callable[[int], Case]]]:
    """For each quantity: where each side is measured, and the case at a value. Otherwise 4 pairs, 64 tokens a part."""

    def case(pairs: int = 4, length: int = 64, **others: Any) -> Case:
        lengths = ((length,) * 3,) * pairs
        settings = {"precision": quick_precision(device), "rounds": rounds, "threads": threads}
        if device == "cuda":
            settings |= {"device": device, "compile": True, "pack_tokens": 16384}
        return Case(name="growth", lengths=lengths, batch_pairs=pairs, **settings, **others)

    def with_vocabulary(size: int) -> Case:
        return case(model="fresh", fresh=SMOLLM2_SHAPE | {"vocab_size": size})

    return {
        "length": ({OURS: (32, 64, 128, 256, 384), PEER: (32, 128, 256)}, lambda n: case(length=n)),
        "pairs": ({OURS: (1, 2, 4, 8, 16), PEER: (1, 4, 8)}, lambda n: case(pairs=n)),
        "vocabulary": ({OURS: (4096, 16384, 49152, 131072), PEER: (4096, 49152, 131072)}, with_vocabulary),
    }


def quick_precision(device: str) -> str:
    """bfloat16 where the device has instructions for it."""
    from simpo_core.devices import has_bfloat16

    return "bfloat16" if has_bfloat16(device) else "float32"


def named(path: Path, device: str) -> Path:
    """The path for a device: a CPU's is `path`."""
    return path if device == "cpu" else path.with_name(f"{path.stem}-{device}{path.suffix}")


def measure_growth(about: dict[str, Any]) -> None:
    """Seconds a step and gigabytes of each side at each value of each quantity.

    Points are kept in build/ as they come, so that a stopped run goes on where it was; the whole becomes RESULTS.
    """
    grown: dict[str, Any] = {"about": about}
    progress, results = named(PROGRESS, about["device"]), named(RESULTS, about["device"])
    if progress.is_file():
        earlier = json.loads(progress.read_text(encoding="utf-8"))
        grown = earlier if earlier["about"] == about else grown
    progress.parent.mkdir(exist_ok=True)
    for quantity, (values, make_case) in series(about["threads"], about["rounds"], about["device"]).items():
        rows = grown.setdefault(quantity, {side: [] for side in values})
        for value in values[OURS]:
            if any(row["at"] == value for row in rows[OURS]):
                continue
            case = make_case(value)
            for side, measured in measure(case, [side for side in values if value in values[side]]).items():
                seconds = statistics.median(step.seconds for step in measured[case.warm_up :])
                row = {"at": value, "seconds": round(seconds, 3), "memory_gb": round(measured[-1].memory / 1e9, 3)}
                rows[side].append(row)
                print(f"{quantity} {value} {NAMES[side]}: {seconds:.2f} s, {row['memory_gb']:.2f} GB", flush=True)
            partial = progress.with_suffix(".partial")
            partial.write_text(json.dumps(grown, indent=1) + "\n", encoding="utf-8")
            partial.replace(progress)
    progress.replace(results)


def draw(grown: dict[str, Any], about: dict[str, Any]) -> None:
    """Draw time and memory over each quantity, a figure for each."""
    from simpo_core.plots import axes, draw_curves

    on_gpu = about["device"] == "cuda"
    where = about["gpu"] if on_gpu else f"{about['threads']} of a CPU's cores"
    whose = "a GPU's memory with" if on_gpu else "the process that trains"
    figures = {
        "finetune-growth.png": (
            "seconds",
            f"A step of SmolLM2-135M, {about['precision']}, on {where}",
            "seconds a step",
        ),
        "finetune-growth-memory.png": (
            "memory_gb",
            f"Peak memory of {whose} SmolLM2-135M, {about['precision']}",
            "GB",
        ),
    }
    for file, (key, title, label) in figures.items():
        columns = axes("", "", "", columns=3)
        columns[0].figure.suptitle(title)
        columns[0].set_ylabel(label)
        for ax, (quantity, sides) in zip(columns, grown.items(), strict=True):
            for side, rows in sides.items():
                draw_curves(ax, [row["at"] for row in rows], {NAMES[side]: [row[key] for row in rows]})
                ax.lines[-1].set(marker="o", linestyle="-" if side == OURS else "--")
            ax.legend(loc="upper left")
            ax.set_xlabel(LABELS[quantity])
            values = [row["at"] for row in sides[OURS]]
            ax.set_xticks(values, [f"{value // 1000}k" if value > 4000 else str(value) for value in values])
            ax.set_ylim(bottom=0)
        columns[0].figure.savefig(named(PICTURES / file, about["device"]), dpi=120)


# -- Where the time goes ---------------------------------------------------------------------------------------------


def profile(case: Case) -> dict[str, float]:
    """The share of each kind of work in a step of ours, by torch's profiler; on a GPU with what it is idle."""
    import torch

    from simpo_core.training.finetune import finetune

    torch.set_num_threads(case.threads)
    training = prepare_ours(case)
    vocabulary = training.scorer.model.config.vocab_size
    steps = finetune(training)
    next(steps)
    on_gpu = case.device == "cuda"
    activities = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if on_gpu else [])]
    with torch.profiler.profile(activities=activities, record_shapes=not on_gpu) as profiler:
        next(steps)
    if on_gpu:
        kernels = [event for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]
        return kernel_shares([(event.name, event.time_range.start, event.time_range.end) for event in kernels])
    spent: Counter[str] = Counter()
    for event in profiler.key_averages(group_by_input_shape=True):
        spent[kind_of_work(event.key, str(vocabulary) in str(event.input_shapes))] += event.self_cpu_time_total
    return {kind: time / spent.total() for kind, time in spent.most_common()}


def kernel_shares(kernels: Sequence[tuple[str, float, float]]) -> dict[str, float]:
    """The share of each kind of work in the time from the first kernel's start to the last one's end.

    kernels: name, start, end. Operators are left out: each holds its kernels' time once more.
    """
    spent: Counter[str] = Counter()
    busy_until, idle = min((start for _, start, _ in kernels), default=0.0), 0.0
    for name, start, end in sorted(kernels, key=lambda kernel: kernel[1]):
        idle += max(0.0, start - busy_until)
        spent[kind_of_kernel(name)] += max(0.0, end - max(start, busy_until))  # what runs beside another counts once
        busy_until = max(busy_until, end)
    spent["idle"] = idle
    return {kind: time / spent.total() for kind, time in spent.most_common()}


def kind_of_kernel(name: str) -> str:
    """What a kernel is for, by its name."""
    kinds = {
        "attention": ("flex_attention", "flash", "fmha", "attention"),
        "clipping and AdamW": ("adam", "multi_tensor_apply", "lpnorm"),
        "matrix products": ("gemm", "nvjet", "cutlass", "xmma"),
        "output layer: softmax": ("softmax", "logsumexp"),
        "casts and copies": ("memcpy", "memset", "copy"),
    }
    for kind, parts in kinds.items():
        if any(part in name.lower() for part in parts):
            return kind
    return "the rest: norms, activations, rotations, sums"


def kind_of_work(operation: str, has_vocabulary: bool) -> str:
    """What an operation is for, by its name and by whether one of its arguments has the vocabulary's size."""
    if operation in ("aten::mm", "aten::addmm", "aten::bmm", "aten::_addmm_activation"):
        return "output layer: matrix products" if has_vocabulary else "layers: matrix products"
    if any(part in operation for part in ("adam", "_foreach", "vector_norm")):
        return "clipping and AdamW"
    if any(part in operation for part in ("scaled_dot_product", "flash_attention", "flex_attention")):
        return "attention"
    if operation in ("aten::copy_", "aten::_to_copy"):
        return "casts and copies"
    return "output layer: softmax" if has_vocabulary else "the rest: norms, activations, rotations, sums"


def show_profile(threads: int, device: str) -> None:
    """Print the table, a column for each precision that the device is quick at."""
    case = Case(name="even", lengths=EVEN, rounds=1, threads=threads, device=device)
    precisions = dict.fromkeys([quick_precision(device), "float32"])
    shares = [profile(replace(case, precision=precision)) for precision in precisions]
    print(f"| work | {' | '.join(precisions)} |\n| --- |{' ---: |' * len(shares)}")
    for kind in shares[0]:
        print(f"| {kind} | {' | '.join(f'{share.get(kind, 0.0):.1%}' for share in shares)} |")


def main() -> None:
    """Measure, draw or profile."""
    parser = argparse.ArgumentParser(description="How a step's cost grows, and where its time goes.")
    parser.add_argument("what", choices=["measure", "draw", "profile"])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=2, help="steps of each point that are timed, after one")
    options = parser.parse_args()
    if options.what == "profile":
        return show_profile(options.threads, options.device)
    if options.what == "measure":
        settings = {"precision": quick_precision(options.device), "rounds": options.rounds}
        measure_growth(describe(options.device, options.threads) | settings)
    grown = json.loads(named(RESULTS, options.device).read_text(encoding="utf-8"))
    about = grown.pop("about")
    return draw(grown, about)


if __name__ == "__main__":
    main()

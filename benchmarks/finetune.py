"""Our fine-tuning against TRL's CPOTrainer (loss_type="simpo"), step by step in turns: tokens per second and memory.

    python benchmarks/finetune.py --device cpu --out benchmarks/results/cpu.json

Both sides take whole optimiser steps on the same model and the same tokens in the same order, in the same precision,
with AdamW and clipping set the same, the same number of threads and no gradient checkpointing. Each has a process of
its own for each case, so each has its own peak memory; they take turns, and who begins changes from round to round
(on a GPU, where both do not fit at once, one side follows the other).
The first step of each is not timed. A ratio is the median over the rounds of the peer's time by ours.

The last line is JSON. With --device cuda the models have random weights, in the shapes of Llama-3.2-1B and
SmolLM2-135M; where TRL is missing, --wheels FOLDER installs it from wheels for this run, or ours runs alone.
"""

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from sides import OURS, PEER, SEED, Case, Measured, measure

LENGTHS = Path(__file__).with_name("lengths.json")
EVEN = ((128, 128, 128),) * 4
NOTE = "tokens/s counts what a plain implementation processes: each prompt twice, padding not at all"

SMOLLM2_SHAPE = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
}
LLAMA_1B_SHAPE = {
    "vocab_size": 128256,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}


def draw_lengths(seed: int, pairs: int, prompt: tuple[int, int], response: tuple[int, int]) -> list[list[int]]:
    """Tokens of each pair's prompt, chosen and rejected, drawn evenly between the bounds."""
    draw = random.Random(seed)
    return [[draw.randint(*prompt), draw.randint(*response), draw.randint(*response)] for _ in range(pairs)]


def read_lengths(name: str) -> tuple[tuple[int, int, int], ...]:
    """A set of lengths.json."""
    return tuple((p, c, r) for p, c, r in json.loads(LENGTHS.read_text(encoding="utf-8"))[name]["lengths"])


def cpu_cases(options: argparse.Namespace) -> list[Case]:
    """SmolLM2-135M, even lengths and ragged ones, in both precisions."""
    even = Case(
        name="even",
        lengths=EVEN,
        threads=options.threads,
        rounds=options.rounds,
        pack_tokens=options.pack_tokens,
        emulated=options.emulate_bfloat16,
    )
    ragged = replace(even, name="ragged", lengths=read_lengths("ragged"))
    in_float32 = [replace(even, name="float32"), replace(ragged, name="ragged_float32")]
    return [even, ragged, *(replace(case, precision="float32", emulated=False) for case in in_float32)]


def chosen_cases(options: argparse.Namespace) -> list[Case]:
    """Those that the command names; all by default."""
    cases = {case.name: case for case in (cpu_cases if options.device == "cpu" else cuda_cases)(options)}
    names = options.cases.split(",") if options.cases else list(cases)
    unknown = [name for name in names if name not in cases]
    if unknown:
        raise SystemExit(f"--cases {options.cases}: there is no {unknown[0]!r}, expected some of {','.join(cases)}")
    return [cases[name] for name in names]


def cuda_cases(options: argparse.Namespace) -> list[Case]:
    """Random weights in the shape of Llama-3.2-1B, with ragged lengths and even ones, and in that of SmolLM2-135M.

    The first is what people train: 32 pairs a step, which TRL takes four at a time, for more do not fit.
    """
    shape = {"tie_word_embeddings": True, "max_position_embeddings": 4096}
    even = Case(
        name="even",
        lengths=((256, 256, 256),) * 16,
        batch_pairs=4,  # with more, TRL's logits do not fit
        warm_up=10,  # compiling, and the allocator's settling
        rounds=options.rounds,
        model="fresh",
        fresh=LLAMA_1B_SHAPE | shape,
        pack_tokens=12288,
        device="cuda",
        threads=options.threads,
        compile=options.compile,
    )
    ragged = replace(even, name="ragged", lengths=read_lengths("ragged_1024"), pack_tokens=8192)
    many = replace(ragged, name="ragged_32", batch_pairs=32, peer_pairs=4, pack_tokens=16384, warm_up=4)
    small = replace(many, name="smollm2", fresh=SMOLLM2_SHAPE | shape)
    return [many, ragged, even, small, replace(ragged, name="float32", precision="float32")]


def tiny(case: Case) -> Case:
    """The case with a tiny model, short pairs and one round: to see that everything runs."""
    short = tuple((prompt // 20 + 1, chosen // 20 + 1, rejected // 20 + 1) for prompt, chosen, rejected in case.lengths)
    few = {"batch_pairs": 4, "peer_pairs": 2, "pack_tokens": 64, "rounds": 1, "warm_up": 1}
    return replace(case, lengths=short, model="fresh", fresh={}, **few)


def take_steps(case: Case, sides: tuple[str, ...]) -> dict[str, list[Measured]]:
    """The steps of both sides, in turns; on a GPU, where both do not fit at once, one side after the other.

    There a peer that fails is left out. Raises RuntimeError if ours fails.
    """
    if case.device == "cpu":
        return measure(case, sides)
    found: dict[str, list[Measured]] = {}
    for side in sides:
        try:
            found |= measure(case, (side,))
        except RuntimeError as error:
            if side == OURS:
                raise
            print(f"{case.name}: {side} failed: {str(error).strip().splitlines()[-1]}", flush=True)
    return found


# -- What came out ---------------------------------------------------------------------------------------------------


def summarise(case: Case, results: dict[str, list[Measured]]) -> dict[str, Any]:
    """The numbers of a case: medians over the rounds, after the warm-up."""
    summary: dict[str, Any] = {"pairs": len(case.lengths), "batch_pairs": case.batch_pairs}
    summary |= {"peer_pairs": case.peer_pairs or case.batch_pairs}
    summary |= {"precision": case.precision, "pack_tokens": case.pack_tokens, "emulated": case.emulated}
    summary |= memory_of(results)
    for side, steps in results.items():
        summary[side]["first_loss"] = steps[0].loss
    if PEER in results:
        summary |= compare_losses(results[OURS], results[PEER])
    return summary if case.emulated else times_of(case, results, summary)


def times_of(case: Case, results: dict[str, list[Measured]], summary: dict[str, Any]) -> dict[str, Any]:
    """The summary, with how fast each side was."""
    tokens = plain_tokens(case)[case.warm_up :]
    for side, steps in results.items():
        seconds = [step.seconds for step in steps[case.warm_up :]]
        summary[side] |= {
            "seconds": [round(x, 4) for x in seconds],
            "seconds_per_step": round(statistics.median(seconds), 4),
            "cpu_seconds_per_step": round(statistics.median(step.cpu_seconds for step in steps[case.warm_up :]), 4),
            "tokens_per_second": round(statistics.median(n / x for n, x in zip(tokens, seconds, strict=True)), 1),
        }
    peak = _peak_flops(case.device)
    if peak:
        rates = [step.flops / step.seconds / peak for step in results[OURS][case.warm_up :]]
        summary[OURS]["mfu"] = round(statistics.median(rates), 4)
    return summary | (compare_times(case, results[OURS], results[PEER]) if PEER in results else {})


def memory_of(results: dict[str, list[Measured]]) -> dict[str, Any]:
    """Each side's peak, and our share of the peer's."""
    memory = {side: steps[-1].memory for side, steps in results.items()}
    shown: dict[str, Any] = {side: {"memory_gb": round(peak / 1e9, 3)} for side, peak in memory.items()}
    return shown | ({"memory_ratio": round(memory[OURS] / memory[PEER], 3)} if PEER in memory else {})


def compare_losses(ours: list[Measured], theirs: list[Measured]) -> dict[str, float]:
    """How far the losses are apart."""
    differences = [abs(a.loss - b.loss) for a, b in zip(ours, theirs, strict=True)]
    return {"first_loss_difference": round(differences[0], 9), "worst_loss_difference": round(max(differences), 9)}


def compare_times(case: Case, ours: list[Measured], theirs: list[Measured]) -> dict[str, Any]:
    """How many times as fast as the peer ours is."""
    rounds = list(zip(ours, theirs, strict=True))
    ratios = [b.seconds / a.seconds for a, b in rounds[case.warm_up :]]
    cpu_ratios = [b.cpu_seconds / a.cpu_seconds for a, b in rounds[case.warm_up :]]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "cpu_time_ratio": round(statistics.median(cpu_ratios), 3),
    }


def plain_tokens(case: Case) -> list[int]:
    """Tokens of each step as a plain implementation would process them."""
    from simpo_core.training.finetune import batch_numbers

    counts = [2 * prompt + chosen + rejected for prompt, chosen, rejected in case.lengths]
    steps = range(case.steps)
    return [sum(counts[i] for i in batch_numbers(step, case.batch_pairs, len(counts), SEED)) for step in steps]


def show(case: Case, summary: dict[str, Any]) -> None:
    """Print a case for a reader."""
    print(f"{case.name}: {case.precision}, {case.batch_pairs} pairs a step, {case.rounds} rounds")
    for side in (OURS, PEER):
        if side in summary:
            x = summary[side]
            line = f"  {side:5}{x['memory_gb']:7.2f} GB"
            if not case.emulated:
                line += f" {x['seconds_per_step']:8.3f} s/step {x['tokens_per_second']:10,.0f} tokens/s"
            print(line + (f"  MFU {x['mfu']:.1%}" if "mfu" in x else ""), flush=True)
    if PEER in summary:
        words = f"in {summary['memory_ratio']:.2f} of the memory"
        if "ratio" in summary:
            low, high = summary["ratio_range"]
            words = f"{summary['ratio']:.2f} times as fast ({low:.2f} to {high:.2f}) {words}"
        print(f"  {words}; the first loss differs by {summary['first_loss_difference']:.1e}", flush=True)


def last_line(summaries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The numbers for which targets are set; "even" has none behind its name."""
    line: dict[str, Any] = {}
    for name, summary in summaries.items():
        suffix = ("" if name == "even" else f"_{name}") + ("_emulated" if summary["emulated"] else "")
        shown = summary | summary[OURS]
        keys = ("ratio", "cpu_time_ratio", "memory_ratio", "first_loss_difference", "mfu")
        line |= {key + suffix: shown[key] for key in keys if key in shown}
    return line


def describe(device: str, threads: int) -> dict[str, Any]:
    """The machine and the versions, for the record."""
    versions = {"python": platform.python_version()}
    for name in ("torch", "transformers", "trl", "accelerate", "liger-kernel"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    facts = {"device": device, "cpu": _cpu_model(), "cores": os.cpu_count(), "threads": threads, "versions": versions}
    if device == "cuda":
        import torch

        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _peak_flops(device: str) -> float | None:
    if device != "cuda":
        return None
    import torch

    from simpo_core.devices import peak_flops

    return peak_flops(torch.device(device))


# -- The command -----------------------------------------------------------------------------------------------------


def add_wheels(folder: Path) -> None:
    """Install wheels into a folder that only this run and its workers see."""
    target = tempfile.mkdtemp(prefix="wheels-")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", target]
    subprocess.run([*command, *map(str, sorted(folder.glob("*.whl")))], check=True)
    sys.path.insert(0, target)  # the workers get this path too
    importlib.invalidate_caches()


def choose_sides() -> tuple[str, ...]:
    """Both sides, or ours alone where TRL is not installed."""
    if importlib.util.find_spec("trl") is not None:
        return OURS, PEER
    print("TRL is not installed: ours runs alone, without ratios. pip install 'trl==1.16.*', or give --wheels FOLDER")
    return (OURS,)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Our fine-tuning against TRL's CPOTrainer, in turns.")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=int, default=5, help="timed steps of each side in each case")
    parser.add_argument("--cases", default="", help="names, with commas between; all by default")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each side")
    parser.add_argument("--pack-tokens", type=int, default=768, help="of a pass of ours on the CPU")
    parser.add_argument("--compile", action="store_true", help="torch.compile our layers")
    parser.add_argument("--ours", action="store_true", help="ours alone, without TRL")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels, where TRL is not installed")
    parser.add_argument(
        "--emulate-bfloat16",
        action=argparse.BooleanOptionalAction,
        help="on a CPU: its products by way of float32, for losses and memory but no times [default: if it has none]",
    )
    parser.add_argument("--tiny", action="store_true", help="a tiny model and one round, to see that everything runs")
    parser.add_argument("--out", type=Path, help="write all numbers here, as JSON")
    options = parser.parse_args()
    if options.emulate_bfloat16 and options.device != "cpu":
        parser.error("--emulate-bfloat16 is for a CPU: a GPU has bfloat16, so leave it out there")
    if options.emulate_bfloat16 is None and options.device == "cpu":
        from simpo_core.devices import has_bfloat16

        options.emulate_bfloat16 = not has_bfloat16()
        if options.emulate_bfloat16:
            print("This CPU has no instructions for bfloat16: memory and losses alone are measured in it.")
    return options


def main() -> None:
    """Measure every case, print each, and the JSON last."""
    options = parse()
    if options.wheels:
        add_wheels(options.wheels)
    sides = (OURS,) if options.ours else choose_sides()
    cases = chosen_cases(options)
    summaries: dict[str, dict[str, Any]] = {}
    about = {"rounds": 1 if options.tiny else options.rounds} | describe(options.device, options.threads)
    line: dict[str, Any] = {}
    print(NOTE, flush=True)
    for case in map(tiny, cases) if options.tiny else cases:
        summaries[case.name] = summarise(case, take_steps(case, sides))
        show(case, summaries[case.name])
        line = last_line(summaries) | about | {"note": NOTE}
        if options.out:  # after each case: the next one may fail
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(line | {"cases": summaries}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(line))


if __name__ == "__main__":
    main()

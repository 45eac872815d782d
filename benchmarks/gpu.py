"""Everything that a GPU has to show: tests, both paths alike, speed and memory against TRL, a profile, runs resumed.

    python benchmarks/gpu.py --list                                  # the parts, and the seconds that each may take
    python benchmarks/gpu.py --parts tests,paths,resume              # some of them; all by default
    python benchmarks/gpu.py --device cpu --small                    # all of it on a CPU, tiny: to see that it runs

Each part is a process of its own, which is ended after its seconds; what it has measured till then is kept, and the
next part goes on. Results are in benchmarks/results/gpu.json (with --small in build/gpu-small.json), a part each, with
the versions and the device; a part that is run again replaces its own alone.

Where packages are missing and no registry can be reached, --wheels FOLDER installs them for this run, from what
`pip download --no-deps -d FOLDER -r benchmarks/gpu-wheels.txt` fetched on another machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finetune import LLAMA_1B_SHAPE, add_wheels, describe

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "gpu.json"
SMALL_RESULTS = ROOT / "build" / "gpu-small.json"
HERE = Path(__file__).parent
SECONDS = {"tests": 400, "paths": 120, "resume": 120, "profile": 150, "ours": 300, "trl": 480}
SMALL_SECONDS = 240  # for a part
LENGTHS = ((300, 200, 90), (1, 1, 1), (40, 500, 3), (7, 5, 300), (128, 128, 128))
TINY = {"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
SOME_LAYERS = LLAMA_1B_SHAPE | {"num_hidden_layers": 4}  # of an ordinary width: what matters are the heads


# -- The parts: each writes what it has measured, as often as it has something new ------------------------------------


def tests(options: argparse.Namespace, write: Callable[[dict[str, Any]], None]) -> None:
    """The tests of what is done on a GPU: how many passed, failed and were skipped, and the slowest."""
    workers = [] if options.small else ["-n", "4"]
    chosen = ["-k", "mask or lengths"] if options.small else []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--durations=15", f"--junitxml={report}", *workers, *chosen]
        done = subprocess.run([*command, "tests/whole/test_cuda.py"], cwd=ROOT, capture_output=True, text=True)
        print(done.stdout[-6000:], done.stderr[-2000:], flush=True)
        if not report.is_file():
            raise SystemExit(f"pytest ended with {done.returncode} and without a report")
        write(_counted(report))
    if done.returncode:
        raise SystemExit("a test failed")


def _counted(report: Path) -> dict[str, Any]:
    from xml.etree import ElementTree

    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    counts = {
        key: sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    }
    bad = [case.get("name") for suite in suites for case in suite if any(x.tag in ("failure", "error") for x in case)]
    return counts | {"failed": bad}


def paths(options: argparse.Namespace, write: Callable[[dict[str, Any]], None]) -> None:
    """Our passes against plain ones: log-probabilities and gradients, in float32 and bfloat16, compiled and not.

    Float32 is held to the plain path; bfloat16 to float32's plain path, with the plain path's own distance beside it.
    """
    import torch

    from simpo_core.models import load_model

    found: dict[str, Any] = {}
    torch.manual_seed(0)
    model, _ = load_model("fresh", fresh=TINY if options.small else SOME_LAYERS)
    model.to(options.device)
    exact = _scores_and_gradients(model, "plain", "float32")
    for precision in ("float32", "bfloat16"):
        for kind in ("plain", "fast", "compiled"):
            if (kind, precision) == ("plain", "float32") or (kind == "compiled" and options.device == "cpu"):
                continue
            scores, gradients = _scores_and_gradients(model, kind, precision)
            found[f"{kind}, {precision}"] = {
                "logps": _apart(scores, exact[0]),
                "gradients": max(_apart(gradients[name], exact[1][name]) for name in gradients),
                "all_gradients": _apart(*(torch.cat([x.flatten() for x in g.values()]) for g in (gradients, exact[1]))),
            }
            print(kind, precision, found[f"{kind}, {precision}"], flush=True)
            write(found)
    worst = found["fast, float32"]
    if worst["logps"] > 1e-4 or worst["all_gradients"] > 1e-3:
        raise SystemExit(f"in float32 the fast path is not the plain path: {worst}")


def _scores_and_gradients(model: Any, kind: str, precision: str) -> tuple[Any, dict[str, Any]]:
    """Log-probabilities of each response token, and the gradients of a sum of them in which no two weigh the same."""
    import torch

    from simpo_core.devices import exact_products
    from simpo_core.scoring.packing import pack
    from simpo_core.scoring.scorers import PairScorer, PlainScorer

    if kind == "compiled":
        for layer in model.model.layers:
            layer.compile(dynamic=False)
    scorer = (PlainScorer if kind == "plain" else PairScorer)(model)
    device = next(model.parameters()).device
    model.zero_grad()
    with exact_products(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logps = scorer(pack(_pairs(model.config.vocab_size)).to(device))
        (logps * (torch.linspace(-1, 1, len(logps), device=device) + 0.3)).sum().backward()
    gradients = {name: x.grad.detach().clone() for name, x in model.named_parameters() if x.grad is not None}
    return logps.detach(), gradients


def _pairs(vocabulary: int) -> list[Any]:
    import random

    from simpo_core.preferences import TokenPair

    draw = random.Random(0)
    drawn = [[tuple(draw.randrange(3, vocabulary) for _ in range(n)) for n in three] for three in LENGTHS]
    return [TokenPair(*three, False) for three in drawn]


def _apart(found: Any, expected: Any) -> float:
    """The length of the difference by the length of what is expected."""
    return float((found.float() - expected.float()).norm() / expected.float().norm().clamp(min=1e-12))


def resume(options: argparse.Namespace, write: Callable[[dict[str, Any]], None]) -> None:
    """Two short runs, all weights and LoRA, each stopped half-way and resumed, against the same run in one go."""
    found: dict[str, Any] = {}
    for name, settings in {"all weights": {}, "LoRA": {"lora_rank": 8}}.items():
        with tempfile.TemporaryDirectory() as folder:
            whole = _losses(options, Path(folder, "whole"), 8, settings)
            first = _losses(options, Path(folder, "parts"), 4, settings)
            parts = first + _losses(options, Path(folder, "parts"), 8, settings, resumed=True)
        worst = max(abs(one - other) for one, other in zip(whole, parts, strict=True))
        found[name] = {"losses": whole, "worst_difference": worst}
        print(name, found[name], flush=True)
        write(found)
        if worst > 1e-3:
            raise SystemExit(f"{name}: a resumed run takes other steps")


def _losses(
    options: argparse.Namespace, output: Path, steps: int, settings: dict[str, Any], *, resumed: bool = False
) -> list[float]:
    """The losses of a run on pairs made on the spot, which is saved at its end."""
    from simpo_core.training.config import FinetuneConfig
    from simpo_core.training.run import start, train

    data = output.parent / "pairs.jsonl"
    rows = [{"prompt": f"Count to {i}:", "chosen": " one" * (i + 1), "rejected": " two" * (9 - i)} for i in range(8)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = FinetuneConfig(
        model="fresh",
        fresh=TINY if options.small else SOME_LAYERS,
        data=str(data),
        output=str(output),
        loss_args={"beta": 2.0, "gamma": 1.0},
        steps=steps,
        batch_pairs=4,
        learning_rate=1e-4,
        schedule="constant",
        device=options.device,
        **settings,
    )
    return [row["loss"] for row in train(start(config, resume=resumed))]


def profile(options: argparse.Namespace, write: Callable[[dict[str, Any]], None]) -> None:
    """Where a step's time goes on the device, and how much of it the device is idle."""
    from dataclasses import replace

    from finetune import cpu_cases, cuda_cases, tiny
    from growth import profile as profiled

    settings = argparse.Namespace(rounds=1, threads=options.threads, compile=True, pack_tokens=768)
    settings.emulate_bfloat16 = False
    case = (cpu_cases if options.device == "cpu" else cuda_cases)(settings)[-1 if options.small else 1]
    case = replace(tiny(case) if options.small else case, rounds=2)
    write({"case": case.name, "shares": {kind: round(share, 4) for kind, share in profiled(case).items()}})


def ours(options: argparse.Namespace, write: Callable[[dict[str, Any]], None]) -> None:
    """Ours alone: tokens per second, MFU and memory."""
    _measure(options, write, "--ours")


def trl(options: argparse.Namespace, write: Callable[[dict[str, Any]], None]) -> None:
    """Both sides, on the same tokens."""
    _measure(options, write)


def _measure(options: argparse.Namespace, write: Callable[[dict[str, Any]], None], *more: str) -> None:
    """finetune.py, whose cases are kept as they come."""
    small = ["--tiny", "--cases", "even,float32"] if options.small else ["--compile"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [
            sys.executable,
            str(HERE / "finetune.py"),
            "--device",
            options.device,
            "--out",
            str(out),
            *more,
            *small,
        ]
        process = subprocess.Popen(command, cwd=ROOT)
        seen = ""
        while process.poll() is None:
            time.sleep(0.5)
            if out.is_file() and (text := out.read_text(encoding="utf-8")) != seen and text.endswith("\n"):
                seen = text
                write(json.loads(text))
        if out.is_file():
            write(json.loads(out.read_text(encoding="utf-8")))
        if process.returncode:
            raise SystemExit(f"finetune.py ended with {process.returncode}")


PARTS: dict[str, Callable[[argparse.Namespace, Callable[[dict[str, Any]], None]], None]] = {
    "tests": tests, "paths": paths, "resume": resume, "profile": profile, "ours": ours, "trl": trl,
}  # fmt: skip


# -- The command -----------------------------------------------------------------------------------------------------


def keep(path: Path, part: str, result: dict[str, Any]) -> None:
    """Put a part's result into the file."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(kept | {part: result}, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def run_part(part: str, options: argparse.Namespace) -> bool:
    """Run a part in a process of its own, for no more than its seconds; whether it came to a good end."""
    seconds = SMALL_SECONDS if options.small else SECONDS[part]
    command = [sys.executable, __file__, "--inside", part, "--device", options.device, "--out", str(options.out)]
    command += ["--threads", str(options.threads), *["--small"] * options.small]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, (ROOT, HERE)), *sys.path])}
    print(f"== {part}: up to {seconds} s", flush=True)
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=variables, start_new_session=True)
    try:
        status: int | str = process.wait(seconds)
    except subprocess.TimeoutExpired:
        status = f"stopped after {seconds} s"
    finally:
        _end(process)
    kept = json.loads(options.out.read_text(encoding="utf-8")).get(part, {}) if options.out.is_file() else {}
    ended = {"ended": "well" if status == 0 else str(status), "seconds": round(time.perf_counter() - started, 1)}
    keep(options.out, part, kept | ended | {"about": describe(options.device, options.threads)})
    print(f"== {part}: {ended['ended']}, {ended['seconds']} s", flush=True)
    return status == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a part with all that it has started."""
    import contextlib
    import signal

    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Everything that a GPU has to show, in parts.")
    parser.add_argument("--parts", default=",".join(PARTS), help="names, with commas between; all by default")
    parser.add_argument("--list", action="store_true", help="say which parts there are")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny models and few tests, to see that everything runs")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--wheels", type=Path, help="a folder of wheels of what is not installed")
    parser.add_argument("--out", type=Path, help="where results are kept")
    parser.add_argument("--inside", choices=PARTS, help=argparse.SUPPRESS)  # in the process of a part
    options = parser.parse_args()
    options.out = (options.out or (SMALL_RESULTS if options.small else RESULTS)).resolve()
    unknown = sorted(set(options.parts.split(",")) - set(PARTS))
    if unknown:
        parser.error(f"--parts {options.parts}: there is no {unknown[0]!r}, expected some of {','.join(PARTS)}")
    return options


def main() -> None:
    """Run the parts; end with 1 if one did not come to a good end."""
    options = parse()
    if options.list:
        for name, part in PARTS.items():
            print(f"{name}, up to {SECONDS[name]} s: {(part.__doc__ or '').splitlines()[0]}")
        return
    if options.inside:
        PARTS[options.inside](options, lambda result: keep(options.out, options.inside, result))
        return
    if options.wheels:
        add_wheels(options.wheels)
    ended = {part: run_part(part, options) for part in options.parts.split(",")}
    print(
        json.dumps({"results": str(options.out), **{part: "well" if well else "badly" for part, well in ended.items()}})
    )
    sys.exit(not all(ended.values()))


if __name__ == "__main__":
    main()

import argparse
import json
import subprocess
import sys

import pytest
from project import ROOT
from tiny import write_pairs

LENGTHS = json.loads((ROOT / "benchmarks" / "lengths.json").read_text(encoding="utf-8"))


@pytest.fixture
def finetune(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import finetune

    return finetune


@pytest.mark.parametrize("name", LENGTHS)
def test_lengths_are_the_ones_drawn(finetune, name):
    assert finetune.draw_lengths(**LENGTHS[name]["drawn"]) == LENGTHS[name]["lengths"]


def test_tokens_count_the_prompt_twice_and_padding_not_at_all(finetune):
    # two pairs a step, both in every step: 2 * 5 + 3 + 1 and 2 * 7 + 2 + 2 are 14 + 18 = 32
    case = finetune.Case(name="", lengths=((5, 3, 1), (7, 2, 2)), batch_pairs=2, warm_up=0, rounds=2)
    assert finetune.plain_tokens(case) == [32, 32]


def test_ratios_are_medians_of_rounds_and_leave_out_the_warm_up(finetune):
    case = finetune.Case(name="", lengths=(), warm_up=1, rounds=3)
    ours = [finetune.Measured(1.0, 1.0, 0.5, 0.0, 300)] * 4
    theirs = [finetune.Measured(seconds, 1.0, 0.5, 0.0, 400) for seconds in (90.0, 1.0, 2.0, 6.0)]
    compared = finetune.compare_times(case, ours, theirs)
    assert compared["ratio"] == 2.0  # the median of 1, 2 and 6
    assert compared["ratio_range"] == [1.0, 6.0]
    assert finetune.memory_of({"ours": ours, "trl": theirs})["memory_ratio"] == 0.75


def test_on_a_gpu_one_side_follows_the_other_and_a_peer_that_fails_is_left_out(finetune, monkeypatch, capsys):
    case = finetune.Case(name="even", lengths=(), device="cuda")

    def measure(case, sides):
        if sides == (failing,):
            raise RuntimeError("Traceback\ntorch.OutOfMemoryError: CUDA out of memory.\n")
        return {side: [] for side in sides}

    monkeypatch.setattr(finetune, "measure", measure)
    failing = "trl"
    assert finetune.take_steps(case, ("ours", "trl")) == {"ours": []}
    assert capsys.readouterr().out == "even: trl failed: torch.OutOfMemoryError: CUDA out of memory.\n"
    failing = "ours"
    with pytest.raises(RuntimeError, match="out of memory"):
        finetune.take_steps(case, ("ours", "trl"))


def test_rows_of_all_lengths_that_will_come_are_computed_before_the_clock_starts(finetune):
    import sides
    import torch

    case = finetune.Case(name="", lengths=((9, 5, 7),) * 4, model="fresh", precision="float32", pack_tokens=64)
    training = sides.prepare_ours(case)
    rows = []
    training.scorer.register_forward_pre_hook(lambda module, given: rows.append(len(given[0].pair_of)))
    before = torch.cat([x.detach().flatten().clone() for x in training.scorer.parameters()])
    sides.compile_all(training)
    assert rows == [63]  # three pairs of 21 tokens; the fourth's row is filled up to the same length
    assert all(x.grad is None for x in training.scorer.parameters())
    assert torch.equal(before, torch.cat([x.detach().flatten() for x in training.scorer.parameters()]))


@pytest.fixture
def measured(finetune, monkeypatch, capsys):
    """`python benchmarks/finetune.py --tiny ...`, whose two sides have processes of their own: what it prints."""
    pytest.importorskip("trl")
    names = ("OMP_NUM_THREADS", "HF_HUB_OFFLINE", "TRL_EXPERIMENTAL_SILENCE", "OMP_WAIT_POLICY")
    for name in (*names, "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
        monkeypatch.setenv(name, "1")  # as it is set for the two, and then is what it was

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["finetune.py", "--tiny", "--threads", "1", *options])
        finetune.main()
        return capsys.readouterr().out.splitlines()

    return run


@pytest.mark.slow
def test_the_benchmark_takes_both_sides_turns_and_both_give_the_same_loss(measured, tmp_path):
    out = tmp_path / "tiny.json"
    line = json.loads(measured("--cases", "ragged_float32", "--out", str(out))[-1])
    for name in ("ratio_ragged_float32", "memory_ratio_ragged_float32"):
        assert line[name] > 0
    assert line["first_loss_difference_ragged_float32"] < 1e-5
    assert line["device"] == "cpu"
    assert line["rounds"] == 1
    assert {"python", "torch", "transformers", "trl"} <= set(line["versions"])
    assert "each prompt twice" in line["note"]
    assert json.loads(out.read_text(encoding="utf-8"))["cases"]["ragged_float32"]["ours"]["tokens_per_second"] > 0


@pytest.mark.slow
@pytest.mark.thorough("a plain run has the benchmark's two sides agree in float32, and emulates products alone, below")
def test_emulated_bfloat16_gives_memory_and_losses_and_no_times(measured):
    lines = measured("--emulate-bfloat16", "--cases", "even")
    line = json.loads(lines[-1])
    assert line["memory_ratio_emulated"] > 0
    assert line["first_loss_difference_emulated"] < 0.02
    assert not {"ratio", "memory_ratio", "ratio_emulated", "cpu_time_ratio_emulated"} & set(line)
    assert not any("s/step" in line for line in lines)


def test_a_case_that_is_not_there_is_one_sentence():
    command = [sys.executable, "benchmarks/finetune.py", "--device", "cuda", "--cases", "even,oven"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        done.stderr == "--cases even,oven: there is no 'oven', expected some of ragged_32,ragged,even,smollm2,float32\n"
    )


@pytest.mark.slow
@pytest.mark.thorough("a plain run has the parts' own tests; here each part runs, tiny, as it will on a GPU")
def test_all_that_a_gpu_has_to_show_runs_on_a_cpu(tmp_path):
    out = tmp_path / "gpu.json"
    command = [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--small", "--threads", "1", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    assert {part: result["ended"] for part, result in found.items()} == dict.fromkeys(
        ("tests", "paths", "resume", "profile", "ours", "trl"), "well"
    )
    assert found["tests"]["tests"] > found["tests"]["failures"] == 0
    assert found["paths"]["fast, float32"]["all_gradients"] < 1e-5 < found["paths"]["plain, bfloat16"]["all_gradients"]
    assert found["resume"]["LoRA"]["worst_difference"] == 0
    assert sum(found["profile"]["shares"].values()) == pytest.approx(1, abs=0.01)
    assert "trl" not in found["ours"]["cases"]["float32"]
    assert found["trl"]["ratio_float32"] > 0


def test_a_part_that_does_not_end_is_ended_and_keeps_what_it_has_measured(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import gpu

    script = tmp_path / "part.py"
    script.write_text(
        "import json, sys, time\nopen(sys.argv[1], 'w').write('{\"paths\": {\"a\": 1}}')\ntime.sleep(600)\n"
    )
    options = argparse.Namespace(device="cpu", small=False, threads=1, out=tmp_path / "gpu.json")
    popen = subprocess.Popen
    command = [sys.executable, str(script), str(options.out)]
    monkeypatch.setattr(gpu.subprocess, "Popen", lambda _, **more: popen(command, **more))
    monkeypatch.setitem(gpu.SECONDS, "paths", 2)
    gpu.keep(options.out, "resume", {"ended": "well"})
    assert not gpu.run_part("paths", options)
    found = json.loads(options.out.read_text(encoding="utf-8"))
    assert (found["paths"]["a"], found["paths"]["ended"]) == (1, "stopped after 2 s")
    assert found["paths"]["about"]["versions"]["torch"]


def test_a_profile_on_a_gpu_counts_each_moment_once_and_what_is_idle(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import growth

    kernels = [
        ("nvjet_tst_128x256", 10.0, 14.0),
        ("triton_tem_fused_flex_attention_0", 16.0, 18.0),
        ("Memcpy HtoD", 17.0, 19.0),  # half of it beside the other
        ("multi_tensor_apply_kernel<FusedAdam>", 19.0, 20.0),
    ]
    shares = {
        "matrix products": 0.4, "attention": 0.2, "idle": 0.2, "casts and copies": 0.1, "clipping and AdamW": 0.1,
    }  # fmt: skip
    assert growth.kernel_shares(kernels) == pytest.approx(shares)


def test_growth_goes_on_where_it_stopped_and_measures_anew_when_it_was_whole(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import growth
    from sides import Measured

    monkeypatch.setattr(growth, "PROGRESS", tmp_path / "build" / "growth.json")
    monkeypatch.setattr(growth, "RESULTS", tmp_path / "growth.json")
    asked = []

    def measure(case, sides):
        asked.append((len(case.lengths), case.lengths[0][0], case.fresh.get("vocab_size")))
        if len(asked) == 4:
            raise KeyboardInterrupt
        return {side: [Measured(2.0, 2.0, 0.5, 0.0, 3_000_000_000)] * case.steps for side in sides}

    monkeypatch.setattr(growth, "measure", measure)
    about = {"threads": 1, "rounds": 1, "device": "cpu"}
    with pytest.raises(KeyboardInterrupt):
        growth.measure_growth(about)
    assert not (tmp_path / "growth.json").exists()
    growth.measure_growth(about)
    assert len(asked) == 4 + 14 - 3  # three points of fourteen were there
    grown = json.loads((tmp_path / "growth.json").read_text(encoding="utf-8"))
    assert [row["at"] for row in grown["length"]["ours"]] == [32, 64, 128, 256, 384]
    assert grown["vocabulary"]["trl"][-1] == {"at": 131072, "seconds": 2.0, "memory_gb": 3.0}
    growth.measure_growth(about)
    assert len(asked) == 15 + 14


@pytest.mark.slow
@pytest.mark.thorough("a plain run compares our scores with stock nbgrader's in test_differential.py")
def test_the_benchmark_of_grading_compares_every_score_with_stock_nbgraders(tmp_path):
    out = tmp_path / "grading.json"
    command = [sys.executable, "benchmarks/grading.py", "--students", "4", "--stock-students", "3"]
    options = ["--exercises", "01_simpo_loss", "--out", str(out)]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=True)
    line = json.loads(done.stdout.splitlines()[-1])
    assert line == json.loads(out.read_text(encoding="utf-8"))
    assert line["compared"] == 30  # three students, ten checks: right, wrong, untouched
    assert line["differences"] == 0
    assert line["notebooks"] == 4
    assert [step["students"] for step in line["growth"]] == [1, 2, 4]
    assert line["verdicts"] == {"graded": 4}
    assert line["ratio"] > 1
    for name in ("over_floor", "warm_seconds", "cold_seconds", "seconds", "seconds_stock"):
        assert line[name] > 0


@pytest.fixture
def demonstration(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import demonstration

    return demonstration


@pytest.mark.slow
def test_the_comparison_of_methods_goes_on_where_it_stopped_and_trains_nothing_twice(
    demonstration, tmp_path, monkeypatch
):
    smaller = {
        "RUNS": tmp_path / "runs",
        "PROGRESS": tmp_path / "runs" / "measured.json",
        "RESULTS": tmp_path / "demonstration.json",
        "RULES": {"one-sentence": demonstration.RULES["one-sentence"]},
        "LEARNING_RATES": (1e-3, 1e-2),
        "SEEDS": (0, 1),
        "STEPS": 2,
        "MAX_NEW_TOKENS": 8,
        "data": lambda rule, split: write_pairs(tmp_path / f"{split}.jsonl"),
        "read_prompts": lambda split: ["What is friction?", "What is rain?"],
    }
    for name, value in smaller.items():
        monkeypatch.setattr(demonstration, name, value)
    started, start = [], demonstration.start

    def start_or_stop(config):
        started.append((config.method, config.learning_rate, config.seed))
        if len(started) == 3:
            raise KeyboardInterrupt
        return start(config)

    monkeypatch.setattr(demonstration, "start", start_or_stop)
    with pytest.raises(KeyboardInterrupt):
        demonstration.measure("fresh", "cpu")
    assert not (tmp_path / "demonstration-fresh.json").exists()
    demonstration.measure("fresh", "cpu")
    assert started[2] == started[3]  # what had been stopped; then for each method two rates, and the other seed
    assert len(started) == 1 + 3 * 3
    assert len(set(started)) == 3 * 3
    record = json.loads((tmp_path / "demonstration-fresh.json").read_text(encoding="utf-8"))
    table = demonstration.table(record, "one-sentence").splitlines()
    assert [line.split(" | ")[0] for line in table[2:]] == ["| before", "| simpo", "| dpo", "| squared"]
    assert not list((tmp_path / "runs").rglob("checkpoint-*"))


def test_the_page_of_results_is_what_was_measured(demonstration):
    record = json.loads(demonstration.RESULTS.read_text(encoding="utf-8"))
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == demonstration.document(record)


def test_emulated_products_are_those_of_bfloat16(finetune, monkeypatch):
    import emulated_bfloat16
    import torch

    monkeypatch.setattr(emulated_bfloat16, "BLOCK", 8)  # several blocks, the last ones smaller
    torch.manual_seed(0)
    x, w, b = (torch.randn(*shape, dtype=torch.bfloat16, requires_grad=True) for shape in ((5, 3), (4, 3), (4,)))

    def products():
        x.grad = w.grad = b.grad = None
        y = torch.nn.functional.linear(x, w, b)
        batches = x.expand(2, 5, 3) @ w.T
        (y.sum() + batches.sum()).backward()
        return [y, batches, x @ w.T, torch.bmm(x[None], w.T[None]), x.grad, w.grad, b.grad]

    real = products()
    with emulated_bfloat16.products_in_float32():
        emulated = products()
    for one, other in zip(emulated, real, strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02)
    assert all(one.dtype == torch.bfloat16 for one in emulated)

import json
import os
import random
import re
import signal
import sys
import time

import numpy as np
import pytest
import torch
from project import ROOT
from simpo_processes import begin, children, forked, simpo, started, torchrun, two_forked
from tiny import losses, make_run, write_pairs, write_run

from simpo_core import devices
from simpo_core.answers.evaluate import pair_logps
from simpo_core.commands.train import _stop_signal
from simpo_core.language_models.fetch import fetch_smollm2, quiet
from simpo_core.language_models.saved_models import newest_checkpoint
from simpo_core.models import fresh_model, load_model
from simpo_core.training.config import read_config
from simpo_core.training.finetune import METRICS, finetune
from simpo_core.training.preparation import TrainingError, prepare
from simpo_core.training.run import start, train

PAIRS = ROOT / "simpo_core" / "data"


@pytest.fixture(autouse=True)
def own_cache(request, tmp_path, monkeypatch):
    if "smollm2" not in request.node.name:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def refused(result):
    """The one sentence of a refusal."""
    status, _, words = result
    assert status == 2
    assert words.startswith("simpo: ")
    assert words.count("\n") == 1
    return words


# -- A run from the command line ---------------------------------------------------------------------------------------


def test_a_run_leaves_its_settings_its_metrics_a_figure_and_a_model(call, tmp_path):
    status, said, _ = call("finetune", write_run(tmp_path), "--set", "loss_args.gamma_beta_ratio=0.25")
    assert status == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["checkpoint-000006", "metrics.jsonl", "run.png", "run.toml"]
    assert "simpo with beta 2, gamma 0.5 (in units of reward; gamma / beta = 0.25); 12 pairs" in said
    assert "tokens/s counts a prompt twice" in said
    assert "checkpoint-000006" in said
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert all({*METRICS, "tokens_per_second", "memory_gb"} <= set(row) for row in rows)
    for row in rows:
        assert re.search(rf"step {row['step']}  loss {row['loss']:.4f}  margin .* accuracy .* tokens/s", said)
    assert (out / "run.png").read_bytes().startswith(b"\x89PNG")
    assert call("finetune", out / "run.toml", "--set", f"output={tmp_path / 'again'}")[0] == 0
    assert losses(tmp_path / "again") == losses(out)


def test_where_the_devices_speed_is_known_a_step_shows_the_share_that_is_used(call, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "peak_flops", lambda device: 1e12)
    _, said, _ = call("finetune", write_run(tmp_path, steps=1))
    row = json.loads((tmp_path / "out" / "metrics.jsonl").read_text())
    assert 0 < row["mfu"] < 1
    assert f"tokens/s  MFU {row['mfu']:.1%}  {row['memory_gb']:.1f} GB" in said


def test_what_cannot_be_meant_is_one_sentence_and_status_2(call, tmp_path):
    run_file = write_run(tmp_path)
    assert "learning_rte is not a setting; did you mean" in refused(
        call("finetune", run_file, "--set", "learning_rte=1")
    )
    assert "no such file" in refused(call("finetune", tmp_path / "nosuch.toml"))
    assert "nosuch.jsonl" in refused(call("finetune", run_file, "--set", f"data={tmp_path / 'nosuch.jsonl'}"))
    assert "model 'nosuch': no such folder" in refused(call("finetune", run_file, "--set", "model=nosuch"))
    assert "Is a directory" in refused(call("finetune", tmp_path))
    assert "only smollm2 is fetched" in refused(call("fetch", "llama"))
    assert not (tmp_path / "out").exists()


def test_empty_and_idle_settings_are_refused(call, tmp_path):
    run_file = write_run(tmp_path)
    for name in ("model", "data", "output"):
        assert f"{name} is empty: give a name" in refused(call("finetune", run_file, "--set", f"{name}="))
    idle = ("--set", "fresh.hidden_size=32", "--set", "model=smollm2")
    assert '[fresh] is for model = "fresh", and model is' in refused(call("finetune", run_file, *idle))
    assert "lora_rank is 0: set it" in refused(call("finetune", run_file, "--set", "lora_alpha=8"))


def test_a_run_file_from_notepad_and_a_home_folder_are_understood(call, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run_file = write_run(tmp_path, steps=1)
    run_file.write_bytes(b"\xef\xbb\xbf" + run_file.read_bytes())
    assert call("finetune", run_file, "--set", "output=~/elsewhere", "--set", "data=~/pairs.jsonl")[0] == 0
    assert (tmp_path / "elsewhere" / "run.png").is_file()
    run_file.write_bytes("model = 'é'".encode("utf-16"))
    assert "is not UTF-8: save it as UTF-8" in refused(call("finetune", run_file))


def test_a_run_does_not_go_on_with_other_pairs(call, tmp_path):
    run_file = write_run(tmp_path, schedule="constant", steps=2)
    call("finetune", run_file)
    write_pairs(tmp_path / "pairs.jsonl", 9)
    words = refused(call("finetune", run_file, "--resume", "--set", "steps=4"))
    assert "was trained on other pairs than those that the data holds now" in words
    assert len(losses(tmp_path / "out")) == 2


def test_adapters_do_not_go_on_over_another_base_model(call, tmp_path):
    def write_base(seed):
        torch.manual_seed(seed)
        with quiet():
            for part in fresh_model():
                part.save_pretrained(tmp_path / "base")

    write_base(seed=0)
    run_file = write_run(tmp_path, model=str(tmp_path / "base"), lora_rank=2, schedule="constant", steps=2)
    assert call("finetune", run_file)[0] == 0
    assert call("finetune", run_file, "--resume", "--set", "steps=3")[0] == 0
    write_base(seed=1)
    words = refused(call("finetune", run_file, "--resume", "--set", "steps=4"))
    assert "was trained from other weights than the model's. Put those back" in words


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory.")])
def test_memory_that_runs_out_outside_of_training_is_one_sentence(call, monkeypatch, error):
    def run_out(name, fresh):
        raise error

    monkeypatch.setattr("simpo_core.models.load_model", run_out)
    assert "memory ran out: take a smaller model" in refused(call("evaluate", "smollm2", "--rule", "one-sentence"))


@pytest.mark.slow
def test_two_processes_do_not_write_to_one_folder(call, tmp_path):
    run_file = write_run(tmp_path, steps=100_000, schedule="constant", save_every=1)
    with begin(tmp_path, "finetune", run_file) as other:
        other.wait_for_step(2, tmp_path / "out")
        words = refused(call("finetune", run_file, "--resume"))
        assert words == (
            f"simpo: another process is writing to {tmp_path / 'out'}: wait until it is done, or name another output\n"
        )
        other.send(signal.SIGTERM)
        assert other.outcome()[0] == 128 + signal.SIGTERM
    longer = f"steps={len(losses(tmp_path / 'out')) + 2}"
    assert call("finetune", run_file, "--resume", "--set", "save_every=100", "--set", longer)[0] == 0
    assert not (tmp_path / "out" / ".lock").exists()


def test_a_checkpoint_without_what_a_run_needs_is_a_model_still_and_is_not_lost(call, tmp_path):
    run_file = write_run(tmp_path, schedule="constant", steps=2)
    call("finetune", run_file)
    kept = tmp_path / "out" / "checkpoint-000002"
    (kept / "training.pt").unlink()
    words = refused(call("finetune", run_file, "--resume", "--set", "steps=4"))
    assert f"{kept} has no training.pt, without which a run can't go on" in words
    assert call("evaluate", tmp_path / "out", "--data", tmp_path / "pairs.jsonl")[0] == 0
    assert (kept / "model.safetensors").is_file()


def test_a_run_says_where_it_begins(call, tmp_path):
    run_file = write_run(tmp_path, schedule="constant", steps=2)
    assert "has no checkpoint yet: beginning with the first step" in call("finetune", run_file, "--resume")[1]
    assert "going on after step 2" in call("finetune", run_file, "--resume", "--set", "steps=3")[1]
    fewer = call("finetune", run_file, "--resume", "--set", "steps=1")
    assert (fewer[0], "nothing to do: 3 steps are taken already, and steps is 1" in fewer[1]) == (0, True)


def test_damaged_lines_of_metrics_stop_no_run(call, tmp_path):
    run_file = write_run(tmp_path, schedule="constant", steps=2)
    call("finetune", run_file)
    with (tmp_path / "out" / "metrics.jsonl").open("ab") as file:
        file.write(b"[1]\n{}\n\xff\xfe\n")
    assert call("finetune", run_file, "--resume", "--set", "steps=3")[0] == 0
    assert len(losses(tmp_path / "out")) == 3


def test_a_name_that_looks_like_a_folder_here_is_not_looked_for_on_the_hub(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    words = refused(call("evaluate", "build/nope", "--data", write_pairs(tmp_path / "pairs.jsonl")))
    assert "model 'build/nope': no such folder" in words


def test_pairs_that_do_not_fit_the_model_are_one_sentence(call, tmp_path):
    run_file = write_run(tmp_path)
    small = ("--set", "fresh.vocab_size=100")
    assert "and the model knows 100 tokens" in refused(call("finetune", run_file, *small))


def test_a_folder_with_a_run_is_not_written_over(call, tmp_path):
    run_file = write_run(tmp_path)
    call("finetune", run_file)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    words = refused(call("finetune", run_file))
    assert words == f"simpo: {tmp_path / 'out'} holds a run already: go on with --resume, or name another output\n"
    words = refused(call("finetune", run_file, "--resume", "--set", "seed=1", "--set", "learning_rate=1e-3"))
    assert "is a run with other settings: learning_rate (was 0.002, is 0.001), seed (was 0, is 1). Name" in words
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_a_finished_run_that_goes_on_does_nothing(call, tmp_path):
    run_file = write_run(tmp_path)
    call("finetune", run_file)
    before = losses(tmp_path / "out")
    status, said, _ = call("finetune", run_file, "--resume")
    assert (status, losses(tmp_path / "out")) == (0, before)
    assert "going on after step 6" in said


def test_a_constant_schedule_may_be_given_more_steps_and_others_not(call, tmp_path):
    run_file = write_run(tmp_path, schedule="constant", steps=3)
    call("finetune", run_file)
    assert call("finetune", run_file, "--resume", "--set", "steps=5")[0] == 0
    whole = [step.metrics["loss"] for step in finetune(prepare(make_run(tmp_path, schedule="constant", steps=5)))]
    assert losses(tmp_path / "out") == whole
    other = tmp_path / "other"
    call("finetune", run_file, "--set", "schedule=linear", "--set", f"output={other}")
    settings = ("--set", "schedule=linear", "--set", f"output={other}", "--set", "steps=5")
    assert "steps (was 3, is 5)" in refused(call("finetune", run_file, "--resume", *settings))


def test_memory_settings_may_change_when_a_run_goes_on(call, tmp_path):
    run_file = write_run(tmp_path)
    training = start(make_run(tmp_path, save_every=3))
    for row in train(training):
        if row["step"] == 3:
            break
    assert call("finetune", run_file, "--resume", "--set", "pack_tokens=60")[0] == 0
    whole = [step.metrics["loss"] for step in finetune(prepare(make_run(tmp_path)))]
    assert losses(tmp_path / "out") == pytest.approx(whole, rel=1e-3)


def test_a_loss_that_is_no_number_is_one_sentence_and_the_last_checkpoint_stays(call, tmp_path):
    run_file = write_run(tmp_path, save_every=1, learning_rate=1e30, steps=50)
    words = refused(call("finetune", run_file))
    assert re.search(r"step 2: the loss is .* lower learning_rate \(now 1e\+30\)", words)
    assert "there is no checkpoint from before it went wrong" in words  # that of step 1 gives no number any more


def test_the_last_checkpoint_that_gave_a_number_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("simpo_core.training.finetune.learning_rate", lambda step, config: 1e30 if step == 3 else 1e-3)
    training = start(make_run(tmp_path, save_every=1, steps=50))
    with pytest.raises(TrainingError) as caught:
        list(train(training))
    kept = tmp_path / "out" / "checkpoint-000003"
    assert f"{kept} is from before it went wrong" in str(caught.value)
    model, _ = load_model(str(kept))
    assert np.isfinite(pair_logps(model, training.pairs).sums).all()


def test_what_is_wrong_with_data_or_output_is_said_before_a_model_is_loaded(call, tmp_path, monkeypatch):
    run_file = write_run(tmp_path, model="nobody/nothing")
    (tmp_path / "file").write_text("")
    assert "missing.jsonl" in refused(call("finetune", run_file, "--set", f"data={tmp_path / 'missing.jsonl'}"))
    assert "file: File exists" in refused(call("finetune", run_file, "--set", f"output={tmp_path / 'file'}"))
    assert "missing.jsonl" in refused(call("evaluate", "nobody/nothing", "--data", tmp_path / "missing.jsonl"))


@pytest.mark.parametrize("method", ["dpo", "squared"])
def test_a_reference_is_not_taken_from_another_model(call, tmp_path, method):
    def base(seed):
        torch.manual_seed(seed)
        model, tokenizer = fresh_model()
        with quiet():
            model.save_pretrained(tmp_path / "base")
            tokenizer.save_pretrained(tmp_path / "base")

    base(0)
    run_file = write_run(tmp_path, model=str(tmp_path / "base"), method=method, steps=4, save_every=2)
    for row in train(start(read_config(run_file))):
        if row["step"] == 2:
            break
    base(1)
    assert "was trained from other weights than the model's" in refused(call("finetune", run_file, "--resume"))
    base(0)
    assert call("finetune", run_file, "--resume")[0] == 0


def test_a_line_cut_off_by_a_crash_is_left_out(call, tmp_path):
    run_file = write_run(tmp_path, save_every=2)
    for row in train(start(make_run(tmp_path, save_every=2))):
        if row["step"] == 3:
            break
    with (tmp_path / "out" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    assert call("finetune", run_file, "--resume")[0] == 0
    assert losses(tmp_path / "out") == [step.metrics["loss"] for step in finetune(prepare(make_run(tmp_path)))]


def test_merge_writes_a_plain_model(call, tmp_path):
    torch.manual_seed(0)
    model, tokenizer = fresh_model()
    with quiet():
        model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    call("finetune", write_run(tmp_path, model=str(tmp_path / "base"), lora_rank=4, learning_rate=1e-2))
    assert call("merge", tmp_path / "out", tmp_path / "merged")[0] == 0
    ids = torch.tensor([[5, 9, 200]])
    with torch.no_grad():
        merged, adapted, base = (load_model(str(tmp_path / name))[0](ids).logits for name in ("merged", "out", "base"))
    torch.testing.assert_close(merged, adapted, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(merged, base, atol=1e-3)
    assert "exists already" in refused(call("merge", tmp_path / "out", tmp_path / "merged"))
    assert "it is not a LoRA checkpoint" in refused(call("merge", tmp_path / "base", tmp_path / "other"))
    assert "nowhere: no such folder" in refused(call("merge", tmp_path / "nowhere", tmp_path / "other"))
    (newest_checkpoint(tmp_path / "out") / "training.pt").unlink()
    assert call("merge", tmp_path / "out", tmp_path / "other")[0] == 0


def test_a_missing_package_is_named_with_what_to_install(call, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "peft", None)
    words = refused(call("finetune", write_run(tmp_path, lora_rank=4)))
    assert words == "simpo: peft is not installed: pip install -e '.[finetune]'\n"


# -- Runs that are stopped ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param({"lora_rank": 4, "lora_dropout": 0.3, "method": "dpo"}, id="LoRA, DPO"),
        pytest.param(
            {},
            id="all",
            marks=pytest.mark.thorough("a plain run kills one with LoRA; test_checkpoint.py stops all four kinds"),
        ),
    ],
)
def test_a_run_killed_at_random_moments_takes_the_steps_of_one_never_stopped(tmp_path, kind):
    run_file = write_run(tmp_path, steps=36, save_every=3, **kind)
    draw = random.Random()
    reached, kills = 0, 0
    while kills < 3 and reached < 30:
        with begin(tmp_path, "finetune", run_file, "--resume") as run:
            run.wait_for_step(reached + draw.randint(1, 10), tmp_path / "out")
            time.sleep(draw.uniform(0, 0.06))  # about two steps, or a step and a save
            run.send(signal.SIGKILL)
            kills += run.outcome()[0] == -signal.SIGKILL
        kept = newest_checkpoint(tmp_path / "out")
        reached = int(kept.name[-6:]) if kept else 0
    status, _, errors = simpo(tmp_path, "finetune", run_file, "--resume")
    assert status == 0, errors
    assert kills >= 2
    whole = [step.metrics["loss"] for step in finetune(prepare(make_run(tmp_path, steps=36, **kind)))]
    assert losses(tmp_path / "out") == whole
    assert [path.name for path in (tmp_path / "out").glob("checkpoint*")] == ["checkpoint-000036"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status", "way"),
    [(signal.SIGINT, 130, started), (signal.SIGTERM, 143, forked)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, number, status, way):
    run_file = write_run(tmp_path, steps=100_000, schedule="constant")
    with begin(tmp_path, "finetune", run_file, way=way) as run:
        run.wait_for_step(3, tmp_path / "out")
        run.send(number)
        ended, said, errors = run.outcome()
    assert ended == status, errors
    kept = newest_checkpoint(tmp_path / "out")
    step = int(kept.name[-6:])
    assert f"stopped after step {step} of 100000, and saved. To go on: the same with --resume" in said
    assert "stopping after this step, then saving; once more to stop at once" in errors
    assert "Traceback" not in errors
    assert len(losses(tmp_path / "out")) == step
    longer = make_run(tmp_path, steps=step + 2, schedule="constant")
    list(train(start(longer, resume=True)))
    whole = [row.metrics["loss"] for row in finetune(prepare(longer))]
    assert losses(tmp_path / "out") == whole


# -- Two processes -----------------------------------------------------------------------------------------------------


TWO_KINDS = {
    "DPO": {"method": "dpo", "pack_tokens": 60},
    "SimPO with LoRA": {"lora_rank": 4, "lora_dropout": 0.3, "pack_tokens": 60},
}
thorough = pytest.mark.thorough("a plain run has torchrun start two processes once, with DPO, and else forks them")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("DPO", torchrun),
        ("SimPO with LoRA", two_forked),
        pytest.param("SimPO with LoRA", torchrun, marks=thorough),
    ],
)
def test_two_processes_take_the_steps_of_one(tmp_path, kind, way):
    torch.manual_seed(0)
    with quiet():
        for part in fresh_model():
            part.save_pretrained(tmp_path / "base")  # which a LoRA checkpoint must find again
    settings = {"schedule": "constant", "model": str(tmp_path / "base"), **TWO_KINDS[kind]}
    status, said, errors = simpo(tmp_path, "finetune", write_run(tmp_path, steps=4, **settings), way=way)
    assert status == 0, errors
    assert said.count("step 4 ") == 1  # one of them speaks
    alone = prepare(make_run(tmp_path, steps=6, **settings))
    whole, weights = [], {}
    for step in finetune(alone):
        whole.append(step.metrics)
        if step.number == 4:
            weights = {name: x.detach().clone() for name, x in alone.scorer.model.named_parameters()}
    rows = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    for row, expected in zip(rows, whole, strict=False):
        for name in METRICS:
            assert row[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-5), (row["step"], name)
    opened, _ = load_model(str(tmp_path / "out"))
    for name, x in opened.named_parameters():
        torch.testing.assert_close(x, weights[name], rtol=1e-3, atol=2e-5)
    list(train(start(make_run(tmp_path, steps=6, **settings), resume=True)))  # one process goes on
    assert losses(tmp_path / "out") == pytest.approx([row["loss"] for row in whole], rel=1e-3, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("way", [two_forked, pytest.param(torchrun, marks=thorough)])
def test_a_signal_to_one_of_two_processes_makes_both_save_and_they_go_on(tmp_path, way):
    settings = {"schedule": "constant", "learning_rate": 2e-4, "lora_rank": 4}
    with begin(tmp_path, "finetune", write_run(tmp_path, steps=2000, **settings), way=way) as run:
        run.wait_for_step(3, tmp_path / "out")
        workers = children(run) if way is torchrun else run.pids()
        assert len(workers) == 2
        os.kill(workers[1], signal.SIGTERM)
        _, said, errors = run.outcome()
    step = int(newest_checkpoint(tmp_path / "out").name[-6:])
    assert said.count(f"stopped after step {step} of 2000, and saved. To go on: the same with --resume") == 1, errors
    assert len(losses(tmp_path / "out")) == step
    run_file = write_run(tmp_path, steps=step + 3, **settings)
    _, said, errors = simpo(tmp_path, "finetune", run_file, "--resume", way=way)
    assert f"going on after step {step}\n" in said, errors
    whole = [row.metrics["loss"] for row in finetune(prepare(make_run(tmp_path, steps=step + 3, **settings)))]
    assert losses(tmp_path / "out") == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("by_torchrun", [False, True])
def test_a_second_signal_stops_at_once_but_not_torchruns_copy_of_the_first(monkeypatch, capsys, by_torchrun):
    # a job manager's signal goes to torchrun, which passes it on, and to its processes
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    if by_torchrun:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with _stop_signal() as stopped:
        for _ in range(2 if by_torchrun else 1):
            signal.raise_signal(signal.SIGTERM)
            assert stopped.signal == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert capsys.readouterr().err.count("stopping after this step") == 1


# -- A real model ------------------------------------------------------------------------------------------------------


def assert_smollm2(folder):
    """transformers finds SmolLM2-135M in this folder, with its template and what it knows."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.num_parameters() == 134_515_008
    assert not getattr(model, "is_quantized", False)
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(fetch_smollm2()).chat_template
    ids = tokenizer("The capital of France is", return_tensors="pt").input_ids
    assert tokenizer.decode(model(ids).logits[0, -1].argmax()) == " Paris"


@pytest.mark.slow
def test_smollm2_is_fetched(smollm2):
    assert_smollm2(smollm2)


@pytest.mark.slow
@pytest.mark.thorough("a plain run reads SmolLM2, above, and trains tiny models, also from a GGUF file: test_models.py")
def test_the_loss_of_smollm2_falls_on_a_fixed_batch(smollm2, tmp_path):
    write_pairs(tmp_path / "pairs.jsonl", count=2)
    config = make_run(tmp_path, model="smollm2", batch_pairs=2, steps=3, learning_rate=1e-5, schedule="constant")
    rows = list(train(start(config)))
    assert rows[0]["loss"] > rows[1]["loss"] > rows[2]["loss"]
    assert_smollm2(newest_checkpoint(tmp_path / "out"))

import json
import math

import pytest
import torch
from simpo_processes import simpo, two_forked
from tiny import make_run, write_pairs, write_run

from simpo_core.language_models.fetch import quiet
from simpo_core.language_models.saved_models import checkpoints
from simpo_core.models import fresh_model
from simpo_core.training import run as module
from simpo_core.training.evaluation import best, evaluate
from simpo_core.training.finetune import finetune
from simpo_core.training.passes import LOGGED
from simpo_core.training.preparation import prepare
from simpo_core.training.run import draw, read_eval, start, train


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def settings(tmp_path):
    """Those of a run with held-out pairs, other than its own."""

    def make(**others):
        held_out = write_pairs(tmp_path / "held-out.jsonl", count=5)
        return make_run(tmp_path, **({"eval_data": str(held_out), "eval_every": 2, "eval_answers": 2} | others))

    return make


def names(output):
    return sorted(path.name for path in checkpoints(output))


# -- What is measured --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["simpo", "dpo", "squared", "orpo"])
def test_held_out_pairs_are_measured_as_a_step_on_them_would_be(tmp_path, settings, method):
    # the oracle: a run whose own pairs these are, and whose one step takes them all
    measured = evaluate(prepare(settings(method=method)))
    own = make_run(tmp_path, data=str(tmp_path / "held-out.jsonl"), method=method, batch_pairs=5, steps=1)
    expected = next(finetune(prepare(own))).metrics
    for name in LOGGED:
        assert measured[f"eval_{name}"] == pytest.approx(expected[name], rel=1e-4, abs=1e-5), name


def test_adapters_drop_nothing_while_held_out_pairs_are_measured(settings):
    training = prepare(settings(lora_rank=4, lora_dropout=0.5))
    for name, x in training.scorer.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(x)
    next(finetune(training))
    assert evaluate(training) == evaluate(training)


def test_measuring_changes_no_step(tmp_path, settings):
    plain = list(train(start(make_run(tmp_path, output=str(tmp_path / "plain"), lora_rank=4, lora_dropout=0.5))))
    measured = list(train(start(settings(lora_rank=4, lora_dropout=0.5))))
    assert [row["loss"] for row in measured] == [row["loss"] for row in plain]
    assert [row["grad_norm"] for row in measured] == [row["grad_norm"] for row in plain]


def test_answers_are_counted_by_hand(settings, monkeypatch):
    training = prepare(settings(eval_answers=3))
    end = training.held_out.pairs[0].chosen[-1]
    monkeypatch.setattr(
        "simpo_core.training.evaluation.continue_prompts", lambda prompts, *_: [[5, 6, end], [5, 6, 7, 8], [5, 6, end]]
    )
    found = evaluate(training)
    assert found["eval_completions/mean_length"] == pytest.approx((2 + 4 + 2) / 3)
    assert found["eval_completions/distinct"] == pytest.approx(2 / 3)


def test_answers_are_the_models_own(settings):
    training = prepare(settings(eval_answers=2))
    list(finetune(training))
    length = evaluate(training)["eval_completions/mean_length"]
    total = 0
    for pair in training.held_out.pairs[:2]:  # one token at a time, by transformers alone
        ids, ends = list(pair.prompt), training.held_out.ends | {pair.chosen[-1]}
        for _ in range(96):
            with torch.no_grad():
                token = int(training.scorer.model(torch.tensor([ids])).logits[0, -1].argmax())
            if token in ends:
                break
            ids.append(token)
        total += len(ids) - len(pair.prompt)
    assert length == total / 2


# -- When, and what stays of it ----------------------------------------------------------------------------------------


def test_it_is_measured_before_training_every_so_many_steps_and_at_the_end(tmp_path, settings):
    rows = list(train(start(settings(steps=5))))
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    measured = read_eval(tmp_path / "out")
    assert [row["step"] for row in measured] == [0, 2, 4, 5]
    assert measured[-1]["eval_loss"] < measured[0]["eval_loss"]
    assert set(measured[0]) == {"step", "eval_completions/mean_length", "eval_completions/distinct"} | {
        f"eval_{name}" for name in LOGGED
    }
    assert draw(tmp_path / "out").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_goes_on_measures_what_one_never_stopped_would(tmp_path, settings):
    list(train(start(settings(output=str(tmp_path / "never")))))
    for stop in (3, 6):
        for row in train(start(settings(save_every=2), resume=True)):
            if row["step"] == stop:  # at 3 the measurement of step 2 is there, and the run goes on from step 2
                break
    assert read_eval(tmp_path / "out") == read_eval(tmp_path / "never")


@pytest.mark.parametrize(("keep", "expected"), [(1, [6]), (2, [5, 6]), (9, [1, 2, 3, 4, 5, 6])])
def test_so_many_checkpoints_stay(tmp_path, keep, expected):
    list(train(start(make_run(tmp_path, save_every=1, keep=keep))))
    assert names(tmp_path / "out") == [f"checkpoint-{step:06}" for step in expected]


@pytest.mark.parametrize(
    ("keep_best", "values", "best_step"),
    [
        ("eval_loss", [9.0, 5.0, 3.0, 4.0, 6.0, 7.0, 8.0], 2),
        ("eval_rewards/accuracies", [0.5, 0.5, 0.75, 0.75, 0.5, 0.5, 0.5], 2),  # the earlier of equals
        ("eval_rewards/margins", [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 6),
        ("eval_loss", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 0),  # no update was for the better
    ],
)
def test_the_best_checkpoint_stays_beside_the_newest(tmp_path, settings, monkeypatch, keep_best, values, best_step):
    given = iter(values)
    measured = evaluate(prepare(settings()))
    monkeypatch.setattr(module, "evaluate", lambda training: measured | {keep_best: next(given)})
    training = start(settings(eval_every=1, keep_best=keep_best))
    list(train(training))
    assert module.best_step(training) == best_step
    assert names(tmp_path / "out") == [f"checkpoint-{step:06}" for step in sorted({best_step, 6} - {0})]


def test_the_best_checkpoint_stays_where_a_run_goes_on(tmp_path, settings, monkeypatch):
    given = iter([9.0, 5.0, 3.0, 4.0, 6.0, 7.0, 8.0])
    measured = evaluate(prepare(settings()))
    monkeypatch.setattr(module, "evaluate", lambda training: measured | {"eval_loss": next(given)})
    config = settings(eval_every=1, keep_best="eval_loss", save_every=4)
    for row in train(start(config)):
        if row["step"] == 4:
            break
    list(train(start(config, resume=True)))
    assert names(tmp_path / "out") == ["checkpoint-000002", "checkpoint-000006"]


def test_the_best_of_none_is_none():
    assert best([], "eval_loss") is None
    assert best([{"step": 0}], "eval_loss") is None
    assert best([{"step": 0, "eval_loss": math.nan}, {"step": 2, "eval_loss": 9.0}], "eval_loss")["step"] == 2


# -- What is said of it ------------------------------------------------------------------------------------------------


def test_a_run_says_what_share_of_the_pairs_it_sees_and_how_the_held_out_ones_fare(call, tmp_path, settings):
    from simpo_core.training.config import to_toml

    run_file = tmp_path / "run.toml"
    run_file.write_text(to_toml(settings(steps=2, keep_best="eval_loss")))
    status, said, _ = call("finetune", run_file)
    assert status == 0
    assert "2 steps of 4 pairs see 67% of the pairs\n" in said  # 8 of 12
    assert "held-out pairs after step 0  loss " in said
    assert "held-out pairs after step 2  loss " in said
    assert "held-out pairs before and after:\n" in said
    assert f"best by eval_loss: {tmp_path / 'out'}/checkpoint-000002" in said
    longer = ("--set", "epochs=1.5", "--set", f"output={tmp_path / 'longer'}")
    said = call("finetune", run_file, *longer)[1]
    assert "5 steps of 4 pairs see all pairs 1.67 times" in said  # 18 of 12, in whole steps
    assert len((tmp_path / "longer" / "metrics.jsonl").read_text().splitlines()) == 5
    assert call("finetune", run_file, *longer, "--resume")[0] == 0


def test_held_out_pairs_that_cannot_be_read_stop_a_run_before_it_starts(call, tmp_path, settings):
    from simpo_core.training.config import to_toml

    run_file = tmp_path / "run.toml"
    run_file.write_text(to_toml(settings()))
    (tmp_path / "held-out.jsonl").write_text(json.dumps({"prompt": "a"}) + "\n")
    status, _, errors = call("finetune", run_file)
    assert status == 2
    assert "held-out.jsonl" in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_two_processes_measure_held_out_pairs_as_one_does(tmp_path):
    torch.manual_seed(0)
    with quiet():
        for part in fresh_model():
            part.save_pretrained(tmp_path / "base")
    held_out = write_pairs(tmp_path / "held-out.jsonl", count=5)
    settings = {"model": str(tmp_path / "base"), "eval_data": str(held_out), "eval_every": 1, "keep_best": "eval_loss"}
    settings |= {"lora_rank": 2, "lora_dora": True, "pack_tokens": 60, "steps": 2}
    status, said, errors = simpo(tmp_path, "finetune", write_run(tmp_path, **settings), way=two_forked)
    assert status == 0, errors
    assert said.count("held-out pairs after step 2") == 1  # one of them speaks
    training = start(make_run(tmp_path, output=str(tmp_path / "alone"), **settings))
    list(train(training))
    for row, expected in zip(read_eval(tmp_path / "out"), training.evaluations, strict=True):
        for name in LOGGED:
            assert row[f"eval_{name}"] == pytest.approx(expected[f"eval_{name}"], rel=1e-3, abs=1e-5), name

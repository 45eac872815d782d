import dataclasses
import json
import math

import pytest
import torch
import torch._dynamo
from tiny import SIZES, make_model, make_run, token_pairs, write_pairs

from simpo_core import models
from simpo_core.answers.evaluate import pair_logps
from simpo_core.inputs import UserError
from simpo_core.scoring.choice import choose_scorer
from simpo_core.scoring.flops import pack_flops
from simpo_core.scoring.packing import pack
from simpo_core.scoring.scorers import PairScorer, PlainScorer
from simpo_core.training import finetune as module
from simpo_core.training import reference
from simpo_core.training.finetune import METRICS, batch_numbers, finetune, learning_rate, save
from simpo_core.training.lora import add_lora
from simpo_core.training.methods import METHODS
from simpo_core.training.passes import passes, plan_passes
from simpo_core.training.preparation import TrainingError, prepare


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def run(tmp_path):
    """Train to the end: settings to the metrics of each step."""
    return lambda **settings: [step.metrics for step in finetune(prepare(make_run(tmp_path, **settings)))]


@pytest.fixture
def calls(monkeypatch):
    """How many packs have been scored."""
    counted = []
    forward = PairScorer.forward

    def count(self, packed):
        counted.append(len(packed.pairs))
        return forward(self, packed)

    monkeypatch.setattr(PairScorer, "forward", count)
    return counted


# -- What a run does -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lora_rank", [0, 4])
def test_the_loss_falls_and_the_margin_grows(run, method, lora_rank):
    rows = run(method=method, lora_rank=lora_rank, steps=12, batch_pairs=12, learning_rate=1e-2)
    assert rows[-1]["loss"] < 0.85 * rows[0]["loss"]
    assert rows[-1]["rewards/margins"] > rows[0]["rewards/margins"]
    assert rows[-1]["rewards/accuracies"] == 1.0


@pytest.mark.parametrize("method", ["simpo", "dpo"])
def test_the_metrics_show_when_chosen_becomes_less_likely_while_the_margin_grows(tmp_path, run, method):
    # known, and likelier the more alike the two answers are: Razin et al. 2024, https://arxiv.org/abs/2410.08847
    rows = [{"prompt": f"{i}:", "chosen": " the answer is 1", "rejected": " the answer is 2"} for i in range(6)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = run(method=method, steps=20, batch_pairs=6, learning_rate=2e-2)
    assert rows[-1]["rewards/margins"] > rows[0]["rewards/margins"] + 1
    assert rows[-1]["logps/chosen"] < rows[0]["logps/chosen"] - 1
    assert rows[-1]["logps/rejected"] < rows[-1]["logps/chosen"]


def test_the_metrics_have_trls_names(run):
    assert tuple(run(steps=1)[0]) == METRICS
    assert set(METRICS) == {
        *("loss", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins"),
        *("logps/chosen", "logps/rejected", "grad_norm", "learning_rate"),
    }


def test_the_metrics_agree_with_each_other(run):
    row = run(steps=1, loss_args={"beta": 2.0, "gamma": 1.0})[0]
    assert row["rewards/margins"] == pytest.approx(row["rewards/chosen"] - row["rewards/rejected"], abs=1e-5)
    assert row["rewards/chosen"] == pytest.approx(2.0 * row["logps/chosen"], rel=1e-5)
    assert row["logps/chosen"] == pytest.approx(-math.log(260), abs=0.5)  # a mean; fresh weights: near uniform


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_dpo_begins_at_log_2_without_a_margin(run, lora_rank):
    row = run(method="dpo", lora_rank=lora_rank, lora_dropout=0.0, steps=1, batch_pairs=12)[0]
    assert row["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert row["rewards/margins"] == pytest.approx(0.0, abs=1e-6)


def test_squared_begins_at_beta_squared(run):
    row = run(method="squared", loss_args={"beta": 3.0}, steps=1)[0]
    assert row["loss"] == pytest.approx(9.0, abs=1e-4)


def test_a_seed_gives_the_same_losses_and_another_seed_others(run):
    settings = {"steps": 3, "lora_rank": 4, "lora_dropout": 0.5}
    first, again, other = (run(seed=seed, **settings) for seed in (1, 1, 2))
    assert first == again
    assert all(one["loss"] != another["loss"] for one, another in zip(first, other, strict=True))


def test_the_highest_seed_is_a_seed(run):
    assert len(run(steps=2, seed=2**32 - 1)) == 2


def test_dropout_differs_from_step_to_step(tmp_path):
    training = prepare(make_run(tmp_path, lora_rank=4, lora_dropout=0.5, batch_pairs=12, learning_rate=1e-12, steps=3))
    for name, x in training.scorer.named_parameters():
        if "lora_B" in name:  # zeros at first, so that nothing would be dropped
            torch.nn.init.normal_(x)
    assert len({step.metrics["loss"] for step in finetune(training)}) == 3


def test_bfloat16_stays_near_float32(run):
    exact, found = (run(precision=precision, steps=4) for precision in ("float32", "bfloat16"))
    for one, other in zip(exact, found, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=0.02)


def test_weights_stay_float32_where_products_are_bfloat16(tmp_path):
    training = prepare(make_run(tmp_path, precision="bfloat16", steps=1))
    list(finetune(training))
    kinds = {x.dtype for x in training.scorer.parameters()}
    kinds |= {x.dtype for state in training.optimizer.state.values() for x in state.values()}
    assert kinds == {torch.float32}


def test_a_cpu_that_is_slow_at_bfloat16_is_named(tmp_path, monkeypatch):
    for quick in (True, False):
        monkeypatch.setattr(module.devices, "has_bfloat16", lambda device, quick=quick: quick)
        notes = prepare(make_run(tmp_path, precision="bfloat16", device="cpu")).notes
        assert any("slow at bfloat16" in note for note in notes) is not quick
    assert not any("bfloat16" in note for note in prepare(make_run(tmp_path, precision="float32")).notes)


def test_tokens_are_counted_as_a_plain_implementation_would_process_them(tmp_path):
    training = prepare(make_run(tmp_path, steps=1, batch_pairs=12))
    step = next(finetune(training))
    assert step.tokens == sum(2 * len(x.prompt) + len(x.chosen) + len(x.rejected) for x in training.pairs)
    assert step.flops == pytest.approx(pack_flops(training.scorer.model, training.pairs))


def test_arithmetic_by_hand():
    # 1 layer: q, o 32 x 32, k, v 32 x 16, three of 32 x 48: 7680 weights; the head 97 x 32 = 3104
    model = make_model(num_hidden_layers=1)
    (pair,) = token_pairs((3, 2, 1))
    # 6 tokens through the layer, 3 through the head; a prompt's and chosen's 5 tokens in a row of 5, rejected's 1 in 4
    attention = 12 * 32 * (25 + 4)
    assert pack_flops(model, [pair]) == 6 * 7680 * 6 + 6 * 3104 * 3 + attention
    # the plain way: 5 + 4 tokens and one of padding, all of them through the head too
    assert pack_flops(model, [pair], plain=True) == 6 * (7680 + 3104) * 10 + 12 * 32 * 2 * 25
    # adapters of rank 2 on each of the layer's seven matrices; the others and the head get no gradient of their own
    adapters = 2 * sum(sum(sizes) for sizes in [(32, 32)] * 2 + [(32, 16)] * 2 + [(32, 48)] * 3)
    adapted = add_lora(model, rank=2)
    assert pack_flops(adapted, [pair]) == (4 * 7680 + 6 * adapters) * 6 + 4 * 3104 * 3 + attention


def test_look_ups_are_no_arithmetic():
    from transformers import GPT2Config, GPT2LMHeadModel

    (pair,) = token_pairs((3, 2, 1))
    learnt = GPT2LMHeadModel(GPT2Config(vocab_size=97, n_positions=32, n_embd=32, n_layer=1, n_head=2))
    layer = 32 * 96 + 32 * 32 + 2 * 32 * 128
    assert pack_flops(learnt, [pair]) == 6 * layer * 6 + 6 * 97 * 32 * 3 + 12 * 32 * (25 + 4)
    untied = make_model("GPTNeoX", num_hidden_layers=1)
    assert pack_flops(untied, [pair]) == 6 * (4 * 32 * 32 + 2 * 32 * 48) * 6 + 6 * 97 * 32 * 3 + 12 * 32 * (25 + 4)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("Mamba", {"state_size": 4}), ("Mixtral", {"num_local_experts": 4, "num_experts_per_tok": 1})],
)
def test_what_the_count_is_not_made_for_is_not_counted(kind, settings):
    assert pack_flops(make_model(kind, **settings), token_pairs((3, 2, 1))) is None


def test_matrices_decay_and_norms_do_not(tmp_path):
    training = prepare(make_run(tmp_path, weight_decay=0.5))
    groups = {group["weight_decay"]: group["params"] for group in training.optimizer.param_groups}
    assert {x.ndim for x in groups[0.5]} == {2}
    assert {x.ndim for x in groups[0.0]} == {1}
    assert len(groups[0.5]) + len(groups[0.0]) == len(list(training.scorer.parameters()))


def batch_of(training, numbers):
    """A batch of the pairs of some numbers."""
    pairs = [training.pairs[number] for number in numbers]
    reference = None if training.reference is None else training.reference[list(numbers)]
    return module.Batch(pairs, reference, [], list(plan_passes(training, pairs, reference)))


# -- A batch's gradient is the mean over its pairs, however they are packed ------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_does_not_depend_on_the_packs(tmp_path, method):
    # pure SimPO: eight packs of one pair are one of eight; transformers and TRL had this wrong at times
    found = []
    for pack_tokens in (1, 60, 10_000):
        training = prepare(make_run(tmp_path, method=method, batch_pairs=8, steps=1, pack_tokens=pack_tokens))
        totals = module._accumulate_gradients(training, batch_of(training, range(8)))
        found.append((totals, [x.grad for x in training.scorer.parameters()]))
    for totals, gradients in found[1:]:
        torch.testing.assert_close(totals, found[0][0], rtol=1e-4, atol=1e-4)
        for gradient, expected in zip(gradients, found[0][1], strict=True):
            torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_steps_do_not_depend_on_the_packs(run):
    few, many = (run(pack_tokens=pack_tokens, batch_pairs=8) for pack_tokens in (10_000, 1))
    for one, other in zip(few, many, strict=True):
        for name, value in one.items():
            assert other[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name


def test_a_batch_is_the_mean_of_its_halves(tmp_path):
    def gradients(batch):
        training = prepare(make_run(tmp_path))
        module._accumulate_gradients(training, batch_of(training, batch))
        return [x.grad for x in training.scorer.parameters()]

    whole, first, second = gradients(range(8)), gradients(range(4)), gradients(range(4, 8))
    for one, a, b in zip(whole, first, second, strict=True):
        torch.testing.assert_close(one, (a + b) / 2, rtol=1e-3, atol=1e-4 * float(one.abs().max()))


def test_a_steps_gradient_is_that_of_the_written_formula(tmp_path):
    training = prepare(make_run(tmp_path, loss_args={"beta": 2.5, "gamma": 1.375}))
    module._accumulate_gradients(training, batch_of(training, range(4)))
    found = [x.grad.clone() for x in training.scorer.parameters()]
    training.scorer.zero_grad()
    losses = []
    for pair in training.pairs[:4]:  # eq. 6 of the paper, pair by pair, with transformers alone
        scores = []
        for response in (pair.chosen, pair.rejected):
            ids = torch.tensor([[*pair.prompt, *response]])
            logps = torch.log_softmax(training.scorer.model(ids).logits[0, :-1], -1)
            scores.append(logps.gather(-1, ids[0, 1:, None])[len(pair.prompt) - 1 :].sum() / len(response))
        losses.append(-torch.nn.functional.logsigmoid(2.5 * scores[0] - 2.5 * scores[1] - 1.375))
    torch.stack(losses).mean().backward()
    for gradient, x in zip(found, training.scorer.parameters(), strict=True):
        torch.testing.assert_close(gradient, x.grad, rtol=1e-3, atol=1e-4 * float(x.grad.abs().max()))


def test_the_term_of_fine_tuning_is_that_of_the_written_formula(tmp_path):
    # DPO's scores are sums, and the term is per token: 0.5 * -(mean log-probability of chosen), pair by pair
    settings = {"method": "dpo", "steps": 1, "batch_pairs": 12}
    plain = prepare(make_run(tmp_path, **settings))
    with torch.no_grad():
        expected = -pair_logps(plain.scorer.model, plain.pairs).means[:, 0].mean()
    without = next(finetune(plain)).metrics
    metrics = next(finetune(prepare(make_run(tmp_path, nll_weight=0.5, **settings)))).metrics
    assert metrics["nll_loss"] == pytest.approx(expected, rel=1e-5)
    assert metrics["loss"] == pytest.approx(without["loss"] + 0.5 * expected, rel=1e-5)
    for name in ("rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected"):
        assert metrics[name] == pytest.approx(without[name], abs=1e-5)


def test_the_term_of_fine_tuning_keeps_chosen_likely(tmp_path, run):
    rows = [{"prompt": f"{i}:", "chosen": " the answer is 1", "rejected": " the answer is 2"} for i in range(6)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"steps": 20, "batch_pairs": 6, "learning_rate": 2e-2}
    fallen, kept = run(**settings)[-1], run(nll_weight=1.0, **settings)[-1]
    assert kept["logps/chosen"] > fallen["logps/chosen"] + 1
    assert kept["rewards/margins"] > 1


def test_the_term_of_fine_tuning_does_not_depend_on_the_packs(tmp_path):
    # TRL's, over all chosen tokens of a forward pass, does
    found = []
    for pack_tokens in (1, 10_000):
        training = prepare(make_run(tmp_path, nll_weight=1.0, batch_pairs=8, pack_tokens=pack_tokens))
        module._accumulate_gradients(training, batch_of(training, range(8)))
        found.append([x.grad for x in training.scorer.parameters()])
    for gradient, expected in zip(*found, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


# -- How an update is made -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [0.05, 1.0, 1e6])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_an_update_is_that_of_clipping_and_then_adamw(longest, weight_decay):
    # torch's own two passes, clip_grad_norm_ and the step, on a copy
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(*shape)) for shape in ((5, 3), (7,), (2, 2))]
    theirs = [torch.nn.Parameter(x.detach().clone()) for x in ours]
    settings = {"lr": 0.01, "weight_decay": weight_decay, "fused": True}
    fused, usual = torch.optim.AdamW(ours, **settings), torch.optim.AdamW(theirs, **settings)
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        ours[2].grad = theirs[2].grad = None  # as of an expert that no token went to
        expected = torch.nn.utils.clip_grad_norm_(theirs, longest)
        usual.step()
        torch.testing.assert_close(module._update(fused, ours, torch.tensor(1.0), longest), expected)
        assert not hasattr(fused, "grad_scale")
        assert not hasattr(fused, "found_inf")
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("loss", "slope"), [(math.nan, 1.0), (1.0, math.nan), (1.0, math.inf), (-math.inf, 1.0)])
def test_nothing_is_updated_where_loss_or_gradient_is_no_number(loss, slope):
    x = torch.nn.Parameter(torch.ones(4))
    optimizer = torch.optim.AdamW([x], lr=0.1, weight_decay=0.1, fused=True)
    x.grad = torch.full((4,), slope)
    module._update(optimizer, [x], torch.tensor(loss), 1.0)
    assert torch.equal(x, torch.ones(4))
    assert optimizer.state[x]["step"] == 0
    assert not optimizer.state[x]["exp_avg"].any()


def test_weights_are_cast_once_for_all_packs_of_a_step(tmp_path, monkeypatch):
    training = prepare(make_run(tmp_path, precision="bfloat16", batch_pairs=8, pack_tokens=1))
    weights = {x.data_ptr() for x in training.scorer.parameters() if x.ndim == 2}
    seen = []

    class Casts(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if function is torch.ops.aten._to_copy.default and args[0].data_ptr() in weights:
                seen.append(args[0].data_ptr())
            return function(*args, **(kwargs or {}))

    embedding = training.scorer.model.get_input_embeddings().weight.data_ptr()  # which the output layer casts itself
    batch = batch_of(training, range(8))
    assert len(batch.passes) == 8
    with Casts():
        module._accumulate_gradients(training, batch)
    assert len(set(seen)) > 10
    assert all(seen.count(one) == 1 for one in set(seen) - {embedding})


def test_autocast_is_as_it_was_between_passes_and_after_one_that_fails(tmp_path):
    training = prepare(make_run(tmp_path, precision="bfloat16", batch_pairs=8, pack_tokens=1))
    batch = batch_of(training, range(8))
    each = passes(training, batch.passes)
    next(each)
    assert not torch.is_autocast_enabled("cpu")
    each.close()
    assert not torch.is_autocast_enabled("cpu")
    training.method = dataclasses.replace(training.method, loss=lambda *scores, **settings: 1 / 0)
    with pytest.raises(ZeroDivisionError) as failed:
        module._accumulate_gradients(training, batch)
    assert not torch.is_autocast_enabled("cpu"), failed  # while the traceback holds the frames


def test_a_batch_made_ahead_is_left_where_the_run_was_set_elsewhere_meanwhile(tmp_path):
    def losses(at):
        training = prepare(make_run(tmp_path, learning_rate=1e-12, steps=6))
        steps = finetune(training)
        first = next(steps).metrics["loss"]
        training.step = at
        return first, next(steps).metrics["loss"]

    straight = [step.metrics["loss"] for step in finetune(prepare(make_run(tmp_path, learning_rate=1e-12, steps=6)))]
    assert losses(1) == pytest.approx(straight[:2], rel=1e-5)
    assert losses(4) == pytest.approx([straight[0], straight[4]], rel=1e-5)


def test_the_adapters_dropout_is_on_again_after_held_out_pairs_were_measured(tmp_path):
    training = prepare(make_run(tmp_path, lora_rank=4, lora_dropout=0.5))
    dropouts = [x for name, x in training.scorer.named_modules() if "lora_dropout" in name]
    steps = finetune(training)
    next(steps)
    training.scorer.eval()
    next(steps)
    assert dropouts
    assert all(x.training for x in dropouts)
    assert not training.scorer.model.training


# -- What follows from the step's number ------------------------------------------------------------------------------


def test_an_epoch_takes_every_pair_once_and_the_next_in_another_order():
    numbers = [number for step in range(6) for number in batch_numbers(step, 4, 12, seed=0)]
    assert sorted(numbers[:12]) == sorted(numbers[12:]) == list(range(12))
    assert numbers[:12] != numbers[12:]
    assert batch_numbers(0, 4, 12, seed=1) != numbers[:4]


def test_a_batch_may_reach_into_the_next_epoch():
    numbers = [number for step in range(3) for number in batch_numbers(step, 5, 3, seed=0)]
    assert len(numbers) == 15
    assert all(sorted(numbers[start : start + 3]) == [0, 1, 2] for start in range(0, 15, 3))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1.0, 1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
    ],
)
def test_the_learning_rate_rises_and_falls(tmp_path, run, schedule, expected):
    config = make_run(tmp_path, steps=6, warmup_steps=2, schedule=schedule, learning_rate=2e-3)
    rates = [learning_rate(step, config) for step in range(6)]
    assert rates == pytest.approx([2e-3 * x for x in expected])
    rows = run(steps=6, warmup_steps=2, schedule=schedule, learning_rate=2e-3)
    assert [row["learning_rate"] for row in rows] == rates


def test_a_share_of_the_updates_warms_up_and_epochs_are_counted_in_updates(tmp_path):
    # 12 pairs, 2.5 epochs of 4 pairs: 7.5 updates, of which a quarter is 2, both rounded up
    training = prepare(make_run_of(tmp_path, epochs=2.5, warmup_ratio=0.25))
    assert (training.config.steps, training.config.warmup_steps) == (8, 2)
    rates = [learning_rate(step, training.config) for step in range(3)]
    assert rates == pytest.approx([1e-3, 2e-3, 2e-3])
    assert training.epochs == pytest.approx(8 * 4 / 12)


def make_run_of(folder, **settings):
    """As `make_run`, with no number of steps."""
    return dataclasses.replace(make_run(folder), **settings)


# -- The reference ----------------------------------------------------------------------------------------------------

CHECKED = 3 + 2  # pairs whose scores, and whose gradients, hold the fast path against the plain one


def test_the_reference_is_computed_once_for_the_same_model_and_pairs(tmp_path, calls):
    def scored_by_preparation(**settings):
        calls.clear()
        training = prepare(make_run(tmp_path, **settings))
        return sum(calls) - CHECKED, training.reference

    first, scores = scored_by_preparation(method="dpo")
    again, same = scored_by_preparation(method="dpo")
    assert (first, again) == (12, 0)
    assert torch.equal(scores, same)
    assert scored_by_preparation(method="squared", learning_rate=1e-5, steps=3)[0] == 0  # the same sums
    assert scored_by_preparation(method="dpo", lora_rank=4)[0] == 0  # the same model with adapters off
    assert scored_by_preparation(method="simpo") == (0, None)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},  # other weights
        {"precision": "bfloat16"},
        {"max_length": 12, "max_prompt_length": 8},  # other tokens
        {"fresh": {"num_attention_heads": 8, "num_key_value_heads": 4}},  # the same weights, put to other use
    ],
    ids=str,
)
def test_another_model_precision_or_data_is_another_reference(tmp_path, calls, other):
    before = prepare(make_run(tmp_path, method="dpo")).reference
    calls.clear()
    after = prepare(make_run(tmp_path, method="dpo", **other)).reference
    assert sum(calls) == CHECKED + 12
    assert not torch.equal(before, after)


def test_one_pair_changed_is_another_reference(tmp_path, calls):
    prepare(make_run(tmp_path, method="dpo"))
    data = tmp_path / "pairs.jsonl"
    data.write_text(data.read_text().replace("Count to 3:", "Count to 3!"))
    calls.clear()
    prepare(make_run(tmp_path, method="dpo"))
    assert sum(calls) == CHECKED + 12


def test_with_lora_the_reference_is_the_model_with_its_adapters_off(tmp_path):
    plain = prepare(make_run(tmp_path, method="dpo"))
    training = prepare(make_run(tmp_path, method="dpo", lora_rank=4))
    for name, x in training.scorer.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(x)
    found = reference._compute(training.scorer, training.pairs, training.config)
    torch.testing.assert_close(found, plain.reference, rtol=1e-5, atol=1e-5)
    trained = {name for name, x in training.scorer.named_parameters() if x.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)


def test_the_reference_is_that_of_the_beginning_when_a_run_goes_on(tmp_path):
    training = prepare(make_run(tmp_path, method="dpo"))
    list(finetune(training))
    save(training)
    assert torch.equal(prepare(make_run(tmp_path, method="dpo"), resume=True).reference, training.reference)


# -- Architectures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "settings", "reason"),
    [
        ("Gemma2", {"head_dim": 8}, "soft-capping"),
        ("Gemma2", {"head_dim": 8, "attn_logit_softcapping": None, "final_logit_softcapping": 2.0}, "soft-capping"),
        ("Granite", {"logits_scaling": 4.0}, "its logits are not what its output layer gives"),
        ("Phi", {}, "its output layer has a bias"),
        ("Mistral", {"sliding_window": 8}, "a token sees 8 tokens, and the longest pair has 25"),
    ],
)
def test_where_the_fast_path_would_be_wrong_the_plain_one_is_taken(kind, settings, reason):
    model = make_model(kind, **settings)
    pairs = token_pairs((2, 1, 2), (2, 2, 1), (20, 5, 3))
    scorer, why = choose_scorer(model, pairs)
    assert type(scorer) is PlainScorer
    assert reason in why
    assert "The plain path is taken" in why


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Mistral", "Olmo2", "GPTNeoX"])
def test_where_the_fast_path_is_right_it_is_taken(kind):
    model = make_model(kind)
    pairs = token_pairs((2, 1, 2), (9, 4, 7), (20, 5, 3))
    scorer, why = choose_scorer(model, pairs)
    assert (type(scorer), why) == (PairScorer, "")
    with torch.no_grad():
        torch.testing.assert_close(scorer(pack(pairs)), PlainScorer(model)(pack(pairs)), rtol=1e-5, atol=1e-5)


def test_a_window_of_any_name_is_seen():
    pairs = token_pairs((2, 1, 2), (2, 2, 1), (20, 5, 30))
    hidden = make_model("Doge", keep_window_size=8, head_dim=8)
    scorer, why = choose_scorer(hidden, pairs)
    assert (type(scorer), "off by" in why) == (PlainScorer, True)
    assert type(choose_scorer(make_model("Doge", keep_window_size=64, head_dim=8), pairs)[0]) is PairScorer


def test_the_window_of_a_model_that_sees_pictures_too_is_seen():
    import transformers

    words = SIZES | {"head_dim": 8, "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
    sight = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.Gemma3Config(text_config=words, vision_config=sight | {"image_size": 8, "patch_size": 4})
    model = transformers.Gemma3ForConditionalGeneration(config).eval()
    scorer, why = choose_scorer(model, token_pairs((2, 1, 2), (20, 5, 30)))
    assert type(scorer) is PlainScorer
    assert "a token sees 8 tokens, and the longest pair has 50" in why


def test_a_model_whose_arithmetic_is_not_counted_trains(tmp_path):
    model = make_model("Mamba", vocab_size=260, state_size=4)
    model.save_pretrained(tmp_path / "mamba")
    models.byte_tokenizer().save_pretrained(tmp_path / "mamba")
    training = prepare(make_run(tmp_path, model=str(tmp_path / "mamba"), steps=2))
    assert [step.flops for step in finetune(training)] == [None, None]


def test_a_model_on_the_plain_path_trains(tmp_path):
    model = make_model("Gemma2", head_dim=8, vocab_size=260)
    model.save_pretrained(tmp_path / "gemma")
    models.byte_tokenizer().save_pretrained(tmp_path / "gemma")
    training = prepare(make_run(tmp_path, model=str(tmp_path / "gemma"), method="dpo", batch_pairs=12, steps=4))
    rows = [step.metrics for step in finetune(training)]
    assert any("plain path" in note for note in training.notes)
    assert rows[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert rows[-1]["loss"] < rows[0]["loss"]


# -- What goes wrong ---------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_ends_the_run_with_a_sentence(tmp_path):
    training = prepare(make_run(tmp_path, save_every=1))
    steps = finetune(training)
    next(steps)
    kept = save(training)
    next(steps)
    save(training)
    with torch.no_grad():
        next(iter(training.scorer.parameters()))[:] = math.inf
    with pytest.raises(TrainingError) as caught:
        next(steps)
    words = str(caught.value)
    assert words.startswith("step 3: the loss is nan and the length of the gradient nan, expected finite numbers.")
    assert "with a lower learning_rate (now 0.002) or more warmup_steps (now 0)" in words
    assert words.endswith(f"{kept} is from before it went wrong")  # that of step 2 could hold what ruined step 3
    assert training.step == 2


def test_a_last_update_that_ruins_the_weights_is_seen(tmp_path):
    training = prepare(make_run(tmp_path, steps=1))
    steps = finetune(training)
    next(steps)
    with torch.no_grad():
        next(iter(training.scorer.parameters()))[:] = math.inf
    with pytest.raises(TrainingError, match="step 2: the loss is nan"):
        next(steps)


def test_what_a_caller_does_between_steps_does_not_change_them(tmp_path, run):
    settings = {"lora_rank": 4, "lora_dropout": 0.5, "steps": 4}
    training = prepare(make_run(tmp_path, **settings))
    rows = []
    for step in finetune(training):
        rows.append(step.metrics)
        pair_logps(training.scorer.model, training.pairs)  # puts the model, and leaves its parts, in evaluation mode
    assert rows == run(**settings)


def test_a_learning_rate_far_too_high_ends_the_run_with_a_sentence(run):
    with pytest.raises(TrainingError, match=r"lower learning_rate \(now 1e\+30\).*there is no checkpoint from before"):
        run(learning_rate=1e30, steps=20)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("where", ["forward", "optimizer", "reference"])
def test_running_out_of_memory_is_a_sentence_that_names_pack_tokens(tmp_path, monkeypatch, error, where):
    def fail(*args, **kwargs):
        raise error

    def train():
        training = prepare(make_run(tmp_path, method="dpo"))
        if where == "forward":
            monkeypatch.setattr(training.scorer, "forward", fail)
        elif where == "optimizer":
            monkeypatch.setattr(training.optimizer, "step", fail)
        next(finetune(training))

    if where == "reference":
        monkeypatch.setattr(reference, "_compute", fail)
    with pytest.raises(TrainingError, match="memory ran out with pack_tokens = 2048: set a lower pack_tokens"):
        train()


@pytest.mark.parametrize("kind", [RuntimeError, torch._dynamo.exc.InternalTorchDynamoError])
def test_other_errors_keep_their_traceback(tmp_path, monkeypatch, kind):
    def fail(*args, **kwargs):
        raise kind("mat1 and mat2 shapes cannot be multiplied")

    training = prepare(make_run(tmp_path))
    monkeypatch.setattr(PairScorer, "forward", fail)
    with pytest.raises(kind, match="mat1 and mat2"):
        next(finetune(training))


def test_compiling_on_a_cpu_is_left_out_and_said(tmp_path):
    training = prepare(make_run(tmp_path, compile=True))
    assert "compile = true is left out: on a CPU every pack would be compiled anew" in training.notes
    assert next(finetune(training)).metrics == next(finetune(prepare(make_run(tmp_path)))).metrics


def test_pairs_longer_than_learnt_positions_are_one_sentence():
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(vocab_size=97, n_positions=32, n_embd=32, n_layer=1, n_head=2))
    models.check_fit(model, token_pairs((30, 2, 1)))
    with pytest.raises(UserError, match="the longest pair has 41 tokens, and the model has places for 32: set max_len"):
        models.check_fit(model, token_pairs((30, 11, 4)))


@pytest.mark.parametrize("damage", [b"", b"not a tensor", b"\x80\x02}q\x00."])
def test_a_damaged_or_read_only_cache_of_the_references_scores_is_computed_again(tmp_path, damage, monkeypatch):
    first = prepare(make_run(tmp_path, method="dpo")).reference
    (path,) = (tmp_path / "cache").rglob("reference/*.pt")
    path.write_bytes(damage)
    training = prepare(make_run(tmp_path, method="dpo"))
    assert torch.equal(training.reference, first)
    assert not training.notes
    path.unlink()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    training = prepare(make_run(tmp_path, method="dpo"))
    assert torch.equal(training.reference, first)
    assert "the reference's scores can't be kept for the next run: " in training.notes[0]


def test_pairs_with_equal_answers_are_left_out_and_said(tmp_path):
    data = write_pairs(tmp_path / "pairs.jsonl")
    with data.open("a") as file:
        file.write('{"prompt": "Hi", "chosen": "Same.", "rejected": "Same."}\n')
    training = prepare(make_run(tmp_path))
    assert len(training.pairs) == 12
    assert any("1 pairs left out: their two answers are equal" in note for note in training.notes)


def test_nothing_left_to_train_on_is_one_sentence(tmp_path):
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "Hi", "chosen": "Same.", "rejected": "Same."}\n')
    with pytest.raises(UserError, match="no pair is left: both answers are equal in all 1"):
        prepare(make_run(tmp_path))


def test_cut_pairs_are_said(tmp_path):
    training = prepare(make_run(tmp_path, max_length=20, max_prompt_length=12))
    assert any(
        "pairs are cut: a prompt to max_prompt_length = 12 tokens, or prompt and response to max_length = 20" in note
        for note in training.notes
    )
    assert all(pair.chosen and pair.rejected for pair in training.pairs)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_asked_for_where_there_is_none_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match='device is "cuda", but torch sees no GPU here: set device = "cpu"'):
        prepare(make_run(tmp_path, device="cuda"))

import json

import pytest
from tiny import make_run, write_run

from simpo_core.training.symptoms import symptoms


def measured(step, chosen, length=30.0, distinct=1.0):
    names = ("eval_logps/chosen", "eval_completions/mean_length", "eval_completions/distinct")
    return {"step": step, **dict(zip(names, (chosen, length, distinct), strict=True))}


def rows(*chosen):
    return [{"step": number, "logps/chosen": value} for number, value in enumerate(chosen, 1)]


# -- Nothing is said of a run that goes well ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (measured(0, -1.61), measured(24, -1.19)),  # docs/results.md, SimPO, one sentence
        (measured(0, -1.61, 78), measured(24, -1.52, 20)),  # DPO: answers get shorter, as they should
        (measured(0, -1.0), measured(9, -1.45)),
        (measured(0, -1.0, 4), measured(9, -1.0, 12)),  # three times as long, but by 8 tokens
        (measured(0, -1.0, 30, 0.25), measured(9, -1.0, 30, 0.25)),  # alike before training too
    ],
)
def test_a_run_that_goes_well_is_not_warned_of(first, last):
    assert symptoms(rows(-1.0), [first, last], 1.0) == []


def test_before_there_is_something_to_compare_nothing_is_said():
    assert symptoms([], [], 1.0) == []
    assert symptoms(rows(-1.0, -9.0), [], 1.0) == []  # two steps, of other pairs
    assert symptoms(rows(-1.0), [measured(0, -1.0)], 1.0) == []


# -- What goes wrong is said -------------------------------------------------------------------------------------------


def test_chosen_that_becomes_less_likely_is_named_with_what_to_change():
    (said,) = symptoms([], [measured(0, -2.67), measured(24, -3.94)], 1.0)  # docs/results.md, SimPO, three lines
    assert said.startswith("chosen answers have become less likely: -2.67 nats per token at first, -3.94 now.")
    assert "nll_weight" in said
    assert "learning_rate" in said


def test_sums_are_compared_per_token():
    # 40 nats over answers of 100 tokens are 0.4 a token; over 50 tokens 0.8
    pair = [measured(0, -100.0), measured(9, -140.0)]
    assert symptoms([], pair, 100.0) == []
    assert "-2.00 nats per token at first, -2.80 now" in symptoms([], pair, 50.0)[0]


def test_without_held_out_pairs_a_quarter_of_the_steps_is_compared_with_the_last():
    falling = rows(*[-1.0] * 5, *[-1.2] * 10, *[-1.6] * 5)
    assert "-1.00 nats per token at first, -1.60 now" in symptoms(falling, [], 1.0)[0]
    assert symptoms(falling[:19], [], 1.0) == []
    assert symptoms(falling, [measured(0, -1.0), measured(20, -1.1)], 1.0) == []  # the held-out pairs say otherwise


def test_answers_that_grow_are_named():
    (said,) = symptoms([], [measured(0, -1.0, 30), measured(9, -1.0, 61)], 1.0)
    assert said.startswith("answers grow: 30 tokens before training, 61 now.")


def test_answers_that_are_all_alike_are_named():
    (said,) = symptoms([], [measured(0, -1.0), measured(9, -1.0, 30, 0.125)], 1.0)
    assert said.startswith("answers are alike: 12% of those to different prompts differ, 100% before training.")


# -- On the screen, and in the summary ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["simpo", "dpo"])
def test_a_run_that_makes_chosen_unlikely_is_warned_of_once_and_at_its_end(call, tmp_path, method):
    # known, and likelier the more alike the two answers are: Razin et al. 2024, https://arxiv.org/abs/2410.08847
    pairs = [{"prompt": f"{i}:", "chosen": " the answer is 1", "rejected": " the answer is 2"} for i in range(6)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))
    settings = {"method": method, "steps": 24, "batch_pairs": 6, "learning_rate": 8e-2}
    status, said, _ = call("finetune", write_run(tmp_path, **settings))
    assert status == 0
    assert said.count("warning: chosen answers have become less likely") == 2
    before, _, after = said.partition("(tokens/s counts")
    assert ("warning: chosen" in before, "warning: chosen" in after) == (True, True)


def test_a_run_that_goes_well_is_not_warned_of_on_the_screen(call, tmp_path):
    make_run(tmp_path)
    assert "warning" not in call("finetune", write_run(tmp_path, steps=24))[1]

import numpy as np
import pytest
import torch

from simpo_core.answers.evaluate import bootstrap, evaluate_answers, evaluate_pairs, pair_logps
from simpo_core.answers.generate import Answer
from simpo_core.answers.rules import RULES
from simpo_core.logps import mean_logps, sum_logps
from simpo_core.models import fresh_model
from simpo_core.preferences import TokenPair

PAIRS = [
    TokenPair(prompt=(5, 6, 7), chosen=(8, 9, 2), rejected=(10, 11, 12, 13, 2), truncated=False),
    TokenPair(prompt=(20, 21), chosen=(22, 2), rejected=(23, 2), truncated=False),
    TokenPair(prompt=(30, 31, 32, 33), chosen=(34, 35, 36, 37, 38, 2), rejected=(39, 2), truncated=False),
]


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return fresh_model(hidden_size=32, intermediate_size=64, initializer_range=0.3)


def _plain(model, pair: TokenPair, response: tuple[int, ...]) -> tuple[float, float]:
    ids = torch.tensor([[*pair.prompt, *response]])
    labels = ids.clone()
    labels[0, : len(pair.prompt)] = -100
    with torch.no_grad():
        logits = model(ids, use_cache=False).logits
    return float(sum_logps(logits, labels)[0]), float(mean_logps(logits, labels)[0])


def test_pair_logps_are_those_of_one_sequence_at_a_time(tiny):
    model, _ = tiny
    for budget in (1, 12, 1000):
        logps = pair_logps(model, PAIRS, budget=budget)
        for row, pair in enumerate(PAIRS):
            for column, response in enumerate((pair.chosen, pair.rejected)):
                expected = _plain(model, pair, response)
                assert logps.sums[row, column] == pytest.approx(expected[0], rel=1e-5)
                assert logps.means[row, column] == pytest.approx(expected[1], rel=1e-5)
    assert logps.tokens.tolist() == [[3, 5], [2, 2], [6, 2]]


def test_a_pair_report_sums_up_its_pairs(tiny):
    model, _ = tiny
    logps = pair_logps(model, PAIRS)
    report = evaluate_pairs(model, PAIRS)
    difference = logps.means[:, 0] - logps.means[:, 1]
    assert report.pairs == 3
    assert report.accuracy.mean == pytest.approx((difference > 0).mean())
    assert report.accuracy_of_sums.mean == pytest.approx((logps.sums[:, 0] > logps.sums[:, 1]).mean())
    assert report.margin.mean == pytest.approx(report.chosen_logps.mean - report.rejected_logps.mean)
    assert report.chosen_tokens == pytest.approx((3 + 2 + 6) / 3)
    assert report.rejected_tokens == pytest.approx((5 + 2 + 2) / 3)


def test_bootstrap_by_hand():
    # Two values 0 and 1: a resample is (0, 0), (0, 1), (1, 0) or (1, 1), so a mean of 0 or 1 comes with chance 1/4
    # each, more often than 2.5 %: the interval is all of [0, 1]
    interval = bootstrap([0.0, 1.0])
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.0, 1.0)


def test_bootstrap_of_a_share_is_the_binomials():
    # 60 of 120: the resampled count is Binomial(120, 1/2); its 2.5 % and 97.5 % quantiles are 49 and 71
    interval = bootstrap([1.0] * 60 + [0.0] * 60)
    assert interval.mean == 0.5
    assert interval.low == pytest.approx(49 / 120, abs=1 / 120)
    assert interval.high == pytest.approx(71 / 120, abs=1 / 120)


def test_bootstrap_is_the_same_each_time_and_refuses_nothing():
    values = np.random.default_rng(3).normal(size=30)
    assert bootstrap(values) == bootstrap(values)
    with pytest.raises(ValueError, match=r"shape \(0,\): expected \(n,\)"):
        bootstrap([])


def test_answers_are_counted_as_they_are(tiny, monkeypatch):
    given = [
        Answer("Ice is cold.", 4, True),
        Answer("Ice is cold.", 4, True),
        Answer("Ice is cold. It melts.", 7, True),
        Answer("Ice is cold.", 4, False),  # cut off: doesn't count, whatever it looks like
    ]
    asked = []

    def scripted(model, tokenizer, prompts, **settings):
        asked.append((prompts, settings))
        return given

    monkeypatch.setattr("simpo_core.answers.evaluate.answers", scripted)
    report = evaluate_answers(*tiny, ["What is ice?"] * 4, RULES["one-sentence"], max_new_tokens=9)
    assert [answer.keeps for answer in report.answers] == [True, True, False, False]
    assert report.rule == "one-sentence"
    assert report.keeps.mean == 0.5
    assert report.tokens.mean == (4 + 4 + 7 + 4) / 4
    assert report.words == (3 + 3 + 5 + 3) / 4
    assert (report.distinct, report.unfinished) == (2, 1)
    prompts, settings = asked[0]
    assert prompts[0] == [{"role": "user", "content": "What is ice?"}]  # the bare prompt, without the wish
    assert settings["max_new_tokens"] == 9
    assert settings["temperature"] == 0


def test_a_model_can_be_asked(tiny):
    report = evaluate_answers(*tiny, ["What is ice?", "Why?"], RULES["three-lines"], max_new_tokens=5)
    assert [answer.prompt for answer in report.answers] == ["What is ice?", "Why?"]
    assert report.unfinished == 2
    assert report.keeps.mean == 0


@pytest.mark.parametrize("training", [True, False])
def test_the_model_keeps_its_mode_and_its_type(tiny, training):
    model, _ = tiny
    model.train(training)
    try:
        evaluate_pairs(model, PAIRS)
        assert model.training == training
    finally:
        model.eval()
    assert next(model.parameters()).dtype == torch.float32

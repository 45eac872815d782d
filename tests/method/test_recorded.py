import math

import pytest
import torch

from simpo_core.logps import sum_logps
from simpo_core.ranking import graded_squared_loss
from simpo_core.recorded import ONE_PAIR, RUNS


@pytest.mark.parametrize("name", ["chosen", "rejected"])
def test_the_gathered_logits_give_each_response_the_log_probability_of_the_whole_vocabulary(name):
    tokens, mask = torch.tensor(ONE_PAIR["tokens"][name]), torch.tensor(ONE_PAIR["mask"][name])
    logits = torch.tensor(ONE_PAIR["logits"]["before"][name], dtype=torch.float64)
    assert logits.shape == (len(tokens), len(ONE_PAIR["vocabulary"]) + 1)
    logp = sum_logps(logits[None], torch.where(mask, tokens, -100)[None])
    assert float(logp[0]) == pytest.approx(sum(ONE_PAIR["token_logps"][name]), abs=2e-3)  # both rounded to 1e-4


def test_the_rows_spell_the_responses():
    for name, text in ONE_PAIR["responses"].items():
        marked = zip(ONE_PAIR["tokens"][name], ONE_PAIR["mask"][name], strict=True)
        assert (
            "".join(ONE_PAIR["vocabulary"][token] for token, is_response in marked if is_response)
            == f"{text}<|im_end|>"
        )


@pytest.mark.parametrize("name", RUNS)
def test_a_step_of_a_run_has_the_loss_of_its_scores(name):
    assert RUNS[name][0]["loss"] == pytest.approx(40 / 3, abs=1e-4)  # all scores 0, targets 2 to 6
    for step in RUNS[name]:
        *trained, _held_out = step["scores"].values()
        losses = [graded_squared_loss(torch.tensor(scores), [3, 2, 1, 0], 2.0).mean() for scores in trained]
        assert math.isclose(sum(losses) / len(losses), step["loss"], abs_tol=2e-3)

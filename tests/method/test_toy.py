import math

import pytest
import torch

from simpo_core.toy import BigramPolicy, ResponsePolicy


def test_responses_have_the_softmax_of_their_logits():
    # softmax([log 1, log 3]) = [1/4, 3/4]
    policy = ResponsePolicy([0.0, math.log(3)])
    assert policy.logps().exp().tolist() == pytest.approx([0.25, 0.75])
    assert policy.entropy().item() == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)))


def test_uniform_policies_have_the_largest_entropy():
    assert ResponsePolicy([2.0] * 8).entropy().item() == pytest.approx(math.log(8))
    assert BigramPolicy(3).entropy(2).item() == pytest.approx(2 * math.log(3))


def test_sequences_by_hand():
    # p(0 first) = 3/4; p(1 after 0) = 1/5, so p(0, 1) = 3/20
    policy = BigramPolicy(2)
    with torch.no_grad():
        policy.table[2] = torch.tensor([math.log(3), 0.0])
        policy.table[0] = torch.tensor([math.log(4), 0.0])
    assert policy.sequence_logps(torch.tensor([[0, 1]])).exp().item() == pytest.approx(3 / 20)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_probabilities_of_all_responses_add_up_to_one(length):
    policy = BigramPolicy(4, seed=1)
    responses = policy.responses(length)
    assert responses.shape == (4**length, length)
    assert policy.sequence_logps(responses).exp().sum().item() == pytest.approx(1)


def test_the_seed_decides_the_logits():
    assert torch.equal(BigramPolicy(3, seed=5).table, BigramPolicy(3, seed=5).table)
    assert not torch.equal(BigramPolicy(3, seed=5).table, BigramPolicy(3, seed=6).table)


def test_gradients_reach_the_parameters():
    policy = BigramPolicy(3, seed=2)
    policy.sequence_logps(torch.tensor([[0, 1, 2]])).sum().backward()
    # Only the rows of the start symbol and of the tokens 0 and 1 were used.
    assert policy.table.grad.abs().sum(dim=1).bool().tolist() == [True, True, False, True]

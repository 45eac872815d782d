import copy

import pytest
import torch
from tiny import make_model, make_run, token_pairs

from method.scoring.test_packing import MODELS, RAGGED, scores_and_gradients
from simpo_core.scoring.activations import keep_less
from simpo_core.scoring.packing import pack
from simpo_core.scoring.scorers import PairScorer
from simpo_core.training.lora import add_lora
from simpo_core.training.preparation import prepare


@pytest.mark.parametrize("name", MODELS)
def test_the_numbers_are_the_same(name):
    kind, config = MODELS[name]
    model = make_model(kind, **config)
    lean = copy.deepcopy(model)
    keep_less(lean)
    packs = [pack(token_pairs(*RAGGED)), pack(token_pairs(*RAGGED[:2]))]
    expected, found = (scores_and_gradients(PairScorer(each), each, packs) for each in (model, lean))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = (scores_and_gradients(PairScorer(each), each, packs) for each in (model, lean))
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=0)
    longest = max(float(gradient.norm()) for gradient in expected[1].values())
    for parameter, gradient in expected[1].items():  # what comes back to one copy is added up in bfloat16: 2^-9 each
        assert float((found[1][parameter] - gradient).norm()) <= 0.02 * (float(gradient.norm()) + 0.01 * longest)


def test_a_model_can_be_copied_after_a_step():
    model, packed = make_model(), pack(token_pairs(*RAGGED))
    keep_less(model)
    with torch.autocast("cpu", torch.bfloat16):
        PairScorer(model)(packed).sum().backward()
    copied = copy.deepcopy(model)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        torch.testing.assert_close(PairScorer(copied)(packed), PairScorer(model)(packed), rtol=0, atol=0)


def test_adapters_get_the_same_gradients():
    model = add_lora(make_model(), rank=4)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)  # at first it is 0, and the gradient of the other half with it
    lean = copy.deepcopy(model)
    keep_less(lean)
    packs = [pack(token_pairs(*RAGGED))]
    gradients = []
    for each in (model, lean):
        PairScorer(each)(packs[0]).sum().backward()
        gradients.append({name: x.grad for name, x in each.named_parameters() if x.grad is not None})
    assert gradients[0]
    assert all(gradient.any() for gradient in gradients[0].values())
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=0)


def kept(model, packed):
    """Bytes of all that one forward pass leaves for the backward pass but the weights."""
    alive = {x.untyped_storage().data_ptr(): x for x in model.parameters()}
    weights = set(alive)

    def keep(x):
        alive[x.untyped_storage().data_ptr()] = x
        return x

    def remember(module, inputs):
        keep(inputs[0])  # what a norm is computed from again is kept too, but not by way of autograd

    norms = [module for module in model.modules() if "Norm" in type(module).__name__]
    handles = [norm.register_forward_pre_hook(remember) for norm in norms]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        PairScorer(model)(packed)
    for handle in handles:
        handle.remove()
    return sum(x.untyped_storage().nbytes() for pointer, x in alive.items() if pointer not in weights)


def test_less_is_kept():
    model, packed = make_model(num_hidden_layers=1), pack(token_pairs((60, 70, 70)))
    config = model.config
    before = kept(model, packed)
    with torch.autocast("cpu", torch.bfloat16):
        before_low = kept(model, packed)
    keep_less(model)
    values = 200 * config.hidden_size  # of one activation
    norms = 3 * 4 * values  # the layer's two and the last: what each multiplies its weight by, in float32
    assert before - kept(model, packed) >= norms
    with torch.autocast("cpu", torch.bfloat16):  # one copy for query, key and value, one for gate and up
        assert before_low - kept(model, packed) >= norms + 3 * 2 * values


def test_training_on_a_cpu_keeps_less(tmp_path):
    model = prepare(make_run(tmp_path)).scorer.model
    norms = [module for module in model.modules() if "Norm" in type(module).__name__]
    assert norms
    assert all("forward" in vars(norm) for norm in norms)

import pytest
import torch
from tiny import SIZES, make_model, token_pairs

from simpo_core.scoring import attention, choice
from simpo_core.scoring.choice import choose_scorer, why_not_compiled
from simpo_core.scoring.packing import pack
from simpo_core.scoring.scorers import PairScorer, PlainScorer
from simpo_core.training.lora import add_lora

PAIRS = token_pairs((2, 1, 2), (9, 4, 7), (20, 5, 3))
SMALL = {"initializer_range": 1e-4}  # weights so small that no score shows what a structure does
HEADS = {"linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8}


def refusal(model, **settings):
    scorer, why = choose_scorer(model, PAIRS, **settings)
    assert type(scorer) is PlainScorer
    return why


# -- Told by the structure, however small the weights -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "settings", "reason"),
    [
        ("Mamba", {"state_size": 4}, "convolutions in its layers mix the tokens of a row"),
        ("Lfm2", {"layer_types": ["conv", "full_attention"]}, "convolutions in its layers"),
        ("Rwkv", {"attention_hidden_size": 32}, "2 of its 2 layers do not call transformers' attention function"),
        ("Bloom", {"n_layer": 2, "n_head": 4}, "2 of its 2 layers do not call"),
        ("RecurrentGemma", {"lru_width": 32, "head_dim": 8, "attention_window_size": 64}, "soft_cap = 30"),
        ("Gemma2", {"head_dim": 8, "final_logit_softcapping": None}, "soft-capping (attn_logit_softcapping = 50.0)"),
        ("Gemma2", {"head_dim": 8, "attn_logit_softcapping": None}, "soft-capping (final_logit_softcapping = 30.0)"),
        ("Cohere", {"logit_scale": 0.5}, "its logits are not what its output layer gives"),
        ("Granite", {"logits_scaling": 1.5}, "its logits are not what its output layer gives"),
        ("Phi", {}, "its output layer has a bias"),
        ("Mistral", {"sliding_window": 8}, "a token sees 8 tokens, and the longest pair has 25"),
    ],
)
def test_what_the_fast_path_does_not_do_is_refused_by_structure(kind, settings, reason):
    assert reason in refusal(make_model(kind, **(SMALL | settings)))


def test_a_layer_of_linear_attention_among_others_is_refused():
    # Qwen 3.5: three of four layers keep a state, and each has a convolution of its own
    import transformers

    torch.manual_seed(0)
    config = transformers.Qwen3_5TextConfig(**(SIZES | SMALL | HEADS | {"num_hidden_layers": 4, "head_dim": 8}))
    model = transformers.Qwen3_5ForCausalLM(config).eval()
    assert "convolutions in its layers" in refusal(model)


def test_one_layer_that_does_not_call_the_attention_function_is_enough():
    model = make_model(**SMALL)
    layer = model.model.layers[1].self_attn
    layer.forward = lambda hidden_states, **kwargs: (layer.o_proj(layer.q_proj(hidden_states)), None)
    assert "1 of its 2 layers do not call transformers' attention function" in refusal(model)


def test_a_window_that_only_a_layer_knows_is_seen():
    model = make_model("Qwen2", **SMALL)
    assert type(choose_scorer(model, PAIRS)[0]) is PairScorer
    model.model.layers[1].self_attn.sliding_window = 8
    assert "a token sees 8 tokens, and the longest pair has 25" in refusal(model)


# -- Gradients, in the training's precision ---------------------------------------------------------------------------


@pytest.mark.parametrize("training", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Qwen3", "GPTNeoX", "Olmo2", "Mixtral"])
@pytest.mark.parametrize("weights", [torch.float32, torch.bfloat16])
def test_where_scores_and_gradients_are_right_the_fast_path_is_taken(kind, training, weights):
    scorer, why = choose_scorer(make_model(kind).to(weights), PAIRS, training=training)
    assert (type(scorer), why) == (PairScorer, "")


@pytest.mark.parametrize("part", ["query", "key", "value"])
@pytest.mark.parametrize("training", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("how", ["lost", "wrong"])
@pytest.mark.parametrize("adapted", [False, True])
def test_a_backward_pass_that_is_wrong_where_the_forward_one_is_right_is_refused(
    monkeypatch, part, training, how, adapted
):
    each_part = attention._each_part

    def broken(query, key, value, *rest):
        given = {"query": query, "key": key, "value": value}
        x = given[part]
        given[part] = x.detach() if how == "lost" else 2 * x - x.detach()  # the same numbers, no or twice the gradient
        return each_part(*given.values(), *rest)

    model = add_lora(make_model(), rank=2) if adapted else make_model()
    trained = [x.requires_grad for x in model.parameters()]
    monkeypatch.setattr(attention, "_each_part", broken)
    assert "in its first layer is off by" in refusal(model, training=training)
    assert type(choose_scorer(model, PAIRS)[0]) is PairScorer  # to score alone it will do
    assert [x.requires_grad for x in model.parameters()] == trained
    assert all(x.grad is None for x in model.parameters())


class KernelError(Exception):
    """As a kernel's compiler has its own: triton's OutOfResources, dynamo's InternalTorchDynamoError."""


class FailsBackward(torch.autograd.Function):
    """What a GPU can't do backward."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        raise KernelError("out of resource: shared memory, Required: 106496, Hardware limit: 101376\nReducing block")


def test_a_backward_pass_that_fails_leads_to_the_plain_path_with_a_sentence(monkeypatch):
    each_part = attention._each_part
    monkeypatch.setattr(attention, "_each_part", lambda q, *rest: each_part(FailsBackward.apply(q), *rest))
    why = refusal(make_model(), training=torch.float32)
    assert "KernelError: out of resource: shared memory, Required: 106496, Hardware limit: 101376. The plain" in why
    assert "\n" not in why


def test_memory_that_runs_out_is_no_reason_to_take_more_of_it(monkeypatch):
    def fail(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(choice, "packed_attention", fail)
    with pytest.raises(torch.OutOfMemoryError):
        choose_scorer(make_model(), PAIRS)


def test_the_attention_function_is_the_usual_one_again_after_the_check():
    scorer, _ = choose_scorer(make_model(), PAIRS, training=torch.float32)
    from transformers import AttentionInterface

    assert AttentionInterface()["packed_pairs"] is attention.packed_attention
    with torch.no_grad():
        torch.testing.assert_close(scorer(pack(PAIRS)), PlainScorer(scorer.model)(pack(PAIRS)), rtol=1e-5, atol=1e-5)


def test_compiled_layers_are_held_against_the_plain_path_too(monkeypatch):
    scorer, _ = choose_scorer(make_model(), PAIRS)
    assert why_not_compiled(scorer, PAIRS, torch.float32) == ""
    each_part = attention._each_part
    monkeypatch.setattr(attention, "_each_part", lambda q, *rest: each_part(FailsBackward.apply(q), *rest))
    assert why_not_compiled(scorer, PAIRS, torch.float32).startswith("KernelError: out of resource: shared memory")

import pytest
import torch
from tiny import SIZES, make_model

from simpo_core.inputs import UserError
from simpo_core.language_models.causality import check_causal
from simpo_core.training.lora import add_lora

TOKENS = (5, 9, 7, 30, 31, 8)
EYES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
EYES |= {"patch_size": 8, "image_size": 16, "projection_dim": 32}


def pali_gemma():
    import transformers

    torch.manual_seed(0)
    words = {"model_type": "gemma", "head_dim": 8, **SIZES}
    settings = transformers.PaliGemmaConfig(
        vision_config={"model_type": "siglip_vision_model", **EYES}, text_config=words, image_token_index=96
    )
    return transformers.PaliGemmaForConditionalGeneration(settings).eval()


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Gemma2", "Mamba", "Rwkv", "Mixtral", "Bloom", "GPTNeoX", "CTRL"])
@pytest.mark.parametrize("size", [0.3, 1e-4])
def test_causal_models_pass(kind, size):
    settings = {"initializer_range": size}
    if kind == "CTRL":  # which has token_type_ids
        import transformers

        torch.manual_seed(0)
        sizes = {"vocab_size": 97, "n_embd": 32, "dff": 48, "n_layer": 2, "n_head": 4}
        model = transformers.CTRLLMHeadModel(transformers.CTRLConfig(**sizes, **settings)).eval()
    else:
        model = make_model(kind, **settings)
    check_causal(model, TOKENS)


def test_token_types_that_are_embedded_are_no_prefix():
    import transformers

    torch.manual_seed(0)
    settings = transformers.GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=4)
    check_causal(transformers.GPT2LMHeadModel(settings).eval(), TOKENS)


@pytest.mark.parametrize("size", [0.3, 0.02])
def test_a_model_that_reads_in_both_directions_is_named(size):
    import transformers

    torch.manual_seed(0)
    settings = transformers.BertConfig(**SIZES, is_decoder=False)
    settings.initializer_range = size
    with pytest.raises(UserError, match="BertLMHeadModel reads text in both directions, so that a token sees those"):
        check_causal(transformers.BertLMHeadModel(settings).eval(), TOKENS)


@pytest.mark.parametrize(
    ("attention", "words"),
    [
        # with transformers' own default no mask at all is left where no token types are given
        ("sdpa", "reads text in both directions, so that a token sees those behind it"),
        # without token types, of which neither path knows, it would be trained as a causal model and asked as another
        ("eager", "reads a prompt in both directions, where token_type_ids mark one"),
    ],
)
def test_a_prefix_language_model_is_named(attention, words):
    model = pali_gemma()
    model.set_attn_implementation(attention)
    with pytest.raises(UserError, match=f"PaliGemmaForConditionalGeneration {words}"):
        check_causal(model, TOKENS)


def test_a_prefix_that_only_the_settings_tell_of_is_named():
    model = make_model()
    model.config.prefix_lm = True
    with pytest.raises(UserError, match="LlamaForCausalLM reads a prompt in both directions, as its prefix_lm says"):
        check_causal(model, TOKENS)


def test_an_encoder_with_a_decoder_is_named():
    model = make_model()
    model.config.is_encoder_decoder = True
    with pytest.raises(UserError, match="LlamaForCausalLM is an encoder with a decoder behind it: expected a causal"):
        check_causal(model, TOKENS)


def test_adapters_change_nothing_and_one_token_alone_tells_nothing():
    check_causal(add_lora(make_model(), rank=2), TOKENS)
    check_causal(make_model(), (5, 5))
    check_causal(make_model(), (5,))

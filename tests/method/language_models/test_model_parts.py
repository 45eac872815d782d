import json
import math

import pytest
import torch
import transformers
from tiny import SIZES, make_model, make_run, token_pairs

from simpo_core.language_models import model_parts
from simpo_core.language_models.fetch import quiet
from simpo_core.models import byte_tokenizer, check_fit, load_model
from simpo_core.scoring.choice import choose_scorer
from simpo_core.scoring.packing import pack
from simpo_core.scoring.scorers import PairScorer, PlainScorer
from simpo_core.training.finetune import finetune, save
from simpo_core.training.preparation import prepare

SIGHT = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
CLIP = SIGHT | {"image_size": 8, "patch_size": 4}
WORDS = SIZES | {"vocab_size": 260}
ROTATED = {"rope_type": "default", "rope_theta": 1e4}
QWEN_SIGHT = {"depth": 1, "num_heads": 2, "patch_size": 4}
IDS = torch.tensor([[5, 9, 200, 17, 3]])


def make_seeing(kind):
    """A tiny model that sees pictures too."""
    torch.manual_seed(0)
    if kind == "Gemma3":
        config = transformers.Gemma3Config(
            text_config=WORDS | {"head_dim": 8, "sliding_window": 64}, vision_config=CLIP, mm_tokens_per_image=4
        )
    elif kind == "Llava":  # its eyes have an embedding of five places
        config = transformers.LlavaConfig(
            text_config=transformers.LlamaConfig(**WORDS),
            vision_config=transformers.CLIPVisionConfig(**CLIP),
            image_token_index=259,
        )
    elif kind == "Qwen2_5_VL":  # positions in three directions
        config = transformers.Qwen2_5_VLConfig(
            text_config=WORDS | {"rope_parameters": ROTATED | {"mrope_section": [1, 1, 2]}},
            vision_config=QWEN_SIGHT | {"hidden_size": 16, "intermediate_size": 16, "out_hidden_size": 32},
        )
    else:
        config = transformers.Qwen3_5Config(
            text_config=WORDS
            | {"head_dim": 8, "linear_num_key_heads": 2, "linear_num_value_heads": 2}
            | {"linear_key_head_dim": 8, "linear_value_head_dim": 8},
            vision_config=QWEN_SIGHT | {"hidden_size": 16, "intermediate_size": 16, "out_hidden_size": 32},
        )
    return getattr(transformers, f"{kind}ForConditionalGeneration")(config).eval()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def saved(tmp_path):
    """A folder with a tiny model of a kind and a tokenizer."""

    def make(kind):
        with quiet():
            make_seeing(kind).save_pretrained(tmp_path / kind)
            byte_tokenizer().save_pretrained(tmp_path / kind)
        return str(tmp_path / kind)

    return make


def logits(model):
    with torch.no_grad():
        return model(IDS).logits


# -- Which part is which -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "GPTNeoX", "Mamba", "OPT"])
def test_of_a_model_of_text_all_is_the_language_model(kind):
    model = make_model(kind)
    assert len(model_parts.layers(model)) == 2
    assert model_parts.outside_the_language_model(model) == []


@pytest.mark.parametrize("kind", ["Gemma3", "Llava", "Qwen2_5_VL"])
def test_eyes_are_outside_the_language_model(kind):
    model = make_seeing(kind)
    outside = model_parts.outside_the_language_model(model)
    assert outside
    assert all("vision" in name or "visual" in name or "projector" in name for name in outside)
    model(IDS).logits.sum().backward()  # what text reaches gets a gradient, and nothing else does
    assert {name for name, x in model.named_parameters() if x.grad is None} == set(outside)


# -- Positions are the text's ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Gemma3", "Llava", "Qwen2_5_VL"])
def test_positions_are_the_texts(kind):
    model, pairs = make_seeing(kind), token_pairs((9, 4, 7), (20, 5, 3))
    check_fit(model, pairs)  # whatever places pictures have
    scorer, why = choose_scorer(model, pairs, training=torch.float32)
    assert (type(scorer), why) == (PairScorer, "")
    with torch.no_grad():
        found, plain = scorer(pack(pairs)), PlainScorer(model)(pack(pairs))
        torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)
        start = 0
        for pair in pairs:
            for response in (pair.chosen, pair.rejected):  # each sequence alone
                ids = torch.tensor([[*pair.prompt, *response]])
                logps = torch.log_softmax(model(ids).logits[0, :-1], -1).gather(-1, ids[0, 1:, None])[:, 0]
                expected = logps[len(pair.prompt) - 1 :]
                torch.testing.assert_close(found[start : start + len(expected)], expected, rtol=1e-5, atol=1e-5)
                start += len(expected)


# -- Training ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Gemma3", "Llava", "Qwen2_5_VL"])
def test_a_model_that_sees_trains_its_language_model_is_saved_whole_and_goes_on(saved, tmp_path, kind):
    config = make_run(tmp_path, model=saved(kind), steps=4)
    training = prepare(config)
    outside = set(model_parts.outside_the_language_model(training.scorer.model))
    assert [note.partition(" of the weights are not trained")[0] for note in training.notes] == [str(len(outside))]
    frozen = {name for name, x in training.scorer.model.named_parameters() if not x.requires_grad}
    assert frozen == outside
    for step in finetune(training):
        if step.number == 2:
            break
    folder = save(training)
    opened, _ = load_model(str(folder))
    assert type(opened) is type(training.scorer.model)
    torch.testing.assert_close(logits(opened), logits(training.scorer.model))
    again = prepare(config, resume=True)
    for step, other in zip(finetune(again), finetune(training), strict=True):
        assert step.metrics == other.metrics


@pytest.mark.parametrize("targets", [[], ["q_proj", "fc1"]])  # fc1 is a layer of CLIP's
def test_adapters_go_on_the_language_model(saved, tmp_path, targets):
    model = saved("Llava")
    if targets:
        with pytest.raises(Exception, match="no layer of the name fc1; it has down_proj"):
            prepare(make_run(tmp_path, model=model, lora_rank=2, lora_targets=targets))
        targets = ["q_proj"]  # of which CLIP has some too
    training = prepare(make_run(tmp_path, model=model, lora_rank=2, lora_targets=targets, method="dpo", steps=3))
    adapted = {name for name, _ in training.scorer.named_parameters() if "lora_" in name}
    assert len(adapted) == 2 * 2 * (1 if targets else 7)
    assert all("language_model.layers" in name for name in adapted)
    rows = [step.metrics for step in finetune(training)]
    assert rows[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    folder = save(training)
    torch.testing.assert_close(logits(load_model(str(folder))[0]), logits(training.scorer.model))
    assert prepare(
        make_run(tmp_path, model=model, lora_rank=2, lora_targets=targets, method="dpo", steps=3), resume=True
    ).step


@pytest.mark.filterwarnings("ignore")
def test_weights_that_are_not_loaded_are_named(saved, tmp_path):
    # AutoModelForCausalLM opens Qwen 3.5 without its eyes, and transformers says nothing of it
    training = prepare(make_run(tmp_path, model=saved("Qwen3_5"), steps=1))
    left_out = [note for note in training.notes if "are not loaded" in note]
    assert len(left_out) == 1
    assert "of the checkpoint's weights are not loaded, such as model.visual." in left_out[0]
    assert "Qwen3_5ForCausalLM has no place for them, and what is saved is without them" in left_out[0]
    seeing = make_seeing("Qwen3_5")
    assert int(left_out[0].split()[0]) == sum("visual" in name for name in seeing.state_dict())


def test_of_weights_in_several_files_those_that_are_not_loaded_are_named_too(saved, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "Qwen3_5"
    saved("Qwen3_5")
    save_file(load_file(folder / "model.safetensors"), folder / "model-00001-of-00001.safetensors", {"format": "pt"})
    names = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "model-00001-of-00001.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    model, _ = load_model(str(folder))
    assert model.weights_left_out == sorted(name for name in names if "visual" in name)

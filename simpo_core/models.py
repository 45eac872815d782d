"""Causal language models in Hugging Face's format: loaded, or made afresh.

Whatever the source, what comes back is a float32 model on the CPU, ready to be trained, and its tokenizer.
"""

import contextlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simpo_core.inputs import UserError
from simpo_core.language_models import model_parts
from simpo_core.language_models.fetch import fetch_smollm2, load_gguf, quiet
from simpo_core.language_models.saved_models import newest_model
from simpo_core.preferences import TokenPair, end_of_turn

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def load_model(name: str, *, fresh: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """A causal language model and its tokenizer.

    Args:
        name: "smollm2" (fetched at first use), a folder (a checkpoint, or a run's, whose
            newest checkpoint is meant), a .gguf file, a name on the Hugging Face hub,
            or "fresh": a Llama with random weights and a tokenizer of bytes.
        fresh: For "fresh", settings of transformers' LlamaConfig, such as hidden_size.

    Returns:
        The model in float32 on the CPU, in evaluation mode, and its tokenizer. A folder with a LoRA
        adapter gives the model with the adapter on. `weights_left_out` of a model that was read from a folder or
        from the hub are the names of weights there that it has no place for.

    Raises:
        UserError: There is no such model, it can't be read, or its weights are quantised.
    """
    if name == "fresh":
        return fresh_model(**(fresh or {}))
    if name.endswith(".gguf"):
        model, tokenizer = load_gguf(Path(name))
        stop_at_end_of_turn(model, tokenizer)
        return model, tokenizer
    if name == "smollm2":
        return _fetched()
    folder = newest_model(Path(name)) or Path(name)
    if folder.is_dir() and (folder / "adapter_config.json").is_file():
        return _load_adapter(folder)
    if folder.is_dir():
        return _pretrained(str(folder.resolve()))  # a LoRA checkpoint remembers it, wherever it is opened
    return _pretrained(_hub_name(name))


def _hub_name(name: str) -> str:
    """The name, if it can be one on the hub."""
    organisation, slash, rest = name.partition("/")
    if not (organisation and slash and rest) or "/" in rest or name[0] in ".~" or Path(organisation).is_dir():
        raise UserError(f"model {name!r}: no such folder; give a folder, org/name, a .gguf file or smollm2")
    return name


def _fetched() -> tuple[Any, Any]:
    folder = fetch_smollm2()
    try:
        return _pretrained(str(folder))
    except UserError as error:
        raise UserError(f"{error}. Remove {folder}, and it is fetched again") from error


def _pretrained(source: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source)
            model, found = _auto_class(source).from_pretrained(source, dtype=torch.float32, output_loading_info=True)
            model.weights_left_out = _left_out(source, model, found["unexpected_keys"])
    except MemoryError:
        raise
    except Exception as error:  # transformers has errors of a dozen kinds for damaged files
        raise UserError(f"model {source!r} can't be loaded: {reason(error)}") from error
    if found["missing_keys"]:  # transformers would make them up
        some = ", ".join(sorted(found["missing_keys"])[:3])
        raise UserError(f"model {source!r} lacks {len(found['missing_keys'])} of its weights: {some}")
    if getattr(model, "is_quantized", False):
        raise UserError(f"model {source!r} is quantised and can't be trained: give a checkpoint in float")
    stop_at_end_of_turn(model, tokenizer)
    return model.eval(), tokenizer


def _auto_class(source: str) -> Any:
    """transformers' class for causal language models, or, where it knows none of the kind, for those that see too."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    kind = type(AutoConfig.from_pretrained(source))
    seeing = kind not in MODEL_FOR_CAUSAL_LM_MAPPING and kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    return AutoModelForImageTextToText if seeing else AutoModelForCausalLM


def _left_out(source: str, model: Any, unexpected: Sequence[str]) -> list[str]:
    """Names of the checkpoint's weights that the model has no place for, such as those of a vision tower."""
    from transformers.utils import cached_file

    names: list[str] = []
    patterns = model._keys_to_ignore_on_load_unexpected or []  # of which transformers says nothing
    if patterns:
        finding = {"_raise_exceptions_for_missing_entries": False}
        if index := cached_file(source, "model.safetensors.index.json", **finding):
            names = list(json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"])
        elif whole := cached_file(source, "model.safetensors", **finding):
            from safetensors import safe_open

            with safe_open(whole, "pt") as file:
                names = list(file.keys())
    return sorted({*unexpected, *(name for name in names if any(re.search(x, name) for x in patterns))})


def stop_at_end_of_turn(model: Any, tokenizer: Any) -> None:
    """Have the model's generation settings, which its checkpoints keep, stop where responses are taught to end."""
    if not (tokenizer.chat_template and model.generation_config):
        return
    ends = end_tokens(model, tokenizer)
    with contextlib.suppress(UserError):  # a template may refuse what it is probed with
        end = end_of_turn(tokenizer, chat=True)
        if end not in ends:
            model.generation_config.eos_token_id = sorted({*ends, end})


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """The tokens at which the model is said to stop: the tokenizer's EOS, and those of its generation settings."""
    settings = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    listed = settings if isinstance(settings, list) else [settings]
    return {int(token) for token in (*listed, tokenizer.eos_token_id) if token is not None}


def reason(error: Exception) -> str:
    """What a person should know of an error: often not the first of transformers' lines."""
    words = str(error) or type(error).__name__
    if "connect to 'https://" in words:
        return "there is no such folder, and the hub can't be reached"
    if "backend tokenizer" in words:
        return "it has no tokenizer's files"
    if "above report" in words:
        return "its weights are not of the sizes that its config.json says"
    return words.strip().splitlines()[0]


def check_fit(model: Any, pairs: Sequence[TokenPair]) -> None:
    """Raise UserError if the model has no embedding for a token or a place of the pairs."""
    import torch

    known = len(model.get_input_embeddings().weight)
    highest = max(max(*pair.prompt, *pair.chosen, *pair.rejected) for pair in pairs)
    if highest >= known:
        raise UserError(f"the tokenizer gives token {highest}, and the model knows {known} tokens, counted from 0")
    longest = max(len(pair.prompt) + max(len(pair.chosen), len(pair.rejected)) for pair in pairs)
    places = [
        x.num_embeddings - getattr(x, "offset", 0)
        for name, x in model_parts.decoder(model).named_modules()  # and not of pictures
        if isinstance(x, torch.nn.Embedding) and (name.endswith("wpe") or "position" in name)
    ]
    if places and min(places) < longest:
        raise UserError(
            f"the longest pair has {longest} tokens, and the model has places for {min(places)}: "
            "set max_length to that, or less, and max_prompt_length below it"
        )


def load_tokenizer(name: str) -> Any:
    """The tokenizer of what `load_model` loads, without the model where that is possible."""
    if name == "fresh" or name.endswith(".gguf"):
        return load_model(name)[1]
    folder = fetch_smollm2() if name == "smollm2" else Path(name)
    folder = newest_model(folder) or folder
    source = str(folder) if folder.is_dir() else _hub_name(name)
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(source)
    except Exception as error:  # as in `_pretrained`
        raise UserError(f"{source} has no tokenizer that can be loaded: {reason(error)}") from error


def _load_adapter(folder: Path) -> tuple[Any, Any]:
    from peft import PeftConfig, PeftModel

    try:
        base = PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    except Exception as error:  # peft has errors of many kinds for damaged files
        raise UserError(f"{folder}: its adapter_config.json can't be read: {reason(error)}") from error
    if not base:
        raise UserError(
            f"{folder} has an adapter for a model that was not kept, such as a fresh one: it can't be opened"
        )
    try:
        model, tokenizer = load_model(str(base))
    except UserError as error:
        raise UserError(f"{folder} holds an adapter, and the model that it belongs to can't be had: {error}") from error
    try:
        with quiet():
            return PeftModel.from_pretrained(model, str(folder)).eval(), tokenizer
    except Exception as error:
        raise UserError(f"{folder}: its adapter can't be read: {reason(error)}") from error


def fresh_model(**config: Any) -> tuple[Any, Any]:
    """A Llama with random weights, and a tokenizer whose tokens are bytes; small unless `config` says more.

    The weights come from torch's generator: seed it first. Raises UserError for a setting that LlamaConfig lacks.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = byte_tokenizer()
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    unknown = sorted(set(config) - set(LlamaConfig().to_dict()))
    if unknown:
        raise UserError(f"fresh: {', '.join(unknown)} is not a setting of transformers' LlamaConfig")
    try:
        return LlamaForCausalLM(LlamaConfig(**settings | config)).eval(), tokenizer
    except Exception as error:  # sizes that don't fit each other; transformers has several kinds of error for them
        raise UserError(f"fresh: {str(error).splitlines()[-1].strip()}") from error


def byte_tokenizer() -> Any:
    """A tokenizer whose tokens are bytes, with ChatML's turns; 260 tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]
    vocabulary = {token: number for number, token in enumerate(specials + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|pad|>"
    )
    fast.chat_template = CHATML
    return fast

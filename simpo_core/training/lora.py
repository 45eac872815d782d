"""LoRA adapters: put on a model, trained on, and merged into its weights; and how the weights under them are held."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from simpo_core.inputs import UserError
from simpo_core.language_models import model_parts
from simpo_core.language_models.fetch import quiet
from simpo_core.models import load_model, reason


def add_lora(
    model: Any,
    *,
    rank: int = 16,
    alpha: float | None = None,
    dropout: float = 0.0,
    targets: Sequence[str] = (),
    dora: bool = False,
    rslora: bool = False,
) -> Any:
    """The model with LoRA adapters on its linear layers; only they are trained.

    Of a model that sees pictures too, only the language model gets adapters.

    Args:
        rank: Width of each adapter.
        alpha: Its scale is alpha / rank; twice the rank if not given.
        dropout: Share of an adapter's inputs set to zero in training.
        targets: Names of layers that get adapters, such as "q_proj"; all but the output layer if there are none.
        dora: Give each output of an adapted layer a length of its own (https://arxiv.org/abs/2402.09353).
        rslora: The scale is alpha over the square root of the rank (https://arxiv.org/abs/2312.03732).

    Raises UserError if the model has no layer of a name in `targets`.

    Source: Hu et al. 2021, https://arxiv.org/abs/2106.09685, through the library peft.
    """
    from peft import LoraConfig, get_peft_model

    adapted: str | list[str] = list(targets) or "all-linear"
    if model_parts.outside_the_language_model(model):
        adapted = _linear_layers(model, targets)
    known = {name.rpartition(".")[2] for name in _linear_layers(model, ())}
    if unknown := sorted(set(targets) - known):
        raise UserError(
            f"lora_targets: the model has no layer of the name {', '.join(unknown)}; it has {', '.join(sorted(known))}"
        )
    settings = LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        lora_dropout=dropout,
        target_modules=adapted,
        use_dora=dora,
        use_rslora=rslora,
        task_type="CAUSAL_LM",
    )
    with quiet():
        return get_peft_model(model, settings)


def _linear_layers(model: Any, targets: Sequence[str]) -> list[str]:
    """Names of the language model's linear layers, of those whose name ends in one of `targets` if there are any."""
    from transformers.pytorch_utils import Conv1D

    part = model_parts.decoder(model)
    prefix = next(name for name, module in model.named_modules() if module is part)
    return [
        f"{prefix}.{name}"
        for name, module in part.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and (not targets or name.rpartition(".")[2] in targets)
    ]


def continue_lora(model: Any, source: str) -> None:
    """Have the adapter trained that a model was loaded with. Raises UserError for one that is not LoRA's."""
    name = model.active_adapter
    settings = model.peft_config[name]
    if settings.peft_type != "LORA":
        raise UserError(
            f"model {source!r} holds an adapter of the kind {settings.peft_type}: only LoRA's is trained on"
        )
    settings.inference_mode = False
    model.base_model.set_adapter(name)


# -- The weights under adapters ---------------------------------------------------------------------------------------


def hold_base(model: Any, kind: str, device: torch.device) -> None:
    """Hold a model's weights in bfloat16; with "4bit" those of its layers' products in 4 bits, on the device.

    Adapters stay as they are. Raises UserError if bitsandbytes is not there.
    """
    if kind == "4bit":
        _quantise(model, device)
    exact = tuple(getattr(model_parts.causal_model(model), "_keep_in_fp32_modules_strict", None) or ())
    for name, x in model.named_parameters():
        if "lora_" not in name and x.is_floating_point() and not any(part in name for part in exact):
            x.data = x.data.bfloat16()  # of weights alone: the frequencies of positions are buffers, and need float32


def _quantise(model: Any, device: torch.device) -> None:
    """QLoRA's NF4 for the decoder's linear layers: Dettmers et al. 2023, https://arxiv.org/abs/2305.14314."""
    try:
        import bitsandbytes
    except ImportError:
        raise UserError('base_weights is "4bit", which needs bitsandbytes: pip install bitsandbytes') from None
    for parent in list(model_parts.decoder(model).modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is torch.nn.Linear:
                small = bitsandbytes.nn.Linear4bit(1, 1, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4")
                small.in_features, small.out_features, small.bias = layer.in_features, layer.out_features, layer.bias
                weight: Any = bitsandbytes.nn.Params4bit(
                    layer.weight.data.bfloat16(), requires_grad=False, quant_type="nf4", module=small
                )
                small.weight = weight.to(device)
                small.support_avx512bf16_for_cpu = False  # of which no gradient comes
                setattr(parent, name, small)
    model.is_loaded_in_4bit = True  # what peft looks at


# -- Merging ----------------------------------------------------------------------------------------------------------


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

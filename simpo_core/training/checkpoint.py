"""Checkpoints that are whole or not there: a model that transformers opens, and what a run needs to go on.

    output/checkpoint-000020/   config.json, model.safetensors (or a LoRA adapter), the tokenizer's files
                                training.pt: the trained weights, the optimiser's state, the step

A checkpoint is written under another name, brought to disk and then renamed. The one before it stays until a loss
has come of the new weights (`forget_older`): an update can ruin them, and only a pass shows it.
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from simpo_core import devices
from simpo_core.inputs import UserError
from simpo_core.language_models.fetch import quiet
from simpo_core.language_models.saved_models import STATE, checkpoints, models, newest_checkpoint, step_of


def save_checkpoint(
    output: Path,
    step: int,
    scorer: Any,
    optimizer: Any,
    tokenizer: Any,
    identity: dict[str, str],
    *,
    dtype: torch.dtype = torch.float32,
    only_model: bool = False,
) -> Path:
    """Write the checkpoint of a step. All processes must call it.

    Args:
        identity: Hashes of what a run can't change on its way, as in `Training`.
        dtype: Of the model that is written; what a run goes on from are the weights as they are.
        only_model: Without what a run needs to go on.

    Raises:
        UserError: The disk is full or can't be written to; the checkpoint before this one is still there.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, get_optimizer_state_dict

    whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
    adapted = hasattr(scorer.model, "peft_config")
    weights = get_model_state_dict(scorer, options=replace(whole, ignore_frozen_params=adapted))
    optimizer_state = {} if only_model else get_optimizer_state_dict(scorer, optimizer, options=whole)
    folder = output / f"checkpoint-{step:06}"
    if devices.rank() == 0:
        trainable = {name for name, x in scorer.named_parameters() if x.requires_grad}
        trained = {name: x for name, x in weights.items() if name in trainable}
        state = None if only_model else {"step": step, "weights": trained, "optimizer": optimizer_state, **identity}
        partial = folder.with_suffix(".partial")
        try:
            _write(partial, scorer.model, _plain_names(weights, dtype), tokenizer, state, dtype)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
            _bring_to_disk(output)
        except Exception as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise explained(error, output, "a checkpoint") from error
    devices.wait_for_all()
    return folder


def forget_older(output: Path, *, keep: int = 1, best: int | None = None) -> None:
    """Remove all checkpoints but the newest ones, and what was left half written. Only one process may call it.

    Args:
        keep: How many stay.
        best: A step whose checkpoint stays too.
    """
    kept = models(output)[-keep:]
    for folder in [*checkpoints(output), *output.glob("checkpoint-*.partial")]:
        if kept and folder not in kept and (folder.suffix or step_of(folder) != best):
            shutil.rmtree(folder, ignore_errors=True)


def _plain_names(weights: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """Without the name of the scorer's attribute `model`; in bfloat16 if that is the type to write."""
    cast = {name: x.to(dtype) for name, x in weights.items() if dtype == torch.bfloat16 and x.is_floating_point()}
    return {name.removeprefix("model."): x for name, x in (weights | cast).items()}


def _write(
    folder: Path, model: Any, weights: dict[str, Any], tokenizer: Any, state: dict[str, Any] | None, dtype: torch.dtype
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # no adapters are of embeddings, and to see whether any are, peft would ask the hub for the base's settings
    only_adapters = {"save_embedding_layers": False} if hasattr(model, "peft_config") else {}
    with quiet():
        model.save_pretrained(str(folder), state_dict=weights, **only_adapters)
        tokenizer.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # peft's form of a model card, not filled in
    if dtype == torch.bfloat16:
        _say_bfloat16(folder / "config.json")
    if state:
        torch.save(state, folder / STATE)
    for path in [*folder.iterdir(), folder]:
        _bring_to_disk(path)


def _say_bfloat16(settings: Path) -> None:
    """Have a model's settings name the type of its weights as they are written, in which transformers opens it."""
    if settings.is_file():
        values = json.loads(settings.read_text(encoding="utf-8"))
        for part in (values, values.get("text_config", {})):
            part["dtype"] = "bfloat16"
        settings.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _bring_to_disk(path: Path) -> None:
    folder = path.is_dir()
    if os.name == "nt" and folder:
        return  # Windows can't open a folder, and refuses to bring to disk what is open for reading only
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def explained(error: Exception, output: Path, what: str) -> Exception:
    """The error as a sentence if it comes from a disk that had no space for `what`, else as it is.

    safetensors and torch.save report a full disk in words of their own, so the errno alone doesn't tell.
    """
    code = error.errno if isinstance(error, OSError) else None
    words = str(error).lower()
    signs = ("no space", "file too large", "quota", "unexpected pos", "write failed", "iostream error")
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(sign in words for sign in signs):
        kept = newest_checkpoint(output)
        return UserError(
            f"{output}: no space for {what} ({str(error).splitlines()[0]}). Free some, or choose another output; "
            + (f"{kept.name} is whole, go on from it with --resume" if kept else "there is no checkpoint yet")
        )
    return error


def load_checkpoint(folder: Path, scorer: Any, optimizer: Any, identity: dict[str, str]) -> int:
    """Put a checkpoint's weights and optimiser state in place; returns its step.

    identity: as in `save_checkpoint`.

    Raises:
        UserError: The checkpoint can't be read, or it is of another model or of other pairs.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict, set_optimizer_state_dict

    with _readable(folder):
        state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
        step = int(state["step"])
    seen = {"pairs": "on other pairs than those that the data holds now", "base": "from other weights than the model's"}
    for name, words in seen.items():
        if name in identity and state.get(name, identity[name]) != identity[name]:
            raise UserError(f"{folder} was trained {words}. Put those back, or start a new run in another output")
    with _readable(folder):
        lacking = {name for name, x in scorer.named_parameters() if x.requires_grad} - set(state["weights"])
        if lacking:
            raise ValueError(f"it lacks {len(lacking)} of the trained weights, such as {min(lacking)}")
        set_model_state_dict(
            scorer, state["weights"], options=StateDictOptions(full_state_dict=True, cpu_offload=True, strict=False)
        )
        own = [group["fused"] for group in optimizer.param_groups]
        set_optimizer_state_dict(
            scorer,
            optimizer,
            _completed(state["optimizer"], scorer),
            options=StateDictOptions(full_state_dict=True, cpu_offload=True),
        )
    for group, fused in zip(optimizer.param_groups, own, strict=True):
        group["fused"] = fused  # as suits these processes and this device, not those that wrote the checkpoint
    return step


def _completed(state: dict[str, Any], scorer: Any) -> dict[str, Any]:
    """The optimiser's state with AdamW's first one for weights that have had no gradient yet, as of an expert.

    torch refuses a state that lacks them; with this one AdamW takes the same steps as with none.
    """
    trained = {name: x for name, x in scorer.named_parameters() if x.requires_grad}
    for name in trained.keys() - state["state"].keys():
        zeros = torch.zeros(trained[name].shape, dtype=trained[name].dtype)
        state["state"][name] = {"step": torch.tensor(0.0), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
    return state


@contextlib.contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # torch.load raises errors of a dozen kinds for damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{folder} can't be resumed from: it is damaged, or of another model ({reason}). "
            "Remove the folder to start again"
        ) from error

"""Checkpoints that are whole or not there: a model that transformers opens, and what a run needs to go on.

    output/checkpoint-000020/   config.json, model.safetensors (or a LoRA adapter), the tokenizer's files
                                training.pt: the trained weights, the optimiser's state, the step

A checkpoint is written under another name, brought to disk and then renamed. The one before it stays until a loss
has come of the new weights (`forget_older`): an update can ruin them, and only a pass shows it.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from simpo_core import devices
from simpo_core.fetch import quiet
from simpo_core.inputs import UserError
from simpo_core.saved_models import STATE, checkpoints, newest_checkpoint


def save_checkpoint(
    output: Path, step: int, scorer: Any, optimizer: Any, tokenizer: Any, identity: dict[str, str]
) -> Path:
    """Write the checkpoint of a step. All processes must call it.

    identity: hashes of what a run can't change on its way, as in `Training`.

    Raises:
        UserError: The disk is full or can't be written to; the checkpoint before this one is still there.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, get_optimizer_state_dict

    whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = get_model_state_dict(scorer, options=whole)
    optimizer_state = get_optimizer_state_dict(scorer, optimizer, options=whole)
    folder = output / f"checkpoint-{step:06}"
    if devices.rank() == 0:
        trainable = {name for name, x in scorer.named_parameters() if x.requires_grad}
        trained = {name: x for name, x in weights.items() if name in trainable}
        state = {"step": step, "weights": trained, "optimizer": optimizer_state, **identity}
        partial = folder.with_suffix(".partial")
        try:
            _write(partial, scorer.model, _plain_names(weights), tokenizer, state)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
            _bring_to_disk(output)
        except Exception as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise explained(error, output, "a checkpoint") from error
    devices.wait_for_all()
    return folder


def forget_older(output: Path) -> None:
    """Remove all checkpoints but the newest, and what was left half written. Only one process may call it."""
    newest = newest_checkpoint(output)
    for folder in [*checkpoints(output), *output.glob("checkpoint-*.partial")]:
        if newest and folder != newest:
            shutil.rmtree(folder, ignore_errors=True)


def _plain_names(weights: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix("model."): x for name, x in weights.items()}  # the scorer's attribute `model`


def _write(folder: Path, model: Any, weights: dict[str, Any], tokenizer: Any, state: dict[str, Any]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # no adapters are of embeddings, and to see whether any are, peft would ask the hub for the base's settings
    only_adapters = {"save_embedding_layers": False} if hasattr(model, "peft_config") else {}
    with quiet():
        model.save_pretrained(str(folder), state_dict=weights, **only_adapters)
        tokenizer.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # peft's form of a model card, not filled in
    torch.save(state, folder / STATE)
    for path in [*folder.iterdir(), folder]:
        _bring_to_disk(path)


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
        set_optimizer_state_dict(
            scorer, optimizer, state["optimizer"], options=StateDictOptions(full_state_dict=True, cpu_offload=True)
        )
    return step


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

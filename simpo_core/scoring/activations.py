"""What a model keeps of its forward pass for the backward pass: less, for the same numbers.

For layers that are not compiled (a compiler chooses itself what to keep and what to compute again); norms only on
a CPU, for on a GPU what they would save is not worth the time to start them twice.
"""

import functools
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def keep_less(model: Any) -> None:
    """Change a model in place so that it keeps less: norms are computed again in the backward pass, casts are shared.

    Scores stay what they are, to the bit.
    """
    share_casts(model)
    for module in model.modules():
        if "Norm" in type(module).__name__:
            module.forward = functools.partial(
                checkpoint, module.forward, use_reentrant=False, preserve_rng_state=False
            )


def share_casts(model: Any) -> None:
    """Change a model in place so that layers that multiply the same input under autocast keep one copy of it.

    So do those of query, key and value, where each would make and keep one of its own, in autocast's type. Scores
    stay what they are, to the bit; gradients that meet at a shared copy are added up in its type and not in float32.
    """
    share = SharedCast()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(share)


class SharedCast:
    """A linear layer's input in autocast's type, made once for all layers in a row that have the same input."""

    def __init__(self) -> None:
        self.input: Tensor | None = None
        self.cast: Tensor | None = None

    def __call__(self, module: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor | None, ...] | None:
        """As a hook before a layer's forward: what it gets instead; None for what it would have got anyway."""
        if not inputs:  # given by name
            return None
        given, *others = inputs
        kind = given.device.type
        if given.dtype != torch.float32 or not torch.is_autocast_enabled(kind):
            return None
        if given is not self.input:
            self.input, self.cast = given, given.to(torch.get_autocast_dtype(kind))
        return (self.cast, *others)

    def __deepcopy__(self, memo: dict[int, Any]) -> "SharedCast":
        """Empty: torch copies no tensor that has a history, and a copied model has inputs of its own."""
        return SharedCast()

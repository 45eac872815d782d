"""From hidden states to log-probabilities: the output layer and its softmax, for a chunk of positions at a time.

So no tensor of all tokens by the whole vocabulary ever exists.
"""

import functools
from typing import Any

import torch
from torch import Tensor

LOGITS_BYTES = 2**27  # the logits of one chunk, in float32
GPU_LOGITS_BYTES = 2**31  # on a GPU: each chunk adds to the whole gradient of the output layer, which takes time
GPU_SHARE = 16  # but no more than this part of its memory


class ChunkedLogps(torch.autograd.Function):
    """log softmax(hidden @ weight.T)[target] of each row, with logits of only some rows alive at a time.

    Where the rows need several chunks, the logits are computed again in the backward pass. Softmax and the sum of
    the weight's gradients are in float32 (or float64) even where the product is in bfloat16.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """hidden (N, H) and targets (N,), weight (V, H) of any float type; returns (N,)."""
        low = weight.to(hidden.dtype)
        normaliser, chance = _softmax_steps(hidden.device)
        normalisers = []
        logps = []
        chunks = _chunks(hidden, weight)
        for rows in chunks:
            logits = hidden[rows] @ low.T
            normalisers.append(normaliser(logits))
            logps.append(_wide(logits.gather(-1, targets[rows, None])[:, 0]) - normalisers[-1])
        once = len(chunks) == 1 and ctx.needs_input_grad[0]
        chances = chance(logits, normalisers[0], None) if once else None
        result = torch.cat(logps)
        ctx.save_for_backward(hidden, weight, low, targets, torch.cat(normalisers), result, chances)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        hidden, weight, low, targets, normalisers, logps, chances = ctx.saved_tensors
        target_slope = -grad * torch.expm1(logps)  # 1 - p, exact where p is near 1
        _, chance = _softmax_steps(hidden.device)
        hidden_grad = torch.empty_like(hidden)
        weight_grad: Tensor | None = None
        for rows in _chunks(hidden, weight):
            if chances is None:
                slope = chance(hidden[rows] @ low.T, normalisers[rows], -grad[rows])
            else:
                slope = (chances * -grad[:, None]).to(hidden.dtype)
            slope.scatter_(-1, targets[rows, None], target_slope[rows, None].to(hidden.dtype))
            hidden_grad[rows] = slope @ low
            if ctx.needs_input_grad[1]:
                part = slope.T @ hidden[rows]
                weight_grad = part.to(weight.dtype) if weight_grad is None else weight_grad.add_(part)
        return hidden_grad, weight_grad, None


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _normaliser(logits: Tensor) -> Tensor:
    """The logarithm of each row's sum of exponentials, in float32: (N, V) to (N,)."""
    return _wide(logits).logsumexp(-1)


def _chance(logits: Tensor, normalisers: Tensor, factors: Tensor | None) -> Tensor:
    """Each row's softmax, times its factor if there is one: (N, V) of the logits' type, perhaps in their memory."""
    wide = _wide(logits).sub_(normalisers[:, None]).exp_()
    return (wide if factors is None else wide.mul_(factors[:, None])).to(logits.dtype)


def _softmax_steps(device: torch.device) -> tuple[Any, Any]:
    """The two passes over a chunk's logits; on a GPU each is compiled to one kernel, without copies in float32."""
    return _compiled(_normaliser, _chance) if device.type == "cuda" else (_normaliser, _chance)


@functools.cache
def _compiled(*functions: Any) -> tuple[Any, ...]:
    return tuple(torch.compile(function, dynamic=True) for function in functions)


def _chunks(hidden: Tensor, weight: Tensor) -> list[slice]:
    size = max(1, _budget(hidden.device) // (4 * len(weight)))
    return [slice(start, start + size) for start in range(0, len(hidden), size)]


@functools.cache
def _gpu_budget(device: torch.device) -> int:
    return min(GPU_LOGITS_BYTES, torch.cuda.get_device_properties(device).total_memory // GPU_SHARE)


def _budget(device: torch.device) -> int:
    """Bytes of the logits of a chunk, were they in float32."""
    return _gpu_budget(device) if device.type == "cuda" else LOGITS_BYTES

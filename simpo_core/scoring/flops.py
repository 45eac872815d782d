"""How much arithmetic a step is, by the usual count: 6 N per token and 12 L H Q T for attention.

N are the weights of matrix products (the output layer counts, an embedding's look-up does not), L the layers,
H the heads, Q their width and T the tokens that a token may see (https://arxiv.org/abs/2204.02311, appendix B).
Weights that are not trained, because only adapters are, need no gradient of their own: 4 N.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from simpo_core.preferences import TokenPair


def pack_flops(model: Any, pairs: Sequence[TokenPair], *, plain: bool = False) -> float | None:
    """Arithmetic of a forward and backward pass over pairs, by `flop_counter`."""
    count = flop_counter(model, plain=plain)
    return count(pairs) if count else None


def flop_counter(model: Any, *, plain: bool = False) -> Callable[[Sequence[TokenPair]], float] | None:
    """What counts the arithmetic of a forward and backward pass over pairs: what is done, not what is saved.

    On the fast path a prompt counts once, and only response tokens go through the output layer; on the plain path
    both sequences of a pair count, and their padding. None for models that the count is not made for: those
    without attention in every layer's usual form, and those whose tokens go through only some of the weights.
    The model is looked at once: what is trained of it must stay the same.
    """
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = causal.config.get_text_config()
    heads, layers = (getattr(config, name, None) for name in ("num_attention_heads", "num_hidden_layers"))
    output = causal.get_output_embeddings()
    if not (isinstance(heads, int) and isinstance(layers, int)) or output is None:
        return None
    if any(x.ndim > 2 or not x.is_floating_point() for x in causal.parameters()):
        return None
    width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
    head = output.weight
    looked_up = {id(x.weight) for x in causal.modules() if isinstance(x, torch.nn.Embedding)} | {id(head)}
    body = sum(_count(x) for x in causal.parameters() if x.ndim == 2 and id(x) not in looked_up)
    for_head = _count(head)

    def count(pairs: Sequence[TokenPair]) -> float:
        if plain:
            rows = [len(pair.prompt) + len(response) for pair in pairs for response in (pair.chosen, pair.rejected)]
            tokens = scored = len(rows) * max(rows)
            seen = len(rows) * max(rows) ** 2
        else:
            scored = sum(len(pair.chosen) + len(pair.rejected) for pair in pairs)
            tokens = scored + sum(len(pair.prompt) for pair in pairs)
            seen = sum(_seen(pair) for pair in pairs)
        return float(body * tokens + for_head * scored + 12 * layers * width * seen)

    return count


def _count(matrix: Any) -> int:
    """Arithmetic that a matrix costs a token: forward, backward to its input, and to itself if it is trained."""
    return (6 if matrix.requires_grad else 4) * matrix.numel()


def _seen(pair: TokenPair) -> int:
    """Tokens times the length of the sequence that each is in (the count makes no use of causality)."""
    prompt, chosen, rejected = len(pair.prompt), len(pair.chosen), len(pair.rejected)
    return (prompt + chosen) ** 2 + rejected * (prompt + rejected)

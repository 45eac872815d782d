"""How much arithmetic a step is, by the usual count: 6 N per token and 12 L H Q T for attention.

N are the weights of matrix products (the output layer counts, the embedding's look-up does not), L the layers,
H the heads, Q their width and T the tokens that a token may see (https://arxiv.org/abs/2204.02311, appendix B).
Training only adapters saves the gradients of the other weights: 4 N and 2 N of the adapters.
"""

from collections.abc import Sequence
from typing import Any

from simpo_core.preferences import TokenPair


def pack_flops(model: Any, pairs: Sequence[TokenPair]) -> float:
    """Arithmetic of a forward and backward pass over pairs on the fast path: what is done, not what is saved.

    A prompt counts once, and only response tokens go through the output layer.
    """
    config = model.config
    head = config.vocab_size * config.hidden_size
    body, trained = _body_weights(model, head)
    tokens = sum(len(pair.prompt) + len(pair.chosen) + len(pair.rejected) for pair in pairs)
    scored = sum(len(pair.chosen) + len(pair.rejected) for pair in pairs)
    seen = sum(_seen(pair) for pair in pairs)
    width = config.num_attention_heads * (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    return (4 * body + 2 * trained) * tokens + 6 * head * scored + 12 * config.num_hidden_layers * width * seen


def _seen(pair: TokenPair) -> int:
    """Tokens times the length of the sequence that each is in (the count makes no use of causality)."""
    prompt, chosen, rejected = len(pair.prompt), len(pair.chosen), len(pair.rejected)
    return (prompt + chosen) ** 2 + rejected * (prompt + rejected)


def _body_weights(model: Any, head: int) -> tuple[int, int]:
    """Weights of the layers' matrix products, and how many of them are trained."""
    matrices = [(name, x) for name, x in model.named_parameters() if x.ndim == 2]
    outside = {"embed_tokens.weight", "lm_head.weight"}
    layers = [x for name, x in matrices if not any(name.endswith(end) for end in outside)]
    return sum(x.numel() for x in layers), sum(x.numel() for x in layers if x.requires_grad)

"""From a language model's logits to the log-probability of each response.

The name says what is added up: `sum_logps` the sum over response tokens (DPO, the squared loss),
`mean_logps` the mean per response token (the published SimPO). Prompt and padding never count.
"""

from typing import Any

import array_api_compat

from simpo_core.inputs import Array

IGNORED = -100  # a label at a position that is not part of the response (Hugging Face's convention)


def sum_logps(logits: Array, labels: Array) -> Array:
    """Log-probability of each response: the sum of log p(token) over its tokens.

        log pi(y | x) = sum over t of log softmax(logits[t - 1])[labels[t]], where labels[t] is not -100

    Args:
        logits: The model's scores before softmax, shape (batch, seq, vocab). Position t scores the
            token at t + 1, so the last position is not used. Half precision is computed in float32.
        labels: Token ids, shape (batch, seq), with -100 wherever a token is not part of the response
            (prompt, padding). The token at position 0 has no logits before it and must be -100.

    Returns:
        Log-probability of each response, in nats, shape (batch,).

    Raises:
        ValueError: The shapes disagree, a response is empty, position 0 is part of a response,
            or a label is neither a token id nor -100.

    Source: Rafailov et al. 2023, https://arxiv.org/abs/2305.18290 (log pi is a sum over tokens).

    >>> import numpy as np
    >>> logits = np.log([[[0.5, 0.5], [0.25, 0.75], [0.5, 0.5]]])  # next-token probabilities
    >>> round(float(np.exp(sum_logps(logits, np.array([[-100, 0, 1]])))[0]), 9)  # 0.5 * 0.75
    0.375
    """
    logps, response = _token_logps(logits, labels)
    return _sum(logps, response)


def mean_logps(logits: Array, labels: Array) -> Array:
    """Mean log-probability per token of each response: `sum_logps` over the response's length.

        (1 / |y|) log pi(y | x)

    Args, shapes and errors as in `sum_logps`.

    Returns:
        Mean log-probability per token, in nats, shape (batch,).

    Source: Meng, Xia and Chen 2024, https://arxiv.org/abs/2405.14734, eq. 3.

    >>> import numpy as np
    >>> logits = np.log([[[0.5, 0.5], [0.25, 0.75], [0.5, 0.5]]])
    >>> float(np.exp(mean_logps(logits, np.array([[-100, 0, 0]])))[0])  # sqrt(0.5 * 0.25)
    0.3535...
    """
    logps, response = _token_logps(logits, labels)
    xp = array_api_compat.array_namespace(logps)
    return _sum(logps, response) / xp.sum(xp.astype(response, logps.dtype), axis=-1)


def _sum(logps: Array, response: Array) -> Array:
    xp = array_api_compat.array_namespace(logps)
    return xp.sum(xp.where(response, logps, xp.zeros_like(logps)), axis=-1)


def _token_logps(logits: Array, labels: Array) -> tuple[Array, Array]:
    """log p of each label given what stands before it, and whether it is part of the response.

    Both of shape (batch, seq - 1). Where a label is not part of the response, the number means nothing.
    """
    xp = array_api_compat.array_namespace(logits, labels)
    response = _check_labels(xp, logits, labels)
    if logits.dtype not in (xp.float32, xp.float64):
        logits = xp.astype(logits, xp.float32)  # a softmax in half precision is off by 0.03 nat a token
    logits = logits[:, :-1, :]
    token = xp.where(response, labels[:, 1:], xp.zeros_like(labels[:, 1:]))[..., None]
    largest = xp.max(logits, axis=-1, keepdims=True)
    normaliser = largest + xp.log(xp.sum(xp.exp(logits - largest), axis=-1, keepdims=True))
    return (xp.take_along_axis(logits, token, axis=-1) - normaliser)[..., 0], response


def _check_labels(xp: Any, logits: Array, labels: Array) -> Array:
    """Where labels[:, 1:] are part of a response; raises if the labels don't fit the logits."""
    if logits.ndim != 3 or tuple(logits.shape[:2]) != tuple(labels.shape):
        raise ValueError(
            f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} disagree: "
            "expected (batch, seq, vocab) and (batch, seq)"
        )
    vocab = logits.shape[-1]
    if bool(xp.any((labels != IGNORED) & ((labels < 0) | (labels >= vocab)))):
        raise ValueError(f"a label is neither a token id from 0 to {vocab - 1} nor {IGNORED}")
    if bool(xp.any(labels[:, 0] != IGNORED)):
        raise ValueError(f"a response begins at position 0, which no logits predict: labels[:, 0] must be {IGNORED}")
    response = labels[:, 1:] != IGNORED
    has_token = xp.any(response, axis=-1)
    if not bool(xp.all(has_token)):
        rows = [row for row in range(labels.shape[0]) if not bool(has_token[row])]
        raise ValueError(f"the response is empty in {len(rows)} of {labels.shape[0]} rows, first in row {rows[0]}")
    return response

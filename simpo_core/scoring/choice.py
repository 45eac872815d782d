"""Which of the two scorers fits a model: told by how it is built, then tried on three of the pairs.

Weights that are small, as a fresh model's, hide what a structure does to scores; so what the fast path can't do is
looked for in the structure first. Then scores are compared, and, for training, gradients in the training's precision
on the device at hand: a backward pass can fail, or be wrong, where the forward one is right.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from simpo_core.devices import exact_products, is_out_of_memory
from simpo_core.language_models import model_parts
from simpo_core.language_models.causality import check_causal
from simpo_core.preferences import TokenPair
from simpo_core.scoring.attention import packed_attention
from simpo_core.scoring.packing import Pack, length, means, pack
from simpo_core.scoring.scorers import ATTENTION, PairScorer, PlainScorer

# Between the fast and the plain path: nats of a token's log-probability, and shares of a gradient's length. In bfloat16
# SmolLM2's differ by 0.3 nats and a twentieth, tiny models' by a sixth of that; a wrong mask is off by whole nats.
SCORES_WITHIN = {torch.float32: 1e-3, torch.bfloat16: 0.5}
GRADIENTS_WITHIN = {torch.float32: 0.01, torch.bfloat16: 0.25}


class _Unfit(Exception):
    """What of a model the fast path does not do."""


def choose_scorer(
    model: Any, pairs: Sequence[TokenPair], *, training: torch.dtype | None = None
) -> tuple[PairScorer | PlainScorer, str]:
    """The fast path if it gives this model's own numbers on three of the pairs, else the plain one, and then why.

    The model is put into evaluation mode. Raises UserError if it is no causal language model.

    training: the type of the products in training, torch.float32 or torch.bfloat16; None for scores alone.
    """
    check_causal(model.eval(), [*pairs[0].prompt, *pairs[0].chosen][:8])
    fast, plain = PairScorer(model), PlainScorer(model)
    reason = _why_not_fast(fast, pairs, training)
    if not reason:
        return fast, ""
    name = type(fast.causal[0]).__name__
    return plain, f"the fast path does not fit {name}: {reason}. The plain path is taken, slower and as right"


def why_not_compiled(fast: PairScorer, pairs: Sequence[TokenPair], training: torch.dtype) -> str:
    """Why the fast path, which fits the model, does not once its layers are compiled, or an empty string."""
    layer = model_parts.layers(fast.model)[0]
    weights = {name: x for name, x in layer.named_parameters() if x.requires_grad and x.ndim == 2}
    return _reason(lambda: _compare_gradients(fast, pairs, weights, training))


def _why_not_fast(fast: PairScorer, pairs: Sequence[TokenPair], training: torch.dtype | None) -> str:
    def check() -> None:
        with torch.no_grad(), exact_products():
            _check_settings(fast.causal[0], pairs)
            _check_output_layer(fast.causal[0], pairs)
        attending = _check_scores(fast, PlainScorer(fast.model), pairs, training)
        if training:
            _check_gradients(fast, attending[0], pairs, training)

    return _reason(check)


def _reason(check: Callable[[], None]) -> str:
    """What a check found, or an empty string. Raises where memory runs out."""
    try:
        check()
    except _Unfit as reason:
        return str(reason)
    except Exception as error:  # a kernel's compiler has errors of its own
        if is_out_of_memory(error):
            raise
        return f"{type(error).__name__}: {(str(error).strip() or 'no reason given').splitlines()[0]}"
    return ""


# -- How it is built --------------------------------------------------------------------------------------------------


def _check_settings(causal: Any, pairs: Sequence[TokenPair]) -> None:
    config = causal.config.get_text_config()
    for name in ("sliding_window", "attention_chunk_size"):
        _check_window(getattr(config, name, None), pairs)
    for name, value in vars(config).items():
        if value and ("softcap" in name or "soft_cap" in name):
            raise _Unfit(f"it has soft-capping ({name} = {value})")
    for module in model_parts.decoder(causal).modules():
        if isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d):
            raise _Unfit("convolutions in its layers mix the tokens of a row, whatever pair they are of")


def _check_window(window: int | None, pairs: Sequence[TokenPair]) -> None:
    longest = max(len(pair.prompt) + max(len(pair.chosen), len(pair.rejected)) for pair in pairs)
    if window and window < longest:
        raise _Unfit(f"a token sees {window} tokens, and the longest pair has {longest}")


def _check_output_layer(causal: Any, pairs: Sequence[TokenPair]) -> None:
    """The logits must be what the output layer gives, to the bit: nothing may scale or bend them behind it."""
    head, given = causal.get_output_embeddings(), []
    if getattr(head, "bias", None) is not None:
        raise _Unfit("its output layer has a bias")
    hook = head.register_forward_hook(lambda module, inputs, output: given.append(output))
    try:
        ids = torch.tensor([pairs[0].prompt[:4]], device=head.weight.device)
        logits = causal(input_ids=ids, use_cache=False).logits
    finally:
        hook.remove()
    if not (given and torch.equal(given[0].to(logits.dtype), logits)):
        raise _Unfit("its logits are not what its output layer gives: something scales or bends them")


def _check_layers(causal: Any, attending: Sequence[Any]) -> None:
    """Each layer must ask for attention through transformers' interface, and none but attention mixes tokens."""
    layers = model_parts.layers(causal)
    deaf = [layer for layer in layers if not any(module in attending for module in layer.modules())]
    if deaf or not len(layers):
        count = f"{len(deaf)} of its {len(layers)} layers do" if len(layers) else "its layers do"
        raise _Unfit(f"{count} not call transformers' attention function")


@contextmanager
def _recorded() -> Iterator[list[tuple[Any, int | None]]]:
    """The modules that call the attention function meanwhile, in order, each with its window."""
    from transformers import AttentionInterface

    calls: list[tuple[Any, int | None]] = []

    def record(module: Any, *args: Any, **kwargs: Any) -> tuple[Tensor, None]:
        calls.append((module, kwargs.get("sliding_window")))
        return packed_attention(module, *args, **kwargs)

    AttentionInterface.register(ATTENTION, record)
    try:
        yield calls
    finally:
        AttentionInterface.register(ATTENTION, packed_attention)


# -- What it gives ----------------------------------------------------------------------------------------------------


def _check_scores(
    fast: PairScorer, plain: PlainScorer, pairs: Sequence[TokenPair], training: torch.dtype | None
) -> list[Any]:
    """Compare scores in the weights' own type; returns the modules that called the attention function, in order."""
    by_length = sorted(pairs, key=length)
    first = next(plain.parameters())
    short, long = (pack(some).to(first.device) for some in (by_length[:2], by_length[-1:]))
    with torch.no_grad(), exact_products(), _recorded() as calls:
        expected = (plain(short), _last_scores(plain.model, long))
        try:
            found = (fast(short), fast(long)[-len(expected[1]) :])
        except Exception as error:
            if is_out_of_memory(error) or first.device.type == "cpu" or training != torch.bfloat16:
                raise  # else float32 may be too large for a GPU's kernel where bfloat16, which trains, is not
            with torch.autocast(first.device.type, torch.bfloat16):
                found = (fast(short), fast(long)[-len(expected[1]) :])
            within = SCORES_WITHIN[torch.bfloat16]
        else:
            within = SCORES_WITHIN.get(first.dtype, SCORES_WITHIN[torch.float32])
    attending = [module for module, _ in calls]
    _check_layers(fast.causal[0], attending)
    for _, window in calls:
        _check_window(window, pairs)
    worst = max(float((one - other).abs().max()) for one, other in zip(found, expected, strict=True))
    if not worst <= within:
        raise _Unfit(f"it is off by {worst:.3g} nats")
    return attending


def _last_scores(model: Any, packed: Pack) -> Tensor:
    """The plain way's scores of a long pair's last tokens, which a window of any name would change: 16 at most.

    Of so few positions the logits of any vocabulary find room.
    """
    pair = packed.pairs[-1]
    count = min(16, len(pair.rejected))
    ids = torch.tensor([[*pair.prompt, *pair.rejected]], device=packed.input_ids.device)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=count + 1).logits[0, :-1]
    return torch.log_softmax(logits.float(), -1).gather(-1, ids[0, -count:, None])[:, 0]


def _check_gradients(fast: PairScorer, attention: Any, pairs: Sequence[TokenPair], training: torch.dtype) -> None:
    """Compare the gradients of the first layer's queries, keys and values, into which all above it has gone."""
    weights = {name: x for name, x in attention.named_parameters() if x.ndim == 2 and x.is_floating_point()}
    trained = [x.requires_grad for x in weights.values()]
    try:
        for x in weights.values():  # with adapters they are frozen
            x.requires_grad_(True)
        _compare_gradients(fast, pairs, weights, training)
    finally:
        for x, was in zip(weights.values(), trained, strict=True):
            x.requires_grad_(was)


def _compare_gradients(
    fast: PairScorer, pairs: Sequence[TokenPair], weights: Mapping[str, Tensor], training: torch.dtype
) -> None:
    some = list(weights.values())
    packed = pack(sorted(pairs, key=length)[:2]).to(some[0].device)
    expected, found = (_gradients(scorer, packed, some, training) for scorer in (PlainScorer(fast.model), fast))
    longest = max(float(x.norm()) for x in expected)
    within = max(GRADIENTS_WITHIN[training], GRADIENTS_WITHIN.get(some[0].dtype, 0))
    for name, one, other in zip(weights, found, expected, strict=True):
        off, size = float((one - other).norm()), float(other.norm())
        lost = size > 1e-6 * longest and not one.any()
        if lost or not off <= within * (size + 0.02 * longest):
            raise _Unfit(f"the gradient of {name} in its first layer is off by {off:.3g} of {size:.3g}")


def _gradients(scorer: Any, packed: Pack, weights: list[Tensor], training: torch.dtype) -> list[Tensor]:
    """The gradient of the responses' mean log-probabilities to each of the weights, in float32."""
    with torch.enable_grad():
        with torch.autocast(packed.input_ids.device.type, training, enabled=training == torch.bfloat16):
            logps = scorer(packed)
        slopes = torch.autograd.grad(means(logps, packed).sum(), weights, allow_unused=True)
    return [torch.zeros_like(x) if slope is None else slope.float() for x, slope in zip(weights, slopes, strict=True)]

"""Whether a model is a causal language model: one whose every token sees those before it, and no others.

Others would learn from pairs what they never do when they answer: a model that sees later tokens reads the answer
beforehand, and a prefix language model (PaliGemma, HRM-Text) reads its prompt in both directions. (PaliGemma's
settings say so to its attention, so that with transformers' default even the causal mask is gone where no token types
are given.)
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from simpo_core.inputs import UserError
from simpo_core.language_models.model_parts import causal_model

# Of the largest logit, what may differ before a changed token: rounding, as where experts get other numbers of tokens
WITHIN = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.06, torch.float16: 0.01}


def check_causal(model: Any, tokens: Sequence[int]) -> None:
    """Raise UserError for a model that is no causal language model.

    Args:
        model: In evaluation mode.
        tokens: Some that it knows; of one alone nothing is asked.
    """
    causal = causal_model(model)
    if len(tokens) < 2:
        return
    settings, name = causal.config, type(causal).__name__
    if getattr(settings, "is_encoder_decoder", False):
        raise UserError(f"{name} is an encoder with a decoder behind it: {_WANTED}")
    if getattr(settings.get_text_config(), "prefix_lm", False):
        raise UserError(f"{name} reads a prompt in both directions, as its prefix_lm says: {_WANTED}")
    if _sees_later_tokens(causal, tokens):
        raise UserError(f"{name} reads text in both directions, so that a token sees those behind it: {_WANTED}")
    if "token_type_ids" in inspect.signature(causal.forward).parameters and _sees_later_tokens(
        causal, tokens, token_type_ids=torch.zeros(1, len(tokens), dtype=torch.long, device=causal.device)
    ):
        raise UserError(f"{name} reads a prompt in both directions, where token_type_ids mark one: {_WANTED}")


_WANTED = "expected a causal language model, whose tokens see what stands before them. Give another model"


def _sees_later_tokens(model: Any, tokens: Sequence[int], **inputs: Any) -> bool:
    """Whether another last token changes what the model says before it; False if it can't be asked so."""
    last = next((token for token in tokens if token != tokens[-1]), tokens[-1] - 1 if tokens[-1] else 1)
    logits = []
    for ids in (list(tokens), [*tokens[:-1], last]):
        try:
            with torch.no_grad():
                out = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False, **inputs)
            logits.append(out.logits[0])
        except Exception:  # whatever it lacks, memory or inputs beside tokens, the passes to come will say
            return False
    change = (logits[0] - logits[1])[:-1].abs().max()
    return bool(change > WITHIN[next(model.parameters()).dtype] * logits[0].abs().max())

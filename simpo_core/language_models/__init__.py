"""Causal language models: fetched, saved, taken apart, going on from prompts. `simpo_core.models` loads them."""

"""Models, pairs and run files small enough to be made on the spot."""

import json
import os
import random

import torch

from simpo_core.preferences import TokenPair
from simpo_core.training.config import FinetuneConfig, make_config, to_toml

torch.set_num_threads(1)  # two threads would spend their time waiting for each other

VOCABULARY = 97
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,  # larger than usual, so that tokens matter to each other
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def make_model(kind="Llama", **settings):
    """A causal language model of transformers with random weights: kind is Llama, Qwen2, Mistral, Gemma2, ..."""
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**(SIZES | settings))
    return getattr(transformers, f"{kind}ForCausalLM")(config).eval()


def token_pairs(*lengths, seed=0):
    """Pairs of random tokens; each of `lengths` is (prompt, chosen, rejected)."""
    draw = random.Random(seed)
    parts = [[tuple(draw.randrange(3, VOCABULARY) for _ in range(n)) for n in three] for three in lengths]
    return [TokenPair(prompt, chosen, rejected, False) for prompt, chosen, rejected in parts]


def scores_and_gradients(scorer, model, packs):
    """Each response token's log-probability, and the gradient of their sum with differing weights."""
    model.zero_grad()
    found = []
    for packed in packs:
        logps = scorer(packed)
        weights = torch.linspace(-1, 1, len(logps), device=logps.device) + 0.3
        (logps * weights).sum().backward()
        found.append(logps.detach())
    return found, {name: x.grad.clone() for name, x in model.named_parameters()}


def assert_same(found, expected, scores_within=1e-5):
    """Scores within 1e-5 or what is given, and each parameter's gradient within 1e-4 of its length.

    Some gradients are 0 but for rounding (a query that sees one key, the bias of all keys), so that a difference of
    a millionth of the longest gradient is let pass.
    """
    for one, other in zip(found[0], expected[0], strict=True):
        torch.testing.assert_close(one, other, rtol=scores_within, atol=1e-6)
    assert found[1].keys() == expected[1].keys()
    longest = max(float(x.norm()) for x in expected[1].values())
    for name, gradient in expected[1].items():
        assert float((found[1][name] - gradient).norm()) <= 1e-4 * (float(gradient.norm()) + 0.01 * longest), name


def write_pairs(path, count=12):
    """A file of ragged pairs that a model can learn to tell apart: chosen says one, rejected says two."""
    draw = random.Random(count)
    rows = [
        {"prompt": f"Count to {i}:", "chosen": " one" * draw.randint(1, 6), "rejected": " two" * draw.randint(1, 9)}
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def make_run(folder, **settings) -> FinetuneConfig:
    """Settings of a short run in float32 on a fresh tiny model; `folder` gets pairs.jsonl and the output."""
    data = folder / "pairs.jsonl"
    if not data.exists():
        write_pairs(data)
    values = {
        "model": "fresh",
        "data": str(data),
        "output": str(folder / "out"),
        "steps": 6,
        "batch_pairs": 4,
        "learning_rate": 2e-3,
        "precision": "float32",
        "device": "cpu",
    }
    return make_config(values | settings)


def write_run(folder, **settings):
    """The run file of `make_run`'s settings."""
    path = folder / "run.toml"
    path.write_text(to_toml(make_run(folder, **settings)))
    return path


def environment(folder):
    """For subprocesses: one thread, and a cache of their own."""
    return os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}


def losses(output):
    """Step number to loss, from a run's metrics.jsonl, where each step may stand once."""
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["loss"] for row in rows]

"""Make simpo_core/data/recorded.json anew: what SmolLM2-135M-Instruct says to two exercises, and a run for a third.

    python benchmarks/recordings.py        (some minutes on 2 CPU cores; `simpo fetch smollm2` first, 93 MB)

one_pair        exercises 1 and 5: a prompt, two responses, the log-probability of each of their tokens, and the
                logits at the last tokens of the prompt and at the responses, before and after one step on the pair
runs            exercise 10: what its cell `real-model` yields, with the settings of RUNS
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from simpo_core.logps import sum_logps
from simpo_core.losses import dpo_loss, preference_score
from simpo_core.models import load_model
from simpo_core.preferences import end_of_turn, tokenize_prompt
from simpo_core.ranking import graded_squared_loss, kendall_tau

ROOT = Path(__file__).resolve().parents[1]
PROMPT = "What do bees make?"
RESPONSES = {"chosen": "Bees make honey and wax.", "rejected": "Bees make cheese."}
PROMPT_TOKENS = 3  # of the prompt's end, which stand in exercise 5: its chat template's "<|im_start|>assistant\n"
LEARNING_RATE = 1e-5  # of AdamW
RUNS = {"lr 1e-5": {"lr": 1e-5}, "lr 3e-6": {"lr": 3e-6}}


def main() -> None:
    """Record everything, and write the file."""
    recorded = {"one_pair": one_pair(), "runs": {name: list(run(**settings)) for name, settings in RUNS.items()}}
    lines = json.dumps(recorded, ensure_ascii=False, indent=1)
    (ROOT / "simpo_core" / "data" / "recorded.json").write_text(lines + "\n", encoding="utf-8")


def one_pair() -> dict[str, Any]:
    """The pair, its tokens' log-probabilities, and the logits before and after one step of DPO on it."""
    model, tokenizer = load_model("smollm2")
    prompt = tokenize_prompt([{"role": "user", "content": PROMPT}], tokenizer)
    stop = end_of_turn(tokenizer, chat=True)
    responses = [[*tokenizer(text, add_special_tokens=False).input_ids, stop] for text in RESPONSES.values()]
    length = max(map(len, responses))
    pad = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    tokens = torch.tensor([prompt + y + [pad] * (length - len(y)) for y in responses])
    labels = torch.tensor([[-100] * len(prompt) + y + [-100] * (length - len(y)) for y in responses])

    before = model(tokens, use_cache=False).logits
    logps = sum_logps(before, labels)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    dpo_loss(preference_score(*logps, *logps.detach())).backward()
    optimiser.step()
    with torch.no_grad():
        after = model(tokens, use_cache=False).logits

    first = len(prompt) - PROMPT_TOKENS
    shown, response = tokens[:, first:], labels[:, first:] != -100
    columns = sorted(set(shown.flatten().tolist()))
    each = torch.log_softmax(before.detach().double(), -1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    return {
        "prompt": PROMPT,
        "responses": RESPONSES,
        "token_logps": {
            name: [round(float(x), 4) for x in row[labels[k, 1:] != -100]]
            for k, (name, row) in enumerate(zip(RESPONSES, each, strict=True))
        },
        "vocabulary": [tokenizer.decode([token]) for token in columns],
        "tokens": {n: [columns.index(t) for t in row] for n, row in zip(RESPONSES, shown.tolist(), strict=True)},
        "mask": dict(zip(RESPONSES, response.tolist(), strict=True)),
        "logits": {
            when: dict(zip(RESPONSES, gathered(logits[:, first:], columns), strict=True))
            for when, logits in (("before", before.detach()), ("after", after))
        },
    }


def gathered(logits: torch.Tensor, columns: list[int]) -> list[Any]:
    """The logits of the tokens in `columns`, then one for all others together: every probability stays what it was."""
    logits = logits.double()
    others = torch.ones(logits.shape[-1], dtype=torch.bool)
    others[columns] = False
    kept = torch.cat([logits[..., columns], torch.logsumexp(logits[..., others], -1, keepdim=True)], dim=-1)
    return [[[round(x, 4) for x in row] for row in rows] for rows in kept.tolist()]


def run(**settings: Any) -> Iterator[dict[str, Any]]:
    """The steps of exercise 10's real run, by the code of its own cell and the functions of simpo_core."""
    notebook = json.loads((ROOT / "solutions" / "10_graded_preferences.ipynb").read_text(encoding="utf-8"))
    (cell,) = (cell for cell in notebook["cells"] if cell["id"] == "real-model")
    names: dict[str, Any] = {
        "torch": torch,
        "graded_squared_loss": lambda *arguments: graded_squared_loss(*arguments).mean(),
        "kendall_tau": kendall_tau,
    }
    exec("".join(cell["source"]), names)  # this repository's own cell
    for step in names["real_run"](**settings):
        scores = {prompt: [round(score, 4) for score in row] for prompt, row in step["scores"].items()}
        yield {"loss": round(step["loss"], 4), "scores": scores}


if __name__ == "__main__":
    main()

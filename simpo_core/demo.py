"""The demonstration: a small model learns, in minutes on a laptop, to answer in one sentence."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from simpo_core import devices
from simpo_core.answers.evaluate import AnswerReport, evaluate_answers
from simpo_core.answers.make_pairs import read_prompts
from simpo_core.answers.rules import RULES
from simpo_core.models import load_model
from simpo_core.training.config import FinetuneConfig
from simpo_core.training.run import start, train

RULE = RULES["one-sentence"]
PROMPTS = 40  # of the held-out ones, every third
MAX_NEW_TOKENS = 64


@dataclass(frozen=True)
class Demonstration:
    """Answers to held-out prompts before and after training."""

    before: AnswerReport
    after: AnswerReport


def demo_config(output: Path) -> FinetuneConfig:
    """SimPO on SmolLM2-135M-Instruct, all weights, with pairs that the model made itself."""
    return FinetuneConfig(
        model="smollm2",
        data=str(resources.files("simpo_core") / "data" / "one-sentence.train.jsonl"),
        output=str(output),
        method="simpo",
        loss_args={"beta": 2.5, "gamma": 1.0},
        steps=24,
        batch_pairs=4,
        learning_rate=1e-5,
        schedule="constant",
    )


def demo(output: Path, stopped: Callable[[], bool] = lambda: False) -> Iterator[dict[str, Any] | Demonstration]:
    """Train, and compare: yields each step's metrics, and then the answers before and after.

    A folder that holds the run already is not trained again. Where `stopped` says so, the run is saved and ends
    without the answers.
    """
    prompts = held_out_prompts()
    base, tokenizer = load_model("smollm2")
    before = answer_report(base, tokenizer, prompts)
    training = start(demo_config(output), resume=True)
    yield from train(training, stopped)
    if training.step == training.config.steps:
        yield Demonstration(before, answer_report(training.scorer.model, tokenizer, prompts))


def held_out_prompts() -> list[str]:
    """The prompts that the demonstration asks: of topics that no training pair is about."""
    return read_prompts("test")[::3][:PROMPTS]


def answer_report(model: Any, tokenizer: Any, prompts: list[str]) -> AnswerReport:
    """Greedy answers; by a bfloat16 copy of the model where that is quicker."""
    if devices.has_bfloat16(model.device.type):
        model = copy.deepcopy(model).bfloat16()
    return evaluate_answers(model, tokenizer, prompts, RULE, max_new_tokens=MAX_NEW_TOKENS)

"""What a small real model said, recorded once: numbers of SmolLM2-135M-Instruct for notebooks that hold no model.

ONE_PAIR    a prompt and two responses: "prompt"; "responses"; "token_logps", of each response's tokens, in nats; and
            the rows of exercise 5: "vocabulary", the text of each token id below the last; "tokens" and "mask", shape
            (seq,); "logits", before and after one step on the pair, shape (seq, vocab). The last token id stands for
            all tokens that do not occur: its logit is the logarithm of their summed exponentials, so that the softmax
            of a row is what it was.
RUNS        the steps of exercise 10's runs: "loss", and "scores" of four responses to each of three prompts, in nats

`python benchmarks/recordings.py` makes data/recorded.json anew.
"""

import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "data" / "recorded.json"
# Read here and now: the process that runs a student's notebook may import this module, and read no other file.
_recorded: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
ONE_PAIR: dict[str, Any] = _recorded["one_pair"]
RUNS: dict[str, list[dict[str, Any]]] = _recorded["runs"]

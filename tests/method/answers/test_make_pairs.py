import json
from collections import Counter
from importlib import resources
from itertools import combinations

import pytest
import torch

from simpo_core.answers.generate import Answer
from simpo_core.answers.make_pairs import (
    Sampling,
    is_clean,
    make_pairs,
    most_agreed,
    read_prompts,
    repeats,
    whole_sentences,
)
from simpo_core.answers.rules import RULES, Rule
from simpo_core.inputs import UserError
from simpo_core.models import fresh_model

DATA = resources.files("simpo_core") / "data"
RULE = RULES["one-sentence"]
COMMITTED = [(name, split) for name in RULES for split in ("train", "validation")]


def _records(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


# -- The project's prompts ---------------------------------------------------------------------------------------


def test_topics_belong_to_one_split_each():
    records = _records("prompts.jsonl")
    topics = {split: {r["topic"] for r in records if r["split"] == split} for split in ("train", "validation", "test")}
    assert {r["split"] for r in records} == set(topics)
    assert all(not topics[a] & topics[b] for a, b in combinations(topics, 2))
    assert len(topics["train"]) >= 15


def test_prompts_are_enough_and_none_comes_twice():
    prompts = {split: read_prompts(split) for split in ("train", "validation", "test")}
    assert len(prompts["train"]) >= 300
    assert len(prompts["validation"]) >= 40
    assert len(prompts["test"]) >= 100
    bare = Counter("".join(c for c in p.lower() if c.isalnum()) for group in prompts.values() for p in group)
    assert bare.most_common(1)[0][1] == 1
    assert all(p.endswith("?") and p == p.strip() for group in prompts.values() for p in group)
    assert "What is friction?" in prompts["test"]


def test_an_unknown_split_is_named():
    with pytest.raises(UserError, match="split is 'dev': it must be one of train, validation, test"):
        read_prompts("dev")


# -- The committed pairs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "split"), COMMITTED)
def test_committed_pairs_keep_the_rule_in_chosen_only(rule, split):
    for record in _records(f"{rule}.{split}.jsonl"):
        ((prompt,), (chosen,), (rejected,)) = record["prompt"], record["chosen"], record["rejected"]
        assert (prompt["role"], chosen["role"], rejected["role"]) == ("user", "assistant", "assistant")
        assert RULES[rule].keeps(chosen["content"])
        assert not RULES[rule].keeps(rejected["content"])
        assert is_clean(chosen["content"], prompt["content"])
        assert RULES[rule].wish not in prompt["content"]


@pytest.mark.parametrize(("rule", "split"), COMMITTED)
def test_committed_pairs_use_only_their_splits_prompts(rule, split):
    records = _records(f"{rule}.{split}.jsonl")
    prompts = [record["prompt"][0]["content"] for record in records]
    assert set(prompts) <= set(read_prompts(split))
    assert len(prompts) >= (100 if split == "train" else 15)
    assert len({json.dumps(record) for record in records}) == len(records)


# -- Making pairs ------------------------------------------------------------------------------------------------

ANSWERS = {
    "What is ice? Answer in one sentence.": [
        Answer("Ice is cold. It melts.", 7, True),  # breaks the rule
        Answer("Ice is frozen water.", 5, True),
        Answer("Ice is frozen.", 4, False),  # cut off
        Answer("Ice is one sentence.", 5, True),  # echoes the wish
        Answer("Ice is frozen hard water.", 6, True),
        Answer("Penguins like snow.", 4, True),  # not about ice
    ],
    "What is ice?": [Answer("Ice is cold.", 4, True), Answer("Ice is cold. It melts. It is", 9, False)],
    "What is rain? Answer in one sentence.": [Answer("Rain! Water!", 5, True)] * 6,
    "What is rain?": [Answer("Rain is wet. It falls.", 7, True)] * 2,
}


@pytest.fixture
def scripted(monkeypatch):
    calls = []

    def answers(model, tokenizer, prompts, **settings):
        calls.append(settings)
        seen = Counter()
        given = []
        for (message,) in prompts:
            given.append(ANSWERS[message["content"]][seen[message["content"]]])
            seen[message["content"]] += 1
        return given

    monkeypatch.setattr("simpo_core.answers.make_pairs.answers", answers)
    return calls


def test_pairs_contrast_the_wish_with_the_bare_prompt(scripted):
    records, yields = make_pairs(None, None, ["What is ice?", "What is rain?"], RULE, Sampling(seed=3))
    assert records == [
        {
            "prompt": [{"role": "user", "content": "What is ice?"}],
            "chosen": [{"role": "assistant", "content": "Ice is frozen water."}],
            "rejected": [{"role": "assistant", "content": "Ice is cold. It melts."}],  # its cut end is gone
        }
    ]
    assert (yields.prompts, yields.wished, yields.bare) == (2, 12, 4)
    assert yields.kept_rule == 4  # of ice's six: not the first, not the one cut off
    assert yields.clean == 2
    assert yields.bare_kept_rule == 1
    assert (yields.prompts_with_pair, yields.pairs) == (1, 1)
    wished, bare = scripted
    assert wished["seed"] != bare["seed"]
    assert bare["max_new_tokens"] == Sampling().max_rejected_tokens


def test_the_same_seed_makes_the_same_pairs():
    torch.manual_seed(0)
    model, tokenizer = fresh_model(hidden_size=32, initializer_range=0.3)
    anything = Rule("anything", "", "Please.", keeps=lambda text: len(text) % 2 == 0)
    sampling = Sampling(wished=3, max_tokens=8, max_rejected_tokens=8, temperature=1.0)
    first = make_pairs(model, tokenizer, ["Why?", "How?"], anything, sampling)
    assert make_pairs(model, tokenizer, ["Why?", "How?"], anything, sampling) == first


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer("It is cold. It melts.", 7, True), "It is cold. It melts."),
        (Answer("It is cold. It mel", 7, False), "It is cold."),
        (Answer("It is cold.\n\nIt is wet. It mel", 9, False), "It is cold.\n\nIt is wet."),
        (Answer("It mel", 2, False), ""),
        (Answer("", 0, True), ""),
    ],
)
def test_an_answer_cut_off_loses_its_last_sentence(answer, expected):
    assert whole_sentences(answer) == expected


@pytest.mark.parametrize(
    ("answer", "clean"),
    [
        ("Photosynthesis turns light into sugar.", True),
        ("Plants photosynthesise with light.", True),  # the same stem
        ("photosynthesis turns light into sugar.", False),  # no capital
        ("Plants turn light into sugar.", False),  # doesn't mention it
        ("In one sentence, photosynthesis turns light into sugar.", False),  # echo
        ("I think photosynthesis makes sugar.", False),
        ("Photosynthesis makes **sugar**.", False),  # markup
        ("Photosynthesis makes food from food.", True),  # short words may come twice
        ("Photosynthesis makes sugars, like sugars.", False),
    ],
)
def test_clean_answers(answer, clean):
    assert is_clean(answer, "What is photosynthesis?") == clean


def test_repetition():
    assert repeats("A creature of the night, a creature of the night.")
    assert repeats("Art, artifacts, and artifacts.")
    assert not repeats("Coral reefs are made of coral.", allowed=frozenset({"cora"}))
    assert repeats("Coral coral coral.", allowed=frozenset({"cora"}))


def test_what_is_said_often_comes_first():
    texts = ["Ice is hot lava.", "Ice is frozen water.", "Ice is water that is frozen.", "Ice is frozen water."]
    # "frozen water" shares both its words with two others, the third with two, the first with none
    assert most_agreed(texts) == ["Ice is frozen water.", "Ice is water that is frozen.", "Ice is hot lava."]
    assert most_agreed([]) == []

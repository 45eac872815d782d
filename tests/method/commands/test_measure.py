"""`simpo` beside finetune: check-data, make-pairs, evaluate, demo; and finetune in a terminal."""

import dataclasses
import json
import os
import pty
import re
import select
import signal
from pathlib import Path

import pytest
import torch
from simpo_processes import begin
from tiny import write_pairs, write_run

from simpo_core import demo
from simpo_core.answers.evaluate import AnswerReport, CheckedAnswer, bootstrap
from simpo_core.answers.rules import RULES, Rule
from simpo_core.language_models.fetch import quiet
from simpo_core.models import fresh_model, load_model, load_tokenizer


@pytest.fixture
def model(tmp_path):
    """A folder with a tiny model that answers at random."""
    torch.manual_seed(0)
    made, tokenizer = fresh_model(hidden_size=16, intermediate_size=16, num_hidden_layers=1)
    with quiet():
        made.save_pretrained(tmp_path / "model")
        tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_check_data_counts_and_measures(call, model, tmp_path):
    status, said, _ = call("check-data", write_pairs(tmp_path / "pairs.jsonl"), "--model", model)
    assert status == 0
    assert "12 pairs\nprompt: 11 to 12 tokens" in said  # bytes of "Count to 7:" and "Count to 11:"


def test_check_data_names_the_line_that_cannot_be_used(call, model, tmp_path):
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "a", "chosen": "b"}\n')
    status, _, words = call("check-data", tmp_path / "pairs.jsonl", "--model", model)
    assert status == 2
    assert "pairs.jsonl line 1: 'rejected' is missing" in words


def test_check_data_looks_at_what_a_run_would_train_on(call, model, tmp_path):
    row = {"question": "2 + 2?", "chosen": "4.", "rejected": "5."}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row | {"chosen": ""}) + "\n")
    run = write_run(tmp_path, model=str(model), data=str(tmp_path / "rows.jsonl"), columns={"prompt": "question"})
    status, said, words = call("check-data", run)
    assert status == 2
    assert "rows.jsonl line 2: 'chosen' is empty" in words
    status, said, _ = call("check-data", run, "--set", "skip_bad=true")
    assert status == 0
    assert said.startswith("1 pairs\n")
    assert "note: 1 of 2 rows left out" in said
    overrides = ("--set", "columns.prompt=question", "--set", "skip_bad=true")
    assert call("check-data", tmp_path / "rows.jsonl", "--model", model, *overrides)[1] == said


def test_evaluate_measures_pairs_and_answers(call, model, tmp_path, monkeypatch):
    monkeypatch.setattr("simpo_core.answers.make_pairs.read_prompts", lambda split: ["What is a tide?", "What is ice?"])
    data = write_pairs(tmp_path / "pairs.jsonl")
    status, said, _ = call("evaluate", model, "--data", data, "--rule", "one-sentence", "--max-new-tokens", 8)
    assert status == 0
    assert said.startswith("12 pairs (95 % intervals by bootstrap over pairs)")
    assert "2 held-out prompts; the rule: exactly one sentence of at most 25 words" in said
    assert "keep the rule       0.0% (0.0% to 0.0%)" in said  # a model of random weights
    assert "✗ What is ice?" in said


def test_evaluate_says_which_pairs_it_cuts_and_which_it_leaves_out(call, model, tmp_path):
    row = {"prompt": "a", "chosen": "b" * 40 + "c", "rejected": "b" * 40 + "d"}
    other = {"prompt": "a", "chosen": "c" * 40, "rejected": "d"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(other) + "\n")
    status, said, _ = call("evaluate", model, "--data", tmp_path / "pairs.jsonl")
    assert (status, said.startswith("2 pairs")) == (0, True)
    lengths = ("--max-length", 21, "--max-prompt-length", 8)
    status, said, _ = call("evaluate", model, "--data", tmp_path / "pairs.jsonl", *lengths)
    assert said.startswith("note: 1 pairs left out: their two answers are equal\nnote: 1 of 1 pairs are cut: a prompt")
    assert "\n1 pairs (95 % intervals" in said


def test_evaluate_reads_data_as_a_run_does(call, model, tmp_path):
    rows = [{"question": f"2 + {n}?", "chosen": f"{2 + n}.", "rejected": f"{n}."} for n in range(3)]
    held_out = tmp_path / "held-out.jsonl"
    held_out.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0] | {"chosen": ""}]))
    ways = ("--set", "columns.prompt=question", "--set", "skip_bad=true", "--set", "data_form=chat")
    status, said, _ = call("evaluate", model, "--data", held_out, *ways)
    assert status == 0
    assert said.startswith("note: 1 of 4 rows left out, as skip_bad says: held-out.jsonl line 4: 'chosen' message 1")
    assert "3 pairs (95 % intervals" in said
    settings = {"columns": {"prompt": "question"}, "skip_bad": True, "data_form": "chat"}
    run = write_run(tmp_path, model="nowhere", eval_data=str(held_out), **settings)
    assert call("evaluate", model, "--data", run)[1] == said  # its held-out pairs
    assert "tokens                         chosen 3.0" in said  # of a chat, with the end of its turn


def test_lengths_by_options_and_by_settings_are_the_same_and_go_before_a_run_file(call, model, tmp_path):
    run = write_run(tmp_path, model=str(model))
    by_option = call("check-data", run, "--max-length", 20, "--max-prompt-length", 8)
    assert "12 cut to fit" in by_option[1]
    assert call("check-data", run, "--set", "max_length=20", "--set", "max_prompt_length=8") == by_option
    data = ("check-data", tmp_path / "pairs.jsonl", "--model", model)
    assert call(*data, "--max-length", 20, "--max-prompt-length", 8) == by_option


@pytest.mark.parametrize("command", ["check-data", "evaluate", "make-pairs"])
def test_a_setting_that_is_not_about_data_is_named(call, model, tmp_path, command):
    given = {
        "check-data": (write_pairs(tmp_path / "pairs.jsonl"),),
        "evaluate": (model, "--data", tmp_path / "pairs.jsonl"),
        "make-pairs": ("one-sentence", tmp_path / "made.jsonl"),
    }
    status, _, words = call(command, *given[command], "--set", "steps=3")
    assert status == 2
    assert "--set steps: without a run file it must be one of columns, data_form, skip_bad, chat_template" in words


THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}<|im_start|>{{ mood | default('') }}"
)


def test_answers_are_asked_with_the_templates_settings(call, model, tmp_path, monkeypatch):
    seen = []

    def answer(prompts, *others):
        seen.extend(prompts)
        return [[5] for _ in prompts]

    monkeypatch.setattr("simpo_core.answers.generate.continue_prompts", answer)
    monkeypatch.setattr("simpo_core.answers.make_pairs.read_prompts", lambda split: ["Why?"])
    (tmp_path / "template.jinja").write_text(THINKING)
    ways = ("--set", f"chat_template={tmp_path / 'template.jinja'}", "--set", "chat_template_kwargs.mood=merry")
    assert call("evaluate", model, "--rule", "one-sentence", *ways)[0] == 0
    assert call("make-pairs", "one-sentence", tmp_path / "made.jsonl", "--model", model, *ways)[0] == 2  # no pair
    words = [load_tokenizer(str(model)).decode(tokens) for tokens in seen]
    assert words[0] == "<|im_start|>Why?<|im_end|><|im_start|>merry"
    assert all(one.endswith("<|im_start|>merry") for one in words)
    _, said, _ = call("evaluate", model, "--rule", "one-sentence", "--set", "chat_template_kwargs.mood=merry")
    assert "note: the chat template doesn't read mood of chat_template_kwargs" in said


def test_sampled_answers_follow_the_seed(call, model, tmp_path, monkeypatch):
    monkeypatch.setattr("simpo_core.answers.make_pairs.read_prompts", lambda split: ["What is a tide?"])
    asked = ("evaluate", model, "--rule", "one-sentence", "--max-new-tokens", 12, "--temperature", 1)
    first, again, other = (call(*asked, "--seed", seed)[1] for seed in (1, 1, 2))
    assert first == again != other


def test_the_tokenizer_of_a_model_on_the_hub_is_had_without_the_model(call, tmp_path, monkeypatch):
    monkeypatch.setattr("simpo_core.models.load_model", None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    status, _, words = call("check-data", write_pairs(tmp_path / "pairs.jsonl"), "--model", "nobody/nothing")
    assert (status, "nobody/nothing has no tokenizer that can be loaded" in words) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to measure: give --data PAIRS, or --rule one-sentence, or both"),
        (("--rule", "haiku"), "rule is 'haiku': it must be one of one-sentence, three-lines"),
        (("--rule", ""), "rule is '': it must be one of one-sentence, three-lines"),
        (("--data", "nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_evaluate_says_what_it_needs(call, model, arguments, words):
    status, _, said = call("evaluate", model, *arguments)
    assert status == 2
    assert words in said


def test_make_pairs_writes_pairs_that_can_be_trained_on(call, model, tmp_path, monkeypatch):
    anything = Rule(name="long", description="", wish="Please.", keeps=lambda answer: len(answer) > 40)
    monkeypatch.setitem(RULES, "long", anything)
    monkeypatch.setitem(cli_sampling(), "long", small_sampling())
    monkeypatch.setattr("simpo_core.answers.make_pairs.is_clean", lambda answer, prompt: True)
    monkeypatch.setattr("simpo_core.answers.make_pairs.read_prompts", lambda split: [f"What is {i}?" for i in range(6)])
    status, said, _ = call("make-pairs", "long", tmp_path / "made.jsonl", "--model", model)
    assert status == 0
    pairs = [json.loads(line) for line in (tmp_path / "made.jsonl").read_text().splitlines()]
    assert said.startswith(f"{len(pairs)} pairs from 6 prompts")
    assert all(len(pair["chosen"][0]["content"]) > 40 for pair in pairs)
    status, _, words = call("make-pairs", "long", tmp_path / "made.jsonl", "--model", model)
    assert (status, "exists already" in words) == (2, True)


def test_make_pairs_looks_at_its_file_before_it_samples(call, monkeypatch, tmp_path):
    monkeypatch.setattr("simpo_core.models.load_model", lambda name: pytest.fail("a model was loaded"))
    status, _, words = call("make-pairs", "one-sentence", tmp_path / "made.txt")
    assert (status, "expected a name that ends in .jsonl" in words) == (2, True)
    (tmp_path / "file").write_text("")
    assert call("make-pairs", "one-sentence", tmp_path / "file" / "made.jsonl")[0] == 2


def test_make_pairs_without_a_pair_says_so_and_writes_nothing(call, model, monkeypatch, tmp_path):
    never = Rule(name="never", description="", wish="Please.", keeps=lambda answer: False)
    monkeypatch.setitem(RULES, "never", never)
    monkeypatch.setitem(cli_sampling(), "never", small_sampling())
    monkeypatch.setattr("simpo_core.answers.make_pairs.read_prompts", lambda split: ["What is ice?"])
    status, _, words = call("make-pairs", "never", tmp_path / "new" / "made.jsonl", "--model", model)
    assert (status, "no pair: 0 of 2 answers with the wish keep the rule" in words) == (2, True)
    assert list((tmp_path / "new").iterdir()) == []


def cli_sampling():
    from simpo_core.answers.make_pairs import SAMPLING

    return SAMPLING


def small_sampling():
    from simpo_core.answers.make_pairs import Sampling

    return Sampling(wished=2, bare=2, max_tokens=80, max_rejected_tokens=20, batch_size=8, agreement=0.0)


def test_demo_shows_answers_before_and_after(call, monkeypatch, tmp_path):
    step = {"step": 1, "loss": 0.5, "rewards/margins": 1.0, "rewards/accuracies": 1.0, "tokens_per_second": 9.0}
    shown = demo.Demonstration(report("Well, ice is … and", keeps=False), report("Ice is frozen water.", keeps=True))
    monkeypatch.setattr(demo, "demo", lambda output, stopped: iter([step | {"memory_gb": 0.1}, shown]))
    status, said, _ = call("demo", "--output", tmp_path / "out")
    assert status == 0
    assert "step  1  loss 0.5000" in said
    assert "Ice is frozen water." in said
    assert "one sentence of at most 25 words: 0 of 1 before, 1 of 1 after" in said


def test_the_demonstration_trains_and_compares(monkeypatch, tmp_path):
    torch.manual_seed(0)
    made, tokenizer = fresh_model(hidden_size=16, intermediate_size=16, num_hidden_layers=1)
    with quiet():
        made.save_pretrained(tmp_path / "model")
        tokenizer.save_pretrained(tmp_path / "model")
    config = dataclasses.replace(
        demo.demo_config(tmp_path / "out"), model=str(tmp_path / "model"), steps=2, precision="bfloat16"
    )
    monkeypatch.setattr(demo, "demo_config", lambda output: config)
    monkeypatch.setattr(demo, "load_model", lambda name: load_model(str(tmp_path / "model")))
    monkeypatch.setattr(demo, "held_out_prompts", lambda: ["What is ice?"])
    monkeypatch.setattr(demo.devices, "has_bfloat16", lambda device: True)  # answers come of a copy in bfloat16
    *steps, shown = demo.demo(tmp_path / "out")
    assert [row["step"] for row in steps] == [1, 2]
    assert steps[0]["logps/chosen"] != steps[1]["logps/chosen"]
    assert [answer.prompt for answer in (*shown.before.answers, *shown.after.answers)] == ["What is ice?"] * 2


def test_a_stopped_demo_says_how_to_go_on(call, monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "demo", lambda output, stopped: iter([]))
    status, said, _ = call("demo", "--output", tmp_path / "out")
    assert (status, "stopped, and saved. To go on: the same again" in said) == (128 + signal.SIGTERM, True)


def report(text, *, keeps):
    answer = CheckedAnswer("What is ice?", text, tokens=5, finished=keeps, keeps=keeps)
    one = bootstrap([float(keeps)])
    return AnswerReport(
        rule="one-sentence", keeps=one, tokens=one, words=4.0, distinct=1, unfinished=0, answers=(answer,)
    )


def test_the_demonstration_trains_on_topics_that_it_does_not_ask_about():
    config, prompts = demo.demo_config(Path("out")), demo.held_out_prompts()
    trained = Path(config.data).read_text(encoding="utf-8")
    assert len(prompts) == len(set(prompts)) == 40
    assert not [prompt for prompt in prompts if json.dumps(prompt) in trained]


# -- In a terminal -----------------------------------------------------------------------------------------------------


def in_a_terminal(folder, *arguments, columns):
    """What `simpo` writes to a terminal of so many columns, without its colours."""
    ours, theirs = pty.openpty()
    said = b""
    with begin(folder, *arguments, terminal=os.ttyname(theirs), TERM="xterm", COLUMNS=str(columns)) as run:
        (process,) = run.processes
        while ours in select.select([ours, process.connection], [], [])[0]:  # until it has ended, and all is read
            said += os.read(ours, 4096)
        process.wait(300)
    os.close(theirs)
    os.close(ours)
    assert process.status == 0, said.decode()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "bar"), [(80, ""), (120, "━+ ")])
def test_a_terminal_shows_the_numbers_of_the_step(tmp_path, columns, bar):
    said = in_a_terminal(tmp_path, "finetune", write_run(tmp_path, steps=4), columns=columns)
    row = json.loads((tmp_path / "out" / "metrics.jsonl").read_text().splitlines()[-1])
    numbers = (
        f"loss {row['loss']:.4f}  margin {row['rewards/margins']:+.3f}  accuracy {row['rewards/accuracies']:.2f}  "
        f"{row['tokens_per_second']:.0f} tokens/s"
    )
    assert re.search(rf"4/4 {re.escape(numbers)}  [\d.]+ GB {bar}0:00:00", said)
    assert "0/4 step " in said
    assert "step 4  loss" not in said  # the line that a file gets

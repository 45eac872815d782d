import json

import pytest
from tiny import make_run

from simpo_core.inputs import UserError
from simpo_core.models import byte_tokenizer
from simpo_core.preferences import Pair, TokenPair
from simpo_core.training.pairs import read_records, set_template, tokens_of
from simpo_core.training.preparation import prepare
from simpo_core.training.run import start

PLAIN = "{% if thinking is false %}!{% endif %}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"


def write(folder, *rows, name="rows.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_run_reads_its_data_as_its_settings_say(tmp_path):
    one = write(tmp_path, {"question": "1", "chosen": "2", "rejected": "3", "tool": "x"}, {"question": "1"})
    config = make_run(tmp_path, data=[one, one], columns={"prompt": "question"}, data_form="chat", skip_bad=True)
    notes = []
    pairs = read_records(config, notes)
    assert [pair.prompt for pair in pairs] == [[{"role": "user", "content": "1"}]] * 2
    assert "2 of 4 rows left out" in notes[0]
    assert "the column 'tool' is not read" in notes[1]


def test_a_chat_template_and_its_settings_are_the_runs_and_kept_with_the_model(tmp_path):
    from transformers import AutoTokenizer

    from simpo_core.training.finetune import finetune, save

    template = tmp_path / "mine.jinja"
    template.write_text(PLAIN)
    row = {"prompt": [{"role": "user", "content": "1"}], "chosen": [{"role": "assistant", "content": "2"}]}
    data = write(tmp_path, row | {"rejected": [{"role": "assistant", "content": "3"}]})
    settings = {"data": data, "chat_template": str(template), "chat_template_kwargs": {"thinking": False}, "steps": 1}
    training = start(make_run(tmp_path, **settings))
    tokenizer = byte_tokenizer()
    assert tokenizer.decode(training.pairs[0].prompt) == "!1<|im_end|>"
    list(finetune(training))
    assert AutoTokenizer.from_pretrained(str(save(training))).chat_template == PLAIN


def test_a_chat_template_that_cant_be_read_is_an_error(tmp_path):
    config = make_run(tmp_path, chat_template=str(tmp_path / "none.jinja"))
    with pytest.raises(UserError, match=r"chat_template: .*none.jinja can't be read: No such file"):
        set_template(config, byte_tokenizer())


def test_a_run_says_at_its_start_what_check_data_would_find(tmp_path):
    rows = [{"prompt": "1", "chosen": "2<|im_end|>", "rejected": "3"}, {"prompt": "4", "chosen": "5", "rejected": "5"}]
    training = prepare(make_run(tmp_path, data=write(tmp_path, *rows)))
    assert "1 pairs left out: their two answers are equal" in training.notes
    assert "of 2 pairs, 1 with an end-of-turn token or EOS of their own: left out (rows.jsonl line 1)" in training.notes


def test_token_pairs_are_those_of_the_settings_lengths(tmp_path):
    config = make_run(tmp_path, max_length=4, max_prompt_length=2)
    notes = []
    pair = Pair(prompt="abc", chosen="d", rejected="efg", where="line 1")
    tokens = byte_tokenizer().convert_tokens_to_ids
    assert tokens_of([pair], config, byte_tokenizer(), notes) == [
        TokenPair(tuple(tokens(list("bc"))), (*tokens(["d"]), tokens("<|im_end|>")), tuple(tokens(["e", "f"])), True)
    ]
    assert "1 of 1 pairs are cut" in notes[0]

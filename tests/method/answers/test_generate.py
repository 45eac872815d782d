import copy

import pytest
import torch

from simpo_core.answers.generate import Answer, answers
from simpo_core.inputs import UserError
from simpo_core.models import fresh_model

CHATS = [[{"role": "user", "content": text}] for text in ("Hi", "What is friction?", "Why?", "What is friction?")]


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    model, tokenizer = fresh_model(hidden_size=32, intermediate_size=64, initializer_range=0.3)
    return model, tokenizer


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_a_greedy_answer_does_not_depend_on_its_company(tiny, batch_size):
    model, tokenizer = tiny
    alone = [answers(model, tokenizer, [chat], max_new_tokens=20)[0] for chat in CHATS]
    assert answers(model, tokenizer, CHATS, max_new_tokens=20, batch_size=batch_size) == alone
    assert alone[1] == alone[3]
    assert len({answer.text for answer in alone}) == 3


def test_greedy_answers_are_those_of_transformers(tiny):
    model, tokenizer = tiny
    for chat in CHATS:
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        out = model.generate(**ids, do_sample=False, max_new_tokens=20, pad_token_id=tokenizer.pad_token_id)
        expected = tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True).strip()
        assert answers(model, tokenizer, [chat], max_new_tokens=20)[0].text == expected


@pytest.mark.parametrize("where", ["tokenizer", "generation settings"])
def test_an_answer_ends_at_every_token_that_the_model_is_said_to_stop_at(tiny, where, monkeypatch):
    model, tokenizer = tiny
    whole = answers(model, tokenizer, CHATS[:1], max_new_tokens=20)[0]
    assert "J" in whole.text[1:]
    if where == "tokenizer":
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.eos_token = "J"
    else:
        monkeypatch.setattr(model.generation_config, "eos_token_id", [0, tokenizer.convert_tokens_to_ids("J")])
    found = answers(model, tokenizer, CHATS[:1], max_new_tokens=20)[0]
    assert found.finished
    assert found.text == whole.text.partition("J")[0].strip()


def test_a_model_without_a_cache_is_one_sentence(tiny):
    from tiny import make_model

    recurrent = make_model("Mamba", vocab_size=260, state_size=4)
    with pytest.raises(UserError, match="MambaForCausalLM keeps no cache of keys and values, which answering needs"):
        answers(recurrent, tiny[1], CHATS[:1])


def test_a_seed_gives_the_same_samples_and_another_seed_others(tiny):
    model, tokenizer = tiny

    def sample(seed: int) -> list[Answer]:
        return answers(model, tokenizer, CHATS, max_new_tokens=12, temperature=1.0, seed=seed)

    first = sample(1)
    torch.manual_seed(99)  # the caller's generator plays no part
    before = torch.get_rng_state()
    assert sample(1) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert sample(2) != first
    assert first[1] != first[3]  # one prompt twice: two samples


def test_sampling_follows_the_models_probabilities(tiny):
    # One token sampled 2000 times: the likeliest token's share is within 5 standard errors of its probability
    model, tokenizer = tiny
    ids = tokenizer.apply_chat_template(CHATS[0], add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.no_grad():
        chance = torch.softmax(model(**ids).logits[0, -1] / 0.5, -1)
    plain = [
        number for number in range(len(tokenizer)) if tokenizer.decode([number]).strip()
    ]  # not a space or half a letter
    token = max((n for n in plain if tokenizer.decode([n]).isascii()), key=lambda n: float(chance[n]))
    given = answers(model, tokenizer, CHATS[:1] * 2000, max_new_tokens=1, temperature=0.5, batch_size=500)
    share = sum(answer.text == tokenizer.decode([token]) for answer in given) / 2000
    p = float(chance[token])
    assert share == pytest.approx(p, abs=5 * (p * (1 - p) / 2000) ** 0.5)


def test_an_answer_ends_at_the_end_of_turn(tiny):
    model, tokenizer = tiny
    (cut,) = answers(model, tokenizer, CHATS[:1], max_new_tokens=5)
    assert cut.tokens == 5
    assert not cut.finished
    letter, end = tokenizer.encode("a")[0], tokenizer.eos_token_id

    class Scripted(torch.nn.Module):
        """Says "a" up to position 32 of a row, and then ends the turn."""

        device = torch.device("cpu")

        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, **kwargs):
            out = self.model(**kwargs)
            last = kwargs["position_ids"][:, -1]
            out.logits[:, -1] = torch.where(last[:, None] < 32, _one_hot(letter), _one_hot(end))
            return out

    def _one_hot(token: int) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.tensor([token]), len(tokenizer)).float()

    lengths = [len(tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]) for chat in CHATS]
    given = answers(Scripted(), tokenizer, CHATS, max_new_tokens=50)
    for answer, length in zip(given, lengths, strict=True):
        letters = max(0, 33 - length)  # prompt's last position is length - 1; letters until a position of 32
        assert answer == Answer("a" * letters, letters, True)


def test_the_model_is_left_as_it_was(tiny):
    model, tokenizer = tiny
    model.train()
    try:
        answers(model, tokenizer, CHATS[:1], max_new_tokens=2)
        assert model.training
    finally:
        model.eval()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_strings_are_continued_as_they_are(tiny):
    model, tokenizer = tiny
    ids = torch.tensor([tokenizer("Once upon")["input_ids"]])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6, pad_token_id=3)
    expected = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip()
    assert answers(model, tokenizer, ["Once upon"], max_new_tokens=6)[0].text == expected


def test_no_prompts_no_answers(tiny):
    assert answers(*tiny, []) == []


@pytest.mark.parametrize("setting", [{"temperature": -1.0}, {"max_new_tokens": 0}, {"batch_size": 0}])
def test_settings_that_mean_nothing_are_refused(tiny, setting):
    with pytest.raises(ValueError, match="expected at least 0, 1 and 1"):
        answers(*tiny, CHATS, **setting)

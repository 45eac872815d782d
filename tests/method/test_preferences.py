import logging
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tokenizers import bos_tokenizer, chatml_tokenizer, spaced_tokenizer

from simpo_core.chats.tokens import answer_parts
from simpo_core.inputs import UserError
from simpo_core.models import load_tokenizer
from simpo_core.preferences import (
    DATE,
    Pair,
    TokenPair,
    end_of_turn,
    fingerprint,
    tokenize_pair,
    tokenize_pairs,
    tokenize_prompt,
)

CHATML = chatml_tokenizer()
BOS = bos_tokenizer()
SPACED = [spaced_tokenizer(normalised=normalised) for normalised in (True, False)]
EVERY = [CHATML, BOS, *SPACED]
CHAT = [{"role": "user", "content": "2 + 2?"}]


def tokenized(tokenizer, prompt, chosen="4.", rejected="5", *, max_length=200, max_prompt_length=100):
    pair = Pair(prompt=prompt, chosen=chosen, rejected=rejected, where="prefs.jsonl line 1")
    return tokenize_pair(pair, tokenizer, max_length=max_length, max_prompt_length=max_prompt_length)


def words(tokenizer, tokens):
    return tokenizer.convert_ids_to_tokens(list(tokens))


@pytest.fixture
def trl_response(monkeypatch):
    """The response tokens that TRL 1.16's CPOTrainer scores, as a function."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.data_utils import maybe_apply_chat_template
    from trl.experimental.cpo import CPOTrainer, cpo_trainer

    monkeypatch.setattr(cpo_trainer, "logger", logging.getLogger())  # its own wants accelerate set up
    monkeypatch.setattr(logging.Logger, "warning_once", logging.Logger.warning, raising=False)

    def response(tokenizer, prompt, chosen, *, max_length=200):
        trainer = SimpleNamespace(processing_class=tokenizer, is_encoder_decoder=False, max_length=max_length)
        trainer.build_tokenized_answer = CPOTrainer.build_tokenized_answer.__get__(trainer)
        row = maybe_apply_chat_template({"prompt": prompt, "chosen": chosen, "rejected": chosen}, tokenizer)
        labels = CPOTrainer.tokenize_row(trainer, row)["chosen_labels"]
        return words(tokenizer, [label for label in labels if label != -100])

    return response


# -- The response: content and exactly one end of turn ---------------------------------------------------------------


def test_a_chat_response_is_its_content_and_one_end_of_turn():
    pair = tokenized(CHATML, CHAT)
    user = ["<|im_start|>", "user", "Ċ", "2", "Ġ", "+", "Ġ", "2", "?", "<|im_end|>", "Ċ"]
    assert words(CHATML, pair.prompt) == [*user, "<|im_start|>", "assistant", "Ċ"]
    assert words(CHATML, pair.chosen) == ["4", ".", "<|im_end|>"]
    assert words(CHATML, pair.rejected) == ["5", "<|im_end|>"]
    assert not pair.truncated


@pytest.mark.filterwarnings("ignore")
def test_trl_gives_the_same_response_five_tokens(trl_response):
    theirs = trl_response(CHATML, CHAT, [{"role": "assistant", "content": "4."}])
    assert theirs == ["4", ".", "<|im_end|>", "Ċ", "<|im_end|>"]
    assert words(CHATML, tokenized(CHATML, CHAT).chosen) == ["4", ".", "<|im_end|>"]


@pytest.mark.slow
def test_smollm2_gives_four_point_three_tokens(smollm2):
    tokenizer = load_tokenizer("smollm2")
    pair = tokenized(tokenizer, CHAT)
    assert words(tokenizer, pair.chosen) == ["4", ".", "<|im_end|>"]
    assert tokenizer.decode(pair.prompt[-4:]) == "<|im_start|>assistant\n"
    chat = [*CHAT, {"role": "assistant", "content": "4."}]
    assert [*pair.prompt, *pair.chosen] == tokenizer.apply_chat_template(chat)["input_ids"][:-1]  # but for the last \n
    merging = tokenized(tokenizer, "The capital of France is ", "Paris.")
    assert words(tokenizer, merging.prompt[-1:] + merging.chosen) == ["Ġ", "Paris", ".", "<|im_end|>"]


@pytest.mark.parametrize("prompt", ["2 + 2?", CHAT])
@pytest.mark.parametrize("ends", ["{end}", "{end}\n", "{end}{end}", "{eos}", "{end}{eos} \n", "{eos}\n{end}"])
@pytest.mark.parametrize("tokenizer", EVERY)
def test_an_end_of_turn_in_the_text_is_not_doubled(tokenizer, prompt, ends):
    end = end_of_turn(tokenizer, chat=prompt is CHAT)
    text = "4." + ends.format(end=tokenizer.convert_ids_to_tokens(end), eos=tokenizer.eos_token)
    assert tokenized(tokenizer, prompt, text) == tokenized(tokenizer, prompt, "4.")
    assert tokenized(tokenizer, prompt, text).chosen.count(end) == 1


@pytest.mark.parametrize("prompt", ["2 + 2?", CHAT])
@pytest.mark.parametrize("tokenizer", EVERY)
def test_special_tokens_written_inside_a_response_are_characters(tokenizer, prompt):
    text = f"It ends in {tokenizer.eos_token}, I think, or {tokenizer.bos_token}."
    pair = tokenized(tokenizer, prompt, text)
    assert not set(pair.chosen[:-1]) & set(tokenizer.all_special_ids)
    assert tokenizer.decode(pair.chosen[:-1]).strip() == text


def test_an_answer_of_nothing_but_special_tokens_is_an_error():
    with pytest.raises(UserError, match=r"prefs.jsonl line 1: 'rejected' has no tokens of its own; write an answer"):
        tokenized(CHATML, CHAT, "4.", "<|im_end|>\n")


def test_end_of_turn_is_the_templates_for_chat_and_eos_for_strings():
    assert words(BOS, [end_of_turn(BOS, chat=True), end_of_turn(BOS, chat=False)]) == ["<end>", "</s>"]
    assert words(CHATML, [end_of_turn(CHATML, chat=True), end_of_turn(CHATML, chat=False)]) == ["<|im_end|>"] * 2
    without_end = chatml_tokenizer(eos_token="<|endoftext|>")
    without_end.chat_template = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    assert words(without_end, [end_of_turn(without_end, chat=True)]) == ["<|endoftext|>"]


def test_a_tokenizer_without_an_end_or_a_template_is_an_error():
    with pytest.raises(UserError, match=r"line 1: the tokenizer has no end-of-sequence token: set eos_token"):
        tokenized(chatml_tokenizer(eos_token=None), "2 + 2?")
    assert words(CHATML, [end_of_turn(chatml_tokenizer(eos_token=None), chat=True)]) == ["<|im_end|>"]
    bare = chatml_tokenizer()
    bare.chat_template = None
    with pytest.raises(UserError, match=r"prefs.jsonl line 1: the tokenizer has no chat template"):
        tokenized(bare, CHAT)
    assert tokenized(bare, "2 + 2?").chosen == tokenized(CHATML, "2 + 2?").chosen


def test_a_template_that_refuses_the_messages_is_an_error():
    strict = chatml_tokenizer()
    strict.chat_template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    with pytest.raises(
        UserError, match=r"prefs.jsonl line 1: the chat template refuses messages of system, user, assistant: no system"
    ):
        tokenized(strict, [{"role": "system", "content": "Be brief."}, *CHAT])


# -- Strings that were rendered for a model ---------------------------------------------------------------------------


def test_a_rendered_string_ends_as_the_template_ends_a_turn():
    prompt = BOS.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    chat = tokenized(BOS, CHAT)
    for chosen, rejected in (("4.<end>\n", "5<end>"), ("4.", "5"), ("4.<end></s>", "5</s>")):
        assert tokenized(BOS, prompt, chosen, rejected) == chat


def test_special_tokens_inside_a_rendered_answer_are_meant():
    prompt = "[user]\n2 + 2?<end>\n[assistant]\n"
    pair = tokenized(BOS, prompt, "thinking<end>[assistant]\n4.<end>")
    assert words(BOS, pair.chosen).count("<end>") == 2


def test_the_turn_end_of_another_model_is_stripped_too():
    for end in ("<end_of_turn>\n", "<|eot_id|>", "<|end_of_text|><|im_end|>"):
        assert tokenized(CHATML, "2 + 2?", "4." + end) == tokenized(CHATML, "2 + 2?", "4.")
        assert tokenized(CHATML, CHAT, "4." + end) == tokenized(CHATML, CHAT, "4.")


def test_a_template_that_asks_and_answers_with_nothing_alike_is_an_error():
    odd = chatml_tokenizer()
    odd.chat_template = "{% if add_generation_prompt %}?{% endif %}" + CHATML.chat_template
    with pytest.raises(UserError, match="line 1: the chat template writes nothing alike with an answer and where it"):
        tokenized(odd, CHAT)


# -- The prompt: BOS exactly once ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["2 + 2?", "<s>2 + 2?", "<s><s>2 + 2?"])
@pytest.mark.parametrize("tokenizer", [BOS, *SPACED])
def test_bos_stands_once_before_a_string(tokenizer, prompt):
    bos = tokenizer.bos_token_id
    tokens = tokenize_prompt(prompt, tokenizer)
    assert tokens[0] == bos
    assert tokens.count(bos) == 1
    assert tokenizer.decode(tokens[1:]).strip() == "2 + 2?"


def test_bos_of_a_template_is_not_doubled():
    # tokenizer(text) would add a second one to the template's: the bug that made SimPO's results hard to reproduce
    rendered = BOS.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert BOS(rendered)["input_ids"][:2] == [BOS.bos_token_id] * 2
    assert tokenize_prompt(CHAT, BOS) == BOS.apply_chat_template(CHAT, add_generation_prompt=True)["input_ids"]
    assert tokenize_prompt(CHAT, BOS).count(BOS.bos_token_id) == 1


def test_before_a_chat_bos_stands_where_the_template_writes_it():
    for tokenizer in SPACED:  # its template writes none, the tokenizer puts one before plain text
        assert words(tokenizer, tokenize_prompt(CHAT, tokenizer))[:2] == ["▁", "["]
        assert tokenize_prompt(CHAT, tokenizer) == tokenizer.apply_chat_template(CHAT)["input_ids"]


def test_no_bos_where_the_tokenizer_adds_none():
    # SmolLM2's BOS is <|im_start|>, which begins a turn; TRL's CPO puts it before strings too
    assert words(CHATML, tokenize_prompt("Paris", CHATML)) == ["Paris"]
    assert words(CHATML, tokenize_prompt("<|im_start|>user", CHATML)) == ["<|im_start|>", "user"]


@pytest.mark.parametrize("tokenizer", EVERY)
def test_no_bos_before_a_response(tokenizer):
    for text in ("4.", f"{tokenizer.bos_token}4."):
        assert words(tokenizer, tokenized(tokenizer, "2 + 2?", text).chosen) == ["4", ".", tokenizer.eos_token]


# -- The boundary ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_no_token_spans_prompt_and_response(trl_response):
    # Tokenised at once, the prompt's last token would become part of " Paris": TRL shifts the boundary by one
    prompt, answer = "The capital of France is ", "Paris."
    assert words(CHATML, CHATML(prompt + answer)["input_ids"])[-3:] == ["Ġis", "ĠParis", "."]
    assert trl_response(CHATML, prompt, answer) == ["ĠParis", ".", "<|im_end|>"]
    pair = tokenized(CHATML, prompt, answer, "Rome.")
    assert words(CHATML, pair.prompt) == ["The", "Ġcapital", "Ġof", "ĠFrance", "Ġis", "Ġ"]
    assert words(CHATML, pair.chosen) == ["Paris", ".", "<|im_end|>"]


@given(
    tokenizer=st.sampled_from(EVERY),
    prompt=st.text("Paris .\n", min_size=1).filter(str.strip),
    answers=st.lists(st.text("Paris .\n", min_size=1).filter(str.strip), min_size=2, max_size=2),
)
def test_prompt_and_response_together_spell_the_text(tokenizer, prompt, answers):
    pair = tokenized(tokenizer, prompt, *answers)
    for tokens, answer in zip((pair.chosen, pair.rejected), answers, strict=True):
        assert tokenizer.decode([*pair.prompt, *tokens[:-1]]) == tokenizer.decode(pair.prompt) + answer


@pytest.mark.parametrize("tokenizer", SPACED)
def test_the_space_that_sentencepiece_puts_before_text_is_not_in_a_response(tokenizer):
    assert words(tokenizer, tokenizer("Paris")["input_ids"]) == ["<s>", "▁Paris"]
    assert words(tokenizer, tokenized(tokenizer, "Paris is\n", "Paris.").chosen) == ["Paris", ".", "</s>"]
    assert words(tokenizer, tokenized(tokenizer, "Paris is", " Paris.").chosen) == ["▁Paris", ".", "</s>"]


@pytest.mark.parametrize("tokenizer", SPACED)
def test_the_spaces_that_a_template_puts_around_the_answer_are_the_responses(tokenizer):
    # Llama 2: "[INST] 2 + 2? [/INST] Paris. </s>", and nothing is added as a generation prompt
    pair = tokenized(tokenizer, CHAT, "Paris.")
    assert words(tokenizer, pair.chosen) == ["▁Paris", ".", "▁", "</s>"]
    whole = [*CHAT, {"role": "assistant", "content": "Paris."}]
    assert [*pair.prompt, *pair.chosen] == tokenizer.apply_chat_template(whole)["input_ids"]


@pytest.mark.parametrize("normalised", [False, True])
def test_behind_a_special_token_the_answer_has_the_tokens_of_the_whole(normalised):
    # Phi 3: "<|assistant|>" is special, and such a tokenizer may put a space behind it
    turns = "{% for m in messages %}{{ m.role }}<s>{{ m.content }}</s>{% endfor %}"
    asks = "{% if add_generation_prompt %}assistant<s>{% endif %}"
    tokenizer = spaced_tokenizer(normalised=normalised, chat_template=turns + asks)
    pair = tokenized(tokenizer, CHAT, "Paris is.")
    whole = [*CHAT, {"role": "assistant", "content": "Paris is."}]
    assert [*pair.prompt, *pair.chosen] == tokenizer.apply_chat_template(whole)["input_ids"]


@pytest.mark.parametrize("trims", [False, True])
def test_spaces_around_an_answer_are_left_out_where_the_template_leaves_them_out(trims):
    tokenizer = chatml_tokenizer()
    if trims:
        tokenizer.chat_template = CHATML.chat_template.replace("message.content", "message.content | trim")
    answer = " 4.\n"
    whole = tokenizer.apply_chat_template([*CHAT, {"role": "assistant", "content": answer}], tokenize=False)
    pair = tokenized(tokenizer, CHAT, answer)
    assert tokenizer.decode([*pair.prompt, *pair.chosen]) == whole.removesuffix("\n")


def test_a_template_that_writes_the_date_gives_the_same_tokens_every_day():
    dated, written = chatml_tokenizer(), chatml_tokenizer()
    dated.chat_template = "{{ strftime_now('%d %m %Y') }}" + CHATML.chat_template
    written.chat_template = DATE.strftime("%d %m %Y") + CHATML.chat_template
    assert tokenized(dated, CHAT) == tokenized(written, CHAT) != tokenized(CHATML, CHAT)


def test_what_else_a_template_puts_before_the_answer_is_the_responses():
    thinking = chatml_tokenizer()
    thinking.chat_template = CHATML.chat_template.replace(
        "{{ message.content }}",
        "{% if message.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ message.content }}",
    )
    pair = tokenized(thinking, CHAT)
    assert pair.prompt == tokenized(CHATML, CHAT).prompt
    assert thinking.decode(pair.chosen) == "<think>\n\n</think>\n\n4.<|im_end|>"


# -- Cutting to fit --------------------------------------------------------------------------------------------------


def test_a_long_prompt_keeps_its_end_and_its_bos():
    assert words(BOS, tokenized(BOS, "Paris is of", max_prompt_length=3).prompt) == ["<s>", "Ġis", "Ġof"]
    assert words(BOS, tokenized(BOS, "Paris is of", max_prompt_length=1).prompt) == ["Ġof"]
    assert words(CHATML, tokenized(CHATML, "Paris is of", max_prompt_length=2).prompt) == ["Ġis", "Ġof"]
    assert tokenized(BOS, "Paris is of", max_prompt_length=3).truncated
    assert not tokenized(BOS, "Paris is of", max_prompt_length=4).truncated


def test_a_cut_response_has_no_end_of_turn():
    # 2 tokens of prompt leave 3 of 5: "4" "." end fits; "1" "2" "3" end does not
    pair = tokenized(CHATML, "Paris is", "4.", "123", max_length=5, max_prompt_length=4)
    assert words(CHATML, pair.chosen) == ["4", ".", "<|im_end|>"]
    assert words(CHATML, pair.rejected) == ["1", "2", "3"]
    assert pair.truncated


def test_a_long_chat_is_cut_inside_its_longest_message_never_in_its_markup():
    system = {"role": "system", "content": "of is of is of is of is of is of is of is of is"}
    messages = [system, {"role": "user", "content": "Paris is of" * 20}, {"role": "user", "content": "2 + 2?"}]
    whole = tokenized(CHATML, messages, max_length=400, max_prompt_length=300)
    assert not whole.truncated
    for short in (60, 80):
        pair = tokenized(CHATML, messages, max_length=200, max_prompt_length=short)
        assert pair.truncated
        assert len(pair.prompt) == short
        kept = CHATML.decode(pair.prompt).split("<|im_start|>user\n")[1].removesuffix("<|im_end|>\n")
        assert kept
        assert messages[1]["content"].endswith(kept)
        rest = [system, {"role": "user", "content": kept}, messages[2]]
        assert list(pair.prompt) == tokenize_prompt(rest, CHATML)
    assert tokenized(CHATML, messages, max_length=200, max_prompt_length=20) is None  # the others are longer


def test_a_response_is_not_cut_inside_its_markup():
    thinking = chatml_tokenizer()
    thinking.chat_template = CHATML.chat_template.replace(
        "{{ message.content }}",
        "{% if message.role == 'assistant' %}<think></think>{% endif %}{{ message.content }}",
    )
    markup, prompt = len("<think></think>"), len(tokenized(thinking, CHAT).prompt)
    assert tokenized(thinking, CHAT, "1234", max_length=prompt + markup, max_prompt_length=prompt) is None
    pair = tokenized(thinking, CHAT, "1234", max_length=prompt + markup + 1, max_prompt_length=prompt)
    assert thinking.decode(pair.chosen) == "<think></think>1"


def test_a_response_is_cut_inside_its_reasoning_or_behind_it_never_between():
    template = (
        "{% for m in messages %}{% if m.role == 'assistant' %}<think>{{ m.reasoning_content }}</think>{% endif %}"
        "{{ m.content }}<|im_end|>{% endfor %}"
    )
    tokenizer = chatml_tokenizer()
    tokenizer.chat_template = template
    answer = {"role": "assistant", "content": "1234", "reasoning_content": "sums of two"}
    pair = Pair(prompt=CHAT, chosen=answer, rejected=answer | {"content": "5"}, where="line 1")
    prompt = len(tokenize_pair(pair, tokenizer, max_length=99, max_prompt_length=30).prompt)

    def cut(room):
        found = tokenize_pair(pair, tokenizer, max_length=prompt + room, max_prompt_length=prompt)
        return found and [tokenizer.decode(x) for x in (found.chosen, found.rejected)]

    whole = "<think>sums of two</think>1234<|im_end|>"
    tokens = len(tokenizer(whole)["input_ids"])
    begin, close = len("<think>"), len(tokenizer("<think>sums of two")["input_ids"])
    assert cut(tokens) == [whole, whole.replace("1234", "5")]
    assert cut(tokens - 1)[0] == "<think>sums of two</think>1234"  # no end of turn
    assert cut(close + len("</think>") + 2) == ["<think>sums of two</think>12", whole.replace("1234", "5")]
    for room in (close, close + 1, close + len("</think>")):
        assert cut(room) == ["<think>sums of two"] * 2
    assert cut(begin + 3) == ["<think>sum"] * 2
    assert cut(begin) is None


def test_pairs_that_cant_be_cut_are_left_out_and_counted():
    pairs = [
        Pair(prompt=[{"role": "user", "content": text}], chosen="4.", rejected="5", where="line")
        for text in ("1", "1" * 30)
    ]
    pairs.append(
        Pair(prompt=[{"role": "tool", "content": "1" * 4}, *CHAT * 3], chosen="4.", rejected="5", where="line")
    )
    kept, notes = tokenize_pairs(pairs, CHATML, max_length=40, max_prompt_length=18)
    assert len(kept) == 2
    assert notes[0].startswith("1 of 3 pairs left out: to fit max_prompt_length = 18 and max_length = 40, the chat")
    assert notes[1].startswith("1 of 2 pairs are cut: ")
    with pytest.raises(UserError, match="no pair is left: all 1 are longer than max_prompt_length = 3"):
        tokenize_pairs(pairs[:1], CHATML, max_length=40, max_prompt_length=3)


@pytest.mark.filterwarnings("ignore")
def test_a_long_prompt_does_not_empty_the_response(trl_response):
    prompt = "Paris" * 11
    assert trl_response(CHATML, prompt, "4.", max_length=8) == []  # whose mean log-probability is 0 / 0
    pair = tokenized(CHATML, prompt, "4.", max_length=8, max_prompt_length=7)
    assert (len(pair.prompt), words(CHATML, pair.chosen)) == (7, ["4"])


@pytest.mark.parametrize(("max_length", "max_prompt_length"), [(8, 8), (8, 9), (8, 0), (1, 1)])
def test_a_prompt_that_could_fill_everything_is_an_error(max_length, max_prompt_length):
    with pytest.raises(UserError, match=f"max_prompt_length is {max_prompt_length} and max_length {max_length}"):
        tokenized(CHATML, CHAT, max_length=max_length, max_prompt_length=max_prompt_length)


@given(
    tokenizer=st.sampled_from(EVERY),
    prompt=st.text(min_size=1, max_size=20),
    answers=st.lists(st.text(min_size=1, max_size=20), min_size=2, max_size=2),
    chat=st.booleans(),
    max_prompt_length=st.integers(1, 12),
    extra=st.integers(1, 8),
)
def test_prompt_and_responses_are_never_empty_nor_too_long(tokenizer, prompt, answers, chat, max_prompt_length, extra):
    max_length = max_prompt_length + extra
    messages = [{"role": "user", "content": prompt}] if chat else prompt
    if not all(answer_parts(answer, tokenizer).content.strip() for answer in answers):
        with pytest.raises(UserError, match="has no tokens of its own"):
            tokenized(tokenizer, messages, *answers)
        return
    pair = tokenized(tokenizer, messages, *answers, max_length=max_length, max_prompt_length=max_prompt_length)
    if not pair:  # the markup of a chat is longer than that
        assert chat
        return
    end = end_of_turn(tokenizer, chat)
    assert 1 <= len(pair.prompt) <= max_prompt_length
    for response in (pair.chosen, pair.rejected):
        assert 1 <= len(response) <= max_length - len(pair.prompt)
        assert response.count(end) <= 1
        assert pair.truncated or response[-1] == end


# -- The fingerprint -------------------------------------------------------------------------------------------------


def test_a_fingerprint_tells_tokens_and_boundaries_apart():
    pairs = [
        [TokenPair((1, 2), (3,), (4,), truncated=False)],
        [TokenPair((1,), (2, 3), (4,), truncated=False)],
        [TokenPair((1, 2), (4,), (3,), truncated=False)],
        [TokenPair((1, 2), (3,), (4,), truncated=False)] * 2,
        [],
    ]
    assert len({fingerprint(x) for x in pairs}) == len(pairs)
    assert fingerprint(pairs[0]) == fingerprint(tuple(pairs[0]))
    assert len(fingerprint(pairs[0])) == 32

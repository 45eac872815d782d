import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import VOCABULARY, assert_same, make_model, scores_and_gradients, token_pairs

from simpo_core.logps import mean_logps, sum_logps
from simpo_core.scoring import attention, output_layer
from simpo_core.scoring.output_layer import ChunkedLogps
from simpo_core.scoring.packing import NO_PAIR, fill, length, means, pack, plan_packs, sums
from simpo_core.scoring.scorers import PairScorer, PlainScorer

RAGGED = ((5, 3, 9), (1, 1, 1), (12, 1, 20), (2, 30, 1), (7, 4, 4))
MODELS = {
    "Llama, tied, grouped queries": ("Llama", {"tie_word_embeddings": True}),
    "Llama, untied, one key per query": ("Llama", {"tie_word_embeddings": False, "num_key_value_heads": 4}),
    "Llama, one key for all queries": ("Llama", {"num_key_value_heads": 1}),
    "Qwen2, biases": ("Qwen2", {}),
    "Qwen3, normalised queries": ("Qwen3", {"head_dim": 16}),
    "Mistral": ("Mistral", {"sliding_window": None}),
}


@pytest.fixture(scope="module")
def llama():
    return make_model()


# -- The fast path gives the plain path's numbers --------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_the_fast_path_is_the_plain_path(name):
    kind, config = MODELS[name]
    model = make_model(kind, **config)
    packs = [pack(token_pairs(*RAGGED))]
    assert_same(*(scores_and_gradients(scorer(model), model, packs) for scorer in (PairScorer, PlainScorer)))


@pytest.mark.parametrize("lengths", [*[(three,) for three in RAGGED], RAGGED[:2], RAGGED * 3], ids=len)
def test_packs_of_one_and_of_many_are_the_plain_path(llama, lengths):
    packs = [pack(token_pairs(*lengths))]
    assert_same(*(scores_and_gradients(scorer(llama), llama, packs) for scorer in (PairScorer, PlainScorer)))


@settings(deadline=None)
@given(lengths=st.lists(st.tuples(*[st.integers(1, 12)] * 3), min_size=1, max_size=5), multiple=st.integers(1, 90))
def test_any_lengths_and_any_filling_give_the_plain_paths_numbers(llama, lengths, multiple):
    pairs = token_pairs(*lengths)
    with torch.no_grad():
        fast, plain = PairScorer(llama)(fill(pack(pairs), multiple)), PlainScorer(llama)(pack(pairs))
    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-6)


def test_filling_changes_no_gradient(llama):
    pairs = token_pairs(*RAGGED)
    size = sum(map(length, pairs))
    filled, plain = fill(pack(pairs), size + 37), pack(pairs)
    assert (filled.input_ids.shape, plain.input_ids.shape) == ((1, size + 37), (1, size))
    found = [scores_and_gradients(PairScorer(llama), llama, [packed]) for packed in (filled, plain)]
    assert_same(*found)


def test_however_pairs_are_packed_the_scores_and_gradients_are_the_same(llama):
    pairs = token_pairs(*RAGGED)
    plans = [[pack(pairs)], [pack(pairs[:2]), pack(pairs[2:])], [pack([pair]) for pair in pairs]]
    found = []
    for packs in plans:
        llama.zero_grad()
        scores = [means(PairScorer(llama)(packed), packed) for packed in packs]
        torch.cat(scores).tanh().sum().backward()
        found.append(([torch.cat(scores).detach()], {name: x.grad.clone() for name, x in llama.named_parameters()}))
    assert_same(found[1], found[0])
    assert_same(found[2], found[0])


def test_every_scorer_agrees_with_a_plain_loop_over_single_sequences(llama):
    # The oracle has neither padding nor packing nor cache: one sequence at a time, logits shifted by one
    pairs = token_pairs(*RAGGED)
    packed = pack(pairs)
    expected_sums, expected_means = [], []
    with torch.no_grad():
        for pair in pairs:
            for response in (pair.chosen, pair.rejected):
                ids = torch.tensor([[*pair.prompt, *response]])
                labels = torch.where(torch.arange(ids.shape[1]) < len(pair.prompt), -100, ids)
                logits = llama(ids).logits
                expected_sums.append(sum_logps(logits, labels))
                expected_means.append(mean_logps(logits, labels))
        for scorer in (PairScorer(llama), PlainScorer(llama)):
            logps = scorer(packed)
            for found, expected in ((sums, expected_sums), (means, expected_means)):
                torch.testing.assert_close(found(logps, packed).flatten(), torch.cat(expected), rtol=1e-5, atol=1e-6)


def test_one_response_does_not_see_the_other_nor_one_pair_the_next(llama):
    one, other = token_pairs((4, 3, 5), (6, 2, 2))
    changed = type(one)(one.prompt, one.chosen[::-1], one.rejected, False)
    with torch.no_grad():
        before, after = (PairScorer(llama)(pack([pair, other])) for pair in (one, changed))
    assert not torch.allclose(before[:3], after[:3])
    torch.testing.assert_close(before[3:], after[3:], rtol=1e-5, atol=1e-6)


def test_the_models_own_attention_is_back_after_a_pass_and_after_a_failure(llama):
    usual = llama.config._attn_implementation
    scorer = PairScorer(llama)
    packed = pack(token_pairs((3, 2, 2)))
    scorer(packed)
    assert llama.config._attn_implementation == usual
    broken = pack(token_pairs((3, 2, 2)))
    broken.input_ids[0, 0] = VOCABULARY  # no such token
    with pytest.raises(IndexError):
        scorer(broken)
    assert llama.config._attn_implementation == usual


def test_transformers_own_packing_would_be_wrong_with_its_cache(llama):
    # Why PairScorer says use_cache=False: without it, restarting position_ids are one long sequence, silently
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    positions = torch.tensor([[0, 1, 2, 0, 1, 2]])
    with torch.no_grad():
        alone = llama(ids[:, 3:]).logits
        right = llama(ids, position_ids=positions, use_cache=False).logits[:, 3:]
        wrong = llama(ids, position_ids=positions).logits[:, 3:]
    torch.testing.assert_close(right, alone, rtol=1e-4, atol=1e-4)
    assert (wrong - alone).abs().max() > 0.1


def test_autocast_stays_near_float32_and_gives_float32_scores(llama):
    packed = pack(token_pairs(*RAGGED))
    with torch.no_grad():
        exact = PairScorer(llama)(packed)
        with torch.autocast("cpu", torch.bfloat16):
            found = PairScorer(llama)(packed)
    assert found.dtype == torch.float32
    assert means(found, packed).dtype == torch.float32
    torch.testing.assert_close(found, exact, rtol=0.05, atol=0.3)  # bfloat16 has 8 bits: 2^-8 of logits of about 20


# -- Plans and packs -------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(1, 40)] * 3), max_size=30), st.integers(1, 150))
def test_every_pair_stands_in_one_row_and_no_row_is_over_the_budget(lengths, budget):
    pairs = token_pairs(*lengths)
    rows = plan_packs(pairs, budget)
    assert sorted(number for row in rows for number in row) == list(range(len(pairs)))
    for row in rows:
        assert len(row) == 1 or sum(length(pairs[number]) for number in row) <= budget


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(1, 40)] * 3), min_size=1, max_size=30))
def test_no_two_rows_would_fit_into_one(lengths):
    pairs = token_pairs(*lengths)
    sizes = sorted(sum(length(pairs[number]) for number in row) for row in plan_packs(pairs, 120))
    assert len(sizes) == 1 or sizes[0] + sizes[1] > 120


def test_the_row_of_the_docstring():
    # tokens p p p c c r r r | p p c c c r, then two of filling; "predictors" are the tokens just before
    packed = fill(pack(token_pairs((3, 2, 3), (2, 3, 1))), 8)
    assert packed.position_ids.tolist() == [[0, 1, 2, 3, 4, 3, 4, 5, 0, 1, 2, 3, 4, 2, 0, 0]]
    assert packed.pair_of.tolist() == [0] * 8 + [1] * 6 + [NO_PAIR] * 2
    assert packed.part_of.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 0, 0, 1, 1, 1, 2, 0, 0]
    assert packed.predictors.tolist() == [2, 3, 2, 5, 6, 9, 10, 11, 9]
    assert packed.response_of.tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert packed.targets.tolist() == packed.input_ids[0, [3, 4, 5, 6, 7, 10, 11, 12, 13]].tolist()


@pytest.mark.parametrize("lengths", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_pair_with_an_empty_part_is_refused(lengths):
    # elsewhere an empty response is 0 / 0 = NaN
    with pytest.raises(ValueError, match="pair 1 has an empty prompt or response"):
        pack(token_pairs((1, 1, 1), lengths))


def test_sums_and_means_by_hand():
    packed = pack(token_pairs((1, 2, 1), (1, 1, 3)))
    logps = torch.tensor([-1.0, -2.0, -5.0, -4.0, -1.0, -1.0, -4.0])
    assert sums(logps, packed).tolist() == [[-3.0, -5.0], [-4.0, -6.0]]
    assert means(logps, packed).tolist() == [[-1.5, -5.0], [-4.0, -2.0]]


def test_tokens_of_log_probability_0_still_count_in_a_mean():
    # public code that counts non-zero log-probabilities divides by 1 here, or by 0
    packed = pack(token_pairs((1, 4, 1)))
    assert means(torch.tensor([0.0, 0.0, 0.0, -2.0, 0.0]), packed).tolist() == [[-0.5, 0.0]]


# -- The output layer in chunks --------------------------------------------------------------------------------------


@pytest.fixture
def head():
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(7, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(11, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    return hidden, weight, torch.randint(11, (7,), generator=generator)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 100])
def test_chunks_of_any_size_are_log_softmax_and_its_gradient(head, monkeypatch, rows):
    monkeypatch.setattr(output_layer, "LOGITS_BYTES", rows * 4 * 11)
    hidden, weight, targets = head
    expected = torch.log_softmax(hidden @ weight.T, -1).gather(-1, targets[:, None])[:, 0]
    torch.testing.assert_close(ChunkedLogps.apply(hidden, weight, targets), expected, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(lambda h, w: ChunkedLogps.apply(h, w, targets), (hidden, weight))


def test_a_budget_below_one_row_still_takes_a_row_at_a_time(head, monkeypatch):
    monkeypatch.setattr(output_layer, "LOGITS_BYTES", 1)
    hidden, weight, targets = head
    expected = torch.log_softmax(hidden @ weight.T, -1).gather(-1, targets[:, None])[:, 0]
    torch.testing.assert_close(ChunkedLogps.apply(hidden, weight, targets), expected)


def test_a_frozen_output_layer_gets_no_gradient(head):
    hidden, weight, targets = head
    ChunkedLogps.apply(hidden, weight.detach(), targets).sum().backward()
    assert hidden.grad is not None
    assert weight.grad is None


def test_bfloat16_hidden_states_give_float32_scores_and_a_float32_gradient(monkeypatch):
    # 512 rows in 512 chunks, each adding 1 + 1/512 to what is there: in bfloat16, 256 + 1 is 256 and the sum stops
    monkeypatch.setattr(output_layer, "LOGITS_BYTES", 1)
    hidden = torch.ones(512, 1, dtype=torch.bfloat16, requires_grad=True)
    weight = torch.zeros(2, 1, requires_grad=True)
    logps = ChunkedLogps.apply(hidden, weight, torch.zeros(512, dtype=torch.long))
    assert logps.dtype == torch.float32
    logps.sum().backward()
    assert (hidden.grad.dtype, weight.grad.dtype) == (torch.bfloat16, torch.float32)
    assert weight.grad.tolist() == [[256.0], [-256.0]]  # 512 times 1 - 1/2, and 512 times -1/2


def test_the_softmax_is_in_float32_even_where_the_product_is_not():
    # 4096 equal logits: log-probability -log 4096 = -8.3178; in bfloat16, which keeps 8 bits, it would be -8.3125
    hidden = torch.zeros(1, 1, dtype=torch.bfloat16)
    weight = torch.zeros(4096, 1)
    found = float(ChunkedLogps.apply(hidden, weight, torch.zeros(1, dtype=torch.long)))
    assert found == pytest.approx(-8.317766, abs=1e-5)


def test_huge_logits_stay_finite():
    # softmax of (1e4, 0): log-probabilities 0 and -1e4; exp(1e4) alone would overflow
    hidden = torch.tensor([[1e4], [1e4]], requires_grad=True)
    weight = torch.tensor([[1.0], [0.0]])
    logps = ChunkedLogps.apply(hidden, weight, torch.tensor([0, 1]))
    assert logps.tolist() == [0.0, -1e4]
    logps.sum().backward()
    assert torch.isfinite(hidden.grad).all()


def test_in_bfloat16_attention_multiplies_in_bfloat16_and_stays_near_float32(monkeypatch):
    model, pairs = make_model(), token_pairs((9, 4, 7), (20, 5, 3))
    packed, kinds = pack(pairs), set()
    attend = attention._attend
    monkeypatch.setattr(attention, "_attend", lambda query, *rest: kinds.add(query.dtype) or attend(query, *rest))
    with torch.no_grad():
        exact = PairScorer(model)(packed)
        assert kinds == {torch.float32}
        kinds.clear()
        with torch.autocast("cpu", torch.bfloat16):
            rounded, plain = PairScorer(model)(packed), PlainScorer(model)(packed)
    assert kinds == {torch.bfloat16}  # under autocast the rotation gives float32
    noise = (plain - exact).abs().max()  # what bfloat16 does to the plain path
    assert 0 < (rounded - exact).abs().max() < 3 * noise

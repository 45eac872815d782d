"""What is done on a GPU: by its parts, on the CPU; and as a whole, where there is a GPU."""

import dataclasses
import functools
import shutil
import sysconfig
from pathlib import Path

import pytest
import torch
from tiny import assert_same, make_model, make_run, scores_and_gradients, token_pairs

from simpo_core.answers.generate import answers
from simpo_core.devices import exact_products
from simpo_core.models import load_model
from simpo_core.scoring import attention, output_layer, scorers
from simpo_core.scoring.output_layer import ChunkedLogps
from simpo_core.scoring.packing import fill, in_one_buffer, pack
from simpo_core.scoring.scorers import PairScorer, PlainScorer
from simpo_core.training.finetune import finetune, save
from simpo_core.training.methods import METHODS
from simpo_core.training.preparation import TrainingError, prepare

RAGGED = ((5, 3, 9), (1, 1, 1), (12, 1, 20), (2, 30, 1), (7, 4, 4))
LONG = ((300, 200, 90), (1, 1, 1), (40, 500, 3), (7, 5, 300), (128, 128, 128))
ROWS = (13, 70, 17, 55, 40)  # of hidden states, in one chunk or several
WIDE = {"hidden_size": 128, "max_position_embeddings": 1024}  # flex_attention wants 16 numbers a head on a GPU

pytestmark = [  # torch.compile's own
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf Tensor"),
]
needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None or not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="torch.compile needs g++ and Python's headers",
)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture(
    params=[
        "aot_eager",
        pytest.param(
            "inductor",
            marks=[
                needs_compiler,
                pytest.mark.thorough("a plain run traces the same functions, as often, without machine code"),
            ],
        ),
    ]
)
def backend(request, monkeypatch):
    """torch.compile's last part, without processes that stay, and nothing compiled left behind."""
    import torch._inductor.config

    output_layer._compiled.cache_clear()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=request.param))
    with torch._inductor.config.patch(compile_threads=1):
        yield request.param
    output_layer._compiled.cache_clear()
    torch._dynamo.reset()


# -- The mask --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("multiple", [1, 2048])
@pytest.mark.parametrize("lengths", [RAGGED, LONG, LONG[::-1], LONG[2:3] * 2])
def test_a_gpus_mask_leaves_out_no_block_and_takes_none_whole_that_is_not(lengths, multiple):
    packed = fill(pack(token_pairs(*lengths)), multiple)
    mask = attention.block_mask(packed.pair_of, packed.part_of)
    size, blocks = len(packed.pair_of), -(-len(packed.pair_of) // attention.BLOCK)
    q, k = torch.arange(size)[:, None], torch.arange(size)
    visible = torch.zeros(blocks * attention.BLOCK, blocks * attention.BLOCK, dtype=torch.bool)
    visible[:size, :size] = mask.mask_mod(0, 0, q, k)
    tiles = visible.view(blocks, attention.BLOCK, blocks, attention.BLOCK).transpose(1, 2).flatten(2)

    def listed(counts, numbers):
        return [set(row[:count].tolist()) for count, row in zip(counts[0, 0], numbers[0, 0], strict=True)]

    partly = listed(mask.kv_num_blocks, mask.kv_indices)
    whole = listed(mask.full_kv_num_blocks, mask.full_kv_indices)
    for row in range(blocks):
        assert not partly[row] & whole[row]
        assert partly[row] | whole[row] >= set(tiles[row].any(-1).nonzero().flatten().tolist())
        assert whole[row] == set(tiles[row].all(-1).nonzero().flatten().tolist())
    for kind, rows in {"": partly, "full_": whole}.items():  # what the backward pass goes by
        columns = listed(getattr(mask, f"{kind}q_num_blocks"), getattr(mask, f"{kind}q_indices"))
        assert columns == [{row for row in range(blocks) if column in rows[row]} for column in range(blocks)]
    inside = [
        set(part.tolist()) for part in packed.pair_of.split(attention.BLOCK)
    ]  # which pairs a block has to do with
    assert all(inside[row] & inside[column] for row in range(blocks) for column in partly[row])


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_a_gpus_mask_gives_the_attention_of_the_cpus_layout():
    from torch.nn.attention.flex_attention import flex_attention

    packed = fill(pack(token_pairs(*RAGGED)), 150)
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, heads, 150, 8) for heads in (4, 2, 2))
    mask = attention.block_mask(packed.pair_of, packed.part_of)
    found = flex_attention(query, key, value, block_mask=mask, enable_gqa=True).transpose(1, 2)
    expected = attention._each_part(query, key, value, attention.pair_layout(packed), None)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_gpus_rows_have_few_lengths_and_little_filling():
    rows = range(1, 65_536, 7)
    filled = [attention.row_length(size) for size in rows]
    # 512; two in each of two doublings to 2048; four in each of five to 65,536
    assert len(set(filled)) == 1 + 2 * 2 + 4 * 5
    assert all(new >= old and new % attention.BLOCK == 0 for new, old in zip(filled, rows, strict=True))
    assert max(new / old for new, old in zip(filled, rows, strict=True) if old > 2048) < 1.26
    for budget in (512, 1024, 2048, 4096, 8192, 16_384):  # such as people set pack_tokens to
        assert attention.row_length(budget) == budget


def test_only_heads_of_64_numbers_in_bfloat16_need_more_warps():
    assert attention.kernel_options(64, torch.bfloat16) == {"fwd_num_warps": 8}
    assert attention.kernel_options(64, torch.float32) is None
    assert attention.kernel_options(128, torch.bfloat16) is None


def test_a_pack_goes_to_a_gpu_in_one_buffer_of_32_bits():
    packed = pack(token_pairs(*RAGGED))
    tensors = {name: x for name, x in vars(packed).items() if isinstance(x, torch.Tensor)}
    sent = []

    def move(buffer):
        sent.append(buffer)
        return buffer.clone()

    found = in_one_buffer(tensors, move)
    assert [buffer.dtype for buffer in sent] == [torch.int32]
    assert found.keys() == tensors.keys()
    for name, x in tensors.items():
        assert found[name].dtype == torch.int64
        assert torch.equal(found[name], x)


def test_a_pack_that_was_made_ready_gives_the_same_as_one_that_was_not(monkeypatch):
    packed, scorer = pack(token_pairs(*RAGGED)), PairScorer(make_model())
    with torch.no_grad():
        expected = scorer(packed)
        ready = dataclasses.replace(fill(packed, 150), layout=attention.pair_layout(fill(packed, 150)))
        monkeypatch.setattr(scorers, "pair_layout", lambda packed: pytest.fail("made once more"))
        torch.testing.assert_close(scorer(ready), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("told", ["high", "highest"])
def test_float32_is_exact_while_the_two_paths_are_compared_and_then_as_it_was_told(told):
    torch.set_float32_matmul_precision(told)
    try:
        with exact_products():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == told
    finally:
        torch.set_float32_matmul_precision("highest")


# -- What is compiled ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_gpus_layers_are_compiled_once_for_all_packs_of_a_length(monkeypatch, backend):
    """Forwards alone: flex_attention has no backward pass on a CPU."""
    monkeypatch.setattr(attention, "ROW", 768)
    packs = [pack(token_pairs(*lengths, seed=len(lengths))) for lengths in (LONG[2:3], RAGGED, RAGGED[:2])]
    model = make_model()
    scorer = PairScorer(model)
    with torch.no_grad():
        expected = [scorer(packed) for packed in packs]
        monkeypatch.setattr(scorers, "pair_layout", lambda packed: attention.block_mask(packed.pair_of, packed.part_of))
        for layer in model.model.layers:
            layer.compile(dynamic=False, backend=backend)
        found = [scorer(attention.prepare_for_gpu(packs[0]))]
        with torch.compiler.set_stance("fail_on_recompile"):
            found += [scorer(attention.prepare_for_gpu(packed)) for packed in packs[1:]]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gpus_softmax_is_compiled_once_and_gives_the_same(monkeypatch, backend, dtype):
    torch.manual_seed(0)
    weight = torch.randn(101, 16, requires_grad=True)
    batches = [(torch.randn(rows, 16, dtype=dtype, requires_grad=True), torch.randint(101, (rows,))) for rows in ROWS]

    def scores_and_slopes(hidden, targets):
        logps = ChunkedLogps.apply(hidden, weight, targets)
        return [logps, *torch.autograd.grad((logps * torch.linspace(-1, 1, len(logps))).sum(), (hidden, weight))]

    monkeypatch.setattr(output_layer, "LOGITS_BYTES", 4 * 101 * 20)  # 20 rows
    expected = [scores_and_slopes(*batch) for batch in batches]
    monkeypatch.setattr(
        output_layer, "_softmax_steps", lambda _: output_layer._compiled(output_layer._normaliser, output_layer._chance)
    )
    found = [scores_and_slopes(*batch) for batch in batches[:2]]  # one chunk; several
    with torch.compiler.set_stance("fail_on_recompile"):
        found += [scores_and_slopes(*batch) for batch in batches[2:]]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5 if dtype == torch.float32 else 1e-2, atol=1e-5)


# -- On a GPU --------------------------------------------------------------------------------------------------------


@needs_gpu
@pytest.mark.parametrize("lengths", [RAGGED, LONG, LONG[:1]], ids=len)
@pytest.mark.parametrize("compiled", [False, True])
def test_on_a_gpu_the_fast_path_is_the_plain_path(lengths, compiled):
    model = make_model(**WIDE).to("cuda")
    packs = [pack(token_pairs(*lengths)).to(torch.device("cuda"))]
    expected = scores_and_gradients(PlainScorer(model), model, packs)
    if compiled:
        for layer in model.model.layers:
            layer.compile(dynamic=False)
    assert_same(scores_and_gradients(PairScorer(model), model, packs), expected, scores_within=1e-4)


@needs_gpu
def test_on_a_gpu_bfloat16_is_no_further_off_than_the_plain_path():
    model = make_model(**WIDE).to("cuda")
    packed = pack(token_pairs(*LONG)).to(torch.device("cuda"))
    with torch.no_grad():
        exact = PlainScorer(model)(packed)
        with torch.autocast("cuda", torch.bfloat16):
            fast, plain = PairScorer(model)(packed), PlainScorer(model)(packed)
    assert 0 < (fast - exact).abs().mean() < 1.5 * (plain - exact).abs().mean()


@needs_gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("settings", [{}, {"lora_rank": 4}, {"compile": True}], ids=["whole", "lora", "compiled"])
def test_on_a_gpu_the_losses_are_those_of_the_cpu(tmp_path, monkeypatch, precision, method, settings):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shared = {"method": method, "precision": precision, "fresh": WIDE, **settings}
    runs = [prepare(make_run(tmp_path, device=device, **shared)) for device in ("cuda", "cpu")]
    assert all(isinstance(run.scorer, PairScorer) for run in runs), runs[0].notes
    gpu, cpu = ([step.metrics["loss"] for step in finetune(run)] for run in runs)
    assert gpu == pytest.approx(cpu, rel=1e-3 if precision == "float32" else 0.05)


@needs_gpu
def test_on_a_gpu_a_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config = make_run(tmp_path, device="cuda", fresh=WIDE)
    whole = [step.metrics["loss"] for step in finetune(prepare(config))]
    training = prepare(config)
    steps = finetune(training)
    first = [next(steps).metrics["loss"] for _ in range(3)]
    save(training)
    rest = [step.metrics["loss"] for step in finetune(prepare(config, resume=True))]
    assert first + rest == pytest.approx(whole, rel=1e-5)


@needs_gpu
def test_on_a_gpu_answers_are_those_of_the_cpu():
    torch.manual_seed(0)
    model, tokenizer = load_model("fresh", fresh=WIDE)
    prompts = ["a few words", "b", "more words than in the others"]
    here, there = (answers(model.to(device), tokenizer, prompts, max_new_tokens=12) for device in ("cpu", "cuda"))
    assert here == there


@needs_gpu
def test_a_gpu_that_is_too_small_is_one_sentence(tmp_path):
    training = prepare(make_run(tmp_path, device="cuda", fresh=WIDE))
    torch.cuda.empty_cache()  # what was freed would be enough
    torch.cuda.set_per_process_memory_fraction(1e-4)
    try:
        with pytest.raises(TrainingError, match="memory ran out with pack_tokens"):
            next(finetune(training))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

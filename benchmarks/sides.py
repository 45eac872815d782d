"""The two sides of the benchmarks, ours and TRL's, each in a process of its own that takes its steps when told.

Both train the same model on the same tokens in the same order, with the same optimiser. The rows that TRL would
make out of strings are given to it ready-made, so that not one token differs; its step is its own, untouched.
"""

import contextlib
import json
import multiprocessing
import os
import random
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from emulated_bfloat16 import products_in_float32

from simpo_core.before_torch import prepare_for_torch

BETA, GAMMA = 2.5, 1.0
LEARNING_RATE = 1e-6
SEED = 0
OURS, PEER = "ours", "trl"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is trained on what."""

    name: str
    lengths: tuple[tuple[int, int, int], ...]  # tokens of each pair's prompt, chosen and rejected
    batch_pairs: int = 4  # in a step
    peer_pairs: int = 0  # of them at a time in the peer, which adds up gradients; 0: all
    warm_up: int = 1  # steps that are not timed
    rounds: int = 3  # steps that are
    precision: str = "bfloat16"
    model: str = "smollm2"
    fresh: dict[str, Any] = field(default_factory=dict)  # for model = "fresh"
    pack_tokens: int = 768
    device: str = "cpu"
    threads: int = 2
    compile: bool = False
    emulated: bool = False  # see `emulated_bfloat16`

    @property
    def steps(self) -> int:
        return self.warm_up + self.rounds


@dataclass(frozen=True)
class Measured:
    """One step of one side."""

    seconds: float
    cpu_seconds: float  # of all the process's threads: hardly depends on what else the machine does
    loss: float
    flops: float  # arithmetic really done; 0 where it is not counted
    memory: int  # most bytes in use so far, of the process or of the GPU


# -- The process that asks -------------------------------------------------------------------------------------------


def measure(case: Case, sides: Sequence[str] = (OURS, PEER)) -> dict[str, list[Measured]]:
    """Let the sides take turns, step by step; each step is a round, and who begins changes with each.

    Raises RuntimeError with the worker's traceback if a side fails.
    """
    prepare_for_torch()  # as `simpo` does it; for both sides
    os.environ.update(OMP_NUM_THREADS=str(case.threads), HF_HUB_OFFLINE="1", TRL_EXPERIMENTAL_SILENCE="1")
    context = multiprocessing.get_context("spawn")
    workers: dict[str, tuple[Any, Connection]] = {}
    for side in sides:
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, side, case), daemon=True)
        process.start()
        there.close()
        workers[side] = (process, here)
        _answer(here)  # ready; one side starts at a time
    results: dict[str, list[Measured]] = {side: [] for side in sides}
    for number in range(case.steps):
        for side in sides if number % 2 else tuple(reversed(sides)):
            connection = workers[side][1]
            connection.send("step")
            results[side].append(_answer(connection))
    for process, _ in workers.values():
        process.join()
    return results


def _answer(connection: Connection) -> Any:
    try:
        answer = connection.recv()
    except EOFError:
        raise RuntimeError("a worker ended without a word: memory may have run out") from None
    if isinstance(answer, str):
        raise RuntimeError(answer)
    return answer


# -- The processes that work -----------------------------------------------------------------------------------------


class Turns:
    """A worker's end of the line: wait for the word, take a step, say what it came to."""

    def __init__(self, connection: Connection, case: Case) -> None:
        self.connection, self.case, self.left = connection, case, case.steps

    def begin(self) -> None:
        """Wait for the word; the clock starts."""
        self.connection.recv()
        self.started, self.cpu_started = time.perf_counter(), time.process_time()

    def end(self, loss: float, flops: float = 0.0) -> None:
        """A step is done; report it and wait for the next, if there is one."""
        import torch

        from simpo_core.devices import peak_memory

        if self.case.device == "cuda":
            torch.cuda.synchronize()
        seconds, cpu_seconds = time.perf_counter() - self.started, time.process_time() - self.cpu_started
        memory = peak_memory(torch.device(self.case.device))
        self.connection.send(Measured(seconds, cpu_seconds, loss, flops, memory))
        self.left -= 1
        if self.left:
            self.begin()


def _work(connection: Connection, side: str, case: Case) -> None:
    try:
        import torch

        torch.set_num_threads(case.threads)
        with products_in_float32() if case.emulated else contextlib.nullcontext():
            {OURS: ours, PEER: peer}[side](case, Turns(connection, case))
    except (EOFError, BrokenPipeError):  # the process that asks is gone
        return
    except Exception:
        connection.send(f"{side}: {traceback.format_exc()}")


def load(case: Case) -> tuple[Any, Any, list[Any]]:
    """The model, its tokenizer, and pairs of random tokens of the case's lengths."""
    import torch

    from simpo_core.models import load_model
    from simpo_core.preferences import TokenPair

    torch.manual_seed(SEED)
    with torch.device(case.device if case.model == "fresh" else "cpu"):  # a CPU draws a billion weights in a minute
        model, tokenizer = load_model(case.model, fresh=case.fresh)
    draw = random.Random(SEED)
    first = min(100, model.config.vocab_size // 2)  # special tokens come first in a vocabulary

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(draw.randrange(first, model.config.vocab_size) for _ in range(count))

    return model, tokenizer, [TokenPair(tokens(p), tokens(c), tokens(r), False) for p, c, r in case.lengths]


def prepare_ours(case: Case) -> Any:
    """A run of `simpo_core.training.finetune` on the case's own pairs."""
    from simpo_core.scoring.scorers import PlainScorer
    from simpo_core.training.config import FinetuneConfig
    from simpo_core.training.preparation import assemble

    model, tokenizer, pairs = load(case)
    config = FinetuneConfig(
        model=case.model,
        data="none",
        output="/nonexistent",
        loss_args={"beta": BETA, "gamma": GAMMA},
        steps=case.steps,
        batch_pairs=case.batch_pairs,
        learning_rate=LEARNING_RATE,
        schedule="constant",
        precision=case.precision,
        pack_tokens=case.pack_tokens,
        seed=SEED,
        device=case.device,
        compile=case.compile,
    )
    training = assemble(config, model, tokenizer, pairs)
    if isinstance(training.scorer, PlainScorer):
        raise RuntimeError(f"the fast path is not taken: {training.notes}")
    if case.device == "cuda":
        compile_all(training)
    return training


def compile_all(training: Any) -> None:
    """A pass of each length that a row will have, so that no timed step compiles anything."""
    import torch

    from simpo_core.scoring.attention import row_length
    from simpo_core.scoring.packing import pack, plan_packs
    from simpo_core.training.finetune import batch_numbers

    config, seen = training.config, set()
    for step in range(config.steps):
        batch = batch_numbers(step, config.batch_pairs, len(training.pairs), config.seed)
        chosen = [training.pairs[number] for number in batch]
        for rows in plan_packs(chosen, config.pack_tokens):
            packed = pack([chosen[row] for row in rows]).to(training.device)
            size = len(packed.pair_of)
            filled = row_length(size)
            if filled not in seen:
                seen.add(filled)
                with torch.autocast(training.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
                    training.scorer(packed).sum().backward()
    training.optimizer.zero_grad(set_to_none=True)


def ours(case: Case, turns: Turns) -> None:
    """Train with simpo_core.training.finetune."""
    from simpo_core.training.finetune import finetune

    training = prepare_ours(case)
    turns.connection.send(True)
    turns.begin()
    for step in finetune(training):
        turns.end(step.metrics["loss"], step.flops)


def peer(case: Case, turns: Turns) -> None:
    """Train with TRL's CPOTrainer; a step is timed from the end of the last to its own, with data and logging."""
    import tempfile

    import datasets
    import transformers
    from trl.experimental.cpo import CPOTrainer

    transformers.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    model, tokenizer, pairs = load(case)

    class Peer(CPOTrainer):
        def tokenize_row(self, feature: dict[str, Any], model: Any = None) -> dict[str, Any]:
            return json.loads(feature["row"])

        def training_step(self, *args: Any, **kwargs: Any) -> Any:
            loss = super().training_step(*args, **kwargs)
            self.losses.append(loss.detach())
            return loss

    class TakeTurns(transformers.TrainerCallback):
        def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
            turns.connection.send(True)
            turns.begin()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            loss = float(sum(trainer.losses))
            trainer.losses.clear()
            turns.end(loss)

    with tempfile.TemporaryDirectory() as folder:
        trainer = Peer(
            model=model,
            args=_peer_settings(case, folder),
            train_dataset=datasets.Dataset.from_list(_peer_rows(case, pairs)),
            processing_class=tokenizer,
            callbacks=[TakeTurns()],
        )
        trainer.losses = []  # of this step's parts, each by its share
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()


def _peer_settings(case: Case, folder: str) -> Any:
    import importlib.util

    from trl.experimental.cpo import CPOConfig

    return CPOConfig(
        output_dir=folder,
        loss_type="simpo",
        cpo_alpha=0.0,
        beta=BETA,
        simpo_gamma=GAMMA,
        max_length=1_000_000,
        max_steps=case.steps,
        train_sampling_strategy="sequential",
        per_device_train_batch_size=case.peer_pairs or case.batch_pairs,
        gradient_accumulation_steps=case.batch_pairs // (case.peer_pairs or case.batch_pairs),
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        warmup_steps=0,
        optim="adamw_torch_fused",
        weight_decay=0.0,
        max_grad_norm=1.0,
        gradient_checkpointing=False,
        bf16=case.precision == "bfloat16",
        use_cpu=case.device == "cpu",
        use_liger_kernel=case.device == "cuda" and importlib.util.find_spec("liger_kernel") is not None,
        remove_unused_columns=False,
        dataloader_pin_memory=case.device == "cuda",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=SEED,
    )


def _peer_rows(case: Case, pairs: Sequence[Any]) -> list[dict[str, str]]:
    """The rows that TRL's `tokenize_row` would return for these tokens, in the order in which ours takes them."""
    from simpo_core.training.finetune import batch_numbers

    rows = []
    for step in range(case.steps):
        for number in batch_numbers(step, case.batch_pairs, len(pairs), SEED):
            pair = pairs[number]
            row: dict[str, list[int]] = {"prompt_input_ids": [*pair.prompt]}
            row["prompt_attention_mask"] = [1] * len(pair.prompt)
            for name, response in (("chosen", pair.chosen), ("rejected", pair.rejected)):
                row[f"{name}_input_ids"] = [*pair.prompt, *response]
                row[f"{name}_attention_mask"] = [1] * (len(pair.prompt) + len(response))
                row[f"{name}_labels"] = [-100] * len(pair.prompt) + [*response]
            rows.append({"prompt": "", "chosen": "", "rejected": "", "row": json.dumps(row)})
    return rows

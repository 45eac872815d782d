"""Memory and disks that are really full, as the system reports them."""

import contextlib
import json
import resource
from pathlib import Path

import pytest
from simpo_processes import forked, simpo
from tiny import losses, make_run, write_run

from simpo_core.language_models.saved_models import newest_checkpoint
from simpo_core.training.finetune import finetune
from simpo_core.training.preparation import prepare


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


# -- Memory ------------------------------------------------------------------------------------------------------------


def with_90_mb_more(*words):
    """`simpo` in a process that may take so much memory when training begins, beyond what it has by then."""
    from simpo_core.training import run

    def start(*args, begin=run.start, **kwargs):
        training = begin(*args, **kwargs)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 90 * 2**20,) * 2)
        return training

    run.start = start
    forked(*words)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read from Linux")
def test_memory_that_runs_out_in_training_is_one_sentence_and_its_advice_helps(tmp_path):
    # eight pairs with 800 tokens a response take some 220 MB at once, and 30 MB one by one
    rows = [{"prompt": f"Count to {i}:", "chosen": " one" * 200, "rejected": " two" * 200} for i in range(8)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run_file = write_run(tmp_path, batch_pairs=8, steps=1, pack_tokens=100_000)
    status, _, errors = simpo(tmp_path, "finetune", run_file, way=with_90_mb_more)
    assert status == 2, errors
    assert errors == (
        "simpo: memory ran out with pack_tokens = 100000: set a lower pack_tokens (the result is the same), "
        "a lower max_length, or lora_rank = 16\n"
    )
    again = ("finetune", run_file, "--resume", "--set", "pack_tokens=1")
    status, _, errors = simpo(tmp_path, *again, way=with_90_mb_more)
    assert status == 0, errors
    assert len(losses(tmp_path / "out")) == 1


# -- Disks -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def no_file_longer_than(limit):
    """For a while, this process may not write beyond so many bytes of any file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def never_stopped(folder, **settings):
    return [step.metrics["loss"] for step in finetune(prepare(make_run(folder, **settings)))]


def test_no_space_for_the_metrics_is_one_sentence_and_the_run_goes_on_from_its_checkpoint(call, tmp_path):
    run_file = write_run(tmp_path, schedule="constant", steps=2)
    assert call("finetune", run_file)[0] == 0
    size = (tmp_path / "out" / "metrics.jsonl").stat().st_size
    with no_file_longer_than(3 * size):  # four more lines fit, and most of a fifth
        status, _, words = call("finetune", run_file, "--resume", "--set", "steps=50")
    assert (status, words) == (
        2,
        f"simpo: {tmp_path / 'out'}: no space for metrics.jsonl ([Errno 27] File too large). Free some, or choose "
        "another output; checkpoint-000002 is whole, go on from it with --resume\n",
    )
    assert newest_checkpoint(tmp_path / "out").name == "checkpoint-000002"
    assert call("finetune", run_file, "--resume", "--set", "steps=4")[0] == 0
    assert losses(tmp_path / "out") == never_stopped(tmp_path, schedule="constant", steps=4)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's device that is always full")
def test_no_space_for_the_figure_is_one_sentence_and_the_run_goes_on_from_its_checkpoint(call, tmp_path):
    run_file = write_run(tmp_path, schedule="constant", steps=2)
    figure = tmp_path / "out" / "run.png"
    (tmp_path / "out").mkdir()
    figure.symlink_to("/dev/full")
    status, _, words = call("finetune", run_file)
    assert (status, words) == (
        2,
        f"simpo: {tmp_path / 'out'}: no space for run.png ([Errno 28] No space left on device). Free some, or choose "
        "another output; checkpoint-000002 is whole, go on from it with --resume\n",
    )
    figure.unlink()
    assert call("finetune", run_file, "--resume", "--set", "steps=4")[0] == 0
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert losses(tmp_path / "out") == never_stopped(tmp_path, schedule="constant", steps=4)

import contextlib
import errno
import fcntl
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from simpo_processes import forked, simpo
from tiny import losses, make_run, write_run

from simpo_core.inputs import UserError
from simpo_core.language_models.saved_models import STATE, newest_checkpoint
from simpo_core.models import load_model
from simpo_core.training import checkpoint
from simpo_core.training.checkpoint import forget_older, save_checkpoint
from simpo_core.training.config import read_config
from simpo_core.training.finetune import finetune, save
from simpo_core.training.preparation import prepare
from simpo_core.training.run import start, train

KINDS = {
    "all weights": {},
    "LoRA with dropout": {"lora_rank": 4, "lora_dropout": 0.5},
    "DPO": {"method": "dpo"},
    "DPO with LoRA in bfloat16": {"method": "dpo", "lora_rank": 4, "precision": "bfloat16"},
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def saved(tmp_path):
    """A run of six steps after two of them, saved, with the folder of the checkpoint."""
    training = prepare(make_run(tmp_path))
    for step in finetune(training):
        if step.number == 2:
            break
    return training, save(training)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# -- A run that goes on takes the steps of one that was never stopped --------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_stopped_twice_takes_the_steps_of_one_never_stopped(tmp_path, kind):
    never = list(train(start(make_run(tmp_path, output=str(tmp_path / "never"), **KINDS[kind]))))
    config = make_run(tmp_path, save_every=2, **KINDS[kind])
    rows = []
    for stop in (2, 3, 6):  # at a checkpoint; one step behind it, which is taken again
        for row in train(start(config, resume=True)):
            rows = [*rows[: row["step"] - 1], row]
            if row["step"] == stop:
                break
    for row, expected in zip(rows, never, strict=True):
        assert {**row, **MEASURED} == {**expected, **MEASURED}
    assert losses(tmp_path / "out") == losses(tmp_path / "never")
    one, other = (newest_checkpoint(tmp_path / name) for name in ("out", "never"))
    states = [torch.load(folder / STATE, weights_only=True)["weights"] for folder in (one, other)]
    for name, x in states[1].items():
        assert torch.equal(states[0][name], x), name


MEASURED = {"tokens_per_second": 0, "memory_gb": 0}


# -- What a checkpoint holds -------------------------------------------------------------------------------------------


def test_transformers_opens_a_checkpoint(saved):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    training, folder = saved
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.tensor([[5, 9, 200]])
    with torch.no_grad():
        assert torch.equal(model(ids).logits, training.scorer.model.eval()(ids).logits)
    assert AutoTokenizer.from_pretrained(folder)("one").input_ids == training.tokenizer("one").input_ids


def test_peft_opens_a_lora_checkpoint_which_holds_the_adapter_alone(tmp_path):
    training = prepare(make_run(tmp_path, lora_rank=4))
    list(finetune(training))
    folder = save(training)
    assert (folder / "adapter_config.json").is_file()
    state = torch.load(folder / STATE, weights_only=True)
    assert all("lora_" in name for name in state["weights"])
    assert (folder / "adapter_model.safetensors").stat().st_size < 60_000  # 14 adapters; all weights would be 400 KB


def test_a_model_is_saved_in_bfloat16_and_the_run_goes_on_from_float32(tmp_path):
    from transformers import AutoModelForCausalLM

    never = [step.metrics["loss"] for step in finetune(prepare(make_run(tmp_path)))]
    config = make_run(tmp_path, save_dtype="bfloat16", save_every=3)
    for row in train(start(config)):
        if row["step"] == 3:
            break
    folder = newest_checkpoint(tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert {x.dtype for x in model.parameters()} == {torch.bfloat16}
    weights = torch.load(folder / STATE, weights_only=True)["weights"]
    for name, x in model.named_parameters():
        assert torch.equal(x, weights[f"model.{name}"].bfloat16()), name
    list(train(start(config, resume=True)))
    assert losses(tmp_path / "out") == never


def test_a_model_without_its_optimiser_is_a_model_and_no_more(tmp_path, call):
    run_file = write_run(tmp_path, save_only_model=True, save_every=2)
    status, said, _ = call("finetune", run_file)
    (folder,) = (tmp_path / "out").glob("checkpoint-*")
    assert (status, folder.name, (folder / STATE).exists()) == (0, "checkpoint-000006", False)
    assert f"model: {folder}\n" in said
    load_model(str(tmp_path / "out"))
    assert "has no training.pt, without which a run can't go on" in call("finetune", run_file, "--resume")[2]


def test_a_run_that_is_stopped_can_go_on_all_the_same(tmp_path):
    config = make_run(tmp_path, save_only_model=True, save_every=2)
    stops = iter([False, False, True])
    list(train(start(config), lambda: next(stops)))
    kept = newest_checkpoint(tmp_path / "out")
    assert kept is not None
    assert kept.name == "checkpoint-000003"
    list(train(start(config, resume=True)))
    assert losses(tmp_path / "out") == [step.metrics["loss"] for step in finetune(prepare(make_run(tmp_path)))]


def test_a_run_goes_on_whose_experts_have_not_all_had_a_token(tmp_path):
    training = prepare(make_run(tmp_path))
    name, idle = list(training.scorer.named_parameters())[5]
    for step in finetune(training):
        if step.number == 2:
            break
    del training.optimizer.state[idle]  # as if no gradient had come to it
    save(training)
    again = prepare(make_run(tmp_path), resume=True)
    state = again.optimizer.state[dict(again.scorer.named_parameters())[name]]
    assert (float(state["step"]), float(state["exp_avg"].abs().max())) == (0.0, 0.0)
    for step, other in zip(finetune(again), finetune(training), strict=True):
        assert step.metrics == other.metrics


def test_only_the_newest_checkpoint_is_kept_once_its_loss_is_known(saved, tmp_path):
    training, _ = saved
    (tmp_path / "out" / "checkpoint-000001.partial").mkdir()
    for step in finetune(training):
        if step.number == 4:
            break
    save(training)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"checkpoint-000002", "checkpoint-000004"}
    forget_older(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["checkpoint-000004"]


def test_a_half_written_checkpoint_is_not_there(saved, tmp_path):
    _, folder = saved
    shutil.copytree(folder, tmp_path / "out" / "checkpoint-000005.partial")
    shutil.copytree(folder, tmp_path / "out" / "checkpoint-000006")
    (tmp_path / "out" / "checkpoint-000006" / STATE).unlink()
    assert newest_checkpoint(tmp_path / "out") == folder
    assert newest_checkpoint(tmp_path / "nowhere") is None


@pytest.mark.parametrize("size", [0, 10, 5000, -1])
def test_a_damaged_checkpoint_is_one_sentence(saved, tmp_path, size):
    _, folder = saved
    whole = (folder / STATE).read_bytes()
    (folder / STATE).write_bytes(whole[:size])
    with pytest.raises(UserError) as caught:
        prepare(make_run(tmp_path), resume=True)
    assert f"{folder} can't be resumed from: " in str(caught.value)
    assert str(caught.value).endswith("Remove the folder to start again")
    assert "\n" not in str(caught.value)


def test_the_checkpoint_of_another_model_is_one_sentence(saved, tmp_path):
    with pytest.raises(UserError, match="can't be resumed from: "):
        prepare(make_run(tmp_path, fresh={"hidden_size": 32}), resume=True)


def test_a_checkpoint_runs_no_code_when_it_is_opened(saved, tmp_path):
    _, folder = saved
    torch.save({"step": 2, "weights": subprocess.run, "optimizer": {}}, folder / STATE)
    with pytest.raises(UserError, match="can't be resumed from: "):
        prepare(make_run(tmp_path), resume=True)


# -- Disks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["save_pretrained", "torch.save", "fsync", "mkdir"])
def test_a_failed_write_leaves_the_checkpoint_before_it_whole(saved, tmp_path, monkeypatch, where):
    training, folder = saved
    before = contents(folder)

    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    target = {
        "save_pretrained": (training.scorer.model, "save_pretrained"),
        "torch.save": (torch, "save"),
        "fsync": (checkpoint.os, "fsync"),
        "mkdir": (checkpoint.Path, "mkdir"),
    }[where]
    training.step = 3
    with monkeypatch.context() as patch:
        patch.setattr(*target, fail)
        with pytest.raises(UserError) as caught:
            save(training)
    words = str(caught.value)
    assert words.startswith(f"{tmp_path / 'out'}: no space for a checkpoint ([Errno 28] No space left on device). Free")
    assert words.endswith("checkpoint-000002 is whole, go on from it with --resume")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["checkpoint-000002"]
    assert contents(folder) == before


class Windows:
    """The module os with what Windows refuses: to open a folder, and to bring to disk what is open for reading."""

    name = "nt"
    synced: ClassVar[list[int]] = []

    def __getattr__(self, name):
        return getattr(os, name)

    def open(self, path, flags, *rest):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return os.open(path, flags, *rest)

    def fsync(self, handle):
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        self.synced.append(handle)
        os.fsync(handle)


def test_a_checkpoint_is_written_without_what_windows_refuses(saved, tmp_path, monkeypatch):
    training, folder = saved
    training.step = 3
    monkeypatch.setattr(checkpoint, "os", Windows())
    written = save(training)
    assert {path.name for path in written.iterdir()} == {path.name for path in folder.iterdir()}
    assert len(Windows.synced) == len(list(written.iterdir()))  # all files, no folder
    assert prepare(make_run(tmp_path), resume=True).step == 3


def test_other_errors_keep_their_traceback(saved, monkeypatch):
    def fail(*args, **kwargs):
        raise TypeError("not the disk's fault")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(TypeError, match="not the disk's fault"):
        save(saved[0])


def with_short_files(limit, *words):
    """`simpo` in a process that may not write beyond so many bytes of any file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    forked(*words)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [100_000, 700_000], ids=["in the model's file", "in training.pt"])
def test_a_file_that_may_not_grow_is_one_sentence_and_the_last_checkpoint_is_whole(tmp_path, limit):
    # safetensors and torch report it in their own words, which only a real failure shows
    training = start(make_run(tmp_path, schedule="constant", steps=2))
    list(train(training))
    folder = newest_checkpoint(tmp_path / "out")
    before = contents(folder)
    run_file = write_run(tmp_path, schedule="constant", steps=4)
    status, _, errors = simpo(tmp_path, limit, "finetune", run_file, "--resume", way=with_short_files)
    assert status == 2, errors
    assert errors.startswith(f"simpo: {tmp_path / 'out'}: no space for a checkpoint (")
    assert errors.endswith("checkpoint-000002 is whole, go on from it with --resume\n")
    assert errors.count("\n") == 1
    assert contents(folder) == before
    assert not list((tmp_path / "out").glob("*.partial"))


def save_on_a_disk_that_fills(run_file, disk):
    """Save again and again with more room each time, from none, until it is enough; say how each went."""
    disk = Path(disk)
    filling = disk / "filling"
    training = start(read_config(Path(run_file)))
    list(train(training))
    kept = newest_checkpoint(disk / "out")
    whole = contents(kept)
    for left in range(0, 3_000_000, 150_000):  # so that each file in turn is the one that does not fit
        training.step += 1
        filling.write_bytes(b"")
        with filling.open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            file.truncate(max(0, file.tell() - left))
        try:
            save(training)
        except UserError as error:
            words = str(error)
        else:
            print("fits", left)
            break
        assert "no space for a checkpoint" in words
        assert f"{kept.name} is whole" in words
        assert newest_checkpoint(disk / "out") == kept
        assert contents(kept) == whole
        print("full", left)


@pytest.mark.slow
def test_on_a_disk_that_is_full_at_any_byte_the_last_checkpoint_is_whole(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can't be mounted here")
    try:
        run_file = write_run(tmp_path, output=str(disk / "out"), steps=1)
        status, said, errors = simpo(tmp_path, run_file, disk, way=save_on_a_disk_that_fills)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert status == 0, errors
    words = [line.split()[0] for line in said.splitlines()]
    assert words[-1] == "fits"
    assert len(words) > 10
    assert set(words[:-1]) == {"full"}


def test_a_folder_that_cannot_be_made_is_no_full_disk(saved, tmp_path):
    training, _ = saved
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        save_checkpoint(tmp_path / "file" / "out", 1, training.scorer, training.optimizer, training.tokenizer, {})

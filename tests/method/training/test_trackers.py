import json
import sys

import pytest
from tiny import make_run, write_pairs, write_run

from simpo_core.training.run import read_eval, read_metrics, start, train
from simpo_core.training.trackers import open_trackers, track


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def scalars(folder):
    """What TensorBoard shows of a run: name to (step, value)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {name: [(x.step, x.value) for x in events.Scalars(name)] for name in events.Tags()["scalars"]}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_shows_the_run_by_transformers_names_and_once_where_it_went_on(tmp_path):
    held_out = write_pairs(tmp_path / "held-out.jsonl", count=4)
    config = make_run(tmp_path, eval_data=str(held_out), eval_every=2, save_every=2, report_to=["tensorboard"])
    for stop in (3, 6):  # step 3 is taken twice: the run goes on from step 2
        for row in train(start(config, resume=True)):
            if row["step"] == stop:
                break
    shown = scalars(tmp_path / "out" / "tensorboard")
    rows, measured = read_metrics(tmp_path / "out"), read_eval(tmp_path / "out")
    assert shown["train/loss"] == [(row["step"], pytest.approx(row["loss"], rel=1e-6)) for row in rows]
    expected = [(row["step"], pytest.approx(row["eval_rewards/margins"], abs=1e-6)) for row in measured]
    assert shown["eval/rewards/margins"] == expected
    assert {"train/rewards/accuracies", "train/learning_rate", "train/tokens_per_second", "eval/loss"} <= set(shown)


@pytest.mark.filterwarnings("ignore")
def test_wandb_gets_the_run(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    for name, value in {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    trackers = open_trackers(make_run(tmp_path, report_to=["wandb"]), 0)
    (tracker,) = trackers
    track(trackers, {"step": 0, "eval_loss": 3.0})
    track(trackers, {"step": 1, "loss": 2.0})
    settings = dict(tracker.run.config)
    tracker.close()
    wandb.teardown()  # its service has written all
    (written,) = (tmp_path / "out" / "wandb").glob("offline-run*/run-*.wandb")
    content = written.read_bytes()  # records of protobuf, with names and numbers as text
    assert all(record in content for record in (b"eval/loss\x82\x01\x013", b"train/loss\x82\x01\x012"))
    assert settings["learning_rate"] == 2e-3
    assert wandb.run is None


def test_a_library_that_is_not_there_is_one_sentence_before_the_run(call, tmp_path, monkeypatch):
    for name in ("tensorboard", "wandb"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, _, errors = call("finetune", write_run(tmp_path, report_to=["tensorboard", "wandb"]))
    assert status == 2
    assert "report_to has tensorboard, wandb, not installed here: pip install tensorboard wandb\n" in errors
    assert not (tmp_path / "out").exists()


def test_numbers_are_named_as_transformers_names_them():
    class Recorder(list):
        def log(self, step, values):
            self.append((step, json.dumps(values)))

    recorder = Recorder()
    track([recorder], {"step": 4, "loss": 1, "eval_loss": 2})
    assert recorder == [(4, '{"train/loss": 1.0, "eval/loss": 2.0}')]

import dataclasses
import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simpo_core.inputs import UserError
from simpo_core.training.config import PRECISIONS, SCHEDULES, FinetuneConfig, make_config, read_config, to_toml

NEEDED = {"model": "smollm2", "data": "pairs.jsonl", "output": "runs/1"}


def refusal(values):
    with pytest.raises(UserError) as caught:
        make_config(values)
    return str(caught.value)


@pytest.fixture
def run_file(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('model = "smollm2"\ndata = "a.jsonl"\noutput = "o"\nsteps = 7\n\n[loss_args]\nbeta = 2.5\n')
    return path


# -- What is refused, and in which words ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"learning_rte": 1.0}, "learning_rte is not a setting; did you mean learning_rate?"),
        ({"Steps": 1}, "Steps is not a setting; did you mean steps?"),
        ({"qqq": 1}, "qqq is not a setting"),
        ({"steps": 1.0}, "steps is 1.0: it must be a whole number"),
        ({"steps": True}, "steps is True: it must be a whole number"),
        ({"learning_rate": True}, "learning_rate is True: it must be a number"),
        ({"learning_rate": "5e-7"}, "learning_rate is '5e-7': it must be a number"),  # what YAML 1.1 makes of 5e-7
        ({"compile": 1}, "compile is 1: it must be true or false"),
        ({"model": 1}, "model is 1: it must be a string"),
        ({"loss_args": 2.0}, "loss_args is 2.0: it must be a table of numbers"),
        ({"loss_args": {"beta": "2"}}, "loss_args is {'beta': '2'}: it must be a table of numbers"),
        ({"loss_args": {"bta": 2.0}}, "loss_args.bta: simpo has no such setting"),
        ({"method": "ipo"}, "method is 'ipo': it must be one of simpo, dpo, squared, orpo"),
        ({"precision": "float16"}, "precision is 'float16': it must be one of auto, bfloat16, float32"),
        ({"schedule": "step"}, "schedule is 'step': it must be one of cosine, linear, constant"),
        ({"device": "tpu"}, "device is 'tpu': it must be one of auto, cpu, cuda"),
        ({"steps": 0}, "steps is 0: it must be at least 1"),
        ({"batch_pairs": -4}, "batch_pairs is -4: it must be at least 1"),
        ({"pack_tokens": 0}, "pack_tokens is 0: it must be at least 1"),
        ({"lora_rank": -1}, "lora_rank is -1: it must be at least 0"),
        ({"lora_dropout": 1.0}, "lora_dropout is 1.0: it must be below 1"),
        ({"seed": -1}, "seed is -1: it must be from 0 to 2^32 - 1"),
        ({"seed": 2**32}, "seed is 4294967296: it must be from 0 to 2^32 - 1"),
        ({"learning_rate": 0}, "learning_rate is 0: it must be above 0"),
        ({"learning_rate": float("inf")}, "learning_rate is inf: it must be above 0, and finite"),
        ({"beta": 2.0}, "beta is not a setting; did you mean loss_args.beta?"),
        ({"gamma_beta_ratio": 0.5}, "gamma_beta_ratio is not a setting; did you mean loss_args.gamma_beta_ratio?"),
        ({"learning_rate": float("nan")}, "learning_rate is nan: it must be above 0"),
        ({"max_grad_norm": float("inf")}, "max_grad_norm is inf: it must be above 0"),
        ({"weight_decay": float("nan")}, "weight_decay is nan: it must be at least 0"),
        ({"steps": 5, "epochs": 1.0}, "steps and epochs are both set: give one"),
        ({"epochs": -1}, "epochs is -1: it must be at least 0"),
        ({"warmup_ratio": 1.0}, "warmup_ratio is 1.0: it must be below 1"),
        ({"warmup_ratio": 0.1, "warmup_steps": 3}, "warmup_steps and warmup_ratio are both set: give one"),
        ({"nll_weight": -0.1}, "nll_weight is -0.1: it must be at least 0"),
        ({"eval_every": 5}, "eval_every and keep_best need eval_data: name held-out pairs"),
        ({"keep_best": "eval_loss"}, "eval_every and keep_best need eval_data"),
        ({"keep_best": "loss", "eval_data": "a"}, "keep_best is 'loss': it must be one of eval_loss, eval_rewards/"),
        ({"keep": 0}, "keep is 0: it must be at least 1"),
        ({"report_to": ["mlflow"]}, "report_to is 'mlflow': it must be one of tensorboard, wandb"),
        ({"report_to": "wandb"}, "report_to is 'wandb': it must be a list of strings"),
        ({"lora_targets": ["q_proj"], "lora_dora": True}, "lora_targets and lora_dora are for adapters, and lora_rank"),
        ({"base_weights": "8bit"}, "base_weights is '8bit': it must be one of float32, bfloat16, 4bit"),
        ({"save_dtype": "float16"}, "save_dtype is 'float16': it must be one of float32, bfloat16"),
        ({"max_length": 512}, "max_prompt_length is 512 and max_length 512: a response needs room behind its prompt"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(given, words):
    assert words in refusal(NEEDED | given)


def test_settings_without_a_default_must_be_given():
    assert refusal({"data": "a"}) == "model and output must be set: there is no default"


def test_a_whole_number_is_a_number_too():
    assert make_config(NEEDED | {"learning_rate": 1, "loss_args": {"beta": 2}}).learning_rate == 1


def test_what_is_not_given_keeps_its_default():
    assert make_config(NEEDED) == FinetuneConfig(**NEEDED)
    assert make_config(NEEDED).loss_args == {}


# -- The file, and what overrides it -----------------------------------------------------------------------------------


def test_a_run_file_is_read(run_file):
    config = read_config(run_file)
    assert (config.model, config.steps, config.loss_args) == ("smollm2", 7, {"beta": 2.5})


@pytest.mark.parametrize(
    ("override", "name", "value"),
    [
        ("steps=9", "steps", 9),
        ("learning_rate=5e-7", "learning_rate", 5e-7),
        ("compile=true", "compile", True),
        ("method=dpo", "method", "dpo"),  # a bare word
        ('method="dpo"', "method", "dpo"),
        ("output=runs/second try", "output", "runs/second try"),
        ("output=a=b", "output", "a=b"),
        ("output=2024", "output", "2024"),
        ("output=2024-01-05", "output", "2024-01-05"),
        ("loss_args.beta=4", "loss_args", {"beta": 4}),
        ("loss_args.gamma=1.5", "loss_args", {"beta": 2.5, "gamma": 1.5}),
        ("fresh.hidden_size=32", "fresh", {"hidden_size": 32}),
        ("fresh={hidden_size = 32}", "fresh", {"hidden_size": 32}),
    ],
)
def test_an_override_is_read_as_toml_or_as_a_word(run_file, override, name, value):
    model = ["model=fresh"] if name == "fresh" else []
    found = getattr(read_config(run_file, [*model, override]), name)
    assert found == value
    assert type(found) is type(value)


def test_the_last_override_wins(run_file):
    assert read_config(run_file, ["steps=8", "steps=9"]).steps == 9


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("steps", "--set steps: expected key=value"),
        ("=5", "--set =5: expected key=value"),
        ("steps=many", "steps is 'many': it must be a whole number"),
        ("stps=1", "stps is not a setting; did you mean steps?"),
        ("steps.x=1", "--set steps.x=1: steps is not a table"),
        ("loss_args.bta=1", "loss_args.bta: simpo has no such setting"),
    ],
)
def test_an_override_that_cannot_be_meant_is_named(run_file, override, words):
    with pytest.raises(UserError) as caught:
        read_config(run_file, [override])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"model = ", "is not TOML"),
        (b'model = "\xff"', "is not UTF-8: save it as UTF-8"),
        (b"steps = " + b"9" * 5000, "a number is too long"),
        (b"x = " + b"[" * 5000, "nested too deep"),
    ],
)
def test_a_file_that_is_not_toml_is_one_sentence(tmp_path, content, words):
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_config(path)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"run\.toml: no such file"):
        read_config(tmp_path / "run.toml")


# -- Written and read again --------------------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip)
positive = st.floats(1e-300, 1e300)
CONFIGS = st.builds(
    FinetuneConfig,
    model=st.just("fresh"),
    data=words,
    output=words,
    method=st.just("simpo"),
    loss_args=st.fixed_dictionaries({}, optional={"beta": positive, "gamma": st.floats(-1e300, 1e300)}),
    fresh=st.dictionaries(st.sampled_from(["hidden_size", "num_hidden_layers"]), st.integers(-(2**63), 2**63 - 1)),
    lora_rank=st.just(4),
    lora_dropout=st.floats(0, 1, exclude_max=True),
    steps=st.integers(1, 2**63 - 1),
    learning_rate=positive,
    schedule=st.sampled_from(SCHEDULES),
    precision=st.sampled_from(PRECISIONS),
    seed=st.integers(0, 2**32 - 1),
    compile=st.booleans(),
)


@settings(deadline=None)
@given(CONFIGS)
@example(FinetuneConfig(model='"\\\n\x00\x7f', data="对", output="=#"))
def test_settings_written_as_toml_are_read_back_the_same(config):
    assert make_config(tomllib.loads(to_toml(config))) == config


def test_every_setting_is_written_out():
    tables = {
        "fresh": {"hidden_size": 8},
        "columns": {"prompt": "q"},
        "chat_template_kwargs": {"enable_thinking": False},
    }
    config = make_config(NEEDED | {"model": "fresh", "loss_args": {"beta": 2.0}} | tables)
    assert make_config(tomllib.loads(to_toml(config))) == config
    names = {x.name for x in dataclasses.fields(FinetuneConfig)}
    assert set(tomllib.loads(to_toml(config))) == names - {"epochs"}
    assert set(tomllib.loads(to_toml(dataclasses.replace(config, epochs=1.0)))) == names - {"steps"}


def test_of_steps_and_epochs_the_last_one_said_counts(run_file):
    assert read_config(run_file, ["epochs=2"]).epochs == 2
    run_file.write_text(run_file.read_text().replace("steps = 7", "epochs = 3.0"))
    assert (read_config(run_file).epochs, read_config(run_file, ["steps=9"]).epochs) == (3, 0)
    assert read_config(run_file, ["steps=9"]).steps == 9


def test_lists_are_lists(run_file):
    config = read_config(run_file, ['report_to=["wandb"]', "lora_rank=4", 'lora_targets=["q_proj", "v_proj"]'])
    assert (config.report_to, config.lora_targets) == (["wandb"], ["q_proj", "v_proj"])
    assert make_config(tomllib.loads(to_toml(config))) == config


def test_data_may_be_several_and_a_table_may_hold_values_of_several_kinds():
    kwargs = {"enable_thinking": False, "reasoning_effort": "low", "budget": 64}
    config = make_config(NEEDED | {"data": ["a.jsonl", "org/name:train"], "chat_template_kwargs": kwargs})
    assert (config.data, config.chat_template_kwargs) == (["a.jsonl", "org/name:train"], kwargs)
    for values, message in (
        ({"data": 4}, "data is 4: it must be a string or a list of strings"),
        ({"data": []}, r"data is \[\]: give names, or one name"),
        ({"columns": {"prompt": 4}}, "it must be a table of strings"),
        ({"columns": {"promt": "q"}}, r"columns\.promt: it must be one of prompt, chosen"),
        ({"chat_template_kwargs": {"a": []}}, "it must be a table, each value a string or a number or true or false"),
        ({"data_form": "hh"}, "data_form is 'hh': it must be one of hh-rlhf"),
    ):
        with pytest.raises(UserError, match=message):
            make_config(NEEDED | values)

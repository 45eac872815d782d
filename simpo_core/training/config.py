"""The settings of a run: one flat TOML file, checked field by field."""

import dataclasses
import difflib
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from simpo_core.inputs import UserError
from simpo_core.records.forms import check_columns

PRECISIONS = ("auto", "bfloat16", "float32")
SCHEDULES = ("cosine", "linear", "constant")
BASE_WEIGHTS = ("float32", "bfloat16", "4bit")
TRACKERS = ("tensorboard", "wandb")
# what says how pairs are read and made tokens
DATA_SETTINGS = (
    *("columns", "data_form", "skip_bad", "chat_template", "chat_template_kwargs"),
    *("max_length", "max_prompt_length"),
)
KEEP_BEST = ("eval_loss", "eval_rewards/accuracies", "eval_rewards/margins")


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Settings of one run. A loss's own settings have their defaults in methods.py, with the loss."""

    model: str  # a folder, a name on the hub, a .gguf file, "smollm2" or "fresh"
    data: str | list[str]  # pairs: .jsonl, .json, .csv or .parquet, a folder, org/name:split on the hub, or several
    output: str  # a folder for checkpoints, metrics and the figure
    method: str = "simpo"  # simpo, dpo, squared or orpo
    loss_args: dict[str, float] = field(default_factory=dict)  # of the loss: beta, gamma, label_smoothing
    nll_weight: float = 0.0  # of the term of fine-tuning on chosen, added to the loss: it keeps chosen likely
    fresh: dict[str, int] = field(default_factory=dict)  # for model = "fresh": settings of LlamaConfig
    columns: dict[str, str] = field(default_factory=dict)  # of the data, by what they are read as: prompt = "question"
    data_form: str = ""  # of data that is not in TRL's formats: hh-rlhf, sharegpt, alpaca or chat
    skip_bad: bool = False  # leave out rows that can't be used; else they stop the run before it starts
    chat_template: str = ""  # a file, in place of the model's own
    chat_template_kwargs: dict[str, str | float | bool] = field(default_factory=dict)  # such as enable_thinking = false
    lora_rank: int = 0  # 0: all weights are trained
    lora_alpha: float = 0.0  # 0: twice the rank
    lora_dropout: float = 0.0
    lora_targets: list[str] = field(default_factory=list)  # layers that get adapters, such as q_proj; none: all linear
    lora_dora: bool = False  # DoRA: an adapter has a length of its own for each output
    lora_rslora: bool = False  # rsLoRA: an adapter's scale is alpha over the square root of the rank
    base_weights: str = "float32"  # how weights under adapters are held: float32, bfloat16 or 4bit (by bitsandbytes)
    steps: int = 100  # optimiser updates
    epochs: float = 0.0  # passes over the pairs, in place of steps
    batch_pairs: int = 8  # pairs in an update
    learning_rate: float = 5e-6  # its peak
    warmup_steps: int = 0  # updates over which the learning rate rises
    warmup_ratio: float = 0.0  # the same as a share of all updates
    schedule: str = "cosine"  # cosine or linear to 0, or constant
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0  # longer gradients are cut to this
    precision: str = "auto"  # of the products: bfloat16 (by autocast; weights and softmax stay float32) where quick
    max_length: int = 1024  # tokens of a prompt and a response
    max_prompt_length: int = 512  # tokens of a prompt; longer ones lose their beginning
    pack_tokens: int = 2048  # tokens in one forward pass; lower it if memory runs out
    eval_data: str | list[str] = ""  # held-out pairs, as data: measured before the first update and after the last
    eval_every: int = 0  # and after each so many updates
    eval_answers: int = 8  # held-out prompts that the model answers then, for their length and how many differ
    save_every: int = 0  # updates between checkpoints; 0: only at the end
    save_dtype: str = "float32"  # of a checkpoint's model: float32 or bfloat16 (a run goes on from float32 anyway)
    save_only_model: bool = False  # without training.pt, so that a run that is killed can't go on (a stopped one can)
    keep: int = 1  # checkpoints that stay, the newest
    keep_best: str = ""  # "eval_loss", "eval_rewards/accuracies" or "eval_rewards/margins": the best by it stays too
    report_to: list[str] = field(default_factory=list)  # tensorboard, wandb
    seed: int = 0
    device: str = "auto"  # cuda where there is one, else cpu
    compile: bool = False  # on a GPU: torch.compile the layers, which pays after some minutes

    def __post_init__(self) -> None:
        """Raise UserError for a value that can't be meant."""
        from simpo_core.training.methods import METHODS, loss_settings

        _one_of("method", self.method, tuple(METHODS))
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("device", self.device, ("auto", "cpu", "cuda"))
        _one_of("base_weights", self.base_weights, BASE_WEIGHTS)
        _one_of("save_dtype", self.save_dtype, ("float32", "bfloat16"))
        _one_of("keep_best", self.keep_best or KEEP_BEST[0], KEEP_BEST)
        for tracker in self.report_to:
            _one_of("report_to", tracker, TRACKERS)
        for name in ("steps", "batch_pairs", "max_length", "max_prompt_length", "pack_tokens", "keep"):
            _at_least(name, getattr(self, name), 1)
        for name in (
            *("lora_rank", "lora_alpha", "lora_dropout", "warmup_steps", "warmup_ratio", "weight_decay", "save_every"),
            *("epochs", "nll_weight", "eval_every", "eval_answers"),
        ):
            _at_least(name, getattr(self, name), 0)
        for name in ("learning_rate", "max_grad_norm"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UserError(f"{name} is {getattr(self, name)}: it must be above 0, and finite")
        for name in ("lora_dropout", "warmup_ratio"):
            if getattr(self, name) >= 1:
                raise UserError(f"{name} is {getattr(self, name)}: it must be below 1")
        if self.warmup_steps and self.warmup_ratio:
            raise UserError("warmup_steps and warmup_ratio are both set: give one")
        if not self.eval_data and (self.eval_every or self.keep_best):
            raise UserError("eval_every and keep_best need eval_data: name held-out pairs")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed is {self.seed}: it must be from 0 to 2^32 - 1")
        if self.max_prompt_length >= self.max_length:
            raise UserError(
                f"max_prompt_length is {self.max_prompt_length} and max_length {self.max_length}: "
                "a response needs room behind its prompt"
            )
        loss_settings(self.method, self.loss_args)
        check_columns(self.columns, self.data_form)
        if self.fresh and self.model != "fresh":
            raise UserError(f'[fresh] is for model = "fresh", and model is {self.model!r}: leave one of the two out')
        adapters = ("lora_alpha", "lora_dropout", "lora_targets", "lora_dora", "lora_rslora")
        if not self.lora_rank and (idle := [name for name in adapters if getattr(self, name)]):
            are = "is" if len(idle) == 1 else "are"
            raise UserError(f"{' and '.join(idle)} {are} for adapters, and lora_rank is 0: set it, to 16 say")
        for name in ("model", "data", "output", "eval_data"):
            given = getattr(self, name)
            if isinstance(given, list):
                if not given or not all(x.strip() for x in given):
                    raise UserError(f"{name} is {given}: give names, or one name")
                continue
            if not given.strip() and name != "eval_data":
                raise UserError(f"{name} is empty: give a name")
            if given.startswith("~/"):
                object.__setattr__(self, name, str(Path(given).expanduser()))
        if self.precision == "auto":
            object.__setattr__(self, "precision", "bfloat16" if _is_quick_at_bfloat16(self.device) else "float32")


def _is_quick_at_bfloat16(device: str) -> bool:
    from simpo_core import devices

    return devices.has_bfloat16(device)


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UserError(f"{name} is {value!r}: it must be one of {', '.join(allowed)}")


def _at_least(name: str, value: float, least: int) -> None:
    if not least <= value < float("inf"):
        raise UserError(f"{name} is {value}: it must be at least {least}, and finite")


def read_config(path: Path, overrides: Sequence[str] = ()) -> FinetuneConfig:
    """The settings in a TOML file, with `key=value` overrides (`loss_args.beta=2.5`; the value as in TOML).

    Raises:
        UserError: The file can't be read, or a field is unknown, missing or of the wrong type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8: save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not TOML: {error}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} can't be read as TOML: a number is too long, or it is nested too deep") from None
    return make_config(override_all(values, overrides))


def override_all(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """The settings with `key=value` overrides, as `read_config`."""
    for override in overrides:
        _override(values, override)
    return values


def make_config(values: Mapping[str, Any]) -> FinetuneConfig:
    """The settings in a dict, checked. Raises UserError as `read_config`."""
    hints = get_type_hints(FinetuneConfig)
    for name, value in values.items():
        if name not in hints:
            raise UserError(f"{name} is not a setting" + _did_you_mean(name, list(hints)))
        if not _fits(value, hints[name]):
            raise UserError(f"{name} is {value!r}: it must be {_kind(hints[name])}")
    if "steps" in values and values.get("epochs"):
        raise UserError("steps and epochs are both set: give one")
    required = [x.name for x in dataclasses.fields(FinetuneConfig) if _required(x) and x.name not in values]
    if required:
        raise UserError(f"{' and '.join(required)} must be set: there is no default")
    return FinetuneConfig(**values)


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    from simpo_core.training.methods import METHODS, setting_names

    if any(name in setting_names(method) for method in METHODS):
        return f"; did you mean loss_args.{name}?"
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _override(values: dict[str, Any], override: str) -> None:
    name, _, text = override.partition("=")
    if not name.strip() or "=" not in override:
        raise UserError(f"--set {override}: expected key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # a bare word is a string
        value = text
    hint = get_type_hints(FinetuneConfig).get(name.strip())
    if (hint is str or get_origin(hint) is types.UnionType) and not isinstance(value, (str, list)):
        value = text.strip()  # such as a folder named 2024
    *tables, last = name.strip().split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise UserError(f"--set {override}: {table} is not a table")
    values[last] = value
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if last == one and not tables:
            values.pop(other, None)  # the last one said counts


def _required(x: Any) -> bool:
    return x.default is dataclasses.MISSING and x.default_factory is dataclasses.MISSING


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is types.UnionType:
        return any(_fits(value, x) for x in get_args(hint))
    if get_origin(hint) is dict:
        return isinstance(value, dict) and all(_fits(x, get_args(hint)[1]) for x in value.values())
    if get_origin(hint) is list:
        return isinstance(value, list) and all(_fits(x, get_args(hint)[0]) for x in value)
    if hint is float:
        return isinstance(value, float) or (_fits(value, int) and abs(value) < 1e300)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _kind(hint: Any) -> str:
    if get_origin(hint) is types.UnionType:
        return " or ".join(map(_kind, get_args(hint)))
    if get_origin(hint) is list:
        return f"a list of {_kind(get_args(hint)[0]).removeprefix('a ')}s"
    if get_origin(hint) is dict:
        inner = get_args(hint)[1]
        single = get_origin(inner) is None
        return f"a table of {_kind(inner).removeprefix('a ')}s" if single else f"a table, each value {_kind(inner)}"
    return {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}[hint]


def to_toml(config: FinetuneConfig) -> str:
    """The settings as the TOML that `read_config` reads, every field written out; of steps and epochs what counts."""
    lines, tables = [], []
    values = dataclasses.asdict(config)
    del values["steps" if config.epochs else "epochs"]
    for name, value in values.items():
        if isinstance(value, dict):
            tables += ["", f"[{name}]", *(f"{key} = {_toml(x)}" for key, x in value.items())] if value else []
        else:
            lines.append(f"{name} = {_toml(value)}")
    return "\n".join(lines + tables) + "\n"


def _toml(value: Any) -> str:
    import json

    # TOML's strings, numbers and booleans are written as JSON's, but for one control character
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

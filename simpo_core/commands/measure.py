"""Commands that look at pairs and models, and let a model make pairs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from simpo_core.commands.train import console
from simpo_core.inputs import UserError

commands = typer.Typer()


Length = Annotated[int | None, typer.Option(help="Tokens of a prompt and a response; what is longer is cut.")]
PromptLength = Annotated[int | None, typer.Option(help="Tokens of a prompt.")]
DataSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="key=value, as in a run file: columns.prompt=question, data_form=sharegpt, skip_bad=true, "
        "chat_template=file, chat_template_kwargs.enable_thinking=false.",
    ),
]


def _settings(data: str | None, override: list[str] | None, **given: Any) -> Any:
    """How data are read and a chat template is used: what a run file says, or `--set` alone, as a FinetuneConfig.

    `given` are settings that were named by options of their own; None for those that were not.
    """
    from simpo_core.training.config import DATA_SETTINGS, make_config, override_all, read_config

    overrides = [*(f"{name}={value}" for name, value in given.items() if value is not None), *(override or [])]
    if data and data.endswith(".toml"):
        return read_config(Path(data), overrides)
    for name in (one.partition("=")[0].partition(".")[0].strip() for one in overrides):
        if name not in DATA_SETTINGS:
            raise UserError(f"--set {name}: without a run file it must be one of {', '.join(DATA_SETTINGS)}")
    return make_config(override_all({"model": "none", "data": data or "none", "output": "none"}, overrides))


@commands.command("check-data")
def check_data(
    data: Annotated[str, typer.Argument(help="Pairs: a file, a folder, org/name:split; or a run file, .toml.")],
    model: Annotated[str | None, typer.Option(help="Whose tokenizer to use; smollm2, or the run file's.")] = None,
    max_length: Length = None,
    max_prompt_length: PromptLength = None,
    override: DataSettings = None,
) -> None:
    """Count, measure and check pairs before training on them."""
    from simpo_core.data_report import check_pairs, report_lines
    from simpo_core.models import load_tokenizer
    from simpo_core.training.pairs import read_records, set_template

    config = _settings(data, override, max_length=max_length, max_prompt_length=max_prompt_length)
    notes: list[str] = []
    records = read_records(config, notes)
    tokenizer = load_tokenizer(model or (config.model if data.endswith(".toml") else "smollm2"))
    set_template(config, tokenizer)
    lengths = {"max_length": config.max_length, "max_prompt_length": config.max_prompt_length}
    report, _ = check_pairs(records, tokenizer, **lengths, skip_bad=config.skip_bad, notes=notes)
    for line in [*report_lines(report), *(f"note: {note}" for note in notes)]:
        print(line)


@commands.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A checkpoint, a run's folder, smollm2, or a name on the hub.")],
    data: Annotated[
        str | None, typer.Option(help="Held-out pairs: a file, a folder, org/name:split; or a run file, for its own.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Answer the test prompts; how many keep this rule?")] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0: the likeliest token each time.")] = 0.0,
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 96,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of sampled answers.")] = 0,
    show: Annotated[int, typer.Option(help="Answers to print.")] = 5,
    max_length: Length = None,
    max_prompt_length: PromptLength = None,
    override: DataSettings = None,
) -> None:
    """Measure a model on held-out pairs, or its answers to held-out prompts, or both."""
    from dataclasses import replace

    from simpo_core.training.pairs import read_records, tokens_of

    if data is None and rule is None:
        raise UserError("nothing to measure: give --data PAIRS, or --rule one-sentence, or both")
    chosen_rule = None if rule is None else _rule(rule)
    config = _settings(data, override, max_length=max_length, max_prompt_length=max_prompt_length)
    notes: list[str] = []
    records = [] if data is None else read_records(replace(config, data=config.eval_data or config.data), notes)
    loaded, tokenizer = _loaded(model, config, notes)
    if records:
        pairs = tokens_of(records, config, tokenizer, notes)
    for note in notes:
        print(f"note: {note}")
    if records:
        _evaluate_pairs(loaded, pairs)
    if chosen_rule is not None:
        asking = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
        asking["settings"] = config.chat_template_kwargs
        _evaluate_answers(loaded, tokenizer, chosen_rule, show, asking)


def _loaded(name: str, config: Any, notes: list[str]) -> tuple[Any, Any]:
    """A model on the device at hand, and its tokenizer, with the chat template that was asked for."""
    from simpo_core import devices
    from simpo_core.chats.templates import chat_template
    from simpo_core.models import load_model, stop_at_end_of_turn
    from simpo_core.training.pairs import set_template

    model, tokenizer = load_model(name, fresh=config.fresh if name == "fresh" else None)
    set_template(config, tokenizer)
    if config.chat_template:
        stop_at_end_of_turn(model, tokenizer)
    if unread := chat_template(tokenizer).unread(config.chat_template_kwargs):
        notes.append(f"the chat template doesn't read {', '.join(unread)} of chat_template_kwargs")
    return model.to(devices.choose_device("auto")), tokenizer


def _rule(name: str) -> Any:
    from simpo_core.answers.rules import RULES

    if name not in RULES:
        raise UserError(f"rule is {name!r}: it must be one of {', '.join(RULES)}")
    return RULES[name]


def _evaluate_pairs(model: Any, pairs: list[Any]) -> None:
    from simpo_core.answers.evaluate import evaluate_pairs

    report = evaluate_pairs(model, pairs)
    print(f"{report.pairs} pairs (95 % intervals by bootstrap over pairs)")
    print(f"  chosen ranked above rejected   {_interval(report.accuracy, '.1%')} by the mean log-probability")
    print(f"                                 {_interval(report.accuracy_of_sums, '.1%')} by the sum")
    print(f"  margin, nats per token         {_interval(report.margin, '+.3f')}")
    print(f"  log-probability per token      chosen {_interval(report.chosen_logps, '.3f')}")
    print(f"                                 rejected {_interval(report.rejected_logps, '.3f')}")
    print(f"  tokens                         chosen {report.chosen_tokens:.1f}, rejected {report.rejected_tokens:.1f}")


def _evaluate_answers(model: Any, tokenizer: Any, rule: Any, show: int, asking: dict[str, Any]) -> None:
    from simpo_core import devices
    from simpo_core.answers.evaluate import evaluate_answers
    from simpo_core.answers.make_pairs import read_prompts

    if devices.has_bfloat16(model.device.type):
        model = model.bfloat16()  # answers come about twice as fast
    prompts = read_prompts("test")
    with console.status(f"answering {len(prompts)} held-out prompts"):
        report = evaluate_answers(model, tokenizer, prompts, rule, **asking)
    print(f"{len(report.answers)} held-out prompts; the rule: {rule.description}")
    print(f"  keep the rule       {_interval(report.keeps, '.1%')}")
    print(f"  tokens of an answer {_interval(report.tokens, '.1f')}, {report.unfinished} cut off")
    print(f"  distinct answers    {report.distinct}")
    for answer in report.answers[: max(0, show)]:
        print(f"\n{'✓' if answer.keeps else '✗'} {answer.prompt}\n{answer.text}")


def _interval(interval: Any, form: str) -> str:
    return f"{interval.mean:{form}} ({interval.low:{form}} to {interval.high:{form}})"


@commands.command("make-pairs")
def make_pairs(
    rule: Annotated[str, typer.Argument(help="one-sentence or three-lines.")],
    output: Annotated[Path, typer.Argument(help="A new .jsonl file.")],
    model: Annotated[str, typer.Option(help="The model that makes its own pairs.")] = "smollm2",
    split: Annotated[str, typer.Option(help="Whose prompts: train, validation or test.")] = "train",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
    override: DataSettings = None,
) -> None:
    """Let a model make pairs: answers sampled with a wish in the prompt against answers sampled without it."""
    import dataclasses
    import json

    from simpo_core import devices
    from simpo_core.answers.make_pairs import SAMPLING, read_prompts
    from simpo_core.answers.make_pairs import make_pairs as make

    chosen_rule, prompts = _rule(rule), read_prompts(split)
    if output.exists():
        raise UserError(f"{output} exists already: name a new file")
    if output.suffix != ".jsonl":
        raise UserError(f"{output}: expected a name that ends in .jsonl")
    config = _settings(None, override)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    partial.touch()  # better to learn now than after the sampling that nothing can be written here
    partial.unlink()
    notes: list[str] = []
    loaded, tokenizer = _loaded(model, config, notes)
    for note in notes:
        print(f"note: {note}")
    loaded = loaded.bfloat16() if devices.has_bfloat16(loaded.device.type) else loaded
    with console.status(f"asking {model} {len(prompts)} questions, with and without “{chosen_rule.wish}”"):
        sampling = dataclasses.replace(SAMPLING[rule], seed=seed)
        records, yields = make(loaded, tokenizer, prompts, chosen_rule, sampling, settings=config.chat_template_kwargs)
    if not records:
        raise UserError(
            f"no pair: {yields.kept_rule} of {yields.wished} answers with the wish keep the rule, {yields.clean} are "
            f"clean, and {yields.bare_kept_rule} of {yields.bare} without it keep it. Take a model that can do better"
        )
    partial.write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in records), encoding="utf-8")
    partial.replace(output)
    print(f"{yields.pairs} pairs from {yields.prompts} prompts: {output}")
    print(f"asked with the wish: {yields.kept_rule} of {yields.wished} answers keep the rule, {yields.clean} are clean")
    print(f"asked without it: {yields.bare_kept_rule} of {yields.bare} keep it")

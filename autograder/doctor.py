"""Is everything here that the course needs? One line per thing, and what to do where it is missing."""

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

PYTHON = ((3, 11), (3, 13))  # oldest and newest tested
LABEL = {True: "[OK]", False: "[FAIL]"}


@dataclass(frozen=True)
class Diagnosis:
    """One thing looked at."""

    ok: bool
    sentence: str

    def __str__(self) -> str:
        return f"{LABEL[self.ok]} {self.sentence}"


def examine() -> Iterator[Diagnosis]:
    """Look at Python, the packages, the notebook kernel, the confinement and the device that training would use."""
    yield _python()
    yield from _packages()
    yield _kernel()
    yield _confinement()
    yield _device()


def summary() -> str:
    """What a student needs to know: what is missing, or that nothing is."""
    findings = list(examine())
    missing = [str(finding) for finding in findings if not finding.ok]
    return "\n".join(missing) or f"Everything is here: {findings[0].sentence}; all packages and the kernel."


def _python() -> Diagnosis:
    version = sys.version_info[:2]
    oldest, newest = (".".join(map(str, v)) for v in PYTHON)
    here = f"Python {platform.python_version()} in {sys.prefix}"
    if PYTHON[0] <= version <= PYTHON[1]:
        return Diagnosis(True, here)
    return Diagnosis(False, f"{here}: expected {oldest} to {newest}; make a new environment with one of these")


def _packages() -> Iterator[Diagnosis]:
    try:
        required = importlib.metadata.requires("simpo-practice") or []
    except importlib.metadata.PackageNotFoundError:
        yield Diagnosis(False, "simpo-practice is not installed here: run `pip install -e .` in the repository")
        return
    for requirement in sorted(required):
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            yield Diagnosis(True, f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield Diagnosis(False, f"{name} is missing: run `pip install -e .` in the repository")


def _kernel() -> Diagnosis:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Diagnosis(False, "no Jupyter kernel is named python3: run `python -m ipykernel install --sys-prefix`")
    program = spec.argv[0]
    if not os.path.isabs(program) or os.path.samefile(os.path.dirname(program), os.path.dirname(sys.executable)):
        return Diagnosis(True, f"kernel python3 runs {sys.executable} (described in {spec.resource_dir})")
    return Diagnosis(
        False,
        f"kernel python3 ({spec.resource_dir}) runs {program}, expected {sys.executable}: "
        "run `python -m ipykernel install --sys-prefix` here",
    )


def _confinement() -> Diagnosis:
    """Let a confined process try to break out, as before every grading."""
    from autograder.confinement.sandbox import NoConfinement
    from autograder.execution.run import prove_confinement, refusal
    from autograder.execution.warm_client import WarmProcessFault

    try:
        prove_confinement()
    except NoConfinement as error:
        return Diagnosis(False, refusal(str(error)))
    except WarmProcessFault as error:
        return Diagnosis(False, f"students' code can't be run: {error}")
    return Diagnosis(
        True, f"students' code is confined: it tried to break out, and could not (Linux {platform.release()})"
    )


def _device() -> Diagnosis:
    try:
        import torch
    except ImportError as error:
        return Diagnosis(False, f"torch can't be imported: {error}")
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return Diagnosis(
            True, f"GPU: {torch.cuda.get_device_name(0)}, {memory:.0f} GiB. The ten notebooks don't need it."
        )
    return Diagnosis(
        True,
        f"no GPU: torch runs on {os.cpu_count()} CPU cores. The ten notebooks take seconds each on a CPU.",
    )

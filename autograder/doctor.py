"""Is everything here that the course needs? One line per thing, and what to do where it is missing."""

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.course import NEEDS_LINUX, Course
from simpo_language.speech import N_, SOURCE, _, speaking

DISTRIBUTION = "simpo-practice"
OLDEST = (3, 11)
LABEL = {True: N_("[OK]"), False: N_("[FAIL]"), None: N_("[NOTE]")}
WITHOUT_TORCH = ("01", "02", "06", "09")  # exercises


@dataclass(frozen=True)
class Diagnosis:
    """One thing looked at."""

    ok: bool | None  # None: something is not here that one can do without
    sentence: str

    def __str__(self) -> str:
        return f"{_(LABEL[self.ok])} {self.sentence}"


def examine(course: Course | None = None) -> Iterator[Diagnosis]:
    """Look at Python, the packages, the notebook kernel and the device that training would use.

    course: the course in whose folder the question is asked, if there is something to grade: then at what grading
        needs as well.
    """
    yield _python()
    yield from _others()
    yield from _packages("")
    yield from _packages("lab", unless=_("JupyterLab and its Validate button are not here"))
    if course is None or not course.is_any:
        yield _torch()
    yield _kernel()
    if course is not None:
        is_begun = course.is_any or any(course.classroom.glob("submitted/*/*"))
        yield from _packages("grade", unless="" if is_begun else _("nothing can be graded here"))
        yield _confinement(is_begun)


def summary(language: str = SOURCE) -> str:
    """What a student needs to know in a notebook, in its language: what is missing, or that nothing is."""
    with speaking(language):
        findings = [_python(), *_others(), *_packages(""), _torch(), _kernel()]
        missing = [str(finding) for finding in findings if not finding.ok]
        here = _("Everything is here: {python}; all packages and the kernel.").format(python=findings[0].sentence)
        return "\n".join(missing) or here


def install_command(extra: str = "") -> str:
    """What to type to have the project's packages here, or more of them: one of the extras in pyproject.toml."""
    extras = f"[{extra}]" if extra else ""
    found = _installed()
    origin = json.loads((found and found.read_text("direct_url.json")) or "{}")
    is_editable = origin.get("dir_info", {}).get("editable", False)
    what = f"{'.' if is_editable else DISTRIBUTION}{extras}"
    return "pip install " + "-e " * is_editable + (f'"{what}"' if extras else what)


def _installed() -> importlib.metadata.Distribution | None:
    """This project as it is installed here; a folder of metadata in a clone that older tools left is not that."""
    found = list(importlib.metadata.distributions(name=DISTRIBUTION))
    return next((one for one in found if one.read_text("RECORD") is not None), found[0] if found else None)


def _python() -> Diagnosis:
    oldest = ".".join(map(str, OLDEST))
    here = _("Python {version} in {folder}").format(version=platform.python_version(), folder=sys.prefix)
    if sys.version_info[:2] >= OLDEST:
        return Diagnosis(True, here)
    return Diagnosis(
        False,
        _("{here}: expected {oldest} or newer; make a new environment with one of these").format(
            here=here, oldest=oldest
        ),
    )


def _others() -> Iterator[Diagnosis]:
    """Another project on PyPI has a package and a command of the name `autograder`, too."""
    commands = importlib.metadata.entry_points(group="console_scripts", name="autograder")
    names = {command.dist.name for command in commands if command.dist}
    for name in sorted({*names, *importlib.metadata.packages_distributions().get("autograder", ())} - {DISTRIBUTION}):
        yield Diagnosis(
            False,
            _(
                "{name} installs a package and a command of the same name, autograder, over this "
                "project's: run `pip uninstall {name}`, then install this project again"
            ).format(name=name),
        )


def _packages(extra: str, *, unless: str = "") -> Iterator[Diagnosis]:
    """A line for each package of an extra; of the base installation if empty.

    unless: what can't be done without them, where one can do without that.
    """
    found = _installed()
    if found is None:
        yield Diagnosis(
            False,
            _("{distribution} is not installed here: run `{command}`").format(
                distribution=DISTRIBUTION, command=install_command()
            ),
        )
        return
    missing = []
    for requirement in sorted(found.requires or ()):
        of = re.search(r"""extra == ['"](.+?)['"]""", requirement)
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        if (of[1] if of else "") != extra or name == DISTRIBUTION:
            continue
        try:
            yield Diagnosis(True, f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing and unless:
        yield Diagnosis(
            None,
            _("{unless}, for want of {missing}: `{command}` brings them").format(
                unless=unless, missing=", ".join(missing), command=install_command(extra)
            ),
        )
    else:
        yield from (
            Diagnosis(False, _("{name} is missing: run `{command}`").format(name=name, command=install_command(extra)))
            for name in missing
        )


def _torch() -> Diagnosis:
    """torch, and the device that it would use; or which exercises can do without."""
    rest = _("exercises {exercises} work without it, the others don't").format(exercises=", ".join(WITHOUT_TORCH))
    if importlib.util.find_spec("torch") is None:
        if (platform.system(), platform.machine()) == ("Darwin", "x86_64"):
            return Diagnosis(
                None,
                _("no torch is published for Intel Macs any more: {rest}; for those, use Codespaces").format(rest=rest),
            )
        return Diagnosis(
            False, _("torch is missing: {rest}; run `{command}`").format(rest=rest, command=install_command("torch"))
        )
    try:
        import torch
    except (ImportError, OSError) as error:  # on Windows a library that it needs may be missing
        return Diagnosis(False, _("torch can't be imported, so {rest}: {error}").format(rest=rest, error=error))
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        where = _("GPU: {name}, {memory:.0f} GiB. The ten notebooks don't need it.").format(
            name=torch.cuda.get_device_name(0), memory=memory
        )
    else:
        sentence = _("no GPU: {count} CPU cores. The ten notebooks take seconds each on a CPU.")
        where = sentence.format(count=os.cpu_count())
    return Diagnosis(True, _("torch {version}; {where}").format(version=torch.__version__, where=where))


def _kernel() -> Diagnosis:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Diagnosis(False, _("no Jupyter kernel is named python3: run `python -m ipykernel install --sys-prefix`"))
    program = spec.argv[0]
    folders = os.path.dirname(program), os.path.dirname(sys.executable)
    if not os.path.isabs(program) or (os.path.isdir(folders[0]) and os.path.samefile(*folders)):
        return Diagnosis(
            True,
            _("kernel python3 runs {executable} (described in {resource_dir})").format(
                executable=sys.executable, resource_dir=spec.resource_dir
            ),
        )
    return Diagnosis(
        False,
        _(
            "kernel python3 ({resource_dir}) runs {program}, expected {executable}: run `python -m "
            "ipykernel install --sys-prefix` here"
        ).format(resource_dir=spec.resource_dir, program=program, executable=sys.executable),
    )


def _confinement(is_begun: bool) -> Diagnosis:
    """Let a confined process try to break out, as before every grading. is_begun: something is handed in."""
    if sys.platform != "linux":
        return Diagnosis(False if is_begun else None, _(NEEDS_LINUX))
    from autograder.confinement.sandbox import NoConfinement
    from autograder.execution.run import prove_confinement, refusal
    from autograder.execution.warm_client import WarmProcessFault

    try:
        prove_confinement()
    except NoConfinement as error:
        return Diagnosis(False, refusal(str(error)))
    except WarmProcessFault as error:
        return Diagnosis(False, _("students' code can't be run: {error}").format(error=error))
    return Diagnosis(
        True,
        _("students' code is confined: it tried to break out, and could not (Linux {release})").format(
            release=platform.release()
        ),
    )

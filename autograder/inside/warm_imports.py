"""What notebooks import, imported once: graded notebooks run in forks of a process that has loaded this module.

Not for import elsewhere. The process stays free of threads, because a fork copies only the thread that forks.
"""

import contextlib
import importlib
import io
import os
import sys
import warnings

from autograder.course import STUDENT_MODULES
from simpo_language import speech

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ["MPLBACKEND"] = "agg"

MODULES = (
    "IPython.core.interactiveshell",
    "IPython.core.logger",
    "array_api_compat.numpy",
    "autograder.checks",
    "autograder.inside.forgery",
    "autograder.inside.peer",
    "autograder.confinement.probes",
    "autograder.inside.shell",
    "autograder.inside.fork",
    "ipywidgets",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "numpy",
)
WITH_TORCH = ("torch", "array_api_compat.torch")  # another course's notebooks may need none

for _module in MODULES:
    importlib.import_module(_module)
speech.load("checks")
with contextlib.suppress(ModuleNotFoundError):
    for _module in WITH_TORCH:
        importlib.import_module(_module)
for _module in STUDENT_MODULES:  # before the confinement: in it Python can't list the folder that they are found in
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(_module)

if (_texts := sys.modules.get("simpo_core.figure_texts")) is not None:
    _texts.english(
        ""
    )  # reads the English of figures' texts: the machine's fonts with Chinese lie in closed files later

from matplotlib.figure import Figure


def draw_figure(scale: str) -> None:
    """Draw something of what figures have, which finds and loads the fonts."""
    figure = Figure()
    axes = figure.add_subplot(title="warm", xlabel="x", ylabel="y", xscale=scale, yscale=scale)
    axes.plot([0.1, 10], label="y")
    axes.legend()
    figure.savefig(io.BytesIO())


draw_figure("linear")
if (_torch := sys.modules.get("torch")) is not None:
    with warnings.catch_warnings(action="ignore"):
        # torch reads what the processor can do, which lies in closed files later
        _torch.quantize_per_tensor(_torch.zeros(1), 1.0, 0, _torch.qint8)

"""A process that has imported what `simpo` needs, and forks one for each order; simpo_processes.py starts it.

An order comes on a socket of its own, which is passed through the one that is stdin here. The answers are the number
of the process that works on it and, when that has ended, its exit status.
"""

import importlib
import json
import os
import signal
import socket
import sys
from typing import Any

IMPORTS = [  # but not simpo_core.cli: it looks at its start whether it writes to a terminal
    "simpo_core.training.run",
    "simpo_core.models",
    "simpo_core.plots",
    "transformers.models.llama.modeling_llama",
    "transformers.generation",
    "peft",
    "torch.distributed.fsdp",
    "torch.distributed.checkpoint.state_dict",
    "array_api_compat.torch",
    "matplotlib.backends.backend_agg",
    "rich.progress",
    "typer",
]


def next_order() -> dict[str, Any]:
    """What to do. It returns in forked processes only; the one that called it ends when nobody can order any more."""
    with socket.socket(fileno=os.dup(0)) as orders:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that none of them is left to be waited for
        interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
        while received := socket.recv_fds(orders, 1, 1)[1]:
            if os.fork() == 0:
                break
            os.close(received[0])
        else:
            sys.exit()
    with socket.socket(fileno=received[0]) as connection:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        order = json.loads(connection.makefile().readline())
        worker = os.fork()
        if worker:
            connection.sendall(f"{worker}\n".encode())
            status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
            connection.sendall(f"{status}\n".encode())
            os._exit(0)
    signal.signal(signal.SIGINT, interrupted)
    return order


def obey(order: dict[str, Any]) -> None:
    """Call a module's function, in a folder, with what it says written to files."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(order["output"], start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    sys.path[:] = order["path"]
    getattr(importlib.import_module(order["module"]), order["function"])(*order["words"])


if __name__ == "__main__":
    for name in IMPORTS:
        importlib.import_module(name)
    obey(next_order())

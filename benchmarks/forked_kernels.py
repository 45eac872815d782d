"""ipykernel's kernels, forked from a process that has imported torch: stock, but for the seconds of importing.

A KernelManager starts a process for each kernel and watches it. Here that process is a relay, which asks the
warm process for a fork and lives as long as the fork does. The fork runs ipykernel as always.
"""

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from jupyter_client.manager import AsyncKernelManager

RELAY = """
import json, os, signal, socket, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # it comes when the kernel is to end
end = socket.socket(socket.AF_UNIX)
end.connect(sys.argv[1])
end.sendall(json.dumps([os.getcwd(), sys.argv[2:]]).encode() + b"\\n")
end.recv(1)  # nothing comes; it closes when the kernel ends
"""


@contextlib.contextmanager
def forked_kernels() -> Iterator[type[AsyncKernelManager]]:
    """A class of kernel managers for nbclient; the warm process is gone at the end."""
    with TemporaryDirectory() as folder:
        address = str(Path(folder) / "socket")
        environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        warm = subprocess.Popen([sys.executable, __file__, address], stdout=subprocess.PIPE, env=environment)
        assert warm.stdout is not None
        warm.stdout.readline()  # it is up

        class Forked(AsyncKernelManager):
            def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
                command = super().format_kernel_cmd(extra_arguments)
                return [sys.executable, "-IS", "-c", RELAY, address, *command[command.index("-f") :]]

        try:
            yield Forked
        finally:
            warm.kill()
            warm.wait()


def serve(address: str) -> None:
    """Fork a kernel for whoever connects."""
    import ipykernel.kernelapp

    for heavy in ("matplotlib", "numpy", "torch"):
        importlib.import_module(heavy)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    door = socket.socket(socket.AF_UNIX)
    door.bind(address)
    door.listen()
    print("up", flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads on, and kernels say enough to fill a pipe
    while True:
        end, _ = door.accept()
        folder, arguments = json.loads(end.makefile().readline())
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            door.close()
            os.chdir(folder)
            with contextlib.suppress(SystemExit):
                ipykernel.kernelapp.launch_new_instance(argv=arguments)
            os._exit(0)
        end.close()


if __name__ == "__main__":
    serve(sys.argv[1])

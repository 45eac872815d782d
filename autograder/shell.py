"""An IPython shell whose cells leave the outputs that a Jupyter kernel would send to a notebook."""

import base64
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

OUTPUT_CHARACTERS = 1_000_000  # that one cell may print
OUTPUT_BYTES = 8_000_000  # of figures and the like that one cell may show

Output = dict[str, Any]  # one output of a cell, in nbformat's form


class TooMuchOutput(BaseException):
    """Stops a cell that prints without end."""


class _Publisher(DisplayPublisher):
    def publish(self, data: Any, metadata: Any = None, *args: Any, **kwargs: Any) -> None:
        if not kwargs.get("update"):  # a moved slider's figure; nobody moves sliders here
            self.shell.add({"output_type": "display_data", "data": _plain(data), "metadata": metadata or {}})


class _Hook(DisplayHook):
    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        result = {"data": _plain(format_dict), "metadata": md_dict or {}, "execution_count": self.prompt_count}
        self.shell.add({"output_type": "execute_result", **result})

    def finish_displayhook(self) -> None:
        pass


class Shell(InteractiveShell):
    """Its `outputs` are those of the cell that ran last."""

    displayhook_class = _Hook
    display_pub_class = _Publisher
    shows_tracebacks = True

    def clear(self) -> None:
        """Forget the last cell's outputs."""
        self.outputs: list[Output] = []
        self.printed = 0  # characters
        self.shown = 0  # bytes

    def add(self, output: Output) -> None:
        self.shown += sum(len(str(part)) for part in output["data"].values())
        if self.shown > OUTPUT_BYTES:
            raise TooMuchOutput(f"The cell showed more than {OUTPUT_BYTES:,} bytes and was stopped.")
        self.outputs.append(output)

    def enable_gui(self, gui: Any = None) -> None:
        """`%matplotlib inline` asks for it; there is no window."""

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        words = str(evalue)
        lines = [stb] if isinstance(stb, str) else list(stb)
        if not self.shows_tracebacks and not hasattr(evalue, "_render_traceback_"):
            lines = [f"{etype.__name__}: {words}"]
        self.outputs.append({"output_type": "error", "ename": etype.__name__, "evalue": words, "traceback": lines})


class Stream:
    """What is written to it becomes a stream output."""

    encoding = "utf-8"

    def __init__(self, name: str, shell: "Shell") -> None:
        self.name = name
        self.shell = shell

    def write(self, text: str) -> int:
        shell = self.shell
        shell.printed += len(text)
        room = len(text) - max(0, shell.printed - OUTPUT_CHARACTERS)
        last = shell.outputs[-1] if shell.outputs else {}
        if room > 0 and last.get("output_type") == "stream" and last["name"] == self.name:
            last["text"] += text[:room]
        elif room > 0:
            shell.outputs.append({"output_type": "stream", "name": self.name, "text": text[:room]})
        if room < len(text):
            raise TooMuchOutput(f"The cell printed more than {OUTPUT_CHARACTERS:,} characters and was stopped.")
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


def make_shell(variables: dict[str, Any]) -> Shell:
    """A shell whose cells keep their variables in `variables`."""
    config = Config()
    config.HistoryManager.enabled = False  # it would start a thread
    shell = Shell.instance(config=config, colors="nocolor", user_ns=variables)
    shell.system = shell.system_piped  # what a command prints is the cell's output
    shell.clear()
    return shell


def _plain(data: Any) -> dict[str, Any]:
    """MIME data that JSON can carry, as a kernel sends it."""
    return {
        kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value for kind, value in data.items()
    }

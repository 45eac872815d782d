"""An IPython shell whose cells leave the outputs that a Jupyter kernel would send to a notebook."""

import ast
import base64
import json
import subprocess
import sys
import warnings
from typing import Any, NoReturn

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from autograder.execution.outputs import CELL_OUTPUTS, CELL_VALUES, ERROR_CHARACTERS, TRACEBACK_LINES, Output
from autograder.inside.tracebacks import is_long, shorten
from autograder.student_data.json_amounts import values_in
from simpo_language.speech import N_, _

OUTPUT_CHARACTERS = 1_000_000  # that one cell may print
OUTPUT_BYTES = 8_000_000  # of figures and the like that one cell may show

REFUSED = N_("while a notebook is graded it can't start processes, use the network or reach files outside its folder")


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


class _Compiler(CachingCompiler):
    """Parses a cell once, where IPython does three times."""

    _ahead: tuple[Any, Any] = (None, None)

    def parse_ahead(self, cell: str) -> bool:
        """Parse a cell for the `ast_parse` to come, if it is Python alone and gives no warning."""
        self._ahead = (None, None)
        if "\n" not in cell.strip():  # one word may be a magic: `pwd`
            return False
        # A prompt that was copied along may look like an annotation; an await outside of functions needs a loop.
        if cell.startswith("In [") or "await" in cell or "async" in cell:
            return False
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                tree = super().ast_parse(cell)
            except (SyntaxError, ValueError):
                return False
        if not warned:
            self._ahead = (cell, tree)
        return not warned

    def is_ahead(self, cell: Any) -> bool:
        return cell is not None and self._ahead[0] == cell

    def ast_parse(self, source: str, *args: Any, **kwargs: Any) -> ast.AST:
        tree = self._ahead[1] if self.is_ahead(source) else super().ast_parse(source, *args, **kwargs)
        self._ahead = (None, None)  # whoever gets a tree may change it
        return tree


def nothing_shown() -> dict[str, Any]:
    """A shell's attributes before a cell has shown anything."""
    return {"outputs": [], "printed": 0, "shown": 0, "values": 0}


class Shell(InteractiveShell):
    """Its `outputs` are those of the cell that ran last."""

    compiler_class = _Compiler
    displayhook_class = _Hook
    display_pub_class = _Publisher
    shows_tracebacks = True
    _left_out = 0  # frames of the error that is shown

    outputs: list[Output]
    printed: int  # characters
    shown: int  # bytes
    values: int  # of JSON

    def clear(self) -> None:
        """Forget the last cell's outputs."""
        self.__dict__.update(nothing_shown())

    def add(self, output: Output) -> None:
        content = json.dumps(output).encode()  # what JSON can't carry is an error of the cell's
        self.shown, self.values = self.shown + len(content), self.values + values_in(content, CELL_VALUES)
        if self.shown > OUTPUT_BYTES:
            _stop(N_("The cell showed more than {count} bytes and was stopped."), OUTPUT_BYTES)
        if self.values > CELL_VALUES // 2:  # texts are printed besides
            _stop(N_("The cell showed more than {count} values and was stopped."), CELL_VALUES // 2)
        if len(self.outputs) >= CELL_OUTPUTS:
            _stop(N_("The cell showed more than {count} things and was stopped."), CELL_OUTPUTS)
        self.outputs.append(output)

    def enable_gui(self, gui: Any = None) -> None:
        """`%matplotlib inline` asks for it; there is no window."""

    def transform_cell(self, raw_cell: str) -> str:
        """A cell in Python alone as it is: to look for magics takes IPython longer than most cells run."""
        cell = raw_cell if raw_cell.endswith("\n") else raw_cell + "\n"
        if self.compile.parse_ahead(cell):
            return cell
        return str(super().transform_cell(raw_cell))

    def should_run_async(self, raw_cell: str, *, transformed_cell: Any = None, **kwargs: Any) -> bool:
        if self.compile.is_ahead(transformed_cell):
            return False
        return bool(super().should_run_async(raw_cell, transformed_cell=transformed_cell, **kwargs))

    def system(self, command: str) -> None:
        """Run what stands behind an exclamation mark; what it prints is the cell's output."""
        words = self.var_expand(command, depth=1)
        done = subprocess.run(words, shell=True, text=True, errors="replace", capture_output=True, check=False)
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        self.user_ns["_exit_code"] = done.returncode

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        """What IPython shows of an error, of a short traceback; in one line where IPython itself stumbles over it."""
        etype, error = sys.exc_info()[:2]
        self._left_out = 0
        try:
            self._left_out = shorten(error) if error is not None else 0
            if self.shows_tracebacks or etype is None or hasattr(error, "_render_traceback_"):
                self.InteractiveTB.set_mode("Plain" if error is not None and is_long(error) else self.xmode)
                super().showtraceback(*args, **kwargs)
            else:
                self._showtraceback(etype, error, [])
        except Exception:  # from a method of the error's own class
            self._showtraceback(etype, error, [])

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        name, words = etype.__name__[:ERROR_CHARACTERS], explained(evalue)[:ERROR_CHARACTERS]
        lines = [stb] if isinstance(stb, str) else list(stb)
        if not lines or is_refusal(evalue):
            lines[-1:] = [f"{name}: {words}"]
        if self._left_out:
            sentence = _("... {count} frames between these are left out ...")
            lines.insert(-1, sentence.format(count=f"{self._left_out:,}"))
        lines = [str(line)[:ERROR_CHARACTERS] for line in lines[-TRACEBACK_LINES:]]
        self.outputs.append({"output_type": "error", "ename": name, "evalue": words, "traceback": lines})


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
            _stop(N_("The cell printed more than {count} characters and was stopped."), OUTPUT_CHARACTERS)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


def explained(error: Any) -> str:
    """An error's words; where the confinement refused something, that it did."""
    try:
        words = str(error)
    except Exception:  # its class is a student's
        words = ""
    return f"{words} ({_(REFUSED)})" if is_refusal(error) else words


def is_refusal(error: Any) -> bool:
    """Whether the confinement refused something."""
    refused = error if isinstance(error, PermissionError) else getattr(error, "reason", None)
    return isinstance(refused, PermissionError)


def _stop(sentence: str, count: int) -> NoReturn:
    raise TooMuchOutput(_(sentence).format(count=f"{count:,}"))


def make_shell(variables: dict[str, Any]) -> Shell:
    """A shell whose cells keep their variables in `variables`."""
    config = Config()
    config.HistoryManager.enabled = False  # it would start a thread
    shell = Shell.instance(config=config, colors="nocolor", user_ns=variables)
    shell.clear()
    return shell


def _plain(data: Any) -> dict[str, Any]:
    """MIME data that JSON can carry, as a kernel sends it."""
    return {
        kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value for kind, value in data.items()
    }

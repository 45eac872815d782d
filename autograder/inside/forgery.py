"""Tests that run in the student's own process: finding out whether the student's code has tampered with them.

This is detection, not prevention. The student's code shares a process with the tests and can in principle
change all that is here; what it did is found as far as it leaves traces, and a person is told. No score is
changed for it. (`--isolation separate` prevents; it needs tests that deal in plain values.)

Found, beside what `canaries` finds from outside:
- what `pristine` watches, replaced before a test or while it ran; it is put back before each test;
- names that a test uses and the author's cells or Python gave, but the student has redefined;
- variables and classes that are equal to everything;
- Python's own report (audit events) of what forgeries need: walking frames, searching the heap, ctypes,
  changing an installed function's code, tracing. It is sent at once and can't be taken back.

Not found: code that changes something while a test runs and puts it back; that knows the tests' values;
that reads a test's text and answers to it; what C code does to memory; test helpers of packages that are
not loaded before the first cell, redefined inside those packages.
"""

import ast
import contextlib
import sys
import threading
from collections.abc import Iterator
from types import BuiltinFunctionType, FrameType, FunctionType, ModuleType
from typing import Any

from autograder.execution.channel import DONE, FLAG, Channel
from autograder.inside.pristine import Pristine, is_installed, is_made_by_student, students_frame
from autograder.inside.shell import Shell

DECISIVE = ("isinstance", "issubclass", "abs", "all", "any", "len", "round", "type", "callable", "hasattr")
FRAMES = {"tb_frame", "gi_frame", "cr_frame", "ag_frame"}
CODE = {"__code__", "__defaults__", "__kwdefaults__"}
TRACING = {"sys.settrace", "sys.setprofile", "sys.monitoring.register_callback", "sys.addaudithook"}
HEAP = {"gc.get_objects", "gc.get_referrers", "gc.get_referents"}


class Guard:
    """Runs cells in the student's process and watches over the tests among them."""

    def __init__(self, shell: Shell, channel: Channel) -> None:
        self.shell = shell
        self.channel = channel
        self.pristine = Pristine(shell)
        self.authors: dict[str, Any] = {}  # what the author's cells gave names to
        self.told: set[str] = set()
        self.pending: list[str] = []  # heard in other threads
        self.hearing = False
        self.test = ""  # the one that runs
        self.reply: dict[str, Any] = {}
        for name in _hide_rooms():
            self.pristine.modules.pop(name, None)
        sys.addaudithook(self._hear)

    def run(self, request: dict[str, Any]) -> None:
        """Run a cell. `report` then tells what came of it, whether or not this was interrupted.

        request: `source`; `nonce`, which shows that the outputs are this cell's; `test`: its name, or empty for
            other cells; `is_authors`; `leaves_no_trace`: no later cell may see that it ran.
        """
        shell, source = self.shell, request["source"]
        self.reply, self.test = {"nonce": request["nonce"], "ended_well": False}, request["test"]
        if self.test:
            self._look(f"before the test {self.test}")
            self._look_at_names(self.test, source)
        before, history = dict(shell.user_ns), self._history()
        self.reply["ended_well"] = bool(shell.run_cell(source, store_history=True).success)
        if self.test:
            self._look(f"while the test {self.test} ran")
        if request["leaves_no_trace"]:
            self._forget(history)
        elif request["is_authors"]:
            self._learn_names(before)

    def report(self) -> None:
        self.test = ""
        while self.pending:
            self._tell(self.pending.pop())
        self.channel.send(DONE, {**self.reply, "outputs": self.shell.outputs})

    def _tell(self, what: str) -> None:
        if threading.get_ident() != threading.main_thread().ident:
            self.pending.append(what)
        elif what not in self.told and len(self.told) < 50:
            self.told.add(what)
            self.channel.send(FLAG, what)

    def _look(self, when: str) -> None:
        for found in self.pristine.restore():
            self._tell(f"{found} {when}")

    def _look_at_names(self, test: str, source: str) -> None:
        """Look at what the test's names stand for."""
        variables = self.shell.user_ns
        for name in _names(source) & set(variables):
            value = variables[name]
            if name in self.authors and value is not self.authors[name]:
                self._tell(f"{name}, which the author's cells define, had been redefined before the test {test}")
            if name in DECISIVE and callable(value) and is_made_by_student(value):
                self._tell(f"{name} was the student's own instead of Python's in the test {test}")
            if _equals_everything(value):
                self._tell(f"{name} is equal to everything in the test {test}")
        for name, value in list(variables.items()):
            if isinstance(value, type) and _makes_equals(value):
                self._tell(f"objects of the class {name} are equal to everything")

    def _learn_names(self, before: dict[str, Any]) -> None:
        """Remember functions and modules that the author's cell has named; not the student's under a new name."""
        known = {id(value) for value in before.values()}
        for name, value in self.shell.user_ns.items():
            if before.get(name) is not value and not name.startswith("_"):
                self.authors.pop(name, None)
                kinds = (FunctionType, BuiltinFunctionType, ModuleType, type)
                if isinstance(value, kinds) and (id(value) not in known or not is_made_by_student(value)):
                    self.authors[name] = value

    def _history(self) -> dict[str, Any]:
        manager, names = self.shell.history_manager, ("_i", "_ii", "_iii", "_i00")
        return {
            "count": self.shell.execution_count,
            "lengths": (len(manager.input_hist_parsed), len(manager.input_hist_raw)),
            "shown": {name: getattr(manager, name) for name in names},
            "names": {name: self.shell.user_ns.get(name) for name in ("_i", "_ii", "_iii")},
        }

    def _forget(self, history: dict[str, Any]) -> None:
        """Make the cell that ran last undone in the shell's numbering and history, for later cells to see none."""
        manager = self.shell.history_manager
        self.shell.user_ns.pop(f"_i{history['count']}", None)
        self.shell.execution_count = history["count"]
        del manager.input_hist_parsed[history["lengths"][0] :]
        del manager.input_hist_raw[history["lengths"][1] :]
        for name, value in history["shown"].items():
            setattr(manager, name, value)
        self.shell.user_ns.update(history["names"])

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python tells of an event before it happens."""
        if event not in _HEARD and not event.startswith("ctypes."):
            return
        if self.hearing:  # it is ours
            return
        self.hearing = True
        try:
            with contextlib.suppress(Exception):
                if what := _of_event(event, arguments, sys._getframe(1)):
                    self._tell(f"{what} in {f'the test {self.test}' if self.test else 'a cell'}")
        finally:
            self.hearing = False


_HEARD = {"object.__getattr__", "object.__setattr__", "sys._getframe", "sys._current_frames"} | TRACING | HEAP


def _of_event(event: str, arguments: tuple[Any, ...], frame: FrameType | None) -> str:
    """What an audit event says of the student's code that is at work; empty if nothing.

    The code that calls must itself be the student's: libraries walk frames and trace for good reasons.
    """
    if event == "object.__setattr__":
        owner, name, *_ = arguments
        installed = isinstance(owner, FunctionType) and not is_made_by_student(owner)
        return f"{name} of {owner.__qualname__} was set" if name in CODE and installed else ""
    while frame is not None and frame.f_code.co_filename.endswith(("/inspect.py", "/forgery.py")):
        frame = frame.f_back
    if frame is None or students_frame(frame) is not frame:
        return ""
    if event == "object.__getattr__":
        return f"a frame was read ({arguments[1]})" if arguments[1] in FRAMES else ""
    return f"{event} was used"


def _hide_rooms() -> list[str]:
    """Take this grader's rooms, which are of no use to a notebook, out of its reach; the names of their modules."""
    package = sys.modules["autograder"]
    rooms = [name for name, part in vars(package).items() if isinstance(part, ModuleType) and hasattr(part, "__path__")]
    hidden = [name for name in sys.modules if name.startswith("autograder.") and name.split(".")[1] in rooms]
    for name in hidden:
        del sys.modules[name]
    for room in rooms:
        delattr(package, room)
    return hidden


def _names(source: str) -> set[str]:
    """The names that a cell reads."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _equals_everything(value: Any) -> bool:
    """Whether a value with an `__eq__` in Python is equal to an object that nothing is equal to."""
    if isinstance(value, type) or not isinstance(getattr(type(value), "__eq__", None), FunctionType):
        return False
    with contextlib.suppress(Exception):
        return bool((value == object()) is True)
    return False


def _makes_equals(kind: type) -> bool:
    """The same of a student's class, tried on an object of it that was never initialised."""
    if not any(map(is_made_by_student, _eq_methods(kind))):
        return False
    with contextlib.suppress(Exception):
        base = next(base for base in kind.__mro__ if _is_installed(base))
        make: Any = base.__new__
        return _equals_everything(make(kind))
    return False


def _eq_methods(kind: type) -> Iterator[FunctionType]:
    for base in kind.__mro__:
        if isinstance(method := vars(base).get("__eq__"), FunctionType):
            yield method


def _is_installed(kind: type) -> bool:
    """Whether a class has no methods of the student's."""
    functions = [value for value in vars(kind).values() if isinstance(value, FunctionType)]
    return all(is_installed(function.__code__.co_filename) for function in functions)

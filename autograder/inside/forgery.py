"""Tests that run in the student's own process: finding out whether the student's code has tampered with them.

This is detection, not prevention. The student's code shares a process with the tests and can in principle
change all that is here; what it did is found as far as it leaves traces, and a person is told. No score is
changed for it. (`--isolation separate` prevents; it needs tests that deal in plain values.)

Found, beside what `canaries` finds from outside:
- what `pristine` watches, replaced before a test or while it ran; it is put back before each test;
- names that a test uses and the author's cells or Python gave, but the student has redefined;
- Python's own report (audit events) of what forgeries need: walking frames, searching the heap, ctypes,
  changing an installed function's code, tracing. It is sent at once and can't be taken back.

The guard is out of the reach of what it watches. It is a generator that is suspended while a cell runs, so that no
frame of the cell's leads to it; the modules of its functions are in no list, and they have no classes, which could be
found among all of a process; while it is at work, no handler of a signal runs that is not Python's. What it reads and
writes is sealed with a key that it alone has, so that nobody answers in its place, or keeps back what it tells.

Not found: code that changes something while a test runs and puts it back; that knows the tests' values;
that reads a test's text and answers to it; what C code does to memory; test helpers of packages that are
not loaded before the first cell, redefined inside those packages.
"""

import ast
import builtins
import importlib
import os
import signal
import sys
from _thread import allocate_lock
from collections.abc import Callable, Iterator
from functools import partial
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined]  # C: nobody's to change
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from autograder.execution.channel import DONE, FLAG, HEADER
from autograder.execution.sealed import AUTHORS, FORGET, FROM_GUARD, KEY_BYTES, LOOK_WIDELY, TO_GUARD, opened, sealed
from autograder.inside.audit_events import hearer
from autograder.inside.pristine import is_made_by_student, replaced, restore, snapshot
from autograder.inside.shell import Shell, nothing_shown

FLAGS = 50  # that are told
NO_OUTPUTS = """[{"output_type": "error", "ename": "OutputError", "evalue": "The cell's outputs can't be shown.",
    "traceback": []}]"""
WIDELY = 5  # of what is found replaced, wherever it is
DECISIVE = frozenset(vars(builtins))
NAMED = (FunctionType, BuiltinFunctionType, ModuleType)

OF_CHECKS = {"checking", "student_data"}  # rooms that a notebook imports
USER_NAMES = "_user_ns"  # where IPython's shell has its variables

Cells = Iterator[tuple[str, list[Any]]]
Tell = Callable[[str], None]
Names = tuple[dict[str, Any], Any, dict[str, Any]]  # the shell's attributes, its module, the notebook's variables


def guarded(shell: Shell, end: int, first: bytes) -> Callable[[], None]:
    """What runs cells as the messages say, until there are no more. Keep it in no variable while it is called.

    end: the channel's file descriptor.
    first: the key, and the first message, which has come already.
    """
    modules = _hide_rooms()
    was = snapshot(shell)
    for name in modules:
        was[2].pop(name, None)
    numbers = [number for number in range(1, signal.NSIG) if number not in (signal.SIGKILL, signal.SIGSTOP)]
    held: dict[int, Any] = {signal.SIGINT: signal.default_int_handler}
    encode = c_make_encoder(None, None, encode_basestring_ascii, None, ": ", ", ", False, False, True)
    cells = _cells(shell, end, first, was, held)
    names = {"BaseException": BaseException, "callable": callable}
    run = FunctionType(_run_cells.__code__, {"__builtins__": names})
    in_c = importlib.import_module("_signal")  # whose functions have no frames and no globals
    handlers = (in_c.getsignal, in_c.signal, in_c.SIG_IGN, numbers, held)
    return partial(run, cells, shell.run_cell, vars(shell), encode, *handlers)


def _run_cells(
    cells: Any, run: Any, attributes: Any, encode: Any, handler: Any, handle: Any, ignored: Any, numbers: Any, held: Any
) -> None:
    """Run cells. Every cell can see this function's frame: there is nothing in it that would serve a forgery."""
    for source, done in cells:
        cells = None
        for number in held:
            handle(number, held[number])
        try:
            done[:] = run(source, store_history=True), encode(attributes["outputs"], 0)
        except BaseException:  # an interrupt between two lines of the student's, outputs that JSON can't carry
            done.clear()
        while True:
            try:
                for number in numbers:
                    if callable(now := handler(number)):
                        held[number] = now
                        handle(number, ignored)
                break
            except BaseException:  # a handler's, before it is held
                continue


def _cells(shell: Shell, end: int, first: bytes, was: Any, held: dict[int, Any]) -> Cells:
    """Each cell that is to run, and a list for what came of it: the result, its outputs as JSON."""
    key, message = first[:KEY_BYTES], first[KEY_BYTES:]
    told: list[str] = []
    at_work = [""]  # the test
    authors: dict[str, Any] = {}  # what the author's cells gave names to
    attributes: Any = vars(shell)
    manager, variables = shell.history_manager, shell.user_ns
    names = (attributes, shell.user_module, variables)
    tell = _teller(end, told)
    sys.addaudithook(hearer(tell, at_work))
    number, history = 0, _history(shell)
    while True:
        request = opened(message, key, TO_GUARD, number)
        if request is None:  # a forged one
            os._exit(1)
        what, name, source = request.decode().split("\0", 2)
        if FORGET in what:
            _forget(history, manager)
        if name:
            _look(tell, was, names, held, f"before the test {name}")
            _look_at_names(tell, variables, authors, name, source)
        if LOOK_WIDELY in what:
            for found in sorted({*replaced()})[:WIDELY]:
                tell(f"{found} had been replaced")
        before, history = dict(variables), _history(shell)
        attributes |= nothing_shown()
        at_work[0] = name
        done: list[Any] = []
        yield source, done
        at_work[0] = ""
        if name:
            _look(tell, was, names, held, f"while the test {name} ran")
        if AUTHORS in what:
            _learn_names(authors, before, variables)
        before = {}
        _send(end, DONE, sealed(_report(done, told).encode(), key, FROM_GUARD, number))
        number += 1
        message = _received(end)


def _report(done: list[Any], told: list[str]) -> str:
    """What came of a cell, as JSON."""
    result, outputs = done or (None, NO_OUTPUTS)
    ended_well = result is not None and result.error_before_exec is None and result.error_in_exec is None
    flags = ", ".join(map(encode_basestring_ascii, told))
    return f'{{"outputs": {"".join(outputs)}, "flags": [{flags}], "ended_well": {"true" if ended_well else "false"}}}'


def _teller(end: int, told: list[str]) -> Tell:
    lock = allocate_lock()

    def tell(what: str) -> None:
        with lock:
            if what not in told and len(told) < FLAGS:
                told.append(what)
                _send(end, FLAG, encode_basestring_ascii(what).encode())

    return tell


def _send(end: int, kind: bytes, body: bytes) -> None:
    rest = memoryview(HEADER.pack(kind, len(body)) + body)
    while rest:
        rest = rest[_write(end, rest) :]


def _received(end: int) -> bytes:
    """The body of the next message. Ends the process where there is none."""
    _, length = HEADER.unpack(_exactly(end, HEADER.size))
    return _exactly(end, length)


def _exactly(end: int, count: int) -> bytes:
    arrived = b""
    while len(arrived) < count:
        chunk = _read(end, count - len(arrived))
        if not chunk:
            os._exit(0)
        arrived += chunk
    return arrived


_read, _write = os.read, os.write


def _look(tell: Tell, was: Any, names: Names, held: dict[int, Any], when: str) -> None:
    for found in restore(was):
        tell(f"{found} {when}")
    if held.get(signal.SIGINT) is not signal.default_int_handler:
        held[signal.SIGINT] = signal.default_int_handler
        tell(f"the handler of interrupts had been replaced {when}")
    attributes, module, variables = names
    if not any(variables.get("__builtins__") is one for one in (builtins, vars(builtins))):
        variables["__builtins__"] = builtins
        tell(f"the notebook's __builtins__ had been replaced {when}")
    for name, value in (("user_module", module), (USER_NAMES, variables)):
        if attributes.get(name) is not value:
            attributes[name] = value
            tell(f"the shell's {name.strip('_')} had been replaced {when}")


def _look_at_names(tell: Tell, variables: dict[str, Any], authors: dict[str, Any], test: str, source: str) -> None:
    """Look at what the test's names stand for."""
    for name in _names(source):
        value = variables.get(name)
        if name in authors and name in variables and value is not authors[name]:
            tell(f"{name}, which the author's cells define, had been redefined before the test {test}")
        if name in DECISIVE and name in variables and is_made_by_student(value):
            tell(f"{name} was the student's own instead of Python's in the test {test}")


def _learn_names(authors: dict[str, Any], before: dict[str, Any], variables: dict[str, Any]) -> None:
    """Remember functions and modules that the author's cell has named; not the student's under a new name."""
    known = {id(value) for value in before.values()}
    for name, value in variables.items():
        if type(name) is str and before.get(name) is not value and not name.startswith("_"):
            authors.pop(name, None)
            is_named = type(value) in NAMED or issubclass(type(value), type)
            if is_named and (id(value) not in known or not is_made_by_student(value)):
                authors[name] = value


def _history(shell: Shell) -> dict[str, Any]:
    manager, names = shell.history_manager, ("_i", "_ii", "_iii", "_i00")
    return {
        "shell": shell,
        "count": shell.execution_count,
        "lengths": (len(manager.input_hist_parsed), len(manager.input_hist_raw)),
        "shown": {name: getattr(manager, name) for name in names},
        "names": {name: shell.user_ns.get(name) for name in ("_i", "_ii", "_iii")},
    }


def _forget(history: dict[str, Any], manager: Any) -> None:
    """Make the cell that ran last undone in the shell's numbering and history, for later cells to see none."""
    shell = history["shell"]
    shell.user_ns.pop(f"_i{history['count']}", None)
    shell.execution_count = history["count"]
    del manager.input_hist_parsed[history["lengths"][0] :]
    del manager.input_hist_raw[history["lengths"][1] :]
    for name, value in history["shown"].items():
        setattr(manager, name, value)
    shell.user_ns.update(history["names"])


def _hide_rooms() -> list[str]:
    """Take this grader's rooms but those of its checks out of a notebook's reach; the names of their modules."""
    package = sys.modules["autograder"]
    folders = {
        name for name, part in vars(package).items() if isinstance(part, ModuleType) and hasattr(part, "__path__")
    }
    rooms = folders - OF_CHECKS
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

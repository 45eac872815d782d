"""What a process was like before the student's first cell: what has changed since, and putting it back.

Watched, because tests and their outputs go through it: builtins, what asserts are made of (math, numpy,
numpy.testing, unittest, torch, this package's checks), the shell with its hooks, the streams, JSON and
sockets, modules, tracing, timers and threads. A change counts by identity: equal is not enough.
"""

import gc
import importlib
import signal
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, MethodType
from typing import Any

MODULES = (  # builtins first: putting the others back needs them
    "builtins", "math", "cmath", "operator", "re", "ast", "copy", "inspect", "itertools", "functools", "json",
    "json.encoder", "numpy", "numpy.linalg", "numpy.testing", "numpy.testing._private.utils", "torch",
    "torch.testing", "torch.testing._comparison", "unittest.case", "autograder.checks", "autograder.values",
    "autograder.messages", "autograder.execution.channel",
)  # fmt: skip
PARTS = (
    "displayhook", "display_pub", "display_formatter", "events", "compile", "InteractiveTB",
    "input_transformer_manager", "history_manager", "builtin_trap", "display_trap",
)  # fmt: skip
SYS = ("stdout", "stderr", "excepthook", "displayhook")  # other things in sys change of themselves
TIMERS = {"ITIMER_REAL": signal.ITIMER_REAL, "ITIMER_VIRTUAL": signal.ITIMER_VIRTUAL, "ITIMER_PROF": signal.ITIMER_PROF}
OURS = Path(__file__).parent.parent.parent  # where this grader's packages are
INSTALLED = tuple(
    {str(Path(path).resolve()) for path in sysconfig.get_paths().values()}
    | {str(Path(prefix, "lib").resolve()) for prefix in (sys.prefix, sys.base_prefix)}
    | {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), str(OURS), "<frozen "}
)
MISSING = object()
_get, _set, _delete, _type = getattr, setattr, delattr, type  # the real ones, until they are put back


@dataclass(frozen=True)
class Place:
    """Something with attributes, and what they were."""

    name: str
    owner: Any
    live: Mapping[str, Any]  # what they are now
    was: dict[str, Any]  # MISSING: it had none of that name

    def changed(self) -> list[str]:
        """The attributes that are not what they were. Calls nothing that could have been replaced."""
        live = self.live
        changed = [name for name, value in self.was.items() if live.get(name, MISSING) is not value]
        return [name for name in changed if not self._is_its_own(name)]

    def _is_its_own(self, name: str) -> bool:
        """Whether an object's method has but been written into the object, as IPython does with its streams'."""
        now = self.live.get(name, MISSING)
        own = _get(_type(self.owner), name, MISSING)
        return _type(now) is MethodType and now.__self__ is self.owner and now.__func__ is own

    def put_back(self, name: str) -> None:
        if self.was[name] is MISSING:
            _delete(self.owner, name)
        else:
            _set(self.owner, name, self.was[name])


class Pristine:
    """How the process is when this is made."""

    def __init__(self, shell: Any) -> None:
        self.places = list(_places(shell))
        self.lists = {name: (items, list(items)) for name, items in _lists(shell)}
        self.modules = dict(sys.modules)
        self.interrupt = signal.getsignal(signal.SIGINT)

    def restore(self) -> list[str]:
        """Put back what has changed; say what it was."""
        found = []
        for place in self.places:  # builtins are the first
            for name in place.changed():
                place.put_back(name)
                found.append(f"{place.name}.{name} had been replaced")
        for name, (items, was) in self.lists.items():
            new = [item for item in items if not any(item is one for one in was)]
            strange = [item for item in new if _code(item) is None or is_made_by_student(item)]
            if strange or any(not any(one is item for item in items) for one in was):
                items[:] = was
                found.append(f"{name} had been changed")
        for name, module in self.modules.items():
            if sys.modules.get(name) is not module:
                sys.modules[name] = module
                found.append(f"the module {name} had been replaced")
        return [*found, *self._stop_what_runs()]

    def _stop_what_runs(self) -> Iterator[str]:
        if sys.gettrace() or sys.getprofile() or threading.gettrace() or threading.getprofile():
            sys.settrace(None)
            sys.setprofile(None)
            threading.settrace(None)
            threading.setprofile(None)
            yield "a trace function was set"
        monitoring: Any = getattr(sys, "monitoring", None)  # from Python 3.12 on
        for tool in range(6) if monitoring else ():
            if monitoring.get_tool(tool) is not None:
                monitoring.free_tool_id(tool)
                yield "sys.monitoring was in use"
        for name, timer in TIMERS.items():
            if signal.getitimer(timer)[0]:
                signal.setitimer(timer, 0)
                yield f"a timer ({name}) was running"
        if signal.getsignal(signal.SIGINT) is not self.interrupt:
            signal.signal(signal.SIGINT, self.interrupt)
            yield "the handler of interrupts had been replaced"
        own = threading.get_ident()
        if any(students_frame(frame) for thread, frame in sys._current_frames().items() if thread != own):
            yield "a thread of the student's was running"


def _places(shell: Any) -> Iterator[Place]:
    for name in MODULES:
        module = importlib.import_module(name)
        live = vars(module)
        yield Place(name, module, live, {key: value for key, value in live.items() if callable(value)})
    watched = SYS + tuple(name for name, value in vars(sys).items() if callable(value))
    yield Place("sys", sys, vars(sys), {name: getattr(sys, name) for name in watched})
    objects = {f"shell.{name}": getattr(shell, name) for name in PARTS}
    objects |= {"shell": shell, "sys.stdout": sys.stdout, "sys.stderr": sys.stderr}
    classes: dict[type, str] = {importlib.import_module("unittest.case").TestCase: "unittest.TestCase"}
    classes[importlib.import_module("socket").socket] = "socket.socket"
    for name, part in objects.items():
        yield Place(name, part, vars(part), dict(_of_instance(part)))
        classes |= {kind: kind.__name__ for kind in type(part).__mro__ if kind is not object}
    for kind, name in classes.items():
        # traits are settings (ast_node_interactivity, say): an honest student may change those
        methods = {key: value for key, value in vars(kind).items() if callable(value) or isinstance(value, property)}
        yield Place(name, kind, vars(kind), {key: value for key, value in methods.items() if not _is_own(key)})


def _of_instance(part: Any) -> Iterator[tuple[str, Any]]:
    """An object's own attributes that stand, or could stand, before its class's methods; and its parts."""
    own = vars(part)
    for name in dir(type(part)):
        if not _is_own(name) and callable(getattr(type(part), name, None)):
            yield name, own.get(name, MISSING)
    for name in (*PARTS, "custom_exceptions", "CustomTB"):
        if name in own:
            yield name, own[name]


def _is_own(name: str) -> bool:
    """Names that Python itself sets as it goes."""
    return name in ("__dict__", "__weakref__", "__doc__", "__abstractmethods__", "_abc_impl", "__annotations_cache__")


def _lists(shell: Any) -> Iterator[tuple[str, list[Any]]]:
    transforms = shell.input_transformer_manager
    yield "shell.ast_transformers", shell.ast_transformers
    yield "shell.input_transformers_post", shell.input_transformers_post
    for name in ("cleanup_transforms", "line_transforms", "token_transformers"):
        yield f"shell's {name}", getattr(transforms, name)
    for event, callbacks in shell.events.callbacks.items():
        yield f"shell.events {event}", callbacks
    yield "sys.meta_path", sys.meta_path
    yield "sys.path_hooks", sys.path_hooks
    yield "gc.callbacks", gc.callbacks


def is_made_by_student(thing: Any) -> bool:
    """Whether a function, a class or an object's class has Python code, and that is not installed."""
    code = _code(thing)
    return code is not None and not is_installed(code.co_filename)


def _code(thing: Any) -> CodeType | None:
    function: Callable[..., Any] | Any = getattr(thing, "__func__", thing)
    kind = thing if isinstance(thing, type) else type(thing)
    for candidate in (function, *vars(kind).values()):
        found = getattr(candidate, "__code__", None)
        if isinstance(found, CodeType):
            return found
    return None


def is_installed(filename: str) -> bool:
    """Whether code of this file came with Python, a package or this grader: not from a cell, nor beside it."""
    return filename.startswith(INSTALLED)


def students_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost of these frames that runs a student's code, if one does."""
    while frame is not None and is_installed(frame.f_code.co_filename):
        frame = frame.f_back
    return frame

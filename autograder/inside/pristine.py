"""What a process was like before the student's first cell: what has changed since, and putting it back.

Watched, because tests and their outputs go through it: builtins, what asserts are made of (math, numpy,
numpy.testing, unittest, torch, this package's checks), the shell with its hooks, the streams, JSON, modules,
tracing, timers and threads. A change counts by identity: equal is not enough. There are no classes here, for
any code can list the classes of a process and change them; and nothing of the student's is called.
"""

import functools
import gc
import importlib
import json
import signal
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FrameType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

from autograder.confinement.sandbox import SITES

MODULES = (  # builtins first: putting the others back needs them
    "builtins", "math", "cmath", "operator", "re", "ast", "copy", "inspect", "itertools", "functools", "json",
    "json.encoder", "numpy", "numpy._core.numeric", "numpy._core.fromnumeric", "numpy.linalg", "numpy.testing",
    "numpy.testing._private.utils", "torch", "torch.testing", "torch.testing._comparison", "unittest.case",
    "IPython.core.interactiveshell", "IPython.core.compilerop", "autograder.checks", "autograder.checking.answers",
    "autograder.student_data.values", "autograder.messages",
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
    | {path for path in sys.path if Path(path).name in SITES}
)
TOLD_APART = {
    *sys.stdlib_module_names,
    "numpy",
    "IPython",
    "traitlets",
    "autograder",
    "simpo_core",
    "simpo_language",
    "pandas",
} - {"__main__"}
TORCHS = ("torch.testing", "torch.autograd")
FOR_STUDENTS = {("warnings", "showwarning"), ("warnings", "formatwarning")}  # are documented as to be replaced
MISSING = object()
Place = tuple[str, Any, Mapping[str, Any], dict[str, Any]]  # name, owner, its attributes, what those watched were
Snapshot = tuple[list[Place], dict[str, tuple[list[Any], list[Any]]], dict[str, ModuleType]]
_get, _set, _delete, _type = getattr, setattr, delattr, type  # the real ones, until they are put back
_attributes, _code_of = type.__dict__["__dict__"].__get__, FunctionType.__dict__["__code__"].__get__


def snapshot(shell: Any) -> Snapshot:
    """How the process is now: places, lists, modules."""
    return list(_places(shell)), {name: (items, list(items)) for name, items in _lists(shell)}, dict(sys.modules)


def restore(was: Snapshot) -> list[str]:
    """Put back what has changed since; say what it was."""
    places, lists, modules = was
    found = []
    for place in places:  # builtins are the first
        for name in _changed(place):
            _put_back(place, name)
            found.append(f"{place[0]}.{name} had been replaced")
    for name, (items, before) in lists.items():
        new = [item for item in items if not any(item is one for one in before)]
        strange = [item for item in new if _code(item) is None or is_made_by_student(item)]
        if strange or any(not any(one is item for item in items) for one in before):
            items[:] = before
            found.append(f"{name} had been changed")
    for name, module in modules.items():
        if sys.modules.get(name) is not module:
            sys.modules[name] = module
            found.append(f"the module {name} had been replaced")
    return [*found, *_stop_what_runs()]


def replaced() -> Iterator[str]:
    """Functions of Python's and of what tests are made of that are the student's, in any module that is loaded."""
    seen: set[Any] = set()
    is_ours = functools.cache(is_installed)

    def is_students(value: Any) -> bool:
        return _type(value) is FunctionType and not (is_ours(_code_of(value).co_filename) or _is_generated(value))

    for name, module in list(sys.modules.items()):
        if _type(module) is not ModuleType or not (name.partition(".")[0] in TOLD_APART or name.startswith(TORCHS)):
            continue
        for key, value in list(vars(module).items()):
            if is_students(value) and (name, key) not in FOR_STUDENTS:
                yield f"{name}.{key}"
            elif issubclass(_type(value), type) and id(value) not in seen:
                seen.add(id(value))
                methods = [part for part, method in _attributes(value).items() if is_students(method)]
                yield from (f"{value.__module__}.{value.__qualname__}.{part}" for part in methods)


def _is_generated(function: Any) -> bool:
    """Whether a module has made it of a text, as dataclasses and named tuples do."""
    name = function.__globals__.get("__name__")
    if _type(name) is not str or not function.__code__.co_filename.startswith("<") or name == "__main__":
        return False
    return name.startswith("namedtuple_") or function.__globals__ is getattr(sys.modules.get(name), "__dict__", None)


def _changed(place: Place) -> list[str]:
    """The attributes that are not what they were. Calls nothing that could have been replaced."""
    _, owner, live, was = place
    changed = [name for name, value in was.items() if live.get(name, MISSING) is not value]
    changed = [name for name in changed if not _is_its_own(owner, name, live.get(name, MISSING))]
    if _type(live) is MappingProxyType:  # a class's
        changed += [name for name in live if name not in was and _is_students(live[name])]
    return changed


def _is_its_own(owner: Any, name: str, value: Any) -> bool:
    """Whether an object's method has but been written into the object, as IPython does with its streams'."""
    if _type(value) is not MethodType or value.__self__ is not owner:
        return False
    return value.__func__ is _get(_type(owner), name, MISSING)


def _put_back(place: Place, name: str) -> None:
    _, owner, _, was = place
    if was.get(name, MISSING) is MISSING:
        _delete(owner, name)
    else:
        _set(owner, name, was[name])


def _stop_what_runs() -> Iterator[str]:
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
    own = threading.get_ident()
    if any(students_frame(frame) for thread, frame in sys._current_frames().items() if thread != own):
        yield "a thread of the student's was running"


def _places(shell: Any) -> Iterator[Place]:
    for name in MODULES:
        module = importlib.import_module(name)
        live = vars(module)
        yield name, module, live, {key: value for key, value in live.items() if callable(value)}
    watched = SYS + tuple(name for name, value in vars(sys).items() if callable(value))
    yield "sys", sys, vars(sys), {name: getattr(sys, name) for name in watched}
    objects = {f"shell.{name}": getattr(shell, name) for name in PARTS}
    objects |= {"shell": shell, "sys.stdout": sys.stdout, "sys.stderr": sys.stderr}
    classes: dict[type, str] = {importlib.import_module("unittest.case").TestCase: "unittest.TestCase"}
    running = importlib.import_module("IPython.core.interactiveshell")
    classes |= {kind: kind.__name__ for kind in (running.ExecutionResult, running.ExecutionInfo, json.JSONEncoder)}
    for name, part in objects.items():
        yield name, part, vars(part), dict(_of_instance(part))
        classes |= {kind: kind.__name__ for kind in type(part).__mro__ if kind is not object}
    for kind, name in classes.items():
        # traits are settings (ast_node_interactivity, say): an honest student may change those
        methods = {key: value for key, value in vars(kind).items() if callable(value) or isinstance(value, property)}
        methods = {key: value for key, value in methods.items() if not _is_own(key)}
        yield name, kind, vars(kind), methods


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


def _is_students(attribute: Any) -> bool:
    """The same of what stands in a class."""
    if _type(attribute) is property:
        return any(is_made_by_student(part) for part in (attribute.fget, attribute.fset, attribute.fdel))
    return is_made_by_student(attribute)


def _code(thing: Any) -> CodeType | None:
    """A function's code, or that of a method of its class. Runs none of it: `thing` may be a student's."""
    function = thing.__func__ if _type(thing) in (MethodType, staticmethod, classmethod) else thing
    kind = thing if issubclass(_type(thing), type) else _type(thing)
    for candidate in (function, *_attributes(kind).values()):
        if _type(candidate) is FunctionType:
            return _code_of(candidate)
    return None


def is_installed(filename: str) -> bool:
    """Whether code of this file came with Python, a package or this grader: not from a cell, nor beside it."""
    return filename.startswith(INSTALLED)


def students_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost of these frames that runs a student's code, if one does."""
    while frame is not None and is_installed(frame.f_code.co_filename):
        frame = frame.f_back
    return frame

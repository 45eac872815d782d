"""What Python reports of what forgeries need (audit events), before it happens. See `forgery`.

No classes here: see `pristine`.
"""

import sys
from _thread import get_ident
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Any

from autograder.inside.pristine import is_installed, is_made_by_student, students_frame

FRAMES = {"tb_frame", "gi_frame", "cr_frame", "ag_frame"}
CODE = {"__code__", "__defaults__", "__kwdefaults__"}
TRACING = {"sys.settrace", "sys.setprofile", "sys.monitoring.register_callback", "sys.addaudithook"}
HEAP = {"gc.get_objects", "gc.get_referrers", "gc.get_referents"}
HEARD = {"object.__getattr__", "object.__setattr__", "sys._getframe", "sys._current_frames", "compile", "code.__new__"}
HEARD |= TRACING | HEAP | {"marshal.loads"}
GIVE_FRAMES = ("<lambda>", "currentframe", "walk_tb", "walk_stack")  # functions of Python's, whose callers get frames


def hearer(tell: Callable[[str], None], at_work: list[str]) -> Callable[[str, tuple[Any, ...]], None]:
    """What Python tells of an event before it happens."""
    hearing: set[int] = set()  # threads in which an event is ours
    frame_above = sys._getframe

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        thread = get_ident()
        if (event not in HEARD and not event.startswith("ctypes.")) or thread in hearing:
            return
        hearing.add(thread)
        try:
            if what := _of_event(event, arguments, frame_above(1)):
                tell(f"{what} in {f'the test {at_work[0]}' if at_work[0] else 'a cell'}")
        except (MemoryError, RecursionError):  # what can't be heard does not happen
            raise
        except Exception:
            pass
        finally:
            hearing.discard(thread)

    return hear


def _of_event(event: str, arguments: tuple[Any, ...], frame: FrameType | None) -> str:
    """What an audit event says of the student's code that is at work; empty if nothing.

    The code that calls must itself be the student's: libraries walk frames and trace for good reasons.
    """
    if event == "object.__setattr__":
        owner, name, *_ = arguments
        installed = type(owner) is FunctionType and not is_made_by_student(owner)
        return f"{name} of {owner.__qualname__} was set" if name in CODE and installed else ""
    while frame is not None and frame.f_code.co_filename.endswith(("/inspect.py", "/audit_events.py")):
        frame = frame.f_back
    if frame is not None and is_installed(frame.f_code.co_filename) and frame.f_code.co_name in GIVE_FRAMES:
        frame = frame.f_back
    students = students_frame(frame)
    if students is None or (students is not frame and event != "sys.settrace"):  # nor do they start debuggers
        return ""
    if event == "object.__getattr__":
        return f"a frame was read ({arguments[1]})" if arguments[1] in FRAMES else ""
    if event in ("compile", "code.__new__"):
        return "code was made that says it is an installed file's" if _says_it_is_installed(arguments[1]) else ""
    return f"{event} was used"


def _says_it_is_installed(filename: Any) -> bool:
    return type(filename) is str and is_installed(filename)

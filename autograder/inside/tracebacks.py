"""Tracebacks made short before they are shown: to show a frame takes milliseconds, and a recursion has a thousand."""

import inspect
import os
from collections import deque
from types import TracebackType

FRAMES = 10  # that are kept at either end
LINES = 2000  # of one function or cell
ERRORS = 5  # of those that led to each other


def shorten(error: BaseException) -> int:
    """Cut the midst out of an error's traceback, and of those that led to it; how many frames that were.

    And let it be known of cells that they are of no module: else all are searched for each, several times a frame.
    """
    left_out = 0
    for number in range(1, ERRORS + 1):
        left_out += _cut(error.__traceback__)
        for frame in last_frames(error.__traceback__):
            name = frame.tb_frame.f_code.co_filename
            if not os.path.exists(name):
                inspect.modulesbyfile.update({name: "", os.path.abspath(name): ""})
        earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if earlier is None:
            break
        if number == ERRORS:
            error.__cause__ = error.__context__ = None
        error = earlier
    return left_out


def last_frames(traceback: TracebackType | None) -> list[TracebackType]:
    """The frames nearest to where the error was raised, the nearest last."""
    last: deque[TracebackType] = deque(maxlen=FRAMES)
    while traceback is not None:
        last.append(traceback)
        traceback = traceback.tb_next
    return list(last)


def is_long(error: BaseException) -> bool:
    """Whether a frame is of a function so long that to show its neighbourhood takes seconds."""
    codes = {frame.tb_frame.f_code for frame in last_frames(error.__traceback__)}
    return any(line > code.co_firstlineno + LINES for code in codes for _, _, line in code.co_lines() if line)


def _cut(traceback: TracebackType | None) -> int:
    frames = 0
    behind = traceback
    while behind is not None:
        frames += 1
        if frames == FRAMES:
            before = behind
        behind = behind.tb_next
    if frames <= 2 * FRAMES:
        return 0
    before.tb_next = last_frames(traceback)[0]
    return frames - 2 * FRAMES

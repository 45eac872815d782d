"""Messages between the processes: a word that says what it is, and JSON, over a socket pair."""

import json
import select
import socket
import struct
import time
from typing import Any

HEADER = struct.Struct("!cI")
RUN, DONE, ASK, ANSWER = b"r", b"d", b"a", b"w"  # run a cell, its outputs; a question, its answer
GUARDED, FLAG = b"g", b"f"  # run a cell where tests run, too (see `forgery`); something that a person should know
MESSAGE_BYTES = 16_000_000
PAUSE_SECONDS = 0.01  # before looking again where something seemed to have come, and had not


class Lost(Exception):
    """The other end is gone, or sent what is no message."""


class TooLarge(Lost):
    """The other end sent more than a message may hold."""


class TimeUp(Exception):
    """Nothing came in time."""


class Channel:
    """One end of a conversation. Whole messages only; the other end is not trusted."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._arrived = bytearray()

    def send(self, kind: bytes, content: Any) -> None:
        """Send something that JSON can carry, however long it takes. Raises Lost."""
        self.forward(kind, json.dumps(content).encode(), None)

    def forward(self, kind: bytes, body: bytes, deadline: float | None) -> None:
        """Send a body that is JSON already. Raises as `receive` does."""
        rest = memoryview(HEADER.pack(kind, len(body)) + body)
        while rest:
            self._wait(deadline, to_send=True)
            try:
                rest = rest[self.end.send(rest, 0 if deadline is None else socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Lost(str(error)) from None

    def receive(self, deadline: float | None = None) -> tuple[bytes, bytes]:
        """The next message: its kind and its body.

        deadline: on time.monotonic's clock; without one, wait for ever.

        Raises:
            TimeUp: It has not come whole by then; what has come is kept for the next call.
            TooLarge: It is larger than MESSAGE_BYTES.
            Lost: It will never come.
        """
        self._fill(HEADER.size, deadline)
        kind, length = HEADER.unpack(self._arrived[: HEADER.size])
        if length > MESSAGE_BYTES:
            raise TooLarge(f"a message of {length:,} bytes")
        self._fill(HEADER.size + length, deadline)
        body = bytes(self._arrived[HEADER.size : HEADER.size + length])
        del self._arrived[: HEADER.size + length]
        return kind, body

    def close(self) -> None:
        self.end.close()

    def _fill(self, count: int, deadline: float | None) -> None:
        while len(self._arrived) < count:
            self._wait(deadline, to_send=False)
            try:
                chunk = self.end.recv(1 << 16, 0 if deadline is None else socket.MSG_DONTWAIT)
            except BlockingIOError:  # a byte out of band, say
                time.sleep(PAUSE_SECONDS)
                continue
            except OSError as error:
                raise Lost(str(error)) from None
            if not chunk:
                raise Lost("the other end is closed")
            self._arrived += chunk

    def _wait(self, deadline: float | None, *, to_send: bool) -> None:
        if deadline is None:
            return
        ends = [self.end]
        ready = select.select(
            [] if to_send else ends, ends if to_send else [], [], max(0.0, deadline - time.monotonic())
        )
        if not any(ready):
            raise TimeUp


def decoded(body: bytes) -> Any:
    """A body's content. Raises Lost if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Lost(f"not JSON: {error}") from None

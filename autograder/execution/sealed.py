"""What the grader and the guard in a student's process (see `forgery`) say to each other, sealed.

Whoever holds back, reads or sends something on their channel can't put in his own: he has not the key.
"""

from hashlib import blake2b

KEY_BYTES = 32
SEAL_BYTES = 32  # hexadecimal digits, among which nothing looks like JSON
TO_GUARD, FROM_GUARD = b"to the guard", b"from the guard"  # at most 16 bytes
FORGET, AUTHORS, LOOK_WIDELY = "f", "a", "w"  # the cell before leaves no trace; this one is the author's; look first


def request(source: str, test: str = "", what: str = "") -> bytes:
    """What asks the guard for a cell. test: its name, if it is one; what: some of the letters above."""
    return f"{what}\0{test}\0{source}".encode("utf-8", "replace")


def sealed(content: bytes, key: bytes, direction: bytes, number: int) -> bytes:
    """The content behind a seal that only this key makes, for this place in the conversation.

    key: of KEY_BYTES.
    number: how many messages went in this direction before.
    """
    return _seal(content, key, direction, number) + content


def opened(message: bytes, key: bytes, direction: bytes, number: int) -> bytes | None:
    """The content of a message; None if its seal is another's, or of another place in the conversation."""
    content = message[SEAL_BYTES:]
    return content if _seal(content, key, direction, number) == message[:SEAL_BYTES] else None


def _seal(content: bytes, key: bytes, direction: bytes, number: int) -> bytes:
    salt = number.to_bytes(8, "big")
    return blake2b(content, digest_size=SEAL_BYTES // 2, key=key, salt=salt, person=direction).hexdigest().encode()

"""Whatever a student's process sends, the grader ends up with outputs that a notebook can hold, and a verdict.

FUZZ_CASES=10000 pytest tests/whole/test_fuzz_channel.py    # a fresh search; else a short one, always the same
"""

import json
import os
import socket

import nbformat
import numpy
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from autograder.execution.channel import ANSWER, ASK, DONE, HEADER, Channel
from autograder.execution.session import Process, Session
from autograder.execution.shared import SharedSession
from autograder.inside.peer import Foreign
from autograder.inside.plain_values import unpack
from autograder.results import DIED, GRADED, OUT_OF_MEMORY, TIMED_OUT, TOO_MUCH_OUTPUT

CASES = int(os.environ.get("FUZZ_CASES", "0"))
SEARCH = settings(
    max_examples=CASES or 200, derandomize=not CASES, database=None, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

KEYS = st.sampled_from(
    ["output_type", "name", "text", "data", "metadata", "ename", "evalue", "traceback", "execution_count", "text/plain",
     "outputs", "ended_well", "flags", "nonce", "error", "value", "changed", "call", "arguments", "live"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["stream", "error", "display_data", "execute_result", "stdout", "stderr", "\ud800", "", "array"]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([1e999, 10**400, -1])
LEAVES = st.none() | st.booleans() | NUMBERS | WORDS | st.text(max_size=5)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | WORDS, inner, max_size=4)
)
BODIES = (TREES | st.lists(st.dictionaries(KEYS, TREES, max_size=5), max_size=3)).map(
    lambda tree: json.dumps(tree).encode()
)
BODIES |= st.binary(max_size=30) | st.sampled_from([b"[" * 100_000, b"1" * 5000, b"NaN"])
KINDS = st.sampled_from([DONE, ASK, ANSWER, b"f", b"g", b"r", b"\xff"])
FRAMES = st.lists(st.tuples(KINDS, BODIES), max_size=4).map(
    lambda frames: b"".join(HEADER.pack(kind, len(body)) + body for kind, body in frames)
)
SECONDS = 0.05  # what is not read is not waited for
VERDICTS = {GRADED, DIED, TIMED_OUT, OUT_OF_MEMORY, TOO_MUCH_OUTPUT}


class Far(Process):
    """A process that has said all that it will, and is nobody's to kill."""

    def __init__(self, said, folder):
        near, far = socket.socketpair()
        super().__init__(Channel(near), os.getpid(), folder)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        far.sendall(said)
        far.shutdown(socket.SHUT_WR)
        self.far = far

    def watch(self):
        pass

    def interrupt(self):
        self.end(TIMED_OUT)

    def end(self, verdict):
        self.ended = verdict

    def close(self):
        self.far.close()
        self.channel.close()


def assert_outputs(outputs, session):
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.from_dict(output) for output in outputs])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbformat.validate(notebook)
    nbformat.writes(notebook).encode("utf-8")
    assert session.verdict in VERDICTS


def frame(kind, content):
    body = json.dumps(content).encode()
    return HEADER.pack(kind, len(body)) + body


def test_frames_of_the_students_process_come_to_outputs(tmp_path):
    @seed(1)
    @SEARCH
    @given(FRAMES | st.binary(max_size=40), st.sampled_from([Session, SharedSession]))
    @example(HEADER.pack(DONE, 4_000_000_000), Session)
    def search(said, kind):
        student, examiner = Far(said, tmp_path), Far(b"", tmp_path)
        session = kind(student, examiner, SECONDS, SECONDS)
        if kind is SharedSession:
            session.ask("x", "a-test")
            assert_outputs(session.outputs, session)
        else:
            assert_outputs(session.run("x"), session)
        student.close()
        examiner.close()

    search()


def test_answers_to_a_check_come_to_outputs(tmp_path):
    @seed(2)
    @SEARCH
    @given(FRAMES, st.lists(TREES, max_size=3))
    def search(said, questions):
        asks = b"".join(frame(ASK, {"value": question}) for question in questions)
        student, examiner = Far(said, tmp_path), Far(asks + frame(DONE, []), tmp_path)
        session = Session(student, examiner, SECONDS, SECONDS)
        assert_outputs(session.examine("x"), session)
        student.close()
        examiner.close()

    search()


PLAIN = (int, float, complex, str, bytes, bool, type(None), range, slice, numpy.ndarray, numpy.generic, Foreign)


def is_plain(value):
    if isinstance(value, dict):
        return all(is_plain(key) and is_plain(one) for key, one in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_plain, value))
    return isinstance(value, PLAIN) or type(value).__module__.startswith("torch")


def test_an_answer_is_a_plain_value_or_refused():
    @seed(3)
    @SEARCH
    @given(TREES)
    def search(tree):
        try:
            value = unpack(json.loads(json.dumps(tree)), lambda kept: Foreign(""))
        except Exception:  # the check fails by it, and says so
            return
        assert is_plain(value)

    search()

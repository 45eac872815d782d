"""Any bytes in a download are taken under a safe name or left with a sentence; nothing else may happen.

FUZZ_CASES=10000 pytest tests/whole/test_fuzz_intake.py    # a fresh search; else a short one, always the same
"""

import io
import os
import warnings
import zipfile

from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from autograder.course import UserError
from autograder.handing_in.archives import gather

CASES = int(os.environ.get("FUZZ_CASES", "0"))
SEARCH = settings(
    max_examples=CASES or 200, derandomize=not CASES, database=None, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

PARTS = st.sampled_from(["..", ".", "", "a", "C:", "x.ipynb", "b.zip", "\\", "CON", "é", "\u202e", "\x1b[2J", "n\nn"])
NAMES = st.lists(PARTS | st.text(max_size=8), min_size=1, max_size=5).map("/".join)
CONTENTS = st.binary(max_size=60) | st.sampled_from([b"{}", b"PK\x03\x04", b"\xff\xfe", b"[" * 50])


@st.composite
def archives(draw, depth=0):
    """A zip file, as it should be or with some of its bytes changed."""
    warnings.simplefilter("ignore")  # zipfile, of two files with one name
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
        for name in draw(st.lists(NAMES, max_size=4)):
            inside = draw(archives(depth + 1)) if depth < 3 and draw(st.booleans()) else draw(CONTENTS)
            info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode() or "x")
            info.external_attr = draw(st.sampled_from([0, 0o120777 << 16, 0o100644 << 16, 0o040755 << 16]))
            archive.writestr(info, inside)
    content = bytearray(stream.getvalue())
    for _ in range(draw(st.integers(0, 4))):
        if content:
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 9)) == 0 else content)


def test_an_archive_is_taken_or_left_with_a_sentence(tmp_path):
    @seed(4711)
    @SEARCH
    @given(archives())
    @example(b"PK\x05\x06" + bytes(18))
    @example(b"PK\x03\x04" + bytes(26))
    def search(content):
        downloads, scratch = tmp_path / "d.zip", tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        downloads.write_bytes(content)
        try:
            files, left = gather(downloads, scratch)
        except UserError:  # a sentence
            return
        for file in files:
            assert file.path.parent == scratch
            assert not file.name.is_absolute()
            assert ".." not in file.name.parts
            assert str(file.name).isprintable()
        assert all(item.reason and item.name.isprintable() for item in left)
        for path in scratch.iterdir():
            path.unlink()

    search()
    assert {path.name for path in tmp_path.iterdir()} == {"d.zip", "scratch"}

import base64
import io

import numpy as np
import pytest
from nbformat.v4 import new_output
from PIL import Image

from autograder.pages.feedback_outputs import LARGE, ROOM, TEXT, WIDEST, Room, outputs, plain


def png(width, height, noise):
    """A picture, as its bytes in base64: of noise it is large."""
    shape = (height, width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape) if noise else np.full(shape, 200)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def shown(*found, room=None):
    return outputs(found, room or Room())


def display(data, **metadata):
    return new_output("display_data", data=data, metadata=metadata)


def test_text_is_escaped_and_loses_colours_and_redrawn_lines():
    html = shown(new_output("stream", text="\x1b[31m<b>\x1b[0m\x07\n 1%\r 50%\r100%\n"))
    assert html == '<pre class="output" tabindex="0">&lt;b&gt;\x07\n100%</pre>'  # the page shows what \x07 is


def test_long_text_is_cut_and_says_so():
    text = plain("x" * (TEXT + 1234))
    assert text.endswith("\n[… 1,234]")
    assert plain("x" * 9999 + "end", from_end=True).endswith("xend")


def test_an_error_is_its_sentence_with_the_traceback_folded_and_without_folders():
    traceback = ["Traceback", "File /home/teacher/course/simpo_core/plots.py:68, in draw", "ValueError: no"]
    html = shown(new_output("error", ename="ValueError", evalue="no", traceback=traceback))
    assert '<summary class="error">ValueError: no</summary>' in html
    assert "File plots.py:68" in html
    assert "/home/teacher" not in html


def test_a_check_of_the_students_own_is_only_its_sentence():
    html = shown(new_output("error", ename="CheckFailed", evalue="no", traceback=["✗ Check failed: no"]))
    assert html == '<pre class="output error" tabindex="0">✗ Check failed: no</pre>'


def test_a_small_figure_is_taken_as_it_is_with_its_text():
    data = png(20, 10, noise=False)
    html = shown(display({"image/png": data, "text/plain": "<Figure size 640x480>"}, **{"image/png": {"alt": 'a "b"'}}))
    assert html == f'<img class="output" src="data:image/png;base64,{data}" alt="a &quot;b&quot;">'
    assert 'alt="Figure"' in shown(display({"image/png": data, "text/plain": "<Figure size 640x480 with 1 Axes>"}))


def test_a_large_figure_is_drawn_smaller():
    data = png(2000, 400, noise=True)
    html = shown(display({"image/png": data, "text/plain": "noise"}), room=Room(10**7))
    assert len(html) < len(data) / 2
    raw = base64.b64decode(html.partition("base64,")[2].partition('"')[0])
    assert Image.open(io.BytesIO(raw)).size == (WIDEST, 200)


@pytest.mark.parametrize("raw", [b"no picture" * LARGE, b"\x89PNG\r\n\x1a\n" + b"\0" * LARGE])
def test_a_picture_that_cannot_be_read_is_said(raw):
    data = base64.b64encode(raw).decode()
    assert "A picture that can't be shown here." in shown(display({"image/png": data, "text/plain": "x"}))


def test_an_svg_is_a_picture_so_that_its_script_does_not_run():
    html = shown(display({"image/svg+xml": "<svg><script>alert(1)</script></svg>", "text/plain": "x"}))
    assert html.startswith('<img class="output" src="data:image/svg+xml;base64,')
    assert "script" not in html


def test_html_is_cleaned_and_where_nothing_is_left_the_text_is_shown():
    table = {"text/html": "<style>x</style><table><tr><td onclick='1'>1</td></tr></table>", "text/plain": "a"}
    assert "<td>1</td>" in shown(display(table))
    assert "onclick" not in shown(display(table))
    assert ">only text<" in shown(display({"text/html": "<script>1</script><div></div>", "text/plain": "only text"}))


def test_a_slider_leaves_nothing():
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "VBox(children=(…))"}
    assert shown(display(widget)) == ""


def test_what_a_page_has_no_room_for_is_left_out_and_counted():
    room = Room()
    long = [new_output("stream", text="x" * TEXT) for _ in range(2 * ROOM // TEXT)]
    html = shown(*long, room=room)
    assert len(html) < ROOM + 1000
    assert room.left_out == len(long) - html.count("<pre")
    assert html.count("Left out: the page would become too large.") == 1


def test_html_without_words_shows_the_plain_text_however_long_it_is(ends):
    html = "<a href='https://x" + "a" * 90_000 + "'></a>"
    assert "plain words" in shown(new_output("display_data", {"text/html": html, "text/plain": "plain words"}))


def test_after_many_outputs_without_room_none_is_looked_at():
    room = Room(size=10)
    pictures = [new_output("display_data", {"image/png": "no picture", "text/plain": "x"}) for _ in range(1000)]
    assert "Left out: the page would become too large." in outputs(pictures, room)
    assert room.left_out == 1000

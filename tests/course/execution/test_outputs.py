"""Whatever a process says that it showed, what comes out can stand in a notebook."""

import json

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.execution.outputs import CELL_OUTPUTS, ERROR_CHARACTERS, checked


def stream(text="a", name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def shown(data, **more):
    return {"output_type": "display_data", "data": data, "metadata": {}, **more}


def as_notebook(outputs):
    cell = nbformat.v4.new_code_cell("", outputs=[nbformat.from_dict(output) for output in outputs])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbformat.validate(notebook)
    return nbformat.writes(notebook).encode("utf-8")


def test_honest_outputs_come_out_as_they_went_in():
    result = {"output_type": "execute_result", "data": {"text/plain": "2"}, "metadata": {}, "execution_count": 3}
    figure = shown({"image/png": "iVBO", "text/plain": "<Figure>"}, metadata={"image/png": {"width": 7}})
    view = shown({"application/vnd.jupyter.widget-view+json": {"model_id": "a", "version_major": 2}})
    error = {"output_type": "error", "ename": "E", "evalue": "words", "traceback": ["E: words"]}
    outputs = [stream(), result, figure, view, error]
    assert checked(outputs) == outputs
    as_notebook(checked(outputs))


def test_what_no_file_can_hold_is_replaced():
    (text, data) = checked([stream("\ud800"), shown({"text/plain": "\udfff", "a/x+json": {"\ud800": ["\ud801"]}})])
    assert text["text"] == "?"
    assert data["data"] == {"text/plain": "?", "a/x+json": {"?": ["?"]}}


@pytest.mark.parametrize(
    "output",
    [
        None,
        [],
        {},
        {"output_type": "evil"},
        stream(7),
        stream(name="stdin"),
        shown({"text/plain": 7}),
        shown({"text/plain": ["a"]}),
        shown({"no type": "a"}),
        shown({"a/b\nc": "a"}),
        shown([]),
        shown({"a/b+json": float("nan")}),
        {"output_type": "execute_result", "data": {}, "metadata": {}, "execution_count": "x"},
        {"output_type": "error", "ename": "E", "evalue": None, "traceback": []},
    ],
)
def test_what_is_no_output_is_refused(output):
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        checked([output])


def test_amounts_are_bounded():
    outputs = checked([stream()] * 5000)
    assert len(outputs) == CELL_OUTPUTS + 1
    assert "had 5,000 outputs; 1,000 are kept" in outputs[-1]["evalue"]
    long = "x" * 1_000_000
    (error,) = checked([{"output_type": "error", "ename": long, "evalue": long, "traceback": [long] * 1000}])
    assert len(json.dumps(error)) < 210 * ERROR_CHARACTERS
    (result,) = checked([{**shown({}), "output_type": "execute_result", "execution_count": 10**400}])
    assert result["execution_count"] == 100_000


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
PARTS = st.fixed_dictionaries(
    {"output_type": st.sampled_from(["stream", "error", "display_data", "execute_result"])},
    optional={
        "name": st.sampled_from(["stdout", "stderr", "x"]),
        "text": TREES,
        "ename": TREES,
        "evalue": TREES,
        "traceback": TREES,
        "data": st.dictionaries(st.sampled_from(["text/plain", "text/html", "a/b+json", "x"]), TREES) | TREES,
        "metadata": TREES,
        "execution_count": TREES,
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PARTS, max_size=3))
def test_any_json_is_refused_or_can_be_written(outputs):
    try:
        kept = checked(outputs)
    except (AttributeError, KeyError, TypeError, ValueError):
        return
    as_notebook(kept)

"""What a process says that its cells showed, made anew: known parts, clean text, bounded sizes.

A student's process can send any JSON, and the examiner's repeats words of the student's. What comes out
here can be written to a notebook and a gradebook.
"""

import json
import re
from typing import Any

from autograder.student_data.json_amounts import is_deep
from simpo_language.speech import _

CELL_OUTPUTS = 1000  # a cell that shows more is cut
ERROR_CHARACTERS = 20_000  # of an error's words, and of each line of its traceback
TRACEBACK_LINES = 200
CELL_VALUES = (
    200_000  # of JSON in a cell's outputs: numbers, texts, lists and objects; each costs far more than its bytes
)
DEPTH = 100  # of lists and objects in each other
MIME_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}")

Output = dict[str, Any]  # one output of a cell, in nbformat's form


def checked(outputs: Any) -> list[Output]:
    """The outputs of one cell.

    Raises:
        Exception: They are no outputs; of many kinds, as a student's process may send anything.
    """
    if not isinstance(outputs, list):
        raise TypeError(type(outputs).__name__)
    if is_deep(outputs, DEPTH):
        raise ValueError("nested too deeply")
    kept = [_checked(output) for output in outputs[:CELL_OUTPUTS]]
    if len(outputs) > CELL_OUTPUTS:
        sentence = _("The cell had {count} outputs; {kept} are kept.")
        words = sentence.format(count=f"{len(outputs):,}", kept=f"{CELL_OUTPUTS:,}")
        kept.append(error_output("TooMuchOutput", words))
    return kept


def error_output(name: str, words: str) -> Output:
    return {"output_type": "error", "ename": name, "evalue": words, "traceback": [f"{name}: {words}"]}


def _checked(output: Any) -> Output:
    kind = output["output_type"]
    if kind == "stream":
        if output["name"] not in ("stdout", "stderr"):
            raise ValueError(output["name"])
        return {"output_type": kind, "name": output["name"], "text": _text(output["text"])}
    if kind == "error":
        lines = [_text(line)[:ERROR_CHARACTERS] for line in output["traceback"][:TRACEBACK_LINES]]
        words = {name: _text(output[name])[:ERROR_CHARACTERS] for name in ("ename", "evalue")}
        return {"output_type": kind, **words, "traceback": lines}
    if kind not in ("display_data", "execute_result"):
        raise ValueError(kind)
    data = {_mime_type(name): _shown(name, content) for name, content in output["data"].items()}
    shown = {"output_type": kind, "data": data, "metadata": _clean(dict(output["metadata"]))}
    if kind == "execute_result":
        shown["execution_count"] = min(max(int(output["execution_count"]), 0), 100_000)
    return shown


def _mime_type(name: Any) -> str:
    if not MIME_TYPE.fullmatch(name):
        raise ValueError("not a MIME type")
    return str(name)


def _shown(name: str, content: Any) -> Any:
    return _clean(content) if name.endswith(("/json", "+json")) else _text(content)


def _clean(tree: Any) -> Any:
    """JSON of which a file can hold every string and number."""
    return json.loads(json.dumps(tree, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))


def _text(item: Any) -> str:
    """The string, without lone surrogates, which no file can hold."""
    if not isinstance(item, str):
        raise TypeError(type(item).__name__)
    return item.encode("utf-8", "replace").decode("utf-8")

"""The hostile submissions: what each hands in, and what grading must make of it.

tests/attacks/cells.toml holds the cells; here are notebooks whose structure was changed, files that are no
notebooks, and what lies beside them. All begin as the same notebook of exercise 01, in which one point was
earned by honest work; none may get another.
"""

import json
import os
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from small_class import empty

from autograder.cells import is_answer, is_test, role
from autograder.course import Course
from autograder.grading.benches import hand_in, load_bench
from autograder.results import GRADED, NOT_GRADABLE

EXERCISE = "01_simpo_loss"
SECRET = "SECRET-4711"
MARKER = "PWNED4711"  # what scripts of the attackers' call
EARNED = 1  # the first check's point
CELLS = Path(__file__).parent.parent / "attacks" / "cells.toml"


@dataclass(frozen=True)
class Attack:
    """One hostile submission."""

    kind: str
    name: str
    hand_in: Callable[[Course, Path], None]  # writes the notebook, at the path given, and what lies beside it
    verdict: str = GRADED  # "*": depends on chance
    words: str = ""  # of the reason or of a repair that must be reported


def attacks() -> list[Attack]:
    """All of them; the number of each is its student's."""
    cells = tomllib.loads(CELLS.read_text("utf-8"))["attack"]
    return [
        *(Attack(cell["kind"], cell["name"], _cell(cell["cell"]), cell["verdict"]) for cell in cells),
        *(Attack("changed notebook", name, _changed(change), words=words) for name, change, words in NOTEBOOKS),
        *(Attack("not a notebook", name, _file(write), NOT_GRADABLE, words) for name, write, words in FILES),
        *(Attack("an odd file", name, _file(write), words=words) for name, write, words in ODD_FILES),
        *(Attack("beside the notebook", name, _beside(put), verdict, words) for name, put, verdict, words in BESIDE),
    ]


def attack_cells(kind: str) -> dict[str, str]:
    """The cells of one kind of attack, by name."""
    cells = tomllib.loads(CELLS.read_text("utf-8"))["attack"]
    return {cell["name"]: cell["cell"] for cell in cells if cell["kind"] == kind}


def make_course(root: Path) -> Course:
    """The course, with a secret wherever one can lie."""
    course = empty(root, EXERCISE)
    path = course.solutions / f"{EXERCISE}.ipynb"
    text = path.read_text("utf-8")
    for marker in ("### BEGIN HIDDEN TESTS", "### BEGIN SOLUTION"):
        text = text.replace(f'"{marker}\\n"', f'"{marker}\\n",\n    "# {SECRET}\\n"')
    assert SECRET in text
    path.write_text(text, "utf-8")
    (root / "secret.txt").write_text(SECRET)
    return course


def hand_in_honest(course: Course, students: Iterable[str]) -> None:
    """Right answers, with a secret in a cell of the student's own."""
    right = next(answer for answer in load_bench(course, EXERCISE) if answer.is_right)
    notebook = nbformat.reads(hand_in(course, EXERCISE, right), 4)
    notebook.cells.append(nbformat.v4.new_code_cell(f"note = '{SECRET}'"))
    for student in students:
        path = course.notebook("submitted", student, EXERCISE)
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


def starting_point(course: Course) -> nbformat.NotebookNode:
    notebook = nbformat.reads(hand_in(course, EXERCISE, None), 4)
    for cell in notebook.cells:
        if cell.id == "by-hand":
            cell.source = "loss_by_hand = 0.25"
    return notebook


def _cell(text: str) -> Callable[[Course, Path], None]:
    def write(course: Course, path: Path) -> None:
        notebook = starting_point(course)
        source = text.replace("{root}", str(course.root)).replace("{classroom}", str(course.classroom))
        next(cell for cell in notebook.cells if cell.id == "squared-loss").source = source
        path.write_text(nbformat.writes(notebook), "utf-8")

    return write


def _changed(change: Callable[[nbformat.NotebookNode], None]) -> Callable[[Course, Path], None]:
    def write(course: Course, path: Path) -> None:
        notebook = starting_point(course)
        change(notebook)
        path.write_text(json.dumps(notebook), "utf-8")  # not nbformat's writer, which would mend some

    return write


def _file(content: Callable[[str], bytes]) -> Callable[[Course, Path], None]:
    return lambda course, path: path.write_bytes(content(nbformat.writes(starting_point(course)))) and None


def _beside(put: Callable[[Course, Path], None]) -> Callable[[Course, Path], None]:
    def write(course: Course, path: Path) -> None:
        path.write_text(nbformat.writes(starting_point(course)), "utf-8")
        put(course, path.parent)

    return write


# Notebooks whose structure was changed


def _the_check(notebook):
    return next(cell for cell in notebook.cells if role(cell).get("grade_id") == "squared-loss-value")


def _roles(**settings):
    return lambda notebook: _the_check(notebook).metadata.nbgrader.update(settings)


def _on_check(function):
    return lambda notebook: function(_the_check(notebook))


def _every_cell(function):
    return lambda notebook: [function(cell) for cell in notebook.cells]


def _copy_check(notebook):
    notebook.cells.append(nbformat.from_dict({**_the_check(notebook), "id": "copied", "source": "1.0"}))


def _copy_check_with_its_id(notebook):
    notebook.cells += [nbformat.from_dict({**_the_check(notebook), "source": "1.0"}) for _ in range(3)]


def _copy_answer(notebook):
    answer = next(cell for cell in notebook.cells if cell.id == "squared-loss")
    notebook.cells.append(nbformat.from_dict({**answer, "id": "again"}))


def _delete_checks(notebook):
    notebook.cells = [cell for cell in notebook.cells if not is_test(cell)]


def _delete_cells(notebook):
    notebook.cells = [cell for cell in notebook.cells if cell.id == "by-hand"]


def _retype(check):
    check.cell_type = "markdown"
    del check["outputs"], check["execution_count"]


def _raw(check):
    check.cell_type = "raw"
    del check["outputs"], check["execution_count"]


def _own_outputs(check):
    check.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "1.0"}, execution_count=1)]


def _graders_metadata(notebook):
    notebook.metadata.update({"autograder": {"verdict": "graded", "repairs": ["<script>PWNED4711()</script>"]}})
    notebook.metadata.update({"kernelspec": {"name": "sh", "display_name": "sh"}})


def _deep_metadata(notebook):
    nested = {}
    for _ in range(200):
        nested = {"a": nested}
    notebook.metadata["deep"] = nested


def _surrogates(notebook):
    notebook.cells.append(nbformat.v4.new_code_cell("x = '\ud800'"))
    notebook.cells.append(nbformat.v4.new_markdown_cell("\udfff"))
    notebook.metadata["title"] = "\ud800"


def _scripts(notebook):
    text = "<script>PWNED4711()</script> <img src=x onerror=PWNED4711()> [x](javascript:PWNED4711())"
    notebook.cells.append(nbformat.v4.new_markdown_cell(text))
    for cell in notebook.cells:
        if is_answer(cell) and cell.cell_type == "markdown":
            cell.source = text


def _attached(notebook):
    cell = nbformat.v4.new_markdown_cell("![x](attachment:x.svg)")
    cell["attachments"] = {"x.svg": {"image/svg+xml": "<svg onload='PWNED4711()'/>"}}
    notebook.cells.append(cell)


def _many_cells(notebook):
    notebook.cells += [nbformat.v4.new_code_cell(f"x{number} = 1") for number in range(1000)]


def _a_long_cell(notebook):
    notebook.cells.append(nbformat.v4.new_code_cell("x = 1\n" * 30_000))


def _source_as_lines(notebook):
    for cell in notebook.cells:
        cell.source = cell.source.splitlines(keepends=True)


def _minor_99(notebook):
    notebook.nbformat_minor = 99


def _without_ids(notebook):
    notebook.nbformat_minor = 4
    for cell in notebook.cells:
        del cell["id"]


EDITED = "squared-loss-value was edited, and says again what it said"
# What was changed, how, and words of a repair that must be reported.
NOTEBOOKS = [
    ("a tag that skips the check", _on_check(lambda c: c.metadata.update(tags=["skip-execution"])), "had tags"),
    ("a tag that lets the check fail", _on_check(lambda c: c.metadata.update(tags=["raises-exception"])), ""),
    ("tags that are numbers", _on_check(lambda c: c.metadata.update(tags=["1", "2"])), "had tags (1, 2)"),
    ("an empty check", _on_check(lambda c: c.update(source="")), EDITED),
    ("a check that shows a score", _on_check(lambda c: c.update(source="1.0")), EDITED),
    ("a check cut short", _on_check(lambda c: c.update(source=c.source[:40])), EDITED),
    ("a renamed check", _roles(grade_id="mine"), "was renamed 'mine'"),
    ("a check named after a path", _roles(grade_id="../../../../tmp/x"), "was renamed '../.."),
    ("a check whose name is a list", _roles(grade_id=["a"]), "was renamed"),
    ("a check named like another", _roles(grade_id="by-hand-value"), "was renamed 'by-hand-value'"),
    ("a check that is none", _roles(grade=False), "had grade = False"),
    ("a check that is an answer", _roles(solution=True, locked=False), "had solution = True"),
    ("a check that is a task", _roles(task=True), ""),
    ("a check worth a thousand", _roles(points=1000), "had points = 1000"),
    ("a check worth minus one", _roles(points=-1), "had points = -1"),
    ("a check worth nan", _roles(points=float("nan")), "had points = nan"),
    ("a check worth infinity", _roles(points=float("inf")), "had points = inf"),
    ("a check worth words", _roles(points="10"), "had points = 10"),
    ("a check with the wrong checksum", _roles(checksum="0" * 32), ""),
    ("a check of an old schema", _roles(schema_version=1), ""),
    ("a check of another schema", _roles(schema_version=99), ""),
    ("a check without metadata", _on_check(lambda c: c.metadata.pop("nbgrader")), "had lost its name"),
    ("a check whose metadata is a list", _on_check(lambda c: c.metadata.update(nbgrader=[1])), "had lost its name"),
    ("a check that is prose", _on_check(_retype), "was a markdown cell"),
    ("a check that is raw text", _on_check(_raw), "was a raw cell"),
    ("a check copied", _copy_check, "a second cell named 'squared-loss-value'"),
    ("a check copied three times with its id", _copy_check_with_its_id, "a second cell named 'squared-loss-value'"),
    ("an answer copied", _copy_answer, "a second cell named 'squared-loss'"),
    ("all checks deleted", _delete_checks, "squared-loss-value was missing and is back"),
    ("all cells but one deleted", _delete_cells, "was missing and is back"),
    ("all cells turned round", lambda notebook: notebook.cells.reverse(), "cells had been moved"),
    ("outputs made at home", _on_check(_own_outputs), ""),
    ("metadata of the grader's", _graders_metadata, ""),
    ("metadata nested two hundred deep", _deep_metadata, ""),
    ("lone surrogates", _surrogates, ""),
    ("scripts in prose", _scripts, ""),
    ("scripts in an attachment", _attached, ""),
    ("one id for all cells", _every_cell(lambda cell: cell.update(id="same")), ""),
    ("no ids", _without_ids, ""),
    ("sources that are lists of lines", _source_as_lines, ""),
    ("a thousand cells more", _many_cells, ""),
    ("a cell of thirty thousand lines", _a_long_cell, ""),
    ("a minor version of the future", _minor_99, ""),
]


# Files that are no notebooks


def _with(**changed):
    return lambda text: json.dumps({**json.loads(text), **changed}).encode()


def _with_a_cell(cell):
    return lambda text: json.dumps({**json.loads(text), "cells": [*json.loads(text)["cells"], cell]}).encode()


def _with_cells(count):
    cell = {"cell_type": "code", "metadata": {}, "source": "x = 1", "outputs": [], "execution_count": None}
    return lambda text: json.dumps({**json.loads(text), "cells": json.loads(text)["cells"] + [cell] * count}).encode()


def _output_of(data):
    output = {"output_type": "display_data", "metadata": {}, "data": {"application/json": data}}
    return _with_a_cell({"cell_type": "code", "id": "out", "metadata": {}, "source": "", "outputs": [output]})


FILES = [
    ("cut off", lambda text: text[: len(text) // 2].encode(), "not complete JSON"),
    ("empty", lambda text: b"", "it is empty"),
    ("bytes that are no text", lambda text: b"\xff\xff" + text.encode(), "not complete JSON"),
    ("zeros", lambda text: bytes(10_000), "not complete JSON"),
    ("nested deeply", lambda text: b"[" * 200_000, "nested too deeply"),
    ("objects nested deeply", lambda text: b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
    ("a list", lambda text: b"[]", "not a notebook"),
    ("a word", lambda text: b'"notebook"', "not a notebook"),
    ("null", lambda text: b"null", "not a notebook"),
    ("a number of a million digits", lambda text: b"1" * 1_000_000, ""),
    ("thirty thousand cells", _with_cells(30_000), "it has 30,0"),
    ("a web page", lambda text: b"<html><body>Please log in</body></html>", "it is a web page"),
    ("a zip file", lambda text: b"PK\x03\x04" + bytes(range(200)), "it is a zip file"),
    ("three hundred megabytes", lambda text: text.encode() + b" " * 300_000_000, "expected at most 200,000,000"),
    ("no cells", lambda text: b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "not a notebook"),
    ("cells that are null", _with(cells=None), "not a notebook"),
    ("cells that are numbers", _with(cells=[1, 2]), "not a notebook"),
    ("cells that are one object", _with(cells={"a": 1}), "not a notebook"),
]

# Files that are none by the letter, and hold a notebook all the same; and words of what must be said of that.
ODD_FILES = [
    ("a hundred megabytes", lambda text: text.encode() + b" " * 100_000_000, ""),
    ("thirty megabytes of output", _output_of("x" * 30_000_000), ""),
    ("a million objects of output", _output_of([{"": 0}] * 1_000_000), "its outputs were too large"),
    ("in UTF-16 with its mark twice", lambda text: b"\xff\xfe" + text.encode("utf-16"), "its file was in UTF-16"),
    ("a second notebook behind it", lambda text: (text + text).encode(), "stood behind the notebook"),
    ("a cell of an unknown type", _with_a_cell({"cell_type": "evil", "metadata": {}, "source": ""}), ""),
    ("metadata that is a list", _with(metadata=[]), ""),
    ("format 99", _with(nbformat=99), ""),
    ("format in words", _with(nbformat="four"), ""),
]


# What lies beside a notebook


def _put(name: str, content: bytes) -> Callable[[Course, Path], None]:
    def write(course: Course, folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


def _link(name: str, target: str) -> Callable[[Course, Path], None]:
    return lambda course, folder: (folder / name).symlink_to(course.root / target)


def _many_files(course: Course, folder: Path) -> None:
    for number in range(3000):
        (folder / f"{number}.txt").write_text("x")


def _unreadable_timestamp(course: Course, folder: Path) -> None:
    (folder / "timestamp.txt").write_text("31 February")
    (folder / "timestamp.unreadable").mkdir()
    (folder / "timestamp.unreadable" / "x").write_text("x")


WRONG_MODULE = b"raise SystemExit('the wrong module')"
ASIDE = " has the name of a module and was set aside"
MODULES = ("torch", "numpy", "simpo_core", "autograder", "sitecustomize", "math", "IPython")
BESIDE = [
    *((f"{name}.py", _put(f"{name}.py", WRONG_MODULE), GRADED, f"{name}.py{ASIDE}") for name in MODULES[:4]),
    *((f"{name}.py", _put(f"{name}.py", WRONG_MODULE), GRADED, f"{name}.py{ASIDE}") for name in ("math", "random")),
    ("the package numpy", _put("numpy/__init__.py", WRONG_MODULE), GRADED, f"numpy{ASIDE}"),
    ("a compiled torch", _put("torch.pyc", b"\x00" * 100), GRADED, f"torch.pyc{ASIDE}"),
    ("a library named numpy", _put("numpy.so", b"\x7fELF"), GRADED, f"numpy.so{ASIDE}"),
    ("sitecustomize.py", _put("sitecustomize.py", WRONG_MODULE), GRADED, ""),
    ("a file of paths", _put("evil.pth", b"import os; os._exit(0)"), GRADED, ""),
    ("a configuration of nbgrader's", _put("nbgrader_config.py", WRONG_MODULE), GRADED, ""),
    ("a gradebook", _put("gradebook.db", b"x" * 1000), GRADED, ""),
    ("a folder named as the grader names its own file", _put(f".{EXERCISE}.ipynb.1.part/x", b"x"), GRADED, ""),
    ("a second notebook", _put("other.ipynb", b"{"), GRADED, ""),
    ("a file of thirty megabytes", _put("large.bin", bytes(30_000_000)), GRADED, ""),
    ("three thousand files", _many_files, GRADED, ""),
    ("a name of odd characters", _put("-rf $(touch pwned)\n;*.txt", b"x"), GRADED, ""),
    ("a link to a secret", _link("data.txt", "secret.txt"), NOT_GRADABLE, "data.txt is a link"),
    ("a link to a folder", _link("data", "solutions"), NOT_GRADABLE, "data is a link"),
    ("a link that leads nowhere", _link("data.txt", "nowhere"), NOT_GRADABLE, "data.txt is a link"),
    ("a link named like a fault", _link("NoConfinement: x", "secret.txt"), NOT_GRADABLE, "NoConfinement: x is a link"),
    ("a pipe", lambda course, folder: os.mkfifo(folder / "pipe"), NOT_GRADABLE, "pipe is neither a file nor a folder"),
    ("a day that does not exist", _put("timestamp.txt", b"31 February"), GRADED, ""),
    ("a day long past", _put("timestamp.txt", b"0001-01-01 00:00:00 UTC"), GRADED, ""),
    ("a day far off", _put("timestamp.txt", b"9999-12-31 23:59:59 -2359"), GRADED, ""),
    ("a timestamp that is no text", _put("timestamp.txt", bytes(range(256))), GRADED, ""),
    ("a folder in the timestamp's place", _put("timestamp.txt/x", b"x"), GRADED, ""),
    ("a timestamp whose place aside is taken", _unreadable_timestamp, GRADED, ""),
    ("a timestamp of ten megabytes", _put("timestamp.txt", b"2" * 10_000_000), GRADED, ""),
]

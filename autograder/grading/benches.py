"""Benches: answers to an exercise whose marks and messages are known, which prove its checks.

tests/benches/<exercise>.toml lists right answers, in several styles, and wrong ones, named after their
mistake. An answer gives the source of some cells; the rest are the solution's. A wrong answer says which
test cells it must lose (all others it must keep) and words of the message that it must get.
"""

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nbformat.notebooknode import NotebookNode

from autograder.authoring.editions import english_of, in_english
from autograder.authoring.release import prepare
from autograder.cells import LANGUAGES, is_answer, is_test, read_notebook, write_notebook
from autograder.course import Course, UserError
from autograder.execution.run import session
from autograder.grading.grade import grade
from autograder.messages import read
from autograder.results import GRADED, NOT_ATTEMPTED, RIGHT, Result

UNTOUCHED = "untouched"
CHINESE = "-zh"  # how the names of those end who hand in the Chinese edition


@dataclass(frozen=True)
class BenchAnswer:
    """One answer to an exercise, and what grading it must give."""

    name: str
    is_right: bool
    cells: dict[str, str]  # id of a cell: its source
    lost: dict[str, str] = field(default_factory=dict)  # id of a test cell that must fail: words of its message

    @property
    def names_its_mistake(self) -> bool:
        return any(self.lost.values())


def load_bench(course: Course, exercise: str) -> list[BenchAnswer]:
    """The answers to an exercise.

    Raises:
        UserError: The file is missing or malformed, or names a cell that the exercise does not have.
    """
    path = course.benches / f"{exercise}.toml"
    try:
        stored = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise UserError(f"{path} is missing; each exercise needs a bench of answers") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: {error}") from None
    answers = []
    for kind in ("right", "wrong"):
        for entry in stored.get(kind, []):
            if not {"name", "cells"} <= set(entry) <= {"name", "cells", "lost"}:
                raise UserError(f"{path}: an answer has {', '.join(entry)}; expected name, cells and, if wrong, lost")
            answers.append(BenchAnswer(entry["name"], kind == "right", entry["cells"], entry.get("lost", {})))
    _check_names(path, answers, read_notebook(course.solutions / f"{exercise}.ipynb"))
    return answers


def hand_in(course: Course, exercise: str, answer: BenchAnswer | None, language: str = "en") -> str:
    """The notebook that a student with this answer would hand in; None stands for the untouched one."""
    folder = course.notebooks if language == "en" else course.notebooks / language
    released = read_notebook(folder / f"{exercise}.ipynb")
    if answer is not None:
        solution = {cell.id: cell.source for cell in read_notebook(course.solutions / f"{exercise}.ipynb").cells}
        for cell in filter(is_answer, released.cells):
            source = answer.cells.get(cell.id, solution[cell.id]).strip("\n")
            cell.source = "\n".join(line for line in source.split("\n") if " SOLUTION" not in line)
    return write_notebook(released)


@dataclass(frozen=True)
class Deviation:
    """Where a result differs from what an answer must get."""

    sentence: str
    is_escape: bool = False  # a wrong answer got the points

    def __str__(self) -> str:
        return self.sentence


def deviations(answer: BenchAnswer | None, result: Result, english: Mapping[str, str] | None = None) -> list[Deviation]:
    """Where a result differs from what the answer must get.

    english: of what an edition in another language says, if the answer was handed in in one: as from `english_of`.
    """
    if result.verdict != GRADED:
        return [Deviation(f"{result.verdict}: {result.reason}")]
    if answer is None:
        touched = (check for check in result.checks if check.status != NOT_ATTEMPTED)
        return [Deviation(f"{check.grade_id} is {check.status}: {check.message}") for check in touched]
    found = []
    for check in result.checks:
        words = answer.lost.get(check.grade_id)
        if words is None and check.status != RIGHT:
            found.append(Deviation(f"{check.grade_id} lost, though right: {check.message!r}"))
        elif words is not None and check.status == RIGHT:
            found.append(Deviation(f"{check.grade_id} escaped", is_escape=True))
        elif words is not None and words not in in_english(check.message, english or {}):
            found.append(Deviation(f"{check.grade_id} says {check.message!r}, expected {words!r}"))
    return found


def unproved(course: Course, exercise: str) -> set[str]:
    """Test cells that no wrong answer of the bench fails."""
    tests = {cell.id for cell in filter(is_test, read_notebook(course.solutions / f"{exercise}.ipynb").cells)}
    return tests - {grade_id for answer in load_bench(course, exercise) for grade_id in answer.lost}


def _check_names(path: Path, answers: Iterable[BenchAnswer], notebook: NotebookNode) -> None:
    names = [answer.name for answer in answers]
    for name in {name for name in names if names.count(name) > 1}:
        raise UserError(f"{path}: two answers are named {name!r}")
    for answer in answers:
        if answer.is_right == bool(answer.lost):
            raise UserError(f"{path}: {answer.name!r} must lose something if it is wrong, and nothing if right")
        for chosen, wanted in ((answer.cells, is_answer), (answer.lost, is_test)):
            unknown = set(chosen) - {cell.id for cell in filter(wanted, notebook.cells)}
            if unknown:
                raise UserError(f"{path}: {answer.name!r} names cells that are not there: {', '.join(sorted(unknown))}")


@dataclass(frozen=True)
class Proof:
    """What a bench showed about an exercise's checks."""

    exercise: str
    right: int
    wrong: int
    caught: int
    named: int  # wrong answers that got the message which names their mistake
    seconds: float  # of CPU that the solution takes in a warm process, figures included
    faults: tuple[str, ...]  # one sentence for each deviation


def prove(course: Course, exercise: str, scratch: Path, jobs: int = 1, chosen: Collection[str] = ()) -> Proof:
    """Grade the answers of a bench by nbgrader, in English and, but for mistakes without a name, in Chinese.

    The untouched notebook is graded in both editions, too.

    scratch: an empty folder for a classroom. chosen: names of answers; all if empty.
    """
    trial = replace(course, classroom=scratch)
    answers = [answer for answer in load_bench(course, exercise) if not chosen or answer.name in chosen]
    class_ = {f"answer{number:03}": answer for number, answer in enumerate(answers)}
    handed_in = {student: hand_in(course, exercise, answer) for student, answer in class_.items()}
    named = {student: answer for student, answer in class_.items() if answer.is_right or answer.names_its_mistake}
    class_ |= {student + CHINESE: answer for student, answer in named.items()}
    handed_in |= {student + CHINESE: hand_in(course, exercise, answer, "zh") for student, answer in named.items()}
    handed_in |= {f"{UNTOUCHED}-{language}": hand_in(course, exercise, None, language) for language in LANGUAGES}
    for student, text in handed_in.items():
        path = trial.notebook("submitted", student, exercise)
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    prepare(trial, [exercise])
    found = [f"{exercise}, test cell {cell}: no wrong answer fails it" for cell in sorted(unproved(course, exercise))]
    english = english_of(read_notebook(trial.classroom / "source" / exercise / f"{exercise}.ipynb"))
    results = {result.student: result for result, _ in grade(trial, jobs=jobs)}
    escaped, unnamed = set(), set()
    for student, result in results.items():
        answer = class_.get(student)
        name = answer.name if answer else student
        if answer and student.endswith(CHINESE):
            twin = results[student.removesuffix(CHINESE)]
            wrongly = deviations(_in_chinese(answer, twin, english.values()), result, english)
        else:
            wrongly = deviations(answer, result)
        edition = " in Chinese" if answer and student.endswith(CHINESE) else ""
        found += [f"{exercise}, {name!r}{edition}: {deviation}" for deviation in wrongly]
        if any(deviation.is_escape for deviation in wrongly):
            escaped.add(name)
        if wrongly or (answer and not answer.names_its_mistake):
            unnamed.add(name)
    wrong = {answer.name for answer in answers if not answer.is_right}
    return Proof(
        exercise=exercise,
        right=len(answers) - len(wrong),
        wrong=len(wrong),
        caught=len(wrong - escaped),
        named=len(wrong - unnamed),
        seconds=cpu_seconds(course.solutions / f"{exercise}.ipynb", scratch),
        faults=tuple(found),
    )


def _in_chinese(answer: BenchAnswer, english: Result, texts: Collection[str]) -> BenchAnswer:
    """The answer with the words that its hints must say: what else a message says is no text of the exercise's."""
    hints = {check.grade_id: read(check.message).hint for check in english.checks}
    own = {name: words in hints[name] and any(words in text for text in texts) for name, words in answer.lost.items()}
    return replace(answer, lost={name: words if own[name] else "" for name, words in answer.lost.items()})


def cpu_seconds(path: Path, folder: Path) -> float:
    """CPU time of a notebook's cells in a process that has imported numpy, matplotlib and torch."""
    return cells_cpu_seconds([cell.source for cell in read_notebook(path).cells if cell.cell_type == "code"], folder)


def cells_cpu_seconds(cells: Sequence[str], folder: Path) -> float:
    """CPU time of known cells in such a process; it is the author's, so they must be harmless."""
    clock = "__import__('time').process_time()"
    with session(folder) as notebook:
        first, *_, last = [notebook.examine(cell) for cell in (clock, *cells, clock)]
    return float(last[0]["data"]["text/plain"]) - float(first[0]["data"]["text/plain"])

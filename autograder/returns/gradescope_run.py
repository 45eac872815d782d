"""What runs within Gradescope for every submission: grades it, and writes results.json.

python -m autograder.returns.gradescope_run /autograder

The checks run in a process of their own, as everywhere; students' code is confined where the container allows that,
and where it does not, the output for the instructor says so. A notebook that can't be graded gets 0 and a sentence.
A fault of the grader's writes no results, so that Gradescope calls for the instructor and gives nobody points.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from autograder.cells import check_titles, is_test, read_notebook, role
from autograder.course import UNSAFE_VARIABLE, Course
from autograder.documents.reading import read_student_notebook
from autograder.handing_in.downloads import known_exercises
from autograder.handing_in.which_exercise import found_in, named_in
from autograder.results import GRADER_FAULT, NOT_CONFINED, Result

SETTINGS = "settings.json"  # in source/
STUDENT = "student"  # Gradescope knows who it is
HIDDEN = "BEGIN HIDDEN TESTS"


class Fault(Exception):
    """Nothing of the student's is at fault, and there are no results."""


def write_settings(exercise: str, hidden: str) -> str:
    """The zip file's own settings: which exercise, and when hidden tests are shown."""
    return json.dumps({"exercise": exercise, "hidden": hidden}, indent=1) + "\n"


def run(root: Path) -> dict[str, Any]:
    """Grade what is in root/submission, and write root/results/results.json.

    root: Gradescope's /autograder.

    Raises:
        Fault: The grader failed.
    """
    began = time.monotonic()
    settings = json.loads((root / "source" / SETTINGS).read_text(encoding="utf-8"))
    with TemporaryDirectory(prefix="classroom-") as classroom:
        course = Course(root / "source" / "project", Path(classroom))
        found = _find(course, root / "submission", settings["exercise"])
        results = _nothing(found) if isinstance(found, str) else _graded(course, found, settings)
    results["execution_time"] = round(time.monotonic() - began)
    target = root / "results" / "results.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return results


def _find(course: Course, submission: Path, exercise: str) -> Path | str:
    """The notebook of the exercise among what was handed in; a sentence if there is none, or more than one."""
    known, candidates, seen = known_exercises(course), [], []
    for path in sorted(submission.rglob("*.ipynb")):
        if path.is_symlink() or not path.is_file() or ".ipynb_checkpoints" in path.parts:
            continue
        seen.append(path.name)
        try:
            cells = found_in(read_student_notebook(path).notebook, known)
        except ValueError:
            cells = []
        if exercise in cells or named_in(path.name, known) == exercise:
            candidates.append(path)
    exact = [path for path in candidates if path.name == f"{exercise}.ipynb"]
    if len(candidates) == 1 or len(exact) == 1:
        return (candidates if len(candidates) == 1 else exact)[0]
    if candidates:
        names = ", ".join(path.name for path in candidates)
        return f"Several files could be {exercise}.ipynb: {names}. Hand in one, under that name."
    there = f"there is {', '.join(seen)}" if seen else "there is no notebook"
    return f"Nothing to grade: expected {exercise}.ipynb, and {there}. Hand in the notebook itself."


def _graded(course: Course, notebook: Path, settings: Mapping[str, str]) -> dict[str, Any]:
    from autograder.gradebook.marks import read_marks
    from autograder.gradebook.scores import read_scores
    from autograder.gradebook.writer import open_gradebook
    from autograder.grading.grade import grade, prepare
    from autograder.reports.gradescope import results_of

    exercise = settings["exercise"]
    confined = _confine()
    target = course.notebook("submitted", STUDENT, exercise)
    target.parent.mkdir(parents=True)
    target.write_bytes(notebook.read_bytes())
    prepare(course)
    [(result, _)] = grade(course, exercises=[exercise])
    if result.verdict in (GRADER_FAULT, NOT_CONFINED):
        raise Fault(f"{result.verdict}: {result.reason}")
    if not result.checks:
        return _nothing(f"The notebook could not be graded: {result.reason}. Please hand it in again.")
    with open_gradebook(course) as opened:
        marks = read_marks(opened.gradebook, read_scores(opened.gradebook))[STUDENT, exercise]
    results = results_of(marks, check_titles(course.classroom, exercise), result)
    _say(results, result, essays=marks.unread, confined=confined)
    hidden = _hidden_checks(course, exercise)
    for cell, test in zip(marks.score.cells, results["tests"], strict=True):
        test["visibility"] = settings["hidden"] if cell.grade_id in hidden else "visible"
    return {
        **results,
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {"exercise": exercise, "verdict": result.verdict, "confined": confined},
    }


def _confine() -> bool:
    """Whether students' code can be confined here; if not, it is allowed to run all the same, and that is said."""
    from autograder.confinement.sandbox import NoConfinement
    from autograder.execution.run import prove_confinement

    try:
        prove_confinement()
    except NoConfinement as error:
        os.environ[UNSAFE_VARIABLE] = "1"
        print(
            f"NOT CONFINED: this container does not allow it ({error}). The student's code ran with the rights of the "
            "autograder: it could read the solutions and write results. The points of whoever does that are forged; "
            "grade the class again on a machine of your own where it matters."
        )
        return False
    print("The student's code was confined: no network, no processes, no files of the autograder's.")
    return True


def _say(results: dict[str, Any], result: Result, *, essays: float, confined: bool) -> None:
    """What students read on top: what counts and what does not."""
    lines = [results["output"]] if results["output"] else []
    if essays:
        lines = [line for line in lines if not line.startswith("Provisional")]
        lines.append(
            f"The score is that of the automatic checks. The essay ({essays:g} points) is read by a person, and is not "
            "in this score."
        )
    if result.repairs:
        lines.append(f"{len(result.repairs)} cells were not as they were given out, and were put back before grading.")
    results["output"] = "\n".join(lines)


def _hidden_checks(course: Course, exercise: str) -> set[str]:
    """The checks with tests that students' notebooks don't show."""
    cells = read_notebook(course.solutions / f"{exercise}.ipynb").cells
    return {role(cell)["grade_id"] for cell in cells if is_test(cell) and HIDDEN in cell.source}


def _nothing(sentence: str) -> dict[str, Any]:
    return {"score": 0, "output": sentence, "output_format": "text", "visibility": "visible", "tests": []}


if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]))
    except Fault as fault:
        sys.exit(f"The grader failed, and nothing was scored. {fault}")

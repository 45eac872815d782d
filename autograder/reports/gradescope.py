"""Points for Gradescope: a results.json for each submission, as one of its autograders leaves it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autograder.cells import check_titles
from autograder.course import UserError, find_course
from autograder.files import write_whole
from autograder.gradebook.marks import Marks, read_marks
from autograder.gradebook.scores import ClassScores, GradedCell
from autograder.grading.records import results
from autograder.reports.csv_files import number
from autograder.reports.exporter import Exported, Exporter
from autograder.results import GRADED, Result
from simpo_language.speech import _


class GradescopeExporter(Exporter):
    """Gradescope: for each submission a results.json, as an autograder leaves it in /autograder/results/.

    `self.to` is a folder, for <student>/<exercise>/results.json, or, where one submission is exported, a file
    that ends in .json. `score` counts: it has what people gave and the late penalty in it. `tests` has a test
    for each check, named as on the page of feedback, and a note without points for each essay that waits for a
    person. A `status`, which the format lets one leave out, has only what was checked automatically and earned all
    of its points or none. Maximum points are the assignment's, in Gradescope; the format has none for a submission.

    Source: https://gradescope-autograders.readthedocs.io/en/latest/specs/
    """

    default_to = "gradescope"

    def write(self, gradebook: Any, scores: ClassScores, path: Path) -> Exported:
        chosen = [key for key in scores.scores if self.points(scores, *key) is not None]
        if path.suffix == ".json" and len(chosen) != 1:
            raise UserError(
                _(
                    "{path} can hold one submission's results, and {count} are to be exported: name a "
                    "folder, or one student and one exercise"
                ).format(path=path, count=len(chosen))
            )
        said = {(result.student, result.exercise): result for result in results(find_course(self.folder()))}
        marks = read_marks(gradebook, scores)
        titles = {exercise: check_titles(self.folder(), exercise) for exercise in scores.exercises}
        for student, exercise in chosen:
            target = path if path.suffix == ".json" else path / student / exercise / "results.json"
            result = results_of(marks[student, exercise], titles[exercise], said.get((student, exercise)))
            write_whole(target, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        return Exported(path, len(chosen), self.notes(scores))


def results_of(marks: Marks, titles: Mapping[str, str], result: Result | None) -> dict[str, Any]:
    """One submission's results. Messages are the checks' own words; students may see them."""
    score, messages = marks.score, {check.grade_id: check.message for check in result.checks} if result else {}
    tests = []
    for cell in score.cells:
        name = cell.grade_id
        test = _test(cell, marks.comments.get(name, ""), messages.get(name, ""))
        tests.append({"name": titles.get(name) or name, "output_format": "text", "visibility": "visible", **test})
    lines = [_(result.verdict).capitalize() + "."] if result and result.verdict != GRADED else []
    lines += [_("Late: {points} points off.").format(points=number(score.penalty))] if score.penalty else []
    waiting = _("Provisional: {points} points wait for a person.").format(points=number(score.waiting))
    lines += [] if score.is_final else [waiting]
    return {"score": round(score.points, 2), "output": "\n".join(lines), "output_format": "text", "tests": tests}


def _test(cell: GradedCell, comment: str, message: str) -> dict[str, Any]:
    """The points of a graded cell, and what to say of them."""
    if cell.waits and not cell.by_hand:
        sentence = _("{points} points, which a person gives: not yet read.")
        return {"output": sentence.format(points=number(cell.max_points))}
    points = {"score": round(cell.points, 2), "max_score": cell.max_points}
    if cell.by_hand:
        return {**points, "output": comment or _("A person gave these points.")}
    if cell.is_essay:
        return {**points, "output": comment or _("Left unanswered.")}
    if cell.points >= cell.max_points:
        return {**points, "status": "passed", "output": ""}
    return {**points, **({} if cell.points else {"status": "failed"}), "output": message}

"""What every exporter does: whose points, which of them, what to say about them, and the file written."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nbgrader.plugins import ExportPlugin
from traitlets import Bool, Unicode

from autograder.course import UserError
from autograder.files import write_whole
from autograder.gradebook.scores import ClassScores, read_scores
from autograder.handing_in.other_files import other_files
from autograder.reports.csv_files import number, spreadsheet
from simpo_language.speech import _


@dataclass(frozen=True)
class Exported:
    """Where the points went, how many, and what a person should know of them."""

    path: Path
    scores: int
    notes: tuple[str, ...]


class Exporter(ExportPlugin):
    """One of nbgrader's export plugins, with what all of ours have in common."""

    only_final = Bool(False, help="Leave out scores in which an essay waits for a person.").tag(config=True)
    classroom = Unicode(help="The course's folder, with submitted/ and graded/.").tag(config=True)
    default_to = "grades.csv"

    def export(self, gradebook: Any) -> Exported:
        """Write the points. nbgrader calls this; `self.to` is the file.

        Raises:
            UserError: A student or an exercise is not in the gradebook, or nobody has handed in anything.
        """
        scores = self._chosen(read_scores(gradebook))
        exported = self.write(gradebook, scores, self.target())
        for note in exported.notes:
            self.log.warning(note)
        return exported

    def target(self) -> Path:
        """Where the points go."""
        return Path(self.to or self.default_to)

    def exercises(self, scores: ClassScores) -> list[str]:
        """The exercises to export where none is named: those that at least one student has handed in.

        Raises:
            UserError: There are none.
        """
        submitted = self.folder() / "submitted"
        others = {exercise for _, exercise in other_files(self.folder())}
        begun = scores.begun([*others, *(path.name for path in submitted.glob("*/*") if path.is_dir())])
        if not (begun or others):
            raise UserError(
                _("nobody has handed in anything yet in {submitted}: run `autograder grade DOWNLOADS` first").format(
                    submitted=submitted
                )
            )
        return begun

    def write(self, gradebook: Any, scores: ClassScores, path: Path) -> Exported:
        """Write the points of a class into a file. gradebook: nbgrader's, open."""
        rows = list(self.rows(scores))
        write_whole(path, spreadsheet(rows))
        count = sum(self.points(scores, student, exercise) is not None for student, exercise in scores.scores)
        return Exported(path, count, self.notes(scores))

    def rows(self, scores: ClassScores) -> Iterator[Sequence[str]]:
        """The file's rows, for the formats that are tables."""
        raise NotImplementedError

    def points(self, scores: ClassScores, student: str, exercise: str) -> float | None:
        """The points to export; None if there are none."""
        score = scores.scores.get((student, exercise))
        return score.points if score and (score.is_final or not self.only_final) else None

    def total(self, scores: ClassScores, student: str) -> float | None:
        """All of a student's points; None if nothing was handed in or something is left out as not final."""
        found = [self.points(scores, student, exercise) for exercise in scores.of(student)]
        return None if not found or None in found else sum(filter(None, found))

    def notes(self, scores: ClassScores) -> tuple[str, ...]:
        """What to tell whoever exports."""
        waiting = Counter({name: count for name in scores.exercises if (count := scores.waiting(name))})
        if not waiting:
            return ()
        where = ", ".join(f"{name} {count}" for name, count in waiting.items())
        count, total = sum(waiting.values()), len(scores.scores)
        if self.only_final:
            left_out = _("{count} of {total} scores were left out: they wait for a person ({where})")
            return (left_out.format(count=count, total=total, where=where),)
        provisional = _(
            "{count} of {total} scores are provisional: essays wait for a person ({where}). Read them in "
            "`autograder formgrader` and export again, or leave these scores out with --only-final"
        )
        return (provisional.format(count=count, total=total, where=where),)

    def _chosen(self, scores: ClassScores) -> ClassScores:
        students, exercises = [str(name) for name in self.student], [str(name) for name in self.assignment]
        for kind, asked, known in (
            (_("student"), students, [student.id for student in scores.students]),
            (_("exercise"), exercises, scores.exercises),
        ):
            for name in set(asked) - set(known):
                raise UserError(
                    _("no {kind} is named {name!r}; the gradebook has {known}").format(
                        kind=kind, name=name, known=", ".join(known) or _("none")
                    )
                )
        scores = scores.only(exercises or self.exercises(scores))
        chosen = tuple(s for s in scores.students if not students or s.id in students)
        names = {s.id for s in chosen}
        kept = {key: score for key, score in scores.scores.items() if key[0] in names}
        return replace(scores, students=chosen, scores=kept)

    def folder(self) -> Path:
        """The classroom: given, or that of the `nbgrader` program which uses this plugin."""
        return Path(self.classroom or self.parent.coursedir.root)


def points_cell(points: float | None, nothing: str = "") -> str:
    """Points as a file's cell has them."""
    return nothing if points is None else number(points)

"""Where a course lives: its folders, its exercises, its gradebook."""

from dataclasses import dataclass
from pathlib import Path

from simpo_language.speech import N_, _

CONFIG = "nbgrader_config.py"
CLASSROOM_VARIABLE = "AUTOGRADER_CLASSROOM"  # tells nbgrader_config.py which classroom a command works on
OUTLINE = "outline.json"
NEEDS_LINUX = N_(
    "grading runs on Linux alone (5.13 or newer), where students' code can be confined: on Windows in WSL, on macOS in "
    "a container or a virtual machine. All that students do works here"
)
DATABASE_FILE = "gradebook.url"  # in the classroom, if the gradebook is not: where it is
SEPARATE, SHARED = "separate", "shared"  # where checks run: in a process of their own, or in the student's
UNSAFE_VARIABLE = "AUTOGRADER_UNSAFE"  # set: students' code runs unconfined where it can't be confined
STUDENT_MODULES = (
    "simpo_core.plots",
    "simpo_core.recorded",
    "simpo_core.toy",
)  # for notebooks; the rest holds solutions
ESSAY_PLACEHOLDER = "YOUR ANSWER HERE · 在此作答"


class UserError(Exception):
    """Something that the person at the keyboard can mend: one line, no traceback."""


class NoCourse(UserError):
    """No course is where one was looked for."""


@dataclass(frozen=True)
class Course:
    """A course's folders.

    root: a clone of the repository, or what `autograder start --teach` wrote: solutions/, notebooks/, tests/benches/.
    classroom: nbgrader's course folder, made at run time: source, submitted, autograded, feedback, gradebook.

    Any other nbgrader course (see `anycourse`) is one folder: its root is its classroom.
    """

    root: Path
    classroom: Path

    @property
    def solutions(self) -> Path:
        return self.root / "solutions"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def outline(self) -> Path:
        package = self.root / "autograder" / "handing_in"  # in a clone: what `autograder pack` goes by everywhere
        return (package if package.is_dir() else self.notebooks) / OUTLINE

    @property
    def labels(self) -> Path:
        return self.root / "simpo_core" / "data" / "labels.json"  # in the package that draws the figures

    @property
    def is_any(self) -> bool:
        """Whether this is some nbgrader course, without solutions/ and releases of its own."""
        return self.root == self.classroom

    @property
    def benches(self) -> Path:
        return self.root / "tests" / "benches"

    def exercises(self) -> list[str]:
        """The names of the exercises, in order; nbgrader calls them assignments."""
        if self.is_any:
            return sorted({path.parent.name for path in self.classroom.glob("source/*/*.ipynb")})
        return sorted(path.stem for path in self.solutions.glob("*.ipynb"))

    def notebook(self, step: str, student: str, exercise: str, suffix: str = ".ipynb") -> Path:
        """A student's notebook at one of nbgrader's steps: submitted, autograded or feedback."""
        return self.classroom / step / student / exercise / (exercise + suffix)

    def database(self) -> str | None:
        """The URL of the gradebook's database; None if it is the classroom's gradebook.db."""
        file = self.classroom / DATABASE_FILE
        return file.read_text(encoding="utf-8").strip() if file.is_file() else None


def find_course(classroom: Path | None = None, folder: Path | None = None, *, any_course: bool = False) -> Course:
    """The course in `folder`, or around the working folder; its classroom is `classroom/` unless another is given.

    any_course: any nbgrader course will do.

    Raises:
        NoCourse: There is none.
        UserError: It is another nbgrader course.
    """
    here = Path.cwd() if folder is None else folder.resolve()
    around = (here, *here.parents) if folder is None else (here,)
    for place in around:
        if (place / "solutions").is_dir() and (place / CONFIG).is_file():
            return Course(place, (classroom or place / "classroom").resolve())
    for place in around:
        if any(place.glob("source/*/*.ipynb")):
            if any_course:
                return Course(place, place)
            raise UserError(
                _(
                    "{place} is another nbgrader course: `autograder grade` works there; for the rest use nbgrader"
                ).format(place=place)
            )
    where = _("{folder} has") if folder else _("{folder} and the folders above have")
    sentence = _(
        "no course here: {where} neither solutions/ with {config} beside it nor source/<assignment>/<notebook>.ipynb. "
        "`autograder start --teach FOLDER` writes this project's course into a folder"
    )
    raise NoCourse(sentence.format(where=where.format(folder=here), config=CONFIG))

"""An exercise to start from: a source notebook and its bench, both of them complete and green."""

import re
from importlib.resources import files
from pathlib import Path

from autograder.course import Course, UserError
from autograder.files import write_whole
from simpo_language.speech import _

TEMPLATE = files("autograder.authoring") / "templates" / "exercise"
NAME = re.compile(r"(\d\d)_[a-z0-9]+(_[a-z0-9]+)*")


def new_exercise(course: Course, exercise: str) -> list[Path]:
    """Write solutions/<exercise>.ipynb and tests/benches/<exercise>.toml; return them.

    Raises:
        UserError: The name can't be an exercise's, its number is taken, or a file is there already.
    """
    form = NAME.fullmatch(exercise)
    if form is None:
        raise UserError(
            _("the name is {exercise!r}; expected two digits and words, such as 11_my_exercise").format(
                exercise=exercise
            )
        )
    taken = [name for name in course.exercises() if name.startswith(f"{form[1]}_")]
    if taken:
        raise UserError(_("number {form} is taken by {taken}; choose another").format(form=form[1], taken=taken[0]))
    number = str(int(form[1]))
    notebook, bench = course.solutions / f"{exercise}.ipynb", course.benches / f"{exercise}.toml"
    texts = {
        notebook: (TEMPLATE / "exercise.ipynb").read_text(encoding="utf-8").replace("NN", number),
        bench: (TEMPLATE / "bench.toml").read_text(encoding="utf-8").replace("EXERCISE", exercise),
    }
    for path in texts:
        if path.exists():
            raise UserError(_("{path} is there already; remove it or choose another name").format(path=path))
    try:
        for path, text in texts.items():
            write_whole(path, text)
    except OSError:  # neither, so that the same command can be run again
        for path in texts:
            path.unlink(missing_ok=True)
        raise
    return list(texts)

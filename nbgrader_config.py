"""Lets `nbgrader` and its formgrader find the course when they are started in this folder."""

import os
from pathlib import Path

from autograder.course import CLASSROOM_VARIABLE, Course
from autograder.nbgrader_setup import configure

root = Path(__file__).absolute().parent
classroom = Path(os.environ.get(CLASSROOM_VARIABLE) or root / "classroom").resolve()
configure(get_config(), Course(root, classroom))  # noqa: F821  (nbgrader puts get_config here)

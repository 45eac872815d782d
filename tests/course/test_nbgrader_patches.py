import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # what is left out takes its time

SCRIPT = """
import sys
from autograder.nbgrader_patches import leave_out
leave_out()
import nbformat, nbgrader, nbgrader.utils
loaded = [name for name in ("nbgrader.apps", "nbgrader.api", "nbgrader.server_extensions", "rfc3987_syntax", "lark")
          if name in sys.modules]
assert not loaded, loaded
import nbgrader._version
assert nbgrader.__version__ == nbgrader._version.__version__
from nbgrader.apps import NbGraderAPI
import rfc3987_syntax  # whoever wants it gets it
leave_out()
assert "nbgrader.apps" in sys.modules
"""

ALEMBIC = """
from autograder.nbgrader_patches import ask_alembic_here, environment_on_path
environment_on_path()
from nbgrader.api import get_alembic_version
import nbgrader.api
ask_alembic_here()
print(get_alembic_version() == nbgrader.api.get_alembic_version() != "")
"""


def python(script):
    return subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)


def test_what_is_left_out_can_still_be_had():
    python(SCRIPT)


@pytest.mark.thorough("only an nbgrader of another version could change it; its commands read each test's gradebooks")
def test_the_version_of_a_new_gradebook_is_the_one_that_nbgrader_would_have_asked_for():
    assert python(ALEMBIC).stdout == "True\n"

"""What a worker needs, imported once: workers are forks of a process that has loaded this module.

Not for import elsewhere.
"""

from autograder.nbgrader_patches import leave_out

leave_out()

import autograder.grading.marking
import autograder.grading.workers  # noqa: F401

"""What a worker needs, imported once: workers are forks of a process that has loaded this module.

Not for import elsewhere.
"""

from autograder import lean

lean.leave_out()

import autograder.marking
import autograder.workers  # noqa: F401

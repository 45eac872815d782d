"""nbgrader's tables, and one of this grader's own."""

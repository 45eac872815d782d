"""One notebook at work, from the grader's side."""

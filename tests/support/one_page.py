"""The page of feedback of one submission."""

from pathlib import Path

from autograder.course import Course
from autograder.nbgrader_setup import nbgrader_api
from autograder.pages.class_known import read_known
from autograder.pages.feedback import write_pages


def write_feedback(course: Course, student: str, exercise: str) -> Path:
    """Write the page of one graded submission; return where it is."""
    with nbgrader_api(course).gradebook as gradebook:
        known = read_known(course, gradebook)
    [(path, _)] = write_pages(course, known, [(student, exercise)], force=True)
    return path

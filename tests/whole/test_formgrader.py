"""An instructor's way through the formgrader, in a real browser: autograde, read, give points, next."""

import json
import re
from contextlib import contextmanager

import pytest
from browser import CHROMIUM, jupyterlab, page
from one_page import write_feedback
from project import ROOT

from autograder.authoring.release import prepare
from autograder.course import CLASSROOM_VARIABLE
from autograder.grading.benches import hand_in, load_bench

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed; try: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore"),
]
EXERCISE = "04_advantages"
STUDENTS = ("ada", "bo")
COMMENTS = "**/formgrader/api/comment/*"


def autograde(opened, address):
    """Press the formgrader's button for each student."""
    opened.goto(f"{address}/formgrader/manage_submissions/{EXERCISE}")
    for student in STUDENTS:
        row = opened.locator("tbody tr", has_text=student)
        row.locator(".glyphicon-flash").click()
        opened.get_by_text(f"Successfully autograded '{EXERCISE}' for student '{student}'").wait_for()
        opened.locator(".modal button", has_text="OK").click()
        opened.locator(".modal").wait_for(state="hidden")


@contextmanager
def slow_to_save(opened):
    """The server takes its time with comments: whatever is saved in here is under way until the end."""
    held: list = []
    is_over = False
    opened.route(COMMENTS, lambda request: request.continue_() if is_over else held.append(request))
    yield
    is_over = True
    for request in held:
        request.continue_()


def points_in_gradebook(course, student):
    """Automatic and manual points, and the comment, as nbgrader has them."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course.classroom / 'gradebook.db'}", "simpo_practice") as gradebook:
        notebook = gradebook.find_submission_notebook(EXERCISE, EXERCISE, student)
        comments = [comment.comment for comment in notebook.comments if comment.comment]
        return notebook.code_score, notebook.written_score, "\n".join(comments)


def test_two_essays_are_graded_by_clicks_on_key_points(course):
    right = next(answer for answer in load_bench(course, EXERCISE) if answer.is_right)
    for student, language in zip(STUDENTS, ("en", "zh"), strict=True):
        path = course.notebook("submitted", student, EXERCISE)
        path.parent.mkdir(parents=True)
        path.write_text(hand_in(course, EXERCISE, right, language), encoding="utf-8")
    prepare(course, [EXERCISE])
    folder, settings = course.classroom, {CLASSROOM_VARIABLE: str(course.classroom)}
    with jupyterlab(folder, "/formgrader", cwd=ROOT, **settings) as address, page(1500, 1000) as opened:
        autograde(opened, address)
        graded = json.loads(course.notebook("autograded", "ada", EXERCISE).read_text("utf-8"))
        assert graded["metadata"]["autograder"]["verdict"] == "graded"  # by this course's grader, not nbgrader's

        opened.goto(f"{address}/formgrader/gradebook/{EXERCISE}/{EXERCISE}")
        opened.get_by_text("Submission #1").click()
        for number in (1, 2):
            opened.get_by_text(f"Submission {number} / 2").wait_for()
            points = opened.locator(".essay .scheme.ready .key-point")
            points.nth(2).wait_for()  # the page's script makes buttons of them
            assert points.count() == 3
            assert (
                not opened.get_by_text("What does a loss cost?")
                .or_(opened.get_by_text("花多少时间"))
                .first.is_visible()
            )
            comment = opened.locator(".essay textarea.comment")
            with slow_to_save(opened):
                points.nth(0).click()  # full: 2
                points.nth(2).click()
                points.nth(2).click()  # half: 1
                comment.press("Control+End")
                comment.type("Well ")
            written = "() => document.querySelector('.essay textarea.comment').value.includes(': 1/2')"
            opened.wait_for_function(written)  # once the first save was answered, amid a sentence
            comment.type(f"measured, number {number}.")
            opened.locator(".next-submission").click()
        opened.wait_for_url(f"**/formgrader/gradebook/{EXERCISE}/{EXERCISE}")
    for student in STUDENTS:
        automatic, manual, said = points_in_gradebook(course, student)
        assert (automatic, manual) == (10, 3)
        assert re.search(r"Well measured, number [12]\.", said)
        words = write_feedback(course, student, EXERCISE).read_text(encoding="utf-8")
        assert "Well measured, number" in words
        assert [len(re.findall(rf": {given}/2\b", said)) for given in (2, 1, 0)] == [1, 1, 1]
        assert re.search(r": 2/2\b", words)

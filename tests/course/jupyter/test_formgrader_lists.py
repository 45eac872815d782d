"""The formgrader's lists in a browser: what waits, who is who, and no warning of an exchange that is not there."""

import pytest
from browser import CHROMIUM, jupyterlab, page
from small_class import ESSAY, LOSS, copied

from autograder.course import CLASSROOM_VARIABLE
from autograder.jupyter.formgrader_lists import waiting
from autograder.nbgrader_setup import nbgrader_api

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves


@pytest.fixture(scope="module")
def course(small_class, tmp_path_factory):
    course = copied(small_class, tmp_path_factory.mktemp("lists"))
    with nbgrader_api(course).gradebook as gradebook:
        gradebook.update_or_create_student("bob", last_name="王小明")  # a name in one piece
        gradebook.update_or_create_student("ada", first_name="Ada", last_name="King")
    return course


def test_a_submission_waits_once_however_many_of_its_cells_do(course):
    with nbgrader_api(course).gradebook as gradebook:
        assert waiting(gradebook.db) == {ESSAY: 1}
        gradebook.find_grade("largest-share-value", ESSAY, ESSAY, "ada").needs_manual_grade = True
        assert waiting(gradebook.db) == {ESSAY: 1}
        gradebook.db.rollback()


@pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed; try: apt-get install chromium")
def test_the_lists_say_what_waits_and_who_is_who(course):
    with (
        jupyterlab(course.root, **{CLASSROOM_VARIABLE: str(course.classroom)}) as address,
        page() as opened,
    ):
        opened.goto(f"{address}/formgrader/gradebook")
        row = opened.locator("tbody tr", has_text=ESSAY)
        row.locator(".waiting").wait_for()
        assert row.locator(".waiting").inner_text() == "1"
        assert opened.locator("tbody tr", has_text=LOSS).locator(".waiting").inner_text() == "0"
        assert opened.locator("thead th").all_inner_texts()[3] == "Waiting for you"
        opened.goto(f"{address}/formgrader/gradebook/{LOSS}/{LOSS}")
        opened.locator("tbody .name a").first.wait_for()
        names = set(opened.locator("tbody a.name-shown").all_text_contents())
        assert names == {"King, Ada", "王小明", "cy"}
        opened.goto(f"{address}/formgrader/manage_submissions/{LOSS}")
        opened.locator("tbody .student-name").first.wait_for()
        assert {"King, Ada", "王小明", "cy"} <= set(opened.locator("tbody .student-name").all_text_contents())
        opened.goto(f"{address}/formgrader/manage_students")
        opened.locator("tbody .name a").first.wait_for()
        assert {"King, Ada", "王小明", "cy"} <= set(opened.locator("tbody .name").all_text_contents())
        opened.goto(f"{address}/formgrader/manage_assignments")
        opened.locator("tbody .name").first.wait_for()
        assert opened.locator("#warning-exchange").count() == 0

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from browser import CHROMIUM, launched
from small_class import ESSAY, LOSS, UNTOUCHED, add_exercise, copied, flag
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course import UserError
from autograder.grading.records import results
from autograder.nbgrader_setup import nbgrader_api
from autograder.reports.report import FOLD_FROM, render

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves


@pytest.fixture(scope="module")
def course(small_class, tmp_path_factory):
    course = copied(small_class, tmp_path_factory.mktemp("report"))
    add_exercise(course, UNTOUCHED)
    with nbgrader_api(course).gradebook as gradebook:
        gradebook.update_or_create_student("eve", first_name="Eve & Co", last_name="<b>Zhou</b>")
    return course


@pytest.fixture(scope="module")
def page(course):
    return render(course)


def test_the_page_says_what_came_of_the_class(page):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "5 of 6 submissions graded" in re.sub(r"submissions graded (5 of 6)", r"\1 submissions graded", text)
    assert "dee 1 · The squared loss not gradable: it is not complete JSON" in text
    missing = text.partition("Missing submissions")[2]
    assert re.search(r"Nothing at all 1 student .*\(eve\) Exercise 4 · Advantages 1 student bob", missing)
    assert "mean 5, median 5 of 16, 1 provisional" in text  # ada 10, her essay unread, and cy 0


def test_a_file_that_cannot_be_read_was_handed_in(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    with nbgrader_api(course).gradebook as gradebook:
        gradebook.update_or_create_student("dee")
    missing = render(course).partition('id="missing"')[2]
    listed = missing.partition("Exercise 4")[2]
    assert re.findall(r'class="who">(\w+)</li>', listed) == ["bob", "dee"]
    assert "<dt>not handed in</dt><dd>4</dd>" in render(course)  # bob one, dee one, eve two


def test_the_mean_is_not_rounded_to_one_decimal(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    with nbgrader_api(course).gradebook as gradebook:
        gradebook.find_grade("largest-share-value", ESSAY, ESSAY, "cy").manual_score = 4.5
        gradebook.db.commit()
    assert "mean 7.25, median 7.25 of 16" in render(course)  # ada 10


def test_an_exercise_that_nobody_has_handed_in_is_not_on_the_page(page):
    assert "4 students · 2 exercises" in page
    assert "<dt>not handed in</dt><dd>3</dd>" in page  # bob one, eve two
    assert UNTOUCHED not in page


def test_a_mistake_is_common_from_two_students_on(course, page, monkeypatch):
    words = "This is the sum; the mean is asked for."  # bob's mistake, in the check's words
    nobody = "No mistake that a check names was made by two students or more."
    assert words not in page
    assert nobody in page
    graded = results(course)
    again = [replace(result, student="fay") for result in graded if (result.student, result.exercise) == ("bob", LOSS)]
    monkeypatch.setattr("autograder.reports.report.results", lambda _: [*graded, *again])
    page = render(course)
    assert words in page
    assert nobody not in page


def test_the_page_says_when_a_check_is_doubted(page):
    assert "only with at least 10 submissions, of which at least 3 earned all of its points and at least 3" in page


def test_each_figure_says_in_words_what_is_to_be_seen(page):
    alts = re.findall(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="([^"]+)"', page)
    assert alts == [
        "Histogram of the points of 3 submissions, 0 of them provisional. 0 points: 1; 9 points: 1; 10 points: 1.",
        "Histogram of the points of 2 submissions, 1 of them provisional. 0 points: 1; 10 points: 1.",
    ]


def test_the_page_loads_nothing_and_runs_nothing(page):
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'" in page
    assert not re.search(r"<script|<link|\son\w+=|\sstyle=|url\(|@import|(src|href)=\"(?!data:|#)", page)


def test_what_students_write_is_text_and_no_markup(page):
    assert "Eve &amp; Co &lt;b&gt;Zhou&lt;/b&gt; (eve)" in page


def test_an_anonymous_page_holds_nothing_of_the_students_and_is_the_same_again(course):
    first, second = render(course, anonymous=True), render(course, anonymous=True)
    text = re.sub(r'src="[^"]+"|<style>.*?</style>', "", first, flags=re.DOTALL)
    for word in ("ada", "bob", "cy", "dee", "eve", "Zhou", "Neil", "characters; cut off"):
        assert not re.search(rf"\b{word}\b", text), word
    assert "not gradable" in text
    made = re.compile(r"\d+ \w+ \d{4}, \d\d:\d\d")
    assert made.sub("", first) == made.sub("", second)
    codes = re.findall(r'class="who">([0-9a-f]{6})<', text)
    assert len(codes) == 3  # dee's file is cut off; eve has handed in nothing, bob not everything


def test_codes_cannot_be_made_without_the_classrooms_key(course):
    before = render(course, anonymous=True)
    key = course.classroom / "anonymous.key"
    assert key.stat().st_mode & 0o077 == 0
    key.unlink()
    codes = [set(re.findall(r'class="who">([0-9a-f]{6})<', page)) for page in (before, render(course, anonymous=True))]
    assert not codes[0] & codes[1]


def test_signs_of_forgery_are_shown_and_an_anonymous_page_says_how_many(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    assert "forgery" not in render(course)
    flag(course, "ada", LOSS, "zhou, which the author's cells define, had been redefined", "a thread <b>ran</b>")
    page, anonymous = render(course), render(course, anonymous=True)
    assert "<dt>with signs of forgery</dt><dd>1</dd>" in page
    assert "had been redefined; a thread &lt;b&gt;ran&lt;/b&gt;" in page
    assert "<td>2 signs</td>" in anonymous
    assert "redefined" not in anonymous


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture
def show(page, browser, tmp_path):
    """The page in a window of this width."""
    (tmp_path / "report.html").write_text(page, encoding="utf-8")

    def show(width, height, **settings):
        opened = browser.new_page(viewport={"width": width, "height": height}, **settings)
        complaints: list[str] = []
        opened.on("console", lambda message: complaints.append(message.text))
        opened.goto((tmp_path / "report.html").as_uri())
        assert opened.evaluate("document.readyState") == "complete"
        assert complaints == []  # the content security policy has nothing to stop
        return opened

    return show


@pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed; try: apt-get install chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_and_fits_a_phone(show, scheme):
    from axe_playwright_python.sync_playwright import Axe

    opened = show(390, 844, color_scheme=scheme)
    assert opened.evaluate("document.documentElement.scrollWidth") == 390
    found = Axe().run(opened).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


@pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed; try: apt-get install chromium")
def test_on_a_phone_a_wide_table_shows_that_it_goes_on_and_scrolls_in_its_box(show):
    opened = show(390, 844)
    box = opened.locator("#progress .scroll")
    assert "scroll" in box.evaluate("box => getComputedStyle(box).backgroundAttachment")  # the shadows
    box.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
    edges = "one => one.getBoundingClientRect().right"
    assert box.locator("thead th").last.evaluate(edges) <= box.evaluate(edges)


@pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed; try: apt-get install chromium")
def test_only_numbers_that_wait_are_in_bold(show):
    cells = show(1200, 1000).eval_on_selector_all(
        "#progress td, #progress td *, #progress tbody th, #progress tfoot th",
        "all => all.map(one => [one.matches('.todo-cell'), getComputedStyle(one).fontWeight >= 600])",
    )
    assert [True, True] in cells
    assert all(waits == bold for waits, bold in cells)


def test_the_command_writes_the_page_into_the_classroom(course, monkeypatch):
    monkeypatch.chdir(course.root)
    run = CliRunner().invoke(app, ["report"])
    assert run.exit_code == 0
    assert "keep it as you keep the gradebook" in run.output
    assert LOSS not in run.output
    assert (course.classroom / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_before_anything_is_graded_there_is_one_sentence(course, tmp_path):
    with pytest.raises(UserError, match="nothing is graded yet"):
        render(replace(course, classroom=tmp_path))


def test_in_a_large_class_the_missing_are_folded_and_in_order(small_class, tmp_path):
    course = copied(small_class, tmp_path)
    with nbgrader_api(course).gradebook as gradebook:
        for number in range(FOLD_FROM + 5):
            gradebook.update_or_create_student(f"z{number:02}", first_name="Ann", last_name=f"Student {99 - number}")
    missing = render(course).partition('id="missing"')[2]
    nothing, _, rest = missing.partition("Exercise 4")
    assert "<details>" in nothing  # folded
    assert "<details open>" in nothing.rpartition("</details>")[2]  # exercise 4's, with bob alone
    shown = re.findall(r'class="who">([^<]+)<', nothing)
    assert shown == sorted(shown)
    assert len(shown) == FOLD_FROM + 6
    assert re.findall(r'class="who">([^<]+)<', rest) == ["bob"]  # who has nothing at all is not listed again

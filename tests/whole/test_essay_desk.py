"""A teacher's evening at the essay desk, in a real browser: keys, clicks and taps, in both languages."""

import http.cookiejar
import json
import re
import urllib.error
import urllib.request
from contextlib import contextmanager

import essay_class
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, FLAGS, WAIT_SECONDS, jupyterlab
from essay_class import Made, hand_in_graded
from playwright.sync_api import sync_playwright

from autograder.course import CLASSROOM_VARIABLE
from autograder.desk.handlers import HERE
from autograder.desk.words import WORDS, words_in
from autograder.gradebook.essay_marks import essay_rows, essays
from autograder.gradebook.writer import open_gradebook

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed; try: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore"),
]
EXERCISE, STUDENTS = "04_advantages", 8
TEXT = "DPO needs an exponential, the squared loss does not, which matters on a small machine."


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The course of eight students, and the address of its server. Each test has its own students."""
    course = essay_class.make(tmp_path_factory.mktemp("desk"), STUDENTS, [EXERCISE])
    hand_in_graded(course, EXERCISE, {"s001": Made(TEXT, "en", 0), "s002": Made(TEXT + " So it is.", "en", 0)})
    where = {CLASSROOM_VARIABLE: str(course.classroom)}
    with jupyterlab(course.root, "/essays", cwd=course.root, **where) as address:
        yield course, address


@contextmanager
def desk(address, *, width=1400, **settings):
    """The desk's page, with an essay on it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 900}, **settings)
        page.set_default_timeout(1000 * WAIT_SECONDS)
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Security Policy" in said.text else None)
        page.goto(f"{address}/essays/{EXERCISE}/essay")
        page.locator("body[data-shown]").wait_for()
        yield page
        assert wrong == []
        browser.close()


def saved(page):
    page.locator("#state[data-state=saved]").wait_for()


def marks(course):
    """Score and comment of each student who has one."""
    with open_gradebook(course) as opened:
        database = opened.gradebook.db
        rows = essay_rows(database, essays(database)[0], comments=True)
        return {row.student: (row.score, row.comment) for row in rows if not row.waits}


def student_shown(page):
    """Whose essay is on the page."""
    if page.locator("#names").get_attribute("aria-pressed") != "true":
        page.keyboard.press("h")
    page.locator("#who:not(:empty)").wait_for()
    return page.inner_text("#who")


def show(page, student):
    """Find a student's essay by search."""
    student_shown(page)
    page.keyboard.press("/")
    page.fill("#search-for", student)
    page.locator("#search-found button").first.click()
    page.locator("#who", has_text=student).wait_for()


def test_pages_and_scripts_say_nothing_without_words():
    used = set()
    for path in [*HERE.glob("templates/*"), *HERE.glob("static/*.js")]:
        pattern = r'"(key_\w+)"|' + (r"\bwords\.(\w+)" if path.suffix == ".j2" else r'\b(?:say|tell)\("(\w+)"')
        used |= set(re.findall(pattern, path.read_text(encoding="utf-8")))
    names = {name for found in used for name in found if name}
    assert {"key_n", "next", "alike_done"} <= names
    assert names <= WORDS.keys()
    assert words_in("zh")["next"] == "下一份未阅"


def test_a_mark_by_keys_is_saved_seen_undone_and_the_next_unread_follows(served):
    course, address = served
    with desk(address) as page:
        assert page.inner_text("#who") == ""  # no names
        student = student_shown(page)
        first = page.inner_text("#number")
        page.keyboard.press("1")
        page.keyboard.press("2")
        page.keyboard.press("2")
        page.keyboard.press("c")
        page.keyboard.type("why does it matter?")
        page.keyboard.press("Escape")
        saved(page)
        assert marks(course)[student][0] == 3  # 2, and half of 2
        assert ": 1/2 why does it matter?" in marks(course)[student][1]

        page.keyboard.press("n")
        page.locator("#number", has_not_text=first).wait_for()
        page.keyboard.press("2")
        page.keyboard.press("2")
        page.keyboard.press("Shift+Digit1")  # the comment comes again
        saved(page)
        second = student_shown(page)
        assert ": 1/2 why does it matter?" in marks(course)[second][1]
        for _ in range(3):
            page.keyboard.press("u")
        for _ in range(WAIT_SECONDS):
            if second not in marks(course):
                break
            page.wait_for_timeout(1000)
        assert second not in marks(course)
        page.keyboard.press("b")
        page.locator("#number", has_text=first).wait_for()
        assert page.locator(".remark").nth(1).input_value() == "why does it matter?"


def test_alike_answers_get_one_mark_after_what_differs_was_seen(served):
    course, address = served
    with desk(address) as page:
        show(page, "s001")
        page.keyboard.press("0")
        page.keyboard.press("3")
        saved(page)
        page.locator("#alike-open:enabled").wait_for()
        page.keyboard.press("a")
        assert page.locator("#alike-list ins").inner_text().strip() == "So it is."
        page.click("#alike-give")
        page.locator("#alike-state", has_text="1 got the same mark").wait_for()
        assert marks(course)["s002"] == marks(course)["s001"]
        page.keyboard.press("Escape")
        page.keyboard.press("u")
        page.locator("#state[data-state=undone]").wait_for()
        assert "s002" not in marks(course)


def test_two_readers_lose_no_mark(served):
    course, address = served
    with desk(address) as page:
        show(page, "s003")
        with open_gradebook(course) as opened:
            grade = opened.gradebook.find_grade("essay", EXERCISE, EXERCISE, "s003")
            grade.manual_score, grade.needs_manual_grade = 5, False
            opened.gradebook.db.commit()
        page.keyboard.press("1")
        notice = page.locator("#notice:visible")
        assert "5. Yours, 2, is not saved" in notice.inner_text()
        assert marks(course)["s003"][0] == 5
        notice.get_by_text("Save mine instead").click()
        saved(page)
        assert marks(course)["s003"][0] == 2


def test_a_text_that_was_replaced_is_shown_before_it_gets_a_mark(served):
    course, address = served
    with desk(address) as page:
        show(page, "s004")
        hand_in_graded(course, EXERCISE, {"s004": Made("Quite another text.", "en", 0)})
        page.keyboard.press("1")
        page.locator("#notice:visible", has_text="nobody read").wait_for()
        assert "s004" not in marks(course)
        page.get_by_text("Show the new text").click()
        page.locator("#text", has_text="Quite another text.").wait_for()
        page.keyboard.press("1")
        saved(page)
        assert marks(course)["s004"][0] == 2


def test_what_the_server_did_not_take_is_tried_again(served):
    course, address = served
    with desk(address) as page:
        show(page, "s005")
        page.route("**/save?*", lambda request: request.abort())
        page.keyboard.press("1")
        page.locator("#state[data-state=unsaved]").wait_for()
        page.keyboard.press("2")
        page.unroute("**/save?*")
        saved(page)
        assert marks(course)["s005"][0] == 4


def test_other_points_for_a_key_point_are_shown_and_then_given(served):
    course, address = served
    with desk(address) as page:
        show(page, "s006")
        page.keyboard.press("3")
        saved(page)
        page.locator(".change").nth(2).click()
        page.fill("#change-points", "1")
        page.click("#change-see")
        page.locator("#change-says", has_text="would change").wait_for()
        page.click("#change-apply")
        page.locator("#change-says", has_text="changed").wait_for()
        assert marks(course)["s006"][0] == 1
        page.fill("#change-points", "2")  # as it was
        page.click("#change-see")
        page.locator("#change-apply:enabled").click()
        page.locator("#change-says", has_text="changed").wait_for()
        assert marks(course)["s006"][0] == 2


@pytest.mark.parametrize(("width", "locale"), [(1400, "en-GB"), (390, "zh-CN")])
def test_the_pages_are_for_everybody_wide_and_on_a_phone_in_both_languages(served, width, locale):
    _, address = served
    with desk(address, width=width, locale=locale, has_touch=width < 500, bypass_csp=True) as page:
        assert page.inner_text("#next").startswith(words_in(locale[:2])["next"])
        for shown in ("", "help", "search", "change"):
            if shown:
                page.evaluate("name => document.getElementById(name).showModal()", shown)
            wrong = Axe().run(page).response["violations"]
            assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in wrong] == []
            page.keyboard.press("Escape")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        small = page.evaluate(
            "[...document.querySelectorAll('main button, footer button')].map(one => one.offsetHeight)"
            ".filter(height => height && height < 44).length"
        )
        assert small == 0
        page.goto(f"{address}/essays")
        wrong = Axe().run(page).response["violations"]
        assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in wrong] == []


def test_nothing_moves_while_a_mark_is_given(served):
    _, address = served
    with desk(address) as page:
        kinds = "'.point, #points, #words, #text, #next'"
        places = f"[...document.querySelectorAll({kinds})].map(one => JSON.stringify(one.getBoundingClientRect()))"
        show(page, "s007")
        page.locator("#state").wait_for()
        before = page.evaluate(places)
        page.keyboard.press("1")
        page.keyboard.press("1")
        saved(page)
        assert page.evaluate(places) == before


def test_nobody_saves_without_the_pages_cookie(served):
    _, address = served
    request = urllib.request.Request(f"{address}/essays/api/{EXERCISE}/essay/save", b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 403
    caught.value.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [("essays/04_advantages/nothing", 404), ("essays/api/04_advantages/essay/card?id=0", 404),
     ("essays/api/04_advantages/essay/points?place=9&points=1", 400),
     ("essays/api/04_advantages/essay/nothing", 404)],
)  # fmt: skip
def test_what_is_not_there_is_said_so(served, path, status):
    _, address = served
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{address}/{path}")
    with caught.value as answer:
        assert answer.code == status
        assert status != 400 or "no key point 10" in json.loads(answer.read())["problem"]


def formgrader(address):
    """Ask the formgrader's pages and addresses as a browser does: with their cookie. Returns status and text."""
    cookies = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))

    def ask(path, sent=None, **headers):
        token = next((one.value for one in cookies if one.name == "_xsrf"), "")
        body = None if sent is None else json.dumps(sent).encode()
        request = urllib.request.Request(f"{address}/formgrader/{path}", body, headers | {"X-XSRFToken": token})
        request.method = "GET" if sent is None else "PUT"
        try:
            with opener.open(request) as answer:
                return answer.status, answer.read().decode(), answer.url
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), ""

    return ask


def rows_of(course):
    with open_gradebook(course) as opened:
        return {row.student: row for row in essay_rows(opened.gradebook.db, essays(opened.gradebook.db)[0])}


def test_in_the_formgrader_too_a_text_that_nobody_read_gets_no_mark(served):
    course, address = served
    ask, row = formgrader(address), rows_of(course)["s008"]
    page = ask(f"submissions/{row.id}/")[1]
    read = {"X-Autograder-Read": re.search(r'autograder_read = "(\w+)"', page)[1]}
    grade = next(one for one in json.loads(ask(f"api/grades?submission_id={row.id}")[1]) if one["name"] == "essay")
    comment = next(one for one in json.loads(ask(f"api/comments?submission_id={row.id}")[1]) if one["name"] == "essay")
    mark = {"manual_score": 5, "extra_credit": None}
    assert ask(f"api/grade/{grade['id']}", mark)[0] == 409  # a page that does not say what it has shown
    assert ask(f"api/grade/{grade['id']}", mark, **read)[0] == 200
    hand_in_graded(course, EXERCISE, {"s008": Made("Quite another text.", "en", 0)})
    status, said, _ = ask(f"api/grade/{grade['id']}", mark | {"manual_score": 6}, **read)
    assert (status, "graded anew" in said) == (409, True)
    assert ask(f"api/comment/{comment['id']}", {"manual_comment": "x"}, **read)[0] == 409
    now = rows_of(course)["s008"]
    assert (now.score, now.waits) == (5, True)


def test_the_formgraders_neighbours_are_those_of_nbgrader(served):
    course, address = served
    ask, ids = formgrader(address), sorted(row.id for row in rows_of(course).values())
    assert f"Submission 2 / {STUDENTS}" in ask(f"submissions/{ids[1]}/")[1]
    assert ids[2] in ask(f"submissions/{ids[1]}/next")[2]
    assert ids[0] in ask(f"submissions/{ids[1]}/prev")[2]
    assert ask(f"submissions/{ids[1]}/next_incorrect")[2].endswith(f"/gradebook/{EXERCISE}/{EXERCISE}")  # all are right

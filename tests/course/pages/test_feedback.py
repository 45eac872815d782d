"""The pages of one small class, graded once: what they say, what they keep, and when they are written again."""

import csv
import os
import random
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from browser import CHROMIUM, launched
from hidden import hidden_lines, leaks, words_of
from mistune import helpers
from nbformat.v4 import new_code_cell, new_markdown_cell
from project import ROOT
from small_class import copied
from typer.testing import CliRunner

from autograder.authoring.release import prepare
from autograder.cli import app
from autograder.course import Course, UserError
from autograder.gradebook.due import extend, set_due
from autograder.grading.benches import hand_in, load_bench
from autograder.grading.grade import grade
from autograder.handing_in.other_files import NOT_A_NOTEBOOK, OtherFile, keep_other_files
from autograder.nbgrader_setup import nbgrader_api
from autograder.pages.class_known import graded, read_known
from autograder.pages.feedback import VERDICTS, write_pages
from autograder.pages.feedback_list import write_indexes
from autograder.reports.export import CsvExporter
from autograder.reports.status import standings
from simpo_language.speech import translated

CODE, ESSAY = "01_simpo_loss", "04_advantages"
PAGE_BYTES = 300_000
WORD_OF = re.compile(r"<[^>]+>")  # tags: the code is coloured
HOSTILE = """\
from IPython.display import HTML, SVG, Markdown, display
import numpy as np
display(HTML('<script>document.title = "hacked"</script><img src="https://example.com/a.png"><b>bold</b>'))
display(Markdown('[click](javascript:alert(1)) <iframe src="https://example.com"></iframe>'))
display(SVG('<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "hacked"</script></svg>'))
print("wide " * 200 + "\\ud800")
for _ in range(60):
    display(HTML("<p>" + "word " * 1000))
"""
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader and SQLAlchemy warn of themselves

NOT_ONE = "Handed in, but not a notebook: {name}. Please hand in the exercise's own file (.ipynb)."


def submit(course, student, exercise, text):
    path = course.notebook("submitted", student, exercise)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def hostile(text):
    notebook = nbformat.reads(text, 4)
    notebook.cells.insert(3, new_markdown_cell("<h1>10/10</h1><script>document.title = 'hacked'</script> \ud800"))
    notebook.cells.append(new_code_cell(HOSTILE))
    return nbformat.writes(notebook).replace("\ud800", "\\ud800")  # JSON can carry it, UTF-8 can't


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Five students; one handed in a broken file after a good one."""
    course = Course(ROOT, tmp_path_factory.mktemp("class"))
    answers = {answer.name: answer for answer in load_bench(course, CODE)}
    submit(course, "right", CODE, hand_in(course, CODE, answers["numpy functions"]))
    submit(course, "sum", CODE, hand_in(course, CODE, answers["sum for mean"], "zh"))
    submit(course, "untouched", CODE, hand_in(course, CODE, None))
    submit(course, "hostile", CODE, hostile(hand_in(course, CODE, answers["sum for mean"])))
    right = next(answer for answer in load_bench(course, ESSAY) if answer.is_right)
    submit(course, "sum", ESSAY, hand_in(course, ESSAY, right, "zh"))
    submit(course, "right", ESSAY, hand_in(course, ESSAY, right))
    submit(course, "untouched", ESSAY, "{")
    prepare(course, [CODE, ESSAY])
    list(grade(course))
    pages(course)
    return course


@pytest.fixture
def course(original, tmp_path):
    """A class of one's own, to change."""
    shutil.copytree(original.classroom, tmp_path / "class")
    return Course(ROOT, tmp_path / "class")


def pages(course, *, solutions=False, **options):
    """Write what is due; the students' pages and lists that are new, by their path in feedback/."""
    with nbgrader_api(course).gradebook as gradebook:
        known = read_known(course, gradebook)
    chosen = graded(course)
    written = [*write_pages(course, known, chosen, solutions=solutions, **options)]
    written += write_indexes(course, known, sorted({student for student, _ in chosen}), **options)
    return [str(path.relative_to(course.classroom / "feedback")) for path, is_new in written if is_new]


def page(course, student, exercise):
    return course.notebook("feedback", student, exercise, ".html").read_text(encoding="utf-8")


def index(course, student):
    return (course.classroom / "feedback" / student / "index.html").read_text(encoding="utf-8")


def elements(page):
    """Every tag and its attributes."""
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, dict(attributes)))
    parser.feed(page)
    return found


def read_essay(course, student, points, comment=""):
    """What a person does in the formgrader."""
    with nbgrader_api(course).gradebook as gradebook:
        grade = gradebook.find_grade("essay", ESSAY, ESSAY, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.find_comment("essay", ESSAY, ESSAY, student).manual_comment = comment
        gradebook.db.commit()


def test_a_failed_check_says_what_was_seen_what_was_expected_and_a_hint(original):
    words = words_of(page(original, "hostile", CODE))
    assert "Seen: batch_loss(np.array([1.0, 1.5, 3.0]), 1.0): it is 4.25 Expected: 1.41667" in words
    assert "Hint: This is the sum; the mean is asked for." in words
    assert "9 of 10 points" in words


def test_a_failed_check_links_to_its_place(original):
    text = page(original, "sum", CODE)
    assert '<a href="#batch-loss-value">测试点：一个批次的平均值。' in text
    assert text.count('id="batch-loss-value"') == 1


def test_points_stand_by_part(original):
    words = words_of(page(original, "hostile", CODE))
    for part in ("1.2 In code 4 / 4", "1.3 The loss of a batch 0 / 1", "Sum 9 / 10"):
        assert part in words


def test_the_page_speaks_the_language_that_was_handed_in(original):
    chinese, english = page(original, "sum", CODE), page(original, "right", CODE)
    assert '<html lang="zh-CN">' in chinese
    assert "练习 1 · 平方损失" in words_of(chinese)
    assert "1.3 一个批次的损失 0 / 1" in words_of(chinese)
    assert '<html lang="en">' in english
    assert not re.search("[\u4e00-\u9fff]", words_of(english).replace("在此作答", ""))
    assert '<html lang="zh-CN">' in index(original, "sum")


def test_an_untouched_notebook_is_told_in_one_line(original):
    words = words_of(page(original, "untouched", CODE))
    assert "Not attempted yet: by-hand-value , squared-loss-value" in words
    assert "0 / 10" in words


def test_an_essay_is_unread_until_a_person_reads_it(course):
    before = words_of(page(course, "sum", ESSAY))
    assert f"你的论述题（{6} 分）还没有批阅，批阅之前按 0 分计。" in before
    read_essay(course, "sum", 4.5, "**很好**：写出了数字。")
    pages(course)
    after = page(course, "sum", ESSAY)
    assert "尚未批阅" not in words_of(after)
    assert "4.5 / 6" in words_of(after)
    assert "<strong>很好</strong>：写出了数字。" in after


def test_an_essay_read_without_a_comment_says_so(course):
    read_essay(course, "right", 6)
    pages(course)
    assert "Read, without a comment." in words_of(page(course, "right", ESSAY))


def test_pages_are_written_again_exactly_when_what_they_show_has_changed(course):
    assert pages(course) == []
    read_essay(course, "sum", 4.5)
    assert pages(course) == [f"sum/{ESSAY}/{ESSAY}.html", "sum/index.html"]
    read_essay(course, "sum", 4.5, "A comment.")
    assert pages(course) == [f"sum/{ESSAY}/{ESSAY}.html"]
    course.notebook("feedback", "right", CODE, ".html").unlink()
    assert pages(course) == [f"right/{CODE}/{CODE}.html"]
    autograded = course.notebook("autograded", "right", CODE)
    autograded.chmod(0o644)
    autograded.write_text(autograded.read_text("utf-8") + "\n", encoding="utf-8")
    assert pages(course) == [f"right/{CODE}/{CODE}.html"]
    assert pages(course) == []
    assert len(pages(course, force=True)) == len(graded(course)) + 4


def test_a_late_penalty_is_taken_off_and_said(course):
    with nbgrader_api(course).gradebook as gradebook:
        gradebook.find_submission_notebook(CODE, CODE, "right").late_submission_penalty = 1.5
        gradebook.db.commit()
    pages(course)
    words = words_of(page(course, "right", CODE))
    assert "Handed in late: 1.5 points are taken off." in words
    assert "Sum 8.5 / 10" in words
    assert "late, 1.5 points off" in words_of(index(course, "right"))


def test_a_persons_points_for_a_check_count_and_are_said(course):
    with nbgrader_api(course).gradebook as gradebook:
        gradebook.find_grade("batch-loss-value", CODE, CODE, "hostile").manual_score = 0.5
        gradebook.db.commit()
    pages(course)
    words = words_of(page(course, "hostile", CODE))
    assert "A person set these points." in words
    assert "Sum 9.5 / 10" in words


def test_the_lists_add_up_to_the_gradebook(course):
    read_essay(course, "sum", 3.25)
    pages(course)
    with nbgrader_api(course).gradebook as gradebook:
        possible = sum(gradebook.find_assignment(exercise).max_score for exercise in (CODE, ESSAY))
        for student in ("right", "sum", "untouched", "hostile"):
            found = gradebook.find_student(student)
            label = "合计" if student == "sum" else "Sum"
            assert words_of(index(course, student)).endswith(f" {label} {found.score:g} / {possible:g}"), student


def test_the_list_says_what_could_not_be_graded_and_what_waits(original):
    words = words_of(index(original, "untouched"))
    assert "The file that you handed in last could not be graded: it is not complete JSON" in words
    assert "Please hand it in again. 0 / 16" in words
    assert "6 points are in essays that have not been read yet" in words_of(index(original, "right"))


def test_the_list_has_what_was_not_handed_in_and_the_total_that_is_exported(course, tmp_path):
    assert "not handed in 0 / 16 Sum 9 / 26" in words_of(index(course, "hostile"))
    with nbgrader_api(course).gradebook as gradebook:
        CsvExporter(to=str(tmp_path / "grades.csv"), classroom=str(course.classroom)).export(gradebook)
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert (rows["hostile"]["total"], rows["hostile"]["out of"]) == ("9", "26")


def test_what_was_handed_in_since_is_not_called_missing(course):
    submit(course, "hostile", ESSAY, hand_in(course, ESSAY, None))
    pages(course)
    assert "handed in, not graded yet 0 / 16" in words_of(index(course, "hostile"))


def test_who_has_handed_in_one_broken_file_alone_is_told_so(small_class, tmp_path, monkeypatch):
    course = copied(small_class, tmp_path)
    monkeypatch.chdir(course.root)
    for half, fault, words in (
        (None, "it is not complete JSON", "hand it in again"),
        (chinese_half(course), "它不是完整的 JSON", "请重新提交"),
    ):
        if half:
            submit(course, "dee", CODE, half)
        run = CliRunner().invoke(app, ["feedback", "--student", "dee"])
        assert (run.exit_code, "1 student's list written" in run.output) == (0, True), run.output
        said = words_of(index(course, "dee"))
        assert fault in said
        assert words in said
        assert "0 / 26" in said


def chinese_half(course):
    text = hand_in(course, CODE, None, "zh")
    return text[: len(text) // 2]


@pytest.mark.parametrize(("majority", "language"), [("sum", "zh"), ("right", "en")])
def test_who_handed_in_nothing_that_tells_reads_the_language_of_most(course, majority, language):
    for folder in (course.classroom / "feedback").iterdir():
        if folder.name != majority:
            shutil.rmtree(folder)
    keep_other_files(course.classroom, [OtherFile("dee", "", "essay.docx", NOT_A_NOTEBOOK)], [])
    run = CliRunner().invoke(app, ["feedback", "--student", "dee", "--classroom", str(course.classroom)])
    assert run.exit_code == 0, run.output
    assert translated(language)(NOT_ONE).format(name="essay.docx") in words_of(index(course, "dee"))


def test_a_verdict_and_repairs_are_said(course):
    autograded = course.notebook("autograded", "right", CODE)
    notebook = nbformat.read(autograded, 4)
    notebook.metadata.autograder = {"verdict": "timed out", "repairs": ["setup was missing and is back"]}
    autograded.chmod(0o644)
    nbformat.write(notebook, autograded)
    pages(course)
    words = words_of(page(course, "right", CODE))
    assert VERDICTS["timed out"] in words
    assert "cells were not as they were given out (1). Your answers were kept." in words
    assert "setup was missing and is back" in words


@pytest.mark.parametrize("exercise", [CODE, ESSAY])
def test_no_hidden_test_and_no_mark_scheme_reaches_a_page(original, exercise):
    assert len(hidden_lines(original, exercise)) > 10
    found = [*original.classroom.glob(f"feedback/*/{exercise}/*.html")]
    assert len(found) >= 2
    assert [leaks(original, path) for path in found] == [[]] * len(found)


def test_pages_need_nothing_but_themselves(original):
    for path in (original.classroom / "feedback").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "Content-Security-Policy\" content=\"default-src 'none'" in text
        assert not re.search(r"@import|url\(", text)
        for tag, attributes in elements(text):
            assert tag not in ("script", "link", "iframe", "form", "object", "embed", "base"), path
            assert attributes.get("src", "data:image/").startswith("data:image/"), path
            assert not {"style", "onclick", "srcset", "action"} & set(attributes), path
        assert path.stat().st_size < PAGE_BYTES, path


def test_what_there_is_no_room_for_is_said(original):
    words = words_of(page(original, "hostile", CODE))
    assert re.search(r"\d+ outputs or cells of yours would make this page too large", words)


def test_a_page_that_would_take_for_ever_shows_the_students_work_as_text(course, monkeypatch):
    path = course.notebook("autograded", "sum", CODE)
    notebook = nbformat.read(path, 4)
    notebook.cells.append(new_markdown_cell("x <a" + "\tb=c\td" * 45))
    path.chmod(0o644)
    nbformat.write(notebook, path)
    as_published = re.compile(f"<{helpers.HTML_TAGNAME}{helpers.HTML_ATTRIBUTES}>")  # which reads it for days
    monkeypatch.setattr("mistune.inline_parser._INLINE_HTML_TAG", as_published)
    monkeypatch.setattr("autograder.pages.feedback_page.PAGE_SECONDS", 1)
    assert f"sum/{CODE}/{CODE}.html" in pages(course)
    written = page(course, "sum", CODE)
    assert "x &lt;a\tb=c\td" in written
    assert "个会使本页过大，或处理太久，因此没有列出；它们仍在你的笔记本里。" in written  # its figures
    assert "提示" in written


def test_nbgraders_command_writes_the_same_pages(course):
    before = page(course, "sum", CODE), index(course, "sum")
    shutil.rmtree(course.classroom / "feedback")
    program = Path(sys.executable).with_name("nbgrader")
    command = [sys.executable, str(program), "generate_feedback", CODE, "--student=sum"]
    environment = {"AUTOGRADER_CLASSROOM": str(course.classroom), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True, capture_output=True)
    assert page(course, "sum", CODE) == before[0]
    assert f"{CODE}/{CODE}.html" in index(course, "sum")
    assert "generate_feedback" not in before[1]
    new = pages(course)
    assert f"sum/{CODE}/{CODE}.html" not in new
    assert f"right/{CODE}/{CODE}.html" in new


def test_a_notebook_that_the_gradebook_does_not_know_is_one_sentence(course):
    shutil.copytree(course.classroom / "autograded" / "right", course.classroom / "autograded" / "stranger")
    with pytest.raises(UserError, match="the gradebook has no marks for stranger, 01_simpo_loss"):
        pages(course)


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


def schemes(everything):
    """Both colour schemes, or one of them, drawn."""
    if everything:
        return ["light", "dark"]
    seed = random.randrange(1 << 32)
    print(f"drawn with seed {seed}")
    return random.Random(seed).sample(["light", "dark"], 1)


PAGES = [f"sum/{CODE}", f"right/{ESSAY}", f"hostile/{CODE}", "right/index"]


@pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed; try: apt-get install chromium")
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible_fit_a_phone_and_run_no_script(original, browser, name, everything):
    from axe_playwright_python.sync_playwright import Axe

    folder = original.classroom / "feedback"
    path = folder / f"{name}.html" if name.endswith("index") else folder / name / f"{name.split('/')[1]}.html"
    for scheme in schemes(everything):
        opened = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
        asked: list[str] = []
        opened.on("request", lambda request, asked=asked: asked.append(request.url))
        opened.goto(path.as_uri())
        assert all(url.startswith(("file:", "data:")) for url in asked)
        assert "hacked" not in opened.title()
        opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert opened.evaluate("document.documentElement.scrollWidth") == 390
        found = Axe().run(opened).response["violations"]
        grave = [
            (one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")
        ]
        assert grave == [], scheme
        opened.close()


def test_worked_answers_stand_under_their_parts_only_when_asked_for(course):
    assert "worked answer" not in page(course, "sum", CODE) + page(course, "right", CODE)
    written = pages(course, solutions=True)
    assert f"right/{CODE}/{CODE}.html" in written
    english, chinese = page(course, "right", CODE), page(course, "sum", CODE)
    assert english.count('class="worked"') == chinese.count('class="worked"') > 5
    assert "(r - beta) ** 2" in WORD_OF.sub("", english)
    assert "A larger margin is always better." in english
    assert "以为间隔越大越好" in chinese
    assert "BEGIN SOLUTION" not in english + chinese
    assert "MARK SCHEME" not in page(course, "right", ESSAY)
    assert not pages(course, solutions=True)
    assert all(line.old_feedback == 0 for line in standings(course))  # neither kind is out of date


def test_worked_answers_wait_until_nobody_may_hand_in_any_more(course):
    command = ["feedback", "--solutions", "--exercise", CODE, "--classroom", str(course.classroom)]
    set_due(course, CODE, datetime(2020, 1, 1, tzinfo=UTC))
    extend(course, CODE, "sum", datetime(2999, 1, 1, tzinfo=UTC))
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, UserError) or refused.exit_code == 2
    assert "may be handed in until 2999" in f"{refused.output}{refused.exception}"
    assert 'class="worked"' not in page(course, "right", CODE)
    extend(course, CODE, "sum", None)
    CliRunner().invoke(app, command, catch_exceptions=False)
    assert 'class="worked"' in page(course, "right", CODE)

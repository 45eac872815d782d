"""The documents: their commands run, their links lead somewhere, the Chinese pages say the same commands."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace

import pytest
import typer
from course.commands.test_handing_in import MING, PARTICIPANTS, ZOE
from documents import BLOCK, commands, run_all
from lms_downloads import canvas_gradebook, moodle, moodle_worksheet
from project import ROOT
from small_class import LOSS, empty

import autograder.cli
import simpo_core.cli
from autograder.cells import is_test, read_notebook, role
from autograder.grading.benches import hand_in, load_bench
from autograder.nbgrader_setup import nbgrader_api
from whole import test_notebooks

DOCS = ROOT / "docs"
STUDENT, INSTRUCTOR, MAINTAINER = (DOCS / f"{name}.md" for name in ("student", "instructor", "maintainer"))
RUN = (STUDENT, INSTRUCTOR, MAINTAINER)
CHINESE = sorted((DOCS / "zh").glob("*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")), *CHINESE]
ARCHIVE = "git archive --format=zip -o students.zip HEAD -- . ':!solutions' ':!tests'"
WRITTEN_BY_STUDENTS = ["simpo_core/losses.py", "simpo_core/logps.py", "simpo_core/ranking.py"]
WITHOUT_ANSWERS = " ".join([ARCHIVE, *(f"':!{name}'" for name in WRITTEN_BY_STUDENTS)])
NOT_RUN = {  # by `run_all` here: why
    "make lab": "opens a browser",
    "make demo": "installs, then runs `autograder demo`, as test_cli.py does",
    "make test": "runs this",
    "make test-fast": "runs the tests beside this",
    "python3 -m venv .venv": "installs",
    ".venv/bin/python -m pip install -c constraints.txt -e '.[lab,torch]'": "installs",
    ".venv/bin/autograder lab": "opens a browser; how it is started: test_lab.py",
    "autograder essays": "opens a browser; the page: test_essay_desk.py",
    "autograder formgrader": "opens a browser; the page: test_essays.py",
    "autograder doctor": "test_cli.py looks at what it finds",
    f"autograder benches {LOSS}": "test_benches.py proves every bench",
    "autograder feedback --solutions": "refused until the page's due time is past; test_feedback.py runs it",
    "autograder similar": "the page's class has one exercise, of short answers; test_answers.py runs it",
    "autograder similar 10_graded_preferences --names": "the same",
    f"autograder gradescope {LOSS}": "needs a clone; test_gradescope_zip.py runs it",
    ARCHIVE: "needs a clone; test_students_get_neither_solutions_nor_benches runs it",
    WITHOUT_ANSWERS: "needs a clone; test_notebooks_need_nothing_that_students_write runs it",
}
INTO_CANVAS = "autograder export --to canvas --into gradebook.csv"
INTO_MOODLE = f"autograder export --to moodle --into worksheet.csv --exercise {LOSS}"
warned = pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy warn of themselves


def to_run(page):
    return [command for command in commands(page) if command not in NOT_RUN]


@pytest.fixture(scope="module")
def term(tmp_path_factory):
    """The student's page, then the instructor's, in one course: it, and what each command said."""
    course = empty(tmp_path_factory.mktemp("term"), LOSS)
    right = next(answer for answer in load_bench(course, LOSS) if answer.is_right)
    (course.notebooks / f"{LOSS}.ipynb").write_text(hand_in(course, LOSS, right), encoding="utf-8")
    said = run_all(course.notebooks, to_run(STUDENT))
    (course.root / "participants.csv").write_text(PARTICIPANTS, encoding="utf-8")
    source = course.solutions / f"{LOSS}.ipynb"
    proved = source.read_text(encoding="utf-8")
    right_number, after = '"    0.25,\\n"', ',\n    "    hint=\\"Put r'
    assert right_number + after in proved  # the check of the number by hand: wrong, until the class has been graded
    wrong = proved.replace(right_number + after, right_number.replace("0.25", "0.35") + after)
    source.write_text(wrong, encoding="utf-8")

    def download():
        pack = (course.notebooks / "simpo-practice.zip").read_bytes()
        handed = [replace(one, content=pack, file="simpo-practice.zip") for one in (ZOE, MING)]
        (course.root / "downloads").mkdir()
        moodle(course.root / "downloads" / "course-01-17.zip", handed)
        moodle_worksheet(course.root / "downloads" / "Grades-course-01-17.csv", handed)

    def mend():
        source.write_text(proved, encoding="utf-8")

    def canvas_export():
        file = course.root / "gradebook.csv"
        canvas_gradebook(file, [ZOE, MING])
        file.write_text(file.read_text(encoding="utf-8").replace("01 (55)", f"{LOSS} (55)"), encoding="utf-8")

    def worksheet():
        file = moodle_worksheet(course.root / "worksheet.csv", [ZOE, MING])
        file.write_text(file.read_text(encoding="utf-8").replace(",10.00,", ",100.00,"), encoding="utf-8")

    before = {
        "autograder grade downloads": download,
        "autograder release": mend,
        INTO_CANVAS: canvas_export,
        INTO_MOODLE: worksheet,
    }
    return course, said, run_all(course.root, to_run(INSTRUCTOR), before)


@warned
@pytest.mark.slow
def test_a_student_packs_what_the_page_says(term):
    _, said, _ = term
    assert {command: status for command, (status, _) in said.items()} == {
        "autograder pack": 1,  # nine exercises are not written yet
        f"autograder pack {LOSS}": 0,
    }
    assert "LOSES POINTS" in said["autograder pack"][1]
    assert "Packed 1 notebook" in said[f"autograder pack {LOSS}"][1]


@warned
@pytest.mark.slow
def test_an_instructors_term_works_from_roster_to_grades(term):
    course, _, said = term
    assert {command: words for command, (status, words) in said.items() if status} == {}
    assert "2 submissions taken, 0 files left" in said["autograder grade downloads"][1]
    assert f"late ming, {LOSS}: by 3:05:00" in said["autograder grade downloads"][1]
    for command in (f"autograder regrade {LOSS}", f"autograder regrade {LOSS} --apply"):
        assert "of 2 graded, 0 unchanged, 2 up, 0 down" in said[command][1]
    with nbgrader_api(course).gradebook as gradebook:
        assert {student.id: student.score for student in gradebook.students} == {"zoe.mueller": 10, "ming": 10}
    assert {"report.html", "report.anonymous.html"} <= {path.name for path in course.classroom.iterdir()}
    assert {"grades.csv", "grades.moodle.csv"} <= {path.name for path in course.root.iterdir()}
    assert "Zoë" not in (course.classroom / "report.anonymous.html").read_text(encoding="utf-8")
    assert "feedback.moodle.zip: 2 students' files" in said["autograder feedback --to moodle"][1]
    assert "nothing says how Canvas calls them" in said["autograder feedback --to canvas"][1]
    assert course.notebook("feedback", "ming", LOSS, ".html").is_file()
    assert (course.classroom / "feedback" / "ming" / "index.html").is_file()


@warned
@pytest.mark.slow
def test_files_of_the_systems_are_filled_as_the_page_says(term):
    course, _, said = term
    assert "gradebook.filled.csv: 2 scores; gradebook.csv itself is unchanged" in said[INTO_CANVAS][1]
    assert f"{LOSS} gives up to 10 points, but the maximum there is 100" in said[INTO_MOODLE][1]
    assert "points of 10 were scaled to the maximum there, 100" in said[f"{INTO_MOODLE} --scale"][1]
    # 9 points: the check of the number by hand is still wrong
    for name, cell, points in (("gradebook", ",A,", "9"), ("worksheet", "Submitted for grading,", "90")):
        given, filled = ((course.root / f"{name}{end}").read_text(encoding="utf-8") for end in (".csv", ".filled.csv"))
        assert given.count(cell) == 2
        assert filled == given.replace(cell, cell + points)


@warned
@pytest.mark.slow
def test_a_new_exercise_is_green_and_has_every_part(tmp_path, monkeypatch):
    course = empty(tmp_path, LOSS)
    said = run_all(course.root, to_run(MAINTAINER))
    assert {command: words for command, (status, words) in said.items() if status} == {}
    assert "2 exercises, 4 notebooks up to date" in said["autograder release --check"][1]
    name = "11_my_exercise"
    cells = read_notebook(course.notebooks / f"{name}.ipynb").cells
    assert sum(role(cell)["points"] for cell in filter(is_test, cells)) == 10
    answers = load_bench(course, name)
    assert sum(answer.is_right for answer in answers) >= 2
    assert sum(answer.names_its_mistake for answer in answers) >= 6
    monkeypatch.setattr(test_notebooks, "ROOT", course.root)
    test_notebooks.test_a_notebook_has_its_parts(name)
    test_notebooks.test_both_editions_have_the_same_formulas_headings_and_links(name)
    test_notebooks.test_headings_and_cards_state_the_points_that_their_checks_give(name)
    test_notebooks.test_collapsed_cells_begin_with_a_line_that_names_them(name)


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="git archive needs a clone")
def test_students_get_neither_solutions_nor_benches(tmp_path):
    at = tmp_path / "students.zip"
    subprocess.run([*shlex.split(ARCHIVE.replace("students.zip", str(at)))], cwd=ROOT, check=True)
    names = zipfile.ZipFile(at).namelist()
    assert {"Makefile", "docs/student.md", "notebooks/00_start.ipynb", "notebooks/zh/00_start.ipynb"} <= set(names)
    assert [name for name in names if name.startswith(("solutions/", "tests/"))] == []


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="git archive needs a clone")
def test_notebooks_need_nothing_that_students_write(tmp_path):
    at = tmp_path / "students.zip"
    subprocess.run([*shlex.split(WITHOUT_ANSWERS.replace("students.zip", str(at)))], cwd=ROOT, check=True)
    with zipfile.ZipFile(at) as opened:
        assert not set(WRITTEN_BY_STUDENTS) & set(opened.namelist())
        opened.extractall(tmp_path)
    cells = [
        cell.source
        for path in sorted((tmp_path / "notebooks").rglob("*.ipynb"))
        for cell in read_notebook(path).cells
        if cell.cell_type == "code"
    ]
    imports = {line for cell in cells for line in cell.splitlines() if line.startswith("from simpo_core")}
    assert len(imports) >= 3
    # an editable installation would find this clone's files, and not those of the archive
    alone = f"import sys; sys.path = [path for path in sys.path if path != {str(ROOT)!r}]"
    for lines in ("\n".join(sorted(imports)), "import autograder.pack"):
        run = subprocess.run(
            [sys.executable, "-c", f"{alone}\n{lines}"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr


def test_what_is_not_run_is_listed_with_the_reason_and_nothing_else():
    found = {command for page in RUN for command in commands(page)}
    assert set(NOT_RUN) <= found
    assert all(command.startswith("autograder ") for command in found - set(NOT_RUN))


@pytest.mark.parametrize("page", [ROOT / "README.md", *RUN], ids=lambda page: page.name)
def test_every_command_and_option_exists(page):
    assert commands(page)
    for command in commands(page):
        program, *arguments = shlex.split(command)
        program = program.removeprefix(".venv/bin/")
        if program in ("autograder", "simpo"):
            parse(autograder.cli.app if program == "autograder" else simpo_core.cli.app, arguments)
        elif program == "make":
            targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            assert arguments[0] in targets, command
        elif "install" in arguments:
            installs(arguments)
        else:
            assert program in ("git", "python3"), command


def parse(app, arguments):
    """Read the arguments as the command would, and don't run it."""
    group = typer.main.get_command(app)
    name, *rest = arguments
    group.commands[name].make_context(name, rest)


def installs(arguments):
    """What pip is told to install from is there: the constraints, and the extras."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for argument in arguments:
        assert {extra for found in re.findall(r"\[(.+)\]", argument) for extra in found.split(",")} <= set(extras)
        assert not argument.endswith(".txt") or (ROOT / argument).is_file()


@pytest.mark.parametrize("page", [page for page in CHINESE if (DOCS / page.name).is_file()], ids=lambda page: page.name)
def test_a_chinese_page_has_the_commands_headings_and_tables_of_the_english_one(page):
    english = DOCS / page.name
    assert commands(page) == commands(english)
    theirs, ours = (BLOCK.sub("", path.read_text(encoding="utf-8")) for path in (english, page))
    for pattern in (r"^#+ ", r"^\|", r"^\d\. ", r"^- "):
        counts = [len(re.findall(pattern, text, re.MULTILINE)) for text in (theirs, ours)]
        assert counts[0] == counts[1], pattern


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://")):
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not heading or heading in anchors(target), link


def anchors(page):
    """The names under which GitHub links to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

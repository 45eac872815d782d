"""The wheel alone, no clone: a student's day, a teacher's, and any other nbgrader course's."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from project import ROOT

from autograder.cells import read_notebook
from autograder.course import Course
from autograder.grading.benches import hand_in, load_bench

pytestmark = pytest.mark.thorough("builds and installs the wheel; test_start.py tests what it brings, in the clone")
LOSS = "01_simpo_loss"
HERE = Path(sysconfig.get_path("purelib"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel and an sdist, built as a registry gets them."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(build, check=True)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def programs(tmp_path_factory, built):
    """An environment with the wheel; what it depends on is that of the environment here, but not this clone."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    site = next(environment.glob("lib/python3*/site-packages"))
    (site / "dependencies.pth").write_text(f"{HERE}\n", encoding="utf-8")  # its own .pth files are not read
    wheel = next(built.glob("*.whl"))
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", wheel], check=True)
    find = [python, "-c", "import autograder.cli as c; print(c.__file__)"]
    where = subprocess.run(find, cwd=environment, capture_output=True, text=True)
    assert where.stdout.startswith(str(environment)), where.stderr
    return environment / "bin"


@pytest.fixture
def say(programs, tmp_path):
    """Run a command line in a folder, as a person with this environment would: what it says."""

    def run(line, folder=tmp_path, status=0):
        path = os.pathsep.join(map(str, (programs, Path(sys.executable).parent, os.environ["PATH"])))
        environment = {**os.environ, "PATH": path, "COLUMNS": "200", "LANG": "C.UTF-8", "JUPYTER_PLATFORM_DIRS": "1"}
        environment["JUPYTER_PATH"] = str(Path(sys.prefix, "share", "jupyter"))  # where nbconvert's templates are
        words = line.split()
        if words[0] in ("autograder", "simpo"):
            words = [str(programs / words[0]), *words[1:]]
        elif words[0] == "nbgrader":
            words = [str(programs / "python"), "-m", "nbgrader", *words[1:]]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_a_student_starts_works_and_packs(say, tmp_path, programs):
    work = tmp_path / "work"
    assert "25 files written" in say("autograder start work")
    assert "[FAIL]" not in say("autograder doctor", work)
    right = next(answer for answer in load_bench(Course(ROOT, tmp_path), LOSS) if answer.is_right)
    (work / f"{LOSS}.ipynb").write_text(hand_in(Course(ROOT, tmp_path), LOSS, right), encoding="utf-8")
    assert "Packed 1 notebook" in say(f"autograder pack {LOSS}", work)
    validate = (
        "import sys; from pathlib import Path; from autograder.jupyter.validation import validate; print(validate("
    )
    run = subprocess.run(
        [programs / "python", "-c", f"{validate}Path('{LOSS}.ipynb')))"], cwd=work, capture_output=True, text=True
    )
    assert "visible checks pass" in run.stdout, run.stderr
    settings = programs.parent / "etc" / "jupyter"
    assert (settings / "jupyter_server_config.d" / "autograder.json").is_file()
    assert (settings / "labconfig" / "default_setting_overrides.json").is_file()
    assert "one_sentence.toml" in " ".join(path.name for path in (work / "runs").iterdir())


def test_a_teacher_starts_releases_grades_and_reports(say, tmp_path):
    say("autograder start --teach course")
    course = Course(tmp_path / "course", tmp_path / "course" / "classroom")
    for source in course.solutions.glob("*.ipynb"):
        if source.stem != LOSS:
            source.unlink()  # an exercise is enough
    assert "1 exercises, 2 notebooks up to date" in say("autograder release", course.root)
    say("autograder release --check", course.root)
    assert LOSS in say(f"autograder benches {LOSS}", course.root)
    say("autograder new 11_my_exercise", course.root)
    say("autograder release", course.root)
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    right = next(answer for answer in load_bench(course, LOSS) if answer.is_right)
    (downloads / f"ada_{LOSS}.ipynb").write_text(hand_in(course, LOSS, right), encoding="utf-8")
    assert "10/10" in say(f"autograder grade {downloads}", course.root)
    say("autograder feedback", course.root)
    say("autograder report", course.root)
    assert "1 score" in say("autograder export", course.root)
    assert (course.classroom / "feedback" / "ada" / "index.html").is_file()
    assert "[OK] students' code is confined" in say("autograder doctor", course.root)


def test_the_demo_needs_no_course(say, tmp_path):
    said = say("autograder demo")
    assert "graded" in said
    assert "pages written" in said
    assert (tmp_path / "autograder-demo" / "classroom" / "demo" / "feedback").is_dir()
    assert "0 new" in say("autograder demo")


def test_another_nbgrader_course_is_graded_as_the_page_says(say, tmp_path):
    page = (ROOT / "docs" / "any-course.md").read_text(encoding="utf-8")
    lines = re.search(r"^nbgrader quickstart.*?(?=^```)", page, re.MULTILINE | re.DOTALL)[0].splitlines()
    assert lines[:2] == ["nbgrader quickstart example", "cd example"]
    say(lines[0])
    said = [say(part, tmp_path / "example") for line in lines[2:] for part in line.split(" && ")]
    assert "1 graded; 1 new" in said[lines.index("autograder grade") - 1]
    assert (tmp_path / "example" / "feedback" / "ada" / "ps1").is_dir()


def test_the_sdist_is_complete_and_a_wheel_of_it_is_the_same(built, tmp_path):
    shutil.unpack_archive(next(built.glob("*.tar.gz")), tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "Makefile", "constraints.txt", "docs/student.md", ".ci/run"):
        assert (unpacked / name).is_file(), name
    assert len(list((unpacked / "tests").rglob("test_*.py"))) == len(list((ROOT / "tests").rglob("test_*.py")))
    assert len(read_notebook(unpacked / "solutions" / f"{LOSS}.ipynb").cells) > 10
    again = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, unpacked]
    subprocess.run(again, check=True)
    names = [sorted(zipfile.ZipFile(next(folder.glob("*.whl"))).namelist()) for folder in (built, tmp_path)]
    assert names[0] == names[1]


def test_a_registrys_page_can_show_it(built):
    run = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *built.iterdir()], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr

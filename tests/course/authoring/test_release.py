import ast
import shutil

import pytest
from nbgrader.apps import NbGraderAPI
from project import ROOT
from typer.testing import CliRunner

from autograder.authoring.release import check_sources, generate, prepare, release, why_not
from autograder.authoring.texts import strings_of, words_of
from autograder.cells import is_answer, is_test, read_notebook, role
from autograder.cli import app
from autograder.course import Course, UserError

pytestmark = pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy warn of themselves
EXERCISE = "01_simpo_loss"


@pytest.fixture
def small(tmp_path):
    """A course of one exercise that may be changed."""
    course = Course(tmp_path / "course", tmp_path / "course" / "classroom")
    course.solutions.mkdir(parents=True)
    shutil.copy(ROOT / "solutions" / f"{EXERCISE}.ipynb", course.solutions)
    shutil.copy(ROOT / "nbgrader_config.py", course.root)
    return course


def test_releasing_twice_changes_no_byte(small):
    assert len(release(small)) == 5  # the exercise and the first page, in two languages; the outline
    before = {path: path.read_bytes() for path in small.notebooks.rglob("*.ipynb")}
    assert len(before) == 4
    assert release(small) == []
    assert {path: path.read_bytes() for path in small.notebooks.rglob("*.ipynb")} == before


def test_the_check_writes_nothing_and_names_stale_files(small, monkeypatch):
    release(small)
    shutil.rmtree(small.classroom)
    stale = small.notebooks / "zh" / f"{EXERCISE}.ipynb"
    stale.write_text(stale.read_text("utf-8").replace("squared_loss", "square_loss"), "utf-8")
    (small.notebooks / "99_left_over.ipynb").write_text("{}")
    before = {path: path.read_bytes() for path in small.root.rglob("*") if path.is_file()}
    monkeypatch.chdir(small.root)
    run = CliRunner().invoke(app, ["release", "--check"])
    assert run.exit_code == 1
    assert f"stale: notebooks/zh/{EXERCISE}.ipynb" in run.output
    assert "stale: notebooks/99_left_over.ipynb" in run.output
    assert "run `autograder release` and commit" in run.output
    assert {path: path.read_bytes() for path in small.root.rglob("*") if path.is_file()} == before


def test_ctrl_c_within_nbgrader_is_ctrl_c_and_no_failure():
    log = "[INFO] Converting notebook\n[ERROR] Canceled\n"
    with pytest.raises(KeyboardInterrupt):
        why_not({"success": False, "log": log, "error": "Traceback (most recent call last):\nKeyboardInterrupt\n"})
    assert (
        why_not({"success": False, "log": "[ERROR] no", "error": "Traceback\nNbGraderException: no\n"}) == "[ERROR] no"
    )


def test_what_is_released_stands_until_the_next_does(small, monkeypatch):
    prepare(small)
    released = small.classroom / "release" / EXERCISE / f"{EXERCISE}.ipynb"
    (released.parent / "left_over.csv").write_text("1")
    before, source = released.read_bytes(), small.solutions / released.name
    source.write_text(source.read_text("utf-8").replace("# Check: the mean of a batch.", "# Check: the mean."), "utf-8")
    for killed in (UserError, KeyboardInterrupt):
        with monkeypatch.context() as patch:
            patch.setattr(NbGraderAPI, "generate_assignment", lambda *_, killed=killed: (_ for _ in ()).throw(killed()))
            with pytest.raises(killed):
                prepare(small)
        assert released.read_bytes() == before
    prepare(small)
    assert "# Check: the mean." in released.read_text("utf-8")
    assert [path.name for path in released.parent.iterdir()] == [released.name]
    assert sorted(path.name for path in small.classroom.iterdir()) == [".lock", "gradebook.db", "release", "source"]


def test_the_check_misses_no_notebook(small, monkeypatch):
    release(small)
    (small.notebooks / f"{EXERCISE}.ipynb").unlink()
    monkeypatch.chdir(small.root)
    run = CliRunner().invoke(app, ["release", "--check"])
    assert run.exit_code == 1
    assert f"stale: notebooks/{EXERCISE}.ipynb" in run.output


def test_left_over_notebooks_are_removed(small):
    release(small)
    left_over = small.notebooks / "zh" / "99_gone.ipynb"
    left_over.write_text("{}")
    assert release(small) == [left_over]
    assert not left_over.exists()


def test_sources_that_can_not_be_released_are_refused_and_nothing_is_written(small):
    path = small.solutions / f"{EXERCISE}.ipynb"
    path.write_text(path.read_text("utf-8").replace('"points": 1', '"points": 0', 1), "utf-8")
    with pytest.raises(UserError, match=r"solutions/01_simpo_loss.ipynb, cell 'by-hand-value': .* points above 0"):
        release(small)
    assert not small.notebooks.exists()


def test_a_course_without_solutions_is_refused(small):
    shutil.rmtree(small.solutions)
    small.solutions.mkdir()
    with pytest.raises(UserError, match="holds no notebooks"):
        check_sources(small)


def test_students_get_stubs_and_no_hidden_test(small):
    for text in generate(small).values():
        assert "BEGIN" not in text
        assert "simpo_core.losses" not in text  # only hidden tests import it
    released = {
        cell.id: cell for cell in read_notebook(small.classroom / "release" / EXERCISE / f"{EXERCISE}.ipynb").cells
    }
    assert released["by-hand"].source == "loss_by_hand = ...  # replace the dots by a number"
    assert released["squared-loss"].source.endswith("    # YOUR CODE HERE\n    raise NotAttempted")
    assert released["squared-loss-inputs"].source.startswith("# Graded when you hand in")


@pytest.mark.parametrize("exercise", Course(ROOT, ROOT / "classroom").exercises())
def test_both_editions_carry_the_same_code_and_points(exercise):
    english, chinese = (read_notebook(ROOT / folder / f"{exercise}.ipynb") for folder in ("notebooks", "notebooks/zh"))
    assert [cell.id for cell in english.cells] == [cell.id for cell in chinese.cells]
    for ours, theirs in zip(english.cells, chinese.cells, strict=True):
        assert {**role(ours), "checksum": ""} == {**role(theirs), "checksum": ""}
        if ours.cell_type == "code":
            trees = [ast.parse(cell.source.replace('_checks.language("zh")\n', "")) for cell in (ours, theirs)]
            for said, other in zip(*map(strings_of, trees), strict=True):
                assert said == other or words_of(said), f"{ours.id}: {said!r} is code"
            assert without_strings(trees[0]) == without_strings(trees[1]), ours.id
        elif is_answer(ours):
            assert ours.source == theirs.source
    assert sum(role(cell)["points"] for cell in filter(is_test, english.cells)) == 10


def without_strings(tree):
    """A cell's syntax tree with a blank for each string."""

    class Blank(ast.NodeTransformer):
        def visit_Constant(self, node):
            return ast.Constant("") if isinstance(node.value, str) else node

        def visit_JoinedStr(self, node):
            return ast.Constant("")

    return ast.dump(Blank().visit(tree))

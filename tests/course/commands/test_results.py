"""What `grade` prints at its end."""

import pytest
from small_class import ESSAY, LOSS, copied
from typer.testing import CliRunner

from autograder.cli import app
from autograder.commands.common import console

CHECK = "batch-loss-value"
pytestmark = pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy warn of themselves


@pytest.fixture
def graded(small_class, tmp_path, monkeypatch):
    """`autograder grade` in a copy of the class: its lines, without the table's frames."""
    course = copied(small_class, tmp_path)
    monkeypatch.chdir(course.root)
    monkeypatch.setattr(console, "width", 160)

    def run(*options):
        done = CliRunner().invoke(app, ["grade", "--jobs", "1", *options])
        assert done.exit_code == 0, done.output
        return [" ".join(line.replace("│", " ").split()) for line in done.output.splitlines()]

    return course, run


def test_what_is_as_before_is_counted_and_what_is_wrong_is_named(graded):
    _, run = graded
    lines = run()
    (line,) = [line for line in lines if line.startswith(("ada", "bob", "cy", "dee"))]
    assert line.startswith(f"dee {LOSS} - not gradable: it is not complete JSON")
    assert "5 graded, 1 not gradable; 0 new, 6 as before" in lines
    assert "Not in the table: 5 as before." in lines


@pytest.mark.slow
def test_names_and_essays_that_wait_are_shown_and_a_check_that_stops_everybody_is_suspected(graded):
    course, run = graded
    path = course.solutions / f"{LOSS}.ipynb"
    text = path.read_text(encoding="utf-8")
    assert text.count("    4.25 / 3,\\n") == 1
    path.write_text(text.replace("    4.25 / 3,\\n", "    4.25 / '3',\\n"), encoding="utf-8")
    lines = run("--force")
    assert f'ada =HYPERLINK("http://x") O\'Neil, Jr. {ESSAY} 10/10 + essay' in lines
    assert any(line.startswith(f"bob {LOSS} 9/10 {CHECK}: TypeError") for line in lines)
    assert (
        f"{LOSS}: the check {CHECK} gives nobody a point and stops with TypeError: unsupported operand type(s) for /: "
        "'float' and 'str'. If the check is wrong, mend it; then autograder regrade."
    ) in lines

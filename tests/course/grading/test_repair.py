"""A submission gets the instructor's cells back; the student's answers and own cells stay."""

import nbformat
import pytest
from project import ROOT

from autograder.cells import is_answer, is_test, read_notebook, role
from autograder.course import Course
from autograder.grading.benches import hand_in, load_bench
from autograder.grading.repair import restore
from autograder.handing_in.outline import digest

COURSE = Course(ROOT, ROOT / "classroom")
EXERCISE = "01_simpo_loss"
SOURCE = read_notebook(COURSE.solutions / f"{EXERCISE}.ipynb")
RELEASED = read_notebook(COURSE.notebooks / f"{EXERCISE}.ipynb")
CHINESE = read_notebook(COURSE.notebooks / "zh" / f"{EXERCISE}.ipynb")


@pytest.fixture
def submission():
    right = next(answer for answer in load_bench(COURSE, EXERCISE) if answer.is_right)
    return nbformat.reads(hand_in(COURSE, EXERCISE, right), 4)


def cell(notebook, name):
    return next(cell for cell in notebook.cells if role(cell).get("grade_id") == name)


def restored(notebook, released=RELEASED):
    repaired, repairs = restore(notebook, SOURCE, released)
    nbformat.validate(repaired)
    assert [role(c)["grade_id"] for c in repaired.cells if role(c)] == [
        role(c)["grade_id"] for c in SOURCE.cells if role(c)
    ]
    for wanted in filter(is_test, SOURCE.cells):
        assert cell(repaired, role(wanted)["grade_id"]).source == wanted.source
        assert "tags" not in cell(repaired, role(wanted)["grade_id"]).metadata
    return repaired, [str(repair) for repair in repairs]


def answers(notebook):
    return {role(c)["grade_id"]: c.source for c in notebook.cells if is_answer(c)}


@pytest.mark.parametrize(("language", "released"), [("en", RELEASED), ("zh", CHINESE)])
def test_an_honest_submission_needs_no_repair(language, released):
    for answer in load_bench(COURSE, EXERCISE)[:3]:
        honest = nbformat.reads(hand_in(COURSE, EXERCISE, answer, language), 4)
        repaired, repairs = restored(honest, released)
        assert repairs == []
        assert [c.id for c in repaired.cells] == [c.id for c in honest.cells]
        assert answers(repaired) == answers(honest)


def test_a_deleted_check_and_a_deleted_answer_come_back(submission):
    submission.cells = [c for c in submission.cells if c.id not in ("squared-loss-value", "batch-loss")]
    repaired, repairs = restored(submission)
    assert repairs == ["squared-loss-value was missing and is back", "batch-loss was missing and is back"]
    assert "raise NotAttempted" in cell(repaired, "batch-loss").source


def test_a_copied_check_is_the_students_own_cell(submission):
    place = submission.cells.index(cell(submission, "squared-loss-value"))
    submission.cells.insert(place + 1, nbformat.from_dict({**submission.cells[place], "id": "copied", "source": "1"}))
    repaired, repairs = restored(submission)
    assert repairs == ["a second cell named 'squared-loss-value' is the student's own cell now"]
    assert repaired.cells[place + 1].source == "1"
    assert not role(repaired.cells[place + 1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.metadata.nbgrader.update(grade_id="mine"), "was renamed 'mine'"),
        (lambda c: c.metadata.nbgrader.update(grade=False), "had grade = False"),
        (lambda c: c.metadata.nbgrader.update(solution=True), "had solution = True"),
        (lambda c: c.metadata.nbgrader.update(points=1e9), "had points = 1000000000.0"),
        (lambda c: c.metadata.nbgrader.update(points=float("nan")), "had points = nan"),
        (lambda c: c.metadata.update(tags=["skip-execution"]), "had tags (skip-execution)"),
        (lambda c: c.metadata.update(nbgrader=[1]), "had lost its name"),
        (lambda c: c.metadata.pop("nbgrader"), "had lost its name"),
        (lambda c: c.update(source="pass"), "was edited"),
    ],
)
def test_a_changed_check_is_as_it_was(submission, change, words):
    change(cell(submission, "squared-loss-value"))
    _, repairs = restored(submission)
    assert any(words in repair for repair in repairs), repairs


def test_a_retyped_answer_is_code_again_and_keeps_its_text(submission):
    retyped = cell(submission, "squared-loss")
    retyped.cell_type = "markdown"
    text = retyped.source
    for key in ("outputs", "execution_count"):
        del retyped[key]
    repaired, repairs = restored(submission)
    assert repairs == ["squared-loss was a markdown cell, and is a code cell again"]
    assert (cell(repaired, "squared-loss").cell_type, cell(repaired, "squared-loss").source) == ("code", text)


def test_moved_cells_go_back(submission):
    submission.cells.insert(0, submission.cells.pop(submission.cells.index(cell(submission, "simpo-loss-value"))))
    _, repairs = restored(submission)
    assert repairs == ["cells had been moved and are in their places again"]


def test_own_cells_stay_where_they_are(submission):
    place = submission.cells.index(cell(submission, "squared-loss")) + 1
    submission.cells.insert(place, nbformat.v4.new_code_cell("helper = 1", id="helper"))
    repaired, repairs = restored(submission)
    assert repairs == []
    assert repaired.cells[place].source == "helper = 1"


def test_cells_that_lost_ids_and_metadata_are_known_by_their_text(submission):
    for number, one in enumerate(submission.cells):
        one.id = f"new-{number}"
        if not is_answer(one):
            one.metadata = nbformat.from_dict({})
    repaired, _ = restored(submission)
    assert answers(repaired) == answers(submission)
    assert not [
        c for c in repaired.cells if c.source == RELEASED.cells[1].source and not role(c) and c.cell_type == "code"
    ]


def test_half_characters_become_question_marks_so_that_the_notebook_can_be_written(submission):
    cell(submission, "by-hand").source += "  # \ud800"
    submission.cells.append(nbformat.v4.new_markdown_cell("\udfff"))
    repaired, _ = restored(submission)
    assert cell(repaired, "by-hand").source.endswith("  # ?")
    assert repaired.cells[-1].source == "?"
    nbformat.writes(repaired).encode("utf-8")


def test_very_many_copies_are_repaired_in_time_and_listed_in_part(submission):
    copied = cell(submission, "squared-loss-value")
    submission.cells += [nbformat.from_dict({**copied, "id": ""}) for _ in range(1_900)]
    repaired, repairs = restored(submission)
    assert len(repaired.cells) == len(SOURCE.cells) + 1_900
    assert len(repairs) == 31
    assert repairs[-1] == "and 1,870 repairs more"


def test_what_an_earlier_version_said_is_no_edit_of_the_students(submission):
    cell(submission, "squared-loss-value").source = "# Check: as it was given out in another term."
    said = digest("# Check: as it was given out in another term.")
    assert restored(submission)[1] == ["squared-loss-value was edited, and says again what it said"]
    repaired, repairs = restore(submission, SOURCE, RELEASED, {"squared-loss-value": (said,)})
    assert repairs == []
    assert cell(repaired, "squared-loss-value").source == cell(SOURCE, "squared-loss-value").source

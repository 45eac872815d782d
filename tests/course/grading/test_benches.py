"""Every check proves itself: answers of a bench through real nbgrader grading; all of them with --everything."""

import pytest
from project import ROOT
from samples import drawn

from autograder.course import Course, UserError
from autograder.grading.benches import BenchAnswer, deviations, load_bench, prove
from autograder.results import GRADED, NOT_ATTEMPTED, RIGHT, WRONG, Check, Result

EXERCISES = Course(ROOT, ROOT / "classroom").exercises()
RIGHT_ONES, WRONG_ONES = 1, 3  # that a plain run draws of each bench


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy warn of themselves
@pytest.mark.parametrize("exercise", EXERCISES)
def test_every_answer_gets_its_mark_and_message(course, exercise, record_property, everything):
    answers = load_bench(course, exercise)
    right, wrong = ([answer for answer in answers if answer.is_right is kind] for kind in (True, False))
    if not everything:
        right, wrong = drawn(right, RIGHT_ONES), drawn(wrong, WRONG_ONES)
    proof = prove(course, exercise, course.classroom, chosen=[answer.name for answer in (*right, *wrong)])
    record_property("bench", (proof.right, proof.wrong, proof.caught, proof.named))
    assert proof.faults == ()
    assert (proof.right, proof.wrong) == (len(right), len(wrong))
    assert proof.caught == proof.wrong
    assert proof.named == sum(answer.names_its_mistake for answer in wrong)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_bench_is_large_enough(course, exercise):
    answers = load_bench(course, exercise)
    wrong = [answer for answer in answers if not answer.is_right]
    assert len(answers) - len(wrong) >= 2
    assert len(wrong) >= 6
    assert sum(answer.names_its_mistake for answer in wrong) >= 0.9 * len(wrong)


def told(answer, result):
    return [str(deviation) for deviation in deviations(answer, result)]


def result(*checks):
    return Result("s1", "01_simpo_loss", GRADED, checks)


def test_deviations_are_found():
    wrong = BenchAnswer("sum", is_right=False, cells={}, lost={"a": "the sum"})
    failed = Check("a", 0, 1, WRONG, "This is the sum.")
    assert told(wrong, result(failed)) == []
    assert told(wrong, result(Check("a", 1, 1, RIGHT, ""))) == ["a escaped"]
    assert told(wrong, result(failed, Check("b", 0, 1, WRONG, "no"))) == ["b lost, though right: 'no'"]
    assert "says 'no', expected 'the sum'" in told(wrong, result(Check("a", 0, 1, WRONG, "no")))[0]
    assert told(None, result(Check("a", 0, 1, NOT_ATTEMPTED, "x"))) == []
    assert told(None, result(failed)) == ["a is wrong: This is the sum."]
    assert told(wrong, Result("s1", "e", "not gradable", reason="cut off")) == ["not gradable: cut off"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing; each exercise needs a bench"),
        ("[[right]", "Expected"),
        ('[[right]]\nname = "a"', "an answer has name; expected name, cells"),
        ('[[right]]\nname = "a"\ncells = {nothing = ""}', "names cells that are not there: nothing"),
        ('[[wrong]]\nname = "a"\ncells = {squared-loss = ""}', "must lose something if it is wrong"),
        ('[[wrong]]\nname = "a"\ncells = {}\nlost = {squared-loss = ""}', "names cells that are not there"),
        ('[[right]]\nname = "a"\ncells = {}\n' * 2, "two answers are named 'a'"),
    ],
)
def test_a_malformed_bench_is_one_sentence(tmp_path, content, message):
    course = Course(tmp_path, tmp_path / "classroom")
    course.benches.mkdir(parents=True)
    course.solutions.mkdir()
    (course.solutions / "01_simpo_loss.ipynb").write_bytes((ROOT / "solutions" / "01_simpo_loss.ipynb").read_bytes())
    if content is not None:
        (course.benches / "01_simpo_loss.toml").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_bench(course, "01_simpo_loss")

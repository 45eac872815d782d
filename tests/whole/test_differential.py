"""The same submissions here and through stock nbgrader: the same score for every check, or a reason why not."""

import json

import pytest
from project import ROOT
from samples import drawn

from autograder.course import Course
from autograder.grading.benches import load_bench

COURSE = Course(ROOT, ROOT / "classroom")
RESULTS = ROOT / "benchmarks" / "results" / "differential.json"


@pytest.fixture
def differential(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import differential

    return differential


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_wrong_answer_gets_stock_nbgraders_scores_and_messages(differential, tmp_path, everything):
    """Of every exercise; in a plain run of two."""
    from jupyter_client.manager import AsyncKernelManager

    for exercise in COURSE.exercises() if everything else drawn(COURSE.exercises(), 2):
        wrong = next(answer for answer in load_bench(COURSE, exercise) if not answer.is_right)
        checks, found = differential.differences(COURSE, exercise, wrong, tmp_path, AsyncKernelManager)
        assert checks >= 8
        assert found == []


@pytest.mark.parametrize("exercise", COURSE.exercises())
def test_all_answers_were_compared_and_no_score_or_message_differed(exercise):
    # what `python benchmarks/differential.py` found when it last ran over all of them
    measured = json.loads(RESULTS.read_text("utf-8")).get(exercise)
    if measured is None:
        pytest.skip(f"not compared yet: python benchmarks/differential.py {exercise}")
    answers = 1 + len(load_bench(COURSE, exercise))
    assert measured["answers"] == answers, f"answers have changed: run benchmarks/differential.py {exercise}"
    assert measured["differences"] == []

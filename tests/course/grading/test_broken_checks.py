"""Checks that seem to be wrong themselves."""

import pytest
from small_class import LOSS

from autograder.grading.broken_checks import NAMED, broken_checks
from autograder.messages import failed
from autograder.results import GRADED, NOT_ATTEMPTED, RIGHT, WRONG, Check, Result


def results(**messages):
    """One check's result for each student: its message; "" if it is right, "-" if it was not attempted."""
    status = {"": RIGHT, "-": NOT_ATTEMPTED}
    return [
        Result(student, LOSS, GRADED, (Check("a", float(not said), 1.0, status.get(said, WRONG), said),))
        for student, said in messages.items()
    ]


def test_a_check_is_suspected_if_one_exception_stops_it_and_nobody_has_a_point():
    (found,) = broken_checks(results(ada="TypeError: x", bob="TypeError: y", cy="-"), at_least=2)
    assert found.stopped == ("ada", "bob")
    assert found.sentence == (
        "the check a gives nobody a point and stops with TypeError: x (not for cy, who did not get that far)"
    )
    many = broken_checks(results(a="KeyError: 1", b="KeyError: 1", **{f"s{i}": "-" for i in range(NAMED + 3)}))
    assert many[0].sentence.endswith("(not for s0, s1, s2, s3, s4 and 3 more, who did not get that far)")


@pytest.mark.parametrize(
    "messages",
    [
        {"ada": "TypeError: x", "bob": ""},  # it pays somebody
        {"ada": "TypeError: x", "bob": "ValueError: x"},
        {"ada": "TypeError: x", "bob": "-"},  # once is no sign
        {"ada": failed("f(1) raised TypeError: x"), "bob": failed("f(1) raised TypeError: x")},  # the students' own
        {"ada": "AssertionError", "bob": "AssertionError"},  # how other courses' tests say no
    ],
)
def test_a_check_is_not_suspected_otherwise(messages):
    assert broken_checks(results(**messages), at_least=2) == []

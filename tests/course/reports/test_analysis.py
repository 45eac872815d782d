import pytest

from autograder.reports.analysis import ENOUGH, figures, mistakes
from autograder.results import GRADED, NOT_ATTEMPTED, RIGHT, WRONG, Check, Result


def result(student, *checks):
    return Result(student, "01_a", GRADED, tuple(Check(*check) for check in checks))


def a_class(pattern):
    """One submission for each string of 0 and 1, one check for each character."""
    return [
        result(
            f"s{number}",
            *((f"c{place}", int(mark), 1, RIGHT if mark == "1" else WRONG, "") for place, mark in enumerate(marks)),
        )
        for number, marks in enumerate(pattern)
    ]


def test_figures_by_hand():
    # c0 goes with the rest, c1 against it, c2 is always right: of ten, five have 1 0 1 and five 0 1 1.
    # The rest of c0 is c1 + c2 = 1 or 2: it is lower where c0 is right, so the correlation is -1; so is that of c1.
    found = {one.grade_id: one for one in figures(a_class(["101"] * 5 + ["011"] * 5))}
    assert [found[name].right for name in ("c0", "c1", "c2")] == [0.5, 0.5, 1.0]
    assert found["c0"].discrimination == pytest.approx(-1)
    assert found["c2"].discrimination is None
    assert "is it right?" in found["c0"].concern


@pytest.mark.parametrize(("pattern", "doubted"), [
    (["101"] * 3 + ["011"] * 7, True),
    (["101"] * 7 + ["011"] * 3, True),
    (["101"] * 2 + ["011"] * 8, False),  # two earned c0
    (["101"] * 8 + ["011"] * 2, False),  # two lost it
    (["101"] * 4 + ["011"] * 5, False),  # nine submissions
])  # fmt: skip
def test_a_check_is_doubted_where_enough_submissions_stand_behind_it(pattern, doubted):
    found = figures(a_class(pattern))[0]
    assert len(pattern) < ENOUGH or found.discrimination == pytest.approx(-1)
    assert ("is it right?" in found.concern) == doubted


def test_a_check_that_goes_with_the_others_tells_apart():
    found = figures(a_class(["111"] * 6 + ["000"] * 6))
    assert [one.discrimination for one in found] == [pytest.approx(1)] * 3
    assert [one.concern for one in found] == [""] * 3


def test_few_submissions_give_no_correlation():
    assert figures(a_class(["11", "00"] * (ENOUGH // 2 - 1)))[0].discrimination is None


def test_untouched_notebooks_count_nowhere():
    untouched = result("u", ("c0", 0, 1, NOT_ATTEMPTED, "Not attempted yet"))
    assert figures([untouched]) == []
    assert figures([*a_class(["1", "0"]), untouched])[0].submissions == 2


def test_mistakes_are_counted_by_what_the_check_names():
    sums = [
        ("c", 0, 1, WRONG, f"✗ Check failed: f([1]): it is {n}, expected 1\n→ Hint: This is the sum.") for n in range(3)
    ]
    other = (
        "c",
        0,
        1,
        WRONG,
        "✗ Check failed: f([1]) raised an exception\n! NameError: name 'bob' is not defined\n↳ In your line: bob",
    )
    found = mistakes([result("a", sums[0]), result("b", sums[1]), result("c", sums[2]), result("d", other)])
    assert [(one.words, one.count, one.submissions) for one in found] == [
        ("This is the sum.", 3, 4),
        ("raises NameError", 1, 4),
    ]

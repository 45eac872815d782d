import pytest
from project import ROOT

from autograder.cells import CHINESE_HALF, read_notebook, role
from autograder.course import Course
from autograder.desk.mark_scheme import numbered, points_each, read_scheme

TABLE = """Three key points, 2 points each.

=== BEGIN MARK SCHEME ===
| key point | first point |
|---|---|
| 1. Simpler <to> compute | No sigmoid. |
| 2. Steadier | It comes to rest. |
=== END MARK SCHEME ===
<!-- zh -->
=== BEGIN MARK SCHEME ===
| 要点 | 第 1 分 |
|---|---|
| 1. 更简单 | 没有 sigmoid。 |
| 2. 更平稳 | 会停下来。 |
=== END MARK SCHEME ==="""
BOLD = """=== BEGIN MARK SCHEME ===
**Data (2).** All pairs.

- *First:* ties.

**The project, 3 points.** It fits.

**A wrong number** takes its key point down one step.
=== END MARK SCHEME ==="""


def scheme_of(exercise):
    cells = read_notebook(Course(ROOT, ROOT).solutions / f"{exercise}.ipynb").cells
    place, cell = next((i, c) for i, c in enumerate(cells) if role(c).get("solution") and role(c).get("grade"))
    return read_scheme(cells[place - 1].source, float(role(cell)["points"]))


def test_a_row_of_the_table_is_a_key_point_in_both_languages():
    scheme = read_scheme(TABLE, 4)
    assert [(point.points, dict(point.names)) for point in scheme.key_points] == [
        (2, {"en": "Simpler compute", "zh": "更简单"}),  # <to> is no tag that may stand there
        (2, {"en": "Steadier", "zh": "更平稳"}),
    ]
    assert scheme.key_points[1].htmls["en"] == "<p><b>first point:</b> It comes to rest.</p>"


def test_a_paragraph_is_a_key_point_only_if_it_says_its_points():
    scheme = read_scheme(BOLD, 5)
    assert [(point.points, point.names["en"]) for point in scheme.key_points] == [(2, "Data"), (3, "The project")]
    assert "ties" in scheme.key_points[0].htmls["en"]


@pytest.mark.parametrize(
    ("exercise", "count", "each"),
    [
        ("04_advantages", 3, 2),
        ("05_common_ground", 4, 2),
        ("06_objective", 4, 1),
        ("08_when_to_use", 2, 2),
        ("09_choosing_beta", 4, 1),
        ("10_graded_preferences", 3, 2),
    ],
)
def test_the_courses_schemes_have_the_key_points_that_they_speak_of(exercise, count, each):
    scheme = scheme_of(exercise)
    assert [point.points for point in scheme.key_points] == [each] * count
    assert all(set(point.names) == {"en", "zh"} for point in scheme.key_points)
    assert scheme.total([1] * count) == scheme.max_points


def test_more_key_points_than_the_essay_has_points_for_earn_no_more():
    assert scheme_of("05_common_ground").total([1, 1, 1, 0.5]) == 6  # 7, of 6


def test_key_points_can_earn_other_points():
    assert read_scheme(TABLE, 4).with_points({1: 1}).total([0.5, 1]) == 2  # half of 2, and 1


def test_a_page_can_tell_key_points_by_their_place():
    html = numbered("<ol>\n<li><strong>One.</strong> x</li>\n<li><strong>Two.</strong> y</li>\n</ol>")
    assert 'data-place="1"' in html
    assert 'data-name="Two"' in html


def test_either_language_alone_says_what_a_key_point_earns():
    for exercise in ("04_advantages", "05_common_ground", "06_objective", "09_choosing_beta", "10_graded_preferences"):
        cells = read_notebook(Course(ROOT, ROOT).solutions / f"{exercise}.ipynb").cells
        rubric = next(cell.source for cell in cells if "BEGIN MARK SCHEME" in cell.source)
        assert len({points_each(half, 0) for half in CHINESE_HALF.split(rubric)}) == 1


def test_without_a_scheme_points_are_typed():
    scheme = read_scheme("", 5)
    assert scheme.key_points == ()
    assert points_each("", 5) == 5

import pytest

from autograder.desk.mark import Mark, comment_of, mark_from, mark_of
from autograder.desk.mark_scheme import read_scheme

TABLE = """=== BEGIN MARK SCHEME ===
| key point (2 points each) | first point |
|---|---|
| 1. Simpler to compute | No sigmoid. |
| 2. Steadier | It comes to rest. |
=== END MARK SCHEME ===
<!-- zh -->
=== BEGIN MARK SCHEME ===
| 要点 | 第 1 分 |
|---|---|
| 1. 更简单 | 没有 sigmoid。 |
| 2. 更平稳 | 会停下来。 |
=== END MARK SCHEME ==="""
SCHEME = read_scheme(TABLE, 4)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_mark_comes_back_from_its_comment(language):
    mark = Mark((1.0, 0.5), ("", "why does it matter?"), "Well measured.\n\nRead 5.4.")
    comment = comment_of(mark, SCHEME, language)
    assert mark_of(comment, 3.0, SCHEME) == mark  # 2 + 1
    assert comment.split("\n")[1].endswith(": 1/2 why does it matter?")


def test_points_that_were_typed_are_told_from_the_sum():
    comment = comment_of(Mark((1.0, 0.0)), SCHEME, "en")
    assert mark_of(comment, 2.0, SCHEME).points is None
    assert mark_of(comment, 2.5, SCHEME).points == 2.5
    assert mark_of("No key points here.", 2.5, SCHEME) == Mark(None, ("", ""), "No key points here.", 2.5)


def test_a_remark_stays_one_line():
    comment = comment_of(Mark((0.0, 0.0), ("two\nlines",), "x"), SCHEME, "en")
    assert comment.split("\n") == ["- Simpler to compute: 0/2 two lines", "- Steadier: 0/2", "x"]


def test_what_is_no_line_of_a_key_point_is_the_persons_own():
    words = "- Steadier: quite\n- Another: 1/2\n- Steadier: 1.2.3/2"
    assert mark_of(words, None, SCHEME) == Mark(None, ("", ""), words)


def test_the_score_is_the_sum_or_what_was_typed():
    assert Mark((1.0, 0.5)).score(SCHEME) == 3
    assert Mark((1.0, 0.5), points=0.0).score(SCHEME) == 0
    assert Mark(words="only words").score(SCHEME) is None


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"given": [1]}, "given must be 2 numbers from 0 to 1"),
        ({"given": [1, 2]}, "given must be 2 numbers"),
        ({"points": 5}, "5 points: there are 0 to 4"),
        ({"points": float("nan")}, "nan points"),
        ({"given": "ab"}, "a mark has given"),
        (None, "a mark has given"),
    ],
)
def test_what_is_no_mark_is_refused(sent, says):
    with pytest.raises(ValueError, match=says):
        mark_from(sent, SCHEME)


def test_a_mark_from_a_page():
    sent = {"given": [1, 0], "remarks": ["a"], "words": "b", "points": None}
    assert mark_from(sent, SCHEME) == Mark((1.0, 0.0), ("a",), "b")

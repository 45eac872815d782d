"""What the page marks, and that students' text stays text."""

import pytest

from autograder.similar.page import marked


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ((), "a &lt;b&gt; c"),
        (((0, 1), (2, 5)), "<mark>a</mark> <mark>&lt;b&gt;</mark> c"),
        (((0, 3), (2, 5)), "<mark>a &lt;</mark><mark>b&gt;</mark> c"),  # they touch
        (((4, 99),), "a &lt;b<mark>&gt; c</mark>"),
    ],
)
def test_parts_are_marked(spans, expected):
    assert marked("a <b> c", spans) == expected

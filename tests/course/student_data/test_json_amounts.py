"""How much JSON holds is told before it is decoded, and what stands in its texts does not count."""

import json

import pytest

from autograder.student_data.json_amounts import holds_more, is_deep, values_in


@pytest.mark.parametrize(
    ("tree", "least", "most"),
    [
        ([], 1, 1),
        ([1, 2, 3], 3, 3),
        ({"a": [1, {"b": 2}]}, 4, 4),
        ("[,{" * 1000, 0, 0),
        (['a",[{\\', "\\", '"'], 3, 3),
        ([{"": 0}] * 1000, 1000, 2000),
    ],
)
def test_values_are_counted_without_texts(tree, least, most):
    assert least <= values_in(json.dumps(tree).encode(), 0) <= most


def test_up_to_a_bound_no_text_is_looked_at():
    assert values_in(b'",,,,"', 9) == 4
    assert values_in(b'",,,,"', 3) == 0
    assert not holds_more(b'",,,,"', b",", 3)
    assert holds_more(b"[1,2,3,4,5]", b",", 3)


def test_depth_is_counted_in_lists_and_objects():
    tree = 1
    for depth in range(1, 10):
        tree = [tree, {"a": depth}] if depth % 2 else {"a": tree}
        assert [is_deep(tree, most) for most in (depth - 1, depth + 1)] == [True, False]

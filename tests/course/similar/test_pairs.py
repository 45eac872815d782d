"""How pairs are ranked."""

from autograder.similar.answers import Answer, Cell
from autograder.similar.compare import Alike
from autograder.similar.pairs import pairs


def one(left, right, similarity=0.8, others=0, cell="a"):
    place = Cell("01", cell, is_essay=False, given="")
    return Alike(place, Answer(left, "", "x"), Answer(right, "2025" if right == "old" else "", "y"), similarity, others)


def test_more_cells_go_before_and_what_many_wrote_comes_last():
    found = [
        one("ada", "bob", 1.0, others=20),
        one("cy", "dee", 0.7),
        one("cy", "dee", 0.7, cell="b"),
        one("eve", "old", 0.9),
    ]
    ranked = pairs(found)
    assert [(pair.left[0], pair.right) for pair in ranked] == [
        ("cy", ("dee", "")),
        ("eve", ("old", "2025")),
        ("ada", ("bob", "")),
    ]
    assert [len(pair.cells) for pair in ranked] == [2, 1, 1]

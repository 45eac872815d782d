"""What each notebook must hold, and all that its cells ever said when they were given out."""

from autograder.handing_in.outline import Expected, digest, load_outline, remembering, write_outline


def version(text, *earlier):
    return Expected("check", "check", 1.0, digest(text), earlier=tuple(map(digest, earlier)))


def test_an_outline_comes_back_as_it_was_written(tmp_path):
    outline = {"01_x": [version("new", "old"), Expected("answer", "answer", 0.0, digest("a"), ("f",))]}
    (tmp_path / "outline.json").write_text(write_outline(outline))
    assert load_outline(tmp_path / "outline.json") == outline


def test_a_release_remembers_what_every_one_before_it_gave_out():
    first = remembering({"01_x": [version("one")]}, {})
    second = remembering({"01_x": [version("two")]}, first)
    third = remembering({"01_x": [version("three")]}, second)
    assert third == {"01_x": [version("three", "two", "one")]}
    back = remembering({"01_x": [version("two")]}, third)
    assert set(back["01_x"][0].texts) == {digest(text) for text in ("one", "two", "three")}
    assert remembering({"01_x": [version("two")]}, back) == back


def test_the_courses_own_cells_are_there():
    assert {cell.role for cells in load_outline().values() for cell in cells} == {"answer", "check", "essay", "setup"}

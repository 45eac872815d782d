from autograder.desk.differences import MOST, marked


def test_what_is_new_and_what_is_gone_is_marked():
    assert marked("It is cheaper.", "It is much cheaper.") == "It is <ins>much </ins>cheaper."
    assert marked("It is much cheaper.", "It is cheaper.") == "It is <del>much </del>cheaper."
    assert marked("更简单", "更平稳") == "更<del>简单</del><ins>平稳</ins>"


def test_a_students_html_is_text():
    assert marked("", "<b>\x1b") == r"<ins>&lt;b&gt;\x1b</ins>"


def test_texts_too_long_to_compare_stand_unmarked():
    long = "a " * (int(MOST**0.5) + 1)
    assert marked(long, long + "b") == long + "b"

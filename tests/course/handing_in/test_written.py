import pytest

from autograder.handing_in.written import syntax_error, written_names


@pytest.mark.parametrize("separator", ["\x1c", "\x85", "\u2028", "\u2029"])
def test_a_separator_of_lines_from_a_web_page_is_no_warning(separator):
    """Warnings are errors in tests: what Python or IPython say of a student's text is not for a terminal."""
    assert written_names(f"!ls{separator}x\nloss = 1\n") == {"loss"}
    assert syntax_error(f"loss = 1{separator}beta = 2\n") != ""


def test_an_escape_that_python_does_not_know_is_no_warning():
    assert written_names('label = "\\beta \\sigma"\n') == {"label"}


def test_what_stands_behind_a_magic_is_written_and_a_stub_is_not():
    assert written_names("%time loss = 1\nbeta = ...\n") == {"loss"}
    assert written_names("def f(:") is None

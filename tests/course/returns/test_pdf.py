"""PDF files by a browser that is installed, and what is said where there is none."""

import pytest
from browser import CHROMIUM

from autograder.course import UserError
from autograder.returns import pdf


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="needs a browser")
def test_a_page_becomes_a_pdf_file():
    made = pdf.pdf_of("<!DOCTYPE html><title>t</title><p>小明: 9 of 10</p>", pdf.find_browser())
    assert made.startswith(b"%PDF-")
    assert made.rstrip().endswith(b"%%EOF")


def test_without_a_browser_it_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="install chromium, or leave --pdf out"):
        pdf.find_browser()


@pytest.mark.slow
def test_a_browser_that_makes_nothing_is_said(tmp_path):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho it is broken >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(UserError, match="made no PDF file: it is broken"):
        pdf.pdf_of("<p>", str(broken))

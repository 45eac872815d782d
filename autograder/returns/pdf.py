"""HTML pages as PDF files, made by a Chromium or Chrome that is installed."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from autograder.course import UserError
from simpo_language.speech import _

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
SECONDS = 120  # for one page
OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-pdf-header-footer",
)


def find_browser() -> str:
    """The program that makes PDF files. Raises UserError if there is none."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise UserError(
        _(
            "--pdf needs Chromium or Chrome, and none of {browsers} is installed: install chromium, "
            "or leave --pdf out (the HTML files are complete in themselves)"
        ).format(browsers=", ".join(BROWSERS))
    )


def pdf_of(html: str, browser: str) -> bytes:
    """A page as a PDF file. It must load nothing: it is opened from a file, without a network.

    Raises:
        UserError: The browser made none.
    """
    with TemporaryDirectory() as scratch:
        page, made = Path(scratch) / "page.html", Path(scratch) / "page.pdf"
        page.write_bytes(html.encode("utf-8", "replace"))
        options = [*OPTIONS, f"--user-data-dir={scratch}/profile", f"--print-to-pdf={made}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # as root, as in a container, Chromium refuses to run with it
        try:
            done = subprocess.run([browser, *options, page.as_uri()], capture_output=True, timeout=SECONDS, check=False)
            said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        except subprocess.TimeoutExpired:
            said = _("it took more than {seconds} seconds").format(seconds=SECONDS)
        if not (made.is_file() and made.stat().st_size):
            raise UserError(
                _("{browser} made no PDF file: {value}").format(browser=browser, value=said or "it gave no reason")
            )
        return made.read_bytes()

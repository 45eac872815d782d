"""JupyterLab in a real browser, for tests and screenshots."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autograder.jupyter.lab import lab_command, lab_environment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
START_SECONDS = WAIT_SECONDS = 300  # a loaded machine is slow, not broken


@contextmanager
def jupyterlab(
    folder: Path, page: str = "/lab", cwd: Path | None = None, *, plain: bool = False, **environment: str
) -> Iterator[str]:
    """JupyterLab as `autograder lab` starts it (plain: as `jupyter lab` does), on `folder`; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*lab_command(folder, page), "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    command += ["--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.expose_app_in_browser=True"]
    server = subprocess.Popen(
        command,
        cwd=cwd or folder,
        env={**(os.environ if plain else lab_environment()), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{address}/api", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, "JupyterLab stopped at once"
                assert time.monotonic() < deadline, f"JupyterLab did not start within {START_SECONDS} s"
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(WAIT_SECONDS)


@contextmanager
def launched():
    """A browser, for pages that need not each have their own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def page(width: int = 1200, height: int = 1000):
    """A page of a fresh browser."""
    with launched() as browser:
        opened = browser.new_page(viewport={"width": width, "height": height})
        opened.set_default_timeout(1000 * WAIT_SECONDS)
        yield opened


def open_notebook(opened, address: str, name: str) -> None:
    """Open a notebook, and none that was open before, and wait until it is ready."""
    opened.goto(f"{address}/lab/tree/{name}?reset")
    wait_until_ready(opened, name.rpartition("/")[2])


def wait_until_ready(opened, name: str) -> None:
    """Wait until this notebook is in front, shown, and its own kernel is idle. (The status bar's word may still be
    that of the notebook which was in front before.)"""
    opened.wait_for_function(
        """name => {
            const shown = window.jupyterapp?.shell.currentWidget;
            return shown?.title.label === name && shown.content.widgets?.length
                && shown.sessionContext?.session?.kernel?.status === 'idle';
        }""",
        arg=name,
    )


def run_all(opened) -> None:
    """Run all cells, and wait until JupyterLab is done with it: about a second after the last cell has run it moves
    the focus to the last one, and would take it from what a test clicks before. (Not seen within 30 s: not coming.)"""
    from playwright.sync_api import TimeoutError as NotSeen

    opened.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    opened.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.content.widgets"
        ".every(cell => cell.model.type !== 'code' || cell.model.executionCount)"
    )
    with suppress(NotSeen):
        opened.wait_for_function(
            "() => [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell')].at(-1)"
            ".contains(document.activeElement)",
            timeout=30_000,
        )

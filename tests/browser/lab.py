"""A JupyterLab on 127.0.0.1 with a headless Chromium before it."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import requests

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_browser() -> str | None:
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def running_lab(folder: Path):
    """The address of a JupyterLab that shows `folder`, with the token in it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    home = folder / ".home"
    environment = {
        **os.environ,
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
    }
    # No questions, and none to the outside.
    notifications = home / "settings" / "@jupyterlab" / "apputils-extension"
    notifications.mkdir(parents=True, exist_ok=True)
    (notifications / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false, "doNotDisturbMode": true}'
    )
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            base = f"http://127.0.0.1:{port}"
            _wait_for(f"{base}/api?token={token}", server)
            yield base, token
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(url, server, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            if server.poll() is not None or time.monotonic() > end:
                raise
        time.sleep(0.1)  # between two questions to a server that is starting


class Page:
    """A notebook, opened in JupyterLab; `tab` is Playwright's page."""

    def __init__(self, tab, lab, name: str):
        base, token = lab
        self.tab = tab
        self.errors: list[str] = []
        tab.on("pageerror", lambda error: self.errors.append(error.stack or str(error)))
        tab.on("console", self._note_error)
        tab.goto(f"{base}/lab/workspaces/{name.split('.')[0]}/tree/{name}?reset&token={token}")
        tab.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self._wait_for_splash()
        self.wait_until_idle()

    def _note_error(self, message):
        if message.type == "error":
            self.errors.append(message.text)

    def close(self) -> None:
        """End the kernel and close the page; neither asks whether to save."""
        self.tab.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.tab.close(run_before_unload=False)

    def show_theme(self, dark: bool) -> None:
        """The dark theme of JupyterLab, or the light one."""
        self.command("apputils:change-theme", theme=f"JupyterLab {'Dark' if dark else 'Light'}")
        self.tab.wait_for_selector(
            f'body[data-jp-theme-light="{"false" if dark else "true"}"]', state="attached"
        )
        self._wait_for_splash()

    def _wait_for_splash(self):
        # JupyterLab trips over its own splash screen if the next one comes before this one went.
        self.tab.wait_for_selector("#jupyterlab-splash", state="detached")

    def command(self, name: str, **arguments) -> None:
        """One of JupyterLab's commands."""
        self.tab.evaluate(
            "([name, arguments]) => { window.jupyterapp.commands.execute(name, arguments); }",
            [name, arguments],
        )

    def interrupt(self) -> None:
        """Press the toolbar's stop button."""
        self.tab.locator('jp-button[data-command="notebook:interrupt-kernel"]').first.click()

    def changed(self, locator, attribute: str, before: str, seconds: float = 30) -> str:
        """Wait until an element's attribute is no longer `before`; what it is then."""
        element = locator.element_handle()
        self.tab.wait_for_function(
            "([element, name, before]) => element.getAttribute(name) !== before",
            arg=[element, attribute, before],
            timeout=seconds * 1000,
        )
        return locator.get_attribute(attribute)

    def says(self, number: int, words: str, seconds: float = 30):
        """Wait until the output of cell `number` has these words."""
        self.output(number).get_by_text(words).first.wait_for(timeout=seconds * 1000)

    def wait_until_idle(self, seconds: float = 90) -> None:
        """Until the kernel has nothing to do."""
        self.tab.wait_for_function(
            """() => {
                const panel = window.jupyterapp.shell.currentWidget;
                return panel?.sessionContext?.session?.kernel?.status === 'idle';
            }""",
            timeout=seconds * 1000,
        )

    def start_cell(self, number: int) -> None:
        """Select cell `number`, counted from 0, and run it; does not wait."""
        self.tab.evaluate(
            """(number) => {
                const panel = window.jupyterapp.shell.currentWidget;
                panel.content.deselectAll();
                panel.content.activeCellIndex = number;
                window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            number,
        )

    def run_cell(self, number: int) -> None:
        """Run cell `number`, and wait for the end."""
        count = self.tab.evaluate(_COUNT, number)
        self.start_cell(number)
        self.tab.wait_for_function(f"([n, c]) => ({_COUNT})(n) > c", arg=[number, count or 0])
        self.wait_until_idle()

    def output(self, number: int):
        """What is below cell `number`, as a Playwright locator."""
        return self.tab.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{number}"]')


# Counts up when the cell has been run to its end.
_COUNT = """(number) => {
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[number];
    return cell.model.executionCount;
}"""


def write_notebook(path: Path, *sources: str) -> None:
    """A notebook with these code cells."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in sources])
    book.metadata.kernelspec = {
        "name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python",
    }  # fmt: skip
    nbformat.write(book, path)

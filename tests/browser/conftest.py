"""One JupyterLab and one browser for all tests here; both need a Chromium on this computer."""

import os
import re
from pathlib import Path

import pytest

from tests.browser.lab import Page, find_browser, running_lab, write_notebook

HARMLESS = re.compile(
    "WebSocket|favicon|workspaces|Failed to load resource|preload"  # JupyterLab's own
)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """(folder with the notebooks, address and token)."""
    if find_browser() is None:
        pytest.skip("needs a Chromium: apt install chromium")
    folder = tmp_path_factory.mktemp("lab")
    with running_lab(folder) as address:
        yield folder, address


@pytest.fixture(scope="session")
def browser(lab):
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def open_notebook(lab, browser):
    """open_notebook(name, *sources, **settings of the page): a notebook with these cells."""
    pages = []

    def opened(name, *sources, width=1280, height=800, **settings):
        folder, address = lab
        write_notebook(folder / f"{name}.ipynb", *sources)
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        pages.append(Page(context.new_page(), address, f"{name}.ipynb"))
        return pages[-1]

    yield opened
    errors = [error for page in pages for error in page.errors if not HARMLESS.search(error)]
    for page in pages:
        page.close()
    assert errors == []


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory):
    """Where pictures of the pages are kept: COURSE_SCREENSHOTS, or pytest's folder."""
    folder = os.environ.get("COURSE_SCREENSHOTS")
    folder = Path(folder) if folder else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder

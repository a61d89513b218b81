"""nbgrader's extension in JupyterLab: Validate on a wrong and on a right answer, in a browser."""

import os
from pathlib import Path

import pytest

pytest.importorskip("nbgrader", reason="needs nbgrader: pip install -e '.[classroom]'")

import nbformat

from tests.browser.lab import Page, find_browser, running_lab
from tests.classroom import Classroom, answers, environment

pytestmark = [
    pytest.mark.skipif(find_browser() is None, reason="needs a Chromium"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a student has: the released notebook, once with mistakes, once done."""
    work = tmp_path_factory.mktemp("class")
    student = tmp_path_factory.mktemp("student")
    with environment(COURSE_CHECK_SECONDS="5"):
        classroom = Classroom(work)
        classroom.generate("2_dense")
        for name, changes in {"wrong": answers("careless_dense"), "right": None}.items():
            notebook = classroom.filled_in("2_dense", changes)
            nbformat.write(notebook, student / f"{name}.ipynb")
        yield student


@pytest.fixture(scope="module")
def tab(folder, browser):
    with running_lab(folder) as lab:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.lab = lab
        yield page
        page.close()


def validated(tab, name):
    """What the dialog says after a click on Validate, and a picture of it."""
    page = Page(tab, tab.lab, f"{name}.ipynb")
    tab.locator(".jp-ToolbarButtonComponent-label", has_text="Validate").click()
    dialog = tab.locator(".jp-Dialog", has_text="Validation Results")
    dialog.wait_for(timeout=90_000)
    if folder := os.environ.get("COURSE_SCREENSHOTS"):
        tab.screenshot(path=Path(folder) / f"validate-{name}.png")
    text = dialog.inner_text()
    dialog.get_by_role("button").first.click()
    return text, page


def test_validate_says_what_is_wrong(tab):
    text, page = validated(tab, "wrong")
    assert "The following cell failed" in text
    assert "weight has one row for each output; use its transpose" in text  # our hint
    assert "checks.dense(dense)" in text
    assert "checks.relu_backward(relu_backward)" not in text  # that one is right
    assert page.errors == []


def test_validate_is_content_with_a_right_answer(tab):
    text, page = validated(tab, "right")
    assert "Success! Your notebook passes all the tests." in text
    assert page.errors == []

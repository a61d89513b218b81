"""All widgets in JupyterLab, on a small screen, light and dark."""

import pytest

NAMES = [
    "Draw a digit", "Train", "Filters", "Convolution", "Surgery", "Map of digits", "Mistakes",
    "The data", "The network",
]  # fmt: skip

# What of a widget sticks out of the page, or is cut off: labels, buttons and pictures.
CUT_OFF = """(output) => {
    const found = [];
    const right = output.getBoundingClientRect().right + 1;
    const parts = 'button, label, .widget-label, .widget-readout, canvas, img, input, select';
    for (const part of output.querySelectorAll(parts)) {
        const box = part.getBoundingClientRect();
        if (box.width === 0 || getComputedStyle(part).visibility === 'hidden') continue;
        if (box.right > right) found.push(`out of the page: ${part.textContent || part.tagName}`);
        if (part.scrollWidth > part.clientWidth + 1 && part.matches('button, label, .widget-label'))
            found.push(`cut off: ${part.textContent}`);
    }
    return found;
}"""


@pytest.fixture(scope="module")
def page(open_notebook):
    page = open_notebook("gallery", "from course import widgets\nwidgets.gallery()")
    page.run_cell(0)
    page.output(0).get_by_role("tab").first.wait_for()
    return page


def shown(page, name):
    """Open the tab, and wait for its picture."""
    page.output(0).get_by_role("tab", name=name, exact=True).click()
    picture = page.output(0).locator("img.course-picture:visible")
    picture.wait_for()
    page.tab.wait_for_function(
        "(picture) => picture.complete && picture.naturalWidth > 0", arg=picture.element_handle()
    )
    return picture


@pytest.mark.parametrize("name", NAMES)
def test_each_widget_is_whole_light_and_dark(page, name, screenshots):
    page.show_theme(dark=False)
    picture = shown(page, name)
    assert len(picture.get_attribute("alt")) > 20
    assert page.output(0).evaluate(CUT_OFF) == []
    file = name.lower().replace(" ", "-")
    page.tab.screenshot(path=screenshots / f"gallery-{file}.png")
    light = picture.get_attribute("src")
    page.show_theme(dark=True)
    page.changed(picture, "src", light)
    page.tab.screenshot(path=screenshots / f"gallery-{file}-dark.png")
    assert page.errors == []

"""Sliders, boxes and clicks in a browser: the picture and its text answer."""

import pytest

from course import widgets
from tests.widget_parts import digits, picture_in, place_of, trained

START = """
import course as mx
from course import widgets
mnist = mx.test_utils.get_mnist("sample")
images, labels = mnist["test_data"][:300], mnist["test_label"][:300]
mlp, lenet = mx.networks.trained("mlp"), mx.networks.trained("lenet")
"""
CELLS = {
    "steps": "widgets.ConvolutionSteps(images[0])",
    "surgery": "widgets.Surgery(mlp, images, labels)",
    "mistakes": "widgets.Mistakes(mlp, images, labels)",
    "maps": "widgets.FeatureMaps(lenet, images, labels)",
    "data": "widgets.DataBrowser(images, labels)",
}
NUMBER = {name: number for number, name in enumerate(CELLS, 1)}


@pytest.fixture(scope="module")
def page(open_notebook):
    page = open_notebook("look_inside", START, *CELLS.values())
    page.run_cell(0)
    return page


class Shown:
    """A widget below its cell."""

    def __init__(self, page, name):
        self.page, self.number = page, NUMBER[name]
        page.run_cell(self.number)
        self.output = page.output(self.number)
        self.picture = self.output.locator("img.course-picture")
        self.picture.wait_for()
        self.picture.scroll_into_view_if_needed()

    def answers(self, action):
        """Do something; wait until the picture and its text are others; the new text."""
        source, text = (self.picture.get_attribute(name) for name in ("src", "alt"))
        action()
        self.page.changed(self.picture, "src", source)
        return self.page.changed(self.picture, "alt", text)

    def click(self, place):
        box = self.picture.bounding_box()
        self.picture.click(position={"x": place[0] * box["width"], "y": place[1] * box["height"]})

    def slide(self, name, key, times=1):
        """Move the slider with this label by keys."""
        handle = self.output.locator(".widget-slider", has_text=name).locator(".noUi-handle")
        handle.focus()
        for _ in range(times):
            handle.press(key)


def test_the_window_slides_when_the_slider_is_moved(page):
    steps = Shown(page, "steps")
    assert steps.picture.get_attribute("alt").startswith("Window 1 of 676")
    assert "Window 2 of" in steps.answers(lambda: steps.slide("window no.", "ArrowRight"))
    pooling = steps.output.get_by_role("button", name="max pooling")
    assert "largest number" in steps.answers(pooling.click)


def test_damage_by_a_slider_and_by_a_button_is_seen(page, screenshots):
    surgery = Shown(page, "surgery")
    text = surgery.answers(lambda: surgery.slide("noise", "End"))
    assert "Accuracy" in text
    text = surgery.answers(surgery.output.get_by_role("button", name="Silence it").click)
    assert "Silenced: no. 0 of fc1." in text
    surgery.output.screenshot(path=screenshots / "surgery.png")
    assert "Silenced" not in surgery.answers(
        surgery.output.get_by_role("button", name="Heal all").click
    )


def test_a_click_opens_a_cell_of_the_confusion_matrix(page):
    images, labels = digits(300)
    here = picture_in(widgets.Mistakes(trained("mlp"), images, labels))
    mistakes = Shown(page, "mistakes")
    text = mistakes.answers(lambda: mistakes.click(place_of(here, "confusion", 7, 7)))
    assert "a 7 is read as a 7" in text


def test_a_click_chooses_a_filter(page):
    here = picture_in(widgets.FeatureMaps(trained("lenet"), *digits(300)))
    maps = Shown(page, "maps")
    text = maps.answers(lambda: maps.click(place_of(here, "output", 5 * 26 + 12, 12)))
    assert "Filter 5 of conv1" in text


def test_a_click_enlarges_a_digit_and_the_pointer_reads_its_pixels(page):
    here = picture_in(widgets.DataBrowser(*digits(300)))
    data = Shown(page, "data")
    text = data.answers(lambda: data.click(place_of(here, "tiles", 3 * 30 + 14, 14)))
    assert "digit no. 3" in text
    box, place = data.picture.bounding_box(), place_of(here, "mean", 14, 14)
    page.tab.mouse.move(box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"])
    page.says(NUMBER["data"], "row 14, column 14:")

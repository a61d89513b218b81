"""The drawing pad in a browser: mouse, keys and finger."""

import re

import pytest

DRAW = """
from course import networks, widgets
draw = widgets.DrawDigit({"MLP": networks.trained("mlp"), "LeNet": networks.trained("lenet")})
draw
"""
SEVEN = [(0.25, 0.2), (0.75, 0.2), (0.62, 0.5), (0.5, 0.85)]


@pytest.fixture(scope="module")
def page(open_notebook):
    page = open_notebook("draw", DRAW, "draw.description()", has_touch=True)
    page.run_cell(0)
    page.output(0).locator("canvas").wait_for()
    return page


@pytest.fixture(autouse=True)
def cleared(page):
    page.output(0).get_by_role("button", name="Clear").click()
    page.says(0, "The pad is empty")


def point(page, x, y):
    box = page.output(0).locator("canvas").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def alt(page):
    return page.output(0).locator("img.course-picture").get_attribute("alt")


def test_a_seven_drawn_with_the_mouse_is_recognised_while_it_is_drawn(page, screenshots):
    mouse, picture = page.tab.mouse, page.output(0).locator("img.course-picture")
    page.output(0).locator("canvas").scroll_into_view_if_needed()
    empty, before = alt(page), picture.get_attribute("src")
    mouse.move(*point(page, *SEVEN[0]))
    mouse.down()
    mouse.move(*point(page, *SEVEN[1]), steps=8)
    half = page.changed(picture, "alt", empty)  # the pen is still down
    mouse.move(*point(page, *SEVEN[2]), steps=8)
    mouse.move(*point(page, *SEVEN[3]), steps=8)
    mouse.up()
    page.says(0, re.compile("MLP reads a 7 .* LeNet reads a 7"))
    assert alt(page) != half
    assert picture.get_attribute("src") != before
    page.tab.screenshot(path=screenshots / "draw.png")
    page.output(0).get_by_role("button", name="Undo").click()
    page.says(0, "The pad is empty")


def test_undo_takes_back_one_stroke_of_two(page):
    mouse = page.tab.mouse
    for x in (0.3, 0.7):
        before = alt(page)
        mouse.move(*point(page, x, 0.2))
        mouse.down()
        mouse.move(*point(page, x, 0.8), steps=5)
        mouse.up()
        page.changed(page.output(0).locator("img.course-picture"), "alt", before)
    both = alt(page)
    page.output(0).get_by_role("button", name="Undo").click()
    one = page.changed(page.output(0).locator("img.course-picture"), "alt", both)
    assert "reads a 1" in one


def test_a_seven_drawn_with_the_keys_is_recognised(page, screenshots):
    pad = page.output(0).locator("canvas")
    assert "arrows move the pen" in pad.get_attribute("aria-label")
    pad.focus()
    keyboard = page.tab.keyboard
    for key, count in (
        ("ArrowLeft", 5), ("ArrowUp", 2), (" ", 1), ("ArrowRight", 9), ("ArrowDown", 2),
    ):  # fmt: skip
        for _ in range(count):
            keyboard.press(key)
    for _ in range(5):
        keyboard.press("ArrowLeft")
        keyboard.press("ArrowDown")
        keyboard.press("ArrowDown")
    page.says(0, re.compile("MLP reads a 7 .* LeNet reads a 7"))
    page.output(0).screenshot(path=screenshots / "draw-keys.png")
    keyboard.press("u")  # the stroke is taken back; the notebook does not take the key as its own
    page.says(0, "The pad is empty")
    keyboard.press(" ")
    keyboard.press(" ")
    page.changed(page.output(0).locator("img.course-picture"), "alt", alt(page))
    keyboard.press("c")
    page.says(0, "The pad is empty")
    assert page.output(0).locator("canvas").is_visible()


def test_a_finger_leaves_a_dot(page):
    before = alt(page)
    page.tab.touchscreen.tap(*point(page, 0.5, 0.5))
    assert "reads a" in page.changed(page.output(0).locator("img.course-picture"), "alt", before)


def test_what_python_draws_is_on_the_page_and_the_other_way_round(page):
    page.tab.touchscreen.tap(*point(page, 0.5, 0.5))
    page.says(0, re.compile("LeNet reads a"))
    page.run_cell(1)
    said = alt(page)
    assert said.split(".")[0] in page.output(1).inner_text()

"""The drawing pad: what is drawn reaches the networks, and their answers the page."""

import numpy as np
import pytest

from course import widgets
from course.datasets.drawing import like_mnist, rasterise
from course.widgets.pad import Pad
from course.widgets.picture import Picture
from course.widgets.theme import new_figure
from tests.widget_parts import (
    check_dark_theme,
    check_still_picture,
    control,
    parts,
    picture_in,
    pixels,
    place_of,
    spoken,
    trained,
)

SEVEN = [[(0.25, 0.2), (0.75, 0.2), (0.45, 0.8)]]
DASH = [(0.3, 0.5), (0.6, 0.5)]


@pytest.fixture
def draw():
    return widgets.DrawDigit({"MLP": trained("mlp"), "LeNet": trained("lenet")})


def test_an_empty_pad_says_what_to_do(draw):
    assert draw.drawing.sum() == 0
    assert "draw a digit" in picture_in(draw).alt
    assert "draw a digit" in spoken(draw)
    check_still_picture(draw, "Draw a digit")


def test_a_seven_is_read_as_the_networks_read_it_themselves(draw):
    draw.strokes = SEVEN
    expected = like_mnist(rasterise(SEVEN, pen=0.08))
    np.testing.assert_array_equal(draw.drawing, expected)
    assert list(draw.probabilities) == ["MLP", "LeNet"]
    for name, probabilities in draw.probabilities.items():
        answer = np.asarray(trained(name.lower()).predict(expected[None, None]))[0]
        np.testing.assert_allclose(probabilities, answer, rtol=1e-5, atol=1e-7)
        assert probabilities.argmax() == 7
        assert f"{name} reads a 7 ({probabilities[7]:.0%})." in picture_in(draw).alt
    assert "LeNet reads a 7" in spoken(draw)
    check_still_picture(draw, "Draw a digit")
    check_dark_theme(draw)


def test_what_is_drawn_on_the_pad_is_read_and_undo_and_clear_take_it_back(draw):
    (pad,) = [part for part in parts(draw) if isinstance(part, Pad)]
    pad.strokes = [*SEVEN, DASH]
    both = draw.drawing
    pad.undo()
    assert draw.strokes == pad.strokes == SEVEN
    assert (draw.drawing != both).any()
    pad.clear()
    assert draw.strokes == pad.strokes == []
    assert draw.drawing.sum() == 0
    pad.undo()  # there is nothing to take back
    assert draw.strokes == []


def test_without_the_preparation_the_drawing_stays_where_it_is(draw):
    draw.strokes = SEVEN
    prepared = draw.drawing
    control(draw, "centre and scale like MNIST").value = False
    assert not draw.like_mnist
    large = rasterise(SEVEN, pen=0.08, size=112)
    expected = [
        [large[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].mean() for column in range(28)]
        for row in range(28)
    ]
    np.testing.assert_allclose(draw.drawing, expected, atol=1e-6)
    assert (draw.drawing != prepared).any()


def test_one_network_alone_needs_no_name():
    draw = widgets.DrawDigit(trained("mlp"))
    draw.strokes = SEVEN
    assert draw.description().startswith("network reads a 7")


def test_refresh_takes_over_what_was_learned_since():
    module = trained("mlp")
    before = {name: value.copy() for name, value in module.get_params()[0].items()}
    draw = widgets.DrawDigit(module)
    draw.strokes = SEVEN
    try:
        module.set_params({name: 0 * value for name, value in before.items()}, {})
        draw.refresh()
        np.testing.assert_allclose(draw.probabilities["network"], 0.1, rtol=1e-6)
    finally:
        module.set_params(before, {})


def test_no_network_at_all_is_refused():
    with pytest.raises(ValueError, match="expected at least one module"):
        widgets.DrawDigit({})


def test_strokes_that_are_none_are_refused(draw):
    with pytest.raises(ValueError, match="a stroke must be a list of points"):
        draw.strokes = [[(0.1, float("nan"))]]


# ---- pictures, which all widgets use


def shown_picture():
    figure = new_figure(4, 2)
    for label, axes in zip(("left", "right"), figure.subplots(1, 2), strict=True):
        axes.set_label(label)
        axes.set(xlim=(0, 10), ylim=(5, -5))
        axes.set_title("a title")
    picture = Picture(scale=1.5)
    picture.show(figure, "two empty axes")
    return picture


def test_a_picture_has_its_size_and_its_text():
    picture = shown_picture()
    assert picture.alt == "two empty axes"
    assert picture.width == 4 * 96
    height, width, _ = pixels(picture.png).shape
    assert (height, width) == (2 * 96 * 1.5, 4 * 96 * 1.5)  # sharp on fine screens, too


def test_a_point_of_a_picture_is_found_in_its_axes():
    picture = shown_picture()
    for label, x, y in (("left", 2, 3), ("right", 9, -4.5)):
        axes, *found = picture.located(place_of(picture, label, x, y))
        assert axes.get_label() == label
        np.testing.assert_allclose(found, [x, y], atol=0.1)
    assert picture.located([0.0, 0.0]) is None
    assert picture.located([]) is None
    assert Picture().located([0.5, 0.5]) is None


def test_left_is_left_and_up_is_up_on_a_picture():
    picture = shown_picture()
    left, right = place_of(picture, "left", 5, 0), place_of(picture, "right", 5, 0)
    assert left[0] < right[0]
    low = place_of(picture, "left", 5, 4)  # the axis of these axes points down
    assert low[1] > left[1]


def test_a_picture_is_drawn_anew_for_a_dark_page():
    picture = shown_picture()
    light = picture.png
    picture.dark = True
    assert picture.png != light
    picture.dark = False
    assert picture.png == light

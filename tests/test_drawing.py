"""Drawings made into pictures like MNIST's."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import course as mx
from course.datasets.drawing import like_mnist, rasterise

SEVEN = [[(0.25, 0.2), (0.75, 0.2), (0.45, 0.8)]]
ONE = [[(0.5, 0.2), (0.5, 0.8)]]
ZERO = [[(0.5 + 0.2 * np.sin(t), 0.5 - 0.3 * np.cos(t)) for t in np.linspace(0, 2 * np.pi, 40)]]


def distance_by_sampling(x, y, points):
    """From (x, y) to the nearest of many points along the lines."""
    points = np.asarray(points, float)
    dense = [
        start + t * (end - start) for start, end in pairwise(points) for t in np.linspace(0, 1, 400)
    ]
    return min(np.hypot(x - px, y - py) for px, py in dense)


def test_a_pixel_is_ink_where_the_line_is_near():
    size, pen = 20, 0.2
    picture = rasterise(SEVEN, pen, size)
    assert (picture.shape, picture.dtype) == ((size, size), np.float32)
    for row, column in np.ndindex(size, size):
        away = distance_by_sampling((column + 0.5) / size, (row + 0.5) / size, SEVEN[0])
        # Half a pixel inside the edge it is ink, half a pixel outside it is paper.
        expected = np.clip((pen / 2 - away) * size + 0.5, 0, 1)
        assert picture[row, column] == pytest.approx(expected, abs=0.02), (row, column)


def test_a_point_is_a_dot_and_no_strokes_are_paper():
    dot = rasterise([[(0.5, 0.5)]], pen=0.2, size=50)
    assert dot.sum() == pytest.approx(np.pi * 5**2, rel=0.02)  # a disc of radius 5
    assert rasterise([], size=10).sum() == 0


def test_strokes_that_cross_are_not_darker_than_ink():
    picture = rasterise([[(0.2, 0.5), (0.8, 0.5)], [(0.5, 0.2), (0.5, 0.8)]])
    assert picture.max() == 1


@pytest.mark.parametrize(
    "stroke", [[(0.1, float("nan"))], [0.1, 0.2], [(0.1, 0.2, 0.3)], [], [(0.1, float("inf"))]]
)
def test_what_is_no_stroke_is_refused(stroke):
    with pytest.raises(ValueError, match="a stroke must be a list of points"):
        rasterise([stroke])


@pytest.mark.parametrize("strokes", [SEVEN, ONE, ZERO])
@pytest.mark.parametrize("scale", [0.3, 1.0])
@pytest.mark.parametrize("move", [(0, 0), (0.1, -0.15)])
def test_the_digit_fills_20_pixels_and_its_mass_is_in_the_middle(strokes, scale, move):
    moved = [[(x * scale + move[0], y * scale + move[1] + 0.15) for x, y in s] for s in strokes]
    picture = like_mnist(rasterise(moved))
    assert (picture.shape, picture.dtype) == ((28, 28), np.float32)
    rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    # It is moved by whole pixels: the centre is within half of one.
    assert np.abs(np.array(ndimage.center_of_mass(picture)) - 14).max() <= 0.5001


def test_the_scaled_digit_is_pillows_box_average(rng):
    picture = ndimage.gaussian_filter(rng.random((60, 60)), 3).astype(np.float32)
    picture[:, [0, -1]] = picture[[0, -1]] = 1  # no edge of paper
    found = like_mnist(picture)
    top, left = np.argwhere(found).min(axis=0)
    small = found[top : top + 20, left : left + 20]
    expected = np.asarray(Image.fromarray(picture).resize((20, 20), Image.Resampling.BOX))
    np.testing.assert_allclose(small, expected, atol=1e-5)


def test_digits_of_mnist_stay_what_they_are():
    # They were made this way: the same procedure leaves them alone.
    images = mx.test_utils.get_mnist("sample")["test_data"][:, 0]
    images = [image for image in images if max(np.ptp(np.nonzero(image), axis=1)) + 1 == 20]
    assert len(images) > 990
    moved = [image for image in images if np.abs(like_mnist(image) - image).max() > 1e-5]
    assert len(moved) < 0.005 * len(images)  # whose centre lies on the edge between two pixels


def test_the_same_drawing_elsewhere_is_the_same_picture():
    moved = [[(x + 0.125, y - 0.125) for x, y in SEVEN[0]]]  # whole pixels of the large picture
    np.testing.assert_array_equal(like_mnist(rasterise(SEVEN)), like_mnist(rasterise(moved)))


@pytest.mark.parametrize(("strokes", "digit"), [(SEVEN, 7), (ONE, 1), (ZERO, 0)])
@pytest.mark.parametrize("name", ["mlp", "lenet"])
def test_the_trained_networks_read_drawings(strokes, digit, name):
    picture = like_mnist(rasterise(strokes))
    probabilities = mx.networks.trained(name, 1).predict(picture[None, None])
    assert np.argmax(probabilities) == digit


def test_an_empty_picture_stays_empty():
    np.testing.assert_array_equal(like_mnist(np.zeros((112, 112))), np.zeros((28, 28)))


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((0, 3)),
        np.zeros(9),
        np.full((3, 3), 2.0),
        np.full((3, 3), np.nan),
        -np.ones((3, 3)),
    ],
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(ValueError, match="expected a picture"):
        like_mnist(picture)

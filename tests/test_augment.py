"""Changed digits against loops and scipy.ndimage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import course as mx
from course.datasets import augment


def some(rng, shape=(3, 2, 9, 7)):
    return rng.random(shape).astype(np.float32)


@given(st.integers(-10, 10), st.integers(-10, 10))
@settings(deadline=None, max_examples=60)
def test_shift_moves_each_pixel(right, down):
    images = some(np.random.default_rng(0))
    found = augment.shift(images, right, down)
    height, width = images.shape[2:]
    for row, column in np.ndindex(height, width):
        inside = 0 <= row - down < height and 0 <= column - right < width
        expected = images[:, :, row - down, column - right] if inside else 0
        assert (found[:, :, row, column] == expected).all()


@pytest.mark.parametrize("degrees", [0, 17, -45, 90, 180, 300.5])
def test_rotate_is_scipys_linear_interpolation(rng, degrees):
    images = np.pad(some(rng, (2, 1, 12, 12)), ((0, 0), (0, 0), (8, 8), (8, 8)))
    found = augment.rotate(images, degrees)
    expected = ndimage.rotate(images, degrees, axes=(2, 3), reshape=False, order=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_positive_turn_is_anticlockwise():
    image = np.zeros((1, 1, 5, 5))
    image[0, 0, 2, 4] = 1  # on the right; turned by 90° it is at the top
    np.testing.assert_allclose(np.argwhere(augment.rotate(image, 90)[0, 0] > 0.9), [[0, 2]])


def test_four_quarter_turns_are_none(rng):
    images = some(rng, (2, 1, 6, 6))
    turned = images
    for _ in range(4):
        turned = augment.rotate(turned, 90)
    np.testing.assert_allclose(turned, images, atol=1e-5)


def test_noise_has_the_strength_asked_for_and_stays_a_picture():
    images = np.full((20, 1, 28, 28), 0.5, np.float32)
    noisy = augment.add_noise(images, 0.1, seed=3)
    # 15,680 numbers: the standard deviation of their standard deviation is 0.6 %.
    assert (noisy - images).std() == pytest.approx(0.1, rel=0.03)
    assert (noisy - images).mean() == pytest.approx(0, abs=0.004)
    strong = augment.add_noise(images, 5.0, seed=3)
    assert (strong.min(), strong.max()) == (0, 1)
    np.testing.assert_array_equal(noisy, augment.add_noise(images, 0.1, seed=3))
    assert (noisy != augment.add_noise(images, 0.1, seed=4)).any()


def test_noise_without_a_seed_follows_the_courses_seed():
    images = np.full((1, 1, 8, 8), 0.5, np.float32)
    mx.random.seed(5)
    first = augment.add_noise(images, 0.1)
    second = augment.add_noise(images, 0.1)
    mx.random.seed(5)
    np.testing.assert_array_equal(first, augment.add_noise(images, 0.1))
    assert (first != second).any()


@given(st.integers(0, 12), st.none() | st.integers(-3, 11), st.none() | st.integers(-3, 9))
@settings(deadline=None, max_examples=60)
def test_occlude_covers_a_square(size, top, left):
    images = some(np.random.default_rng(0)) + 1
    found = augment.occlude(images, size, top, left)
    height, width = images.shape[2:]
    top = (height - size) // 2 if top is None else top
    left = (width - size) // 2 if left is None else left
    for row, column in np.ndindex(height, width):
        covered = top <= row < top + size and left <= column < left + size
        expected = 0 if covered else images[:, :, row, column]
        assert (found[:, :, row, column] == expected).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda images: augment.shift(images, 1, 2),
        lambda images: augment.rotate(images, 10),
        lambda images: augment.add_noise(images, 0.1, 0),
        lambda images: augment.occlude(images, 3),
    ],
)
def test_the_given_images_stay_and_the_shape_and_kind_too(rng, change):
    images = some(rng)
    before = images.copy()
    found = change(images)
    np.testing.assert_array_equal(images, before)
    assert (found.shape, found.dtype) == (images.shape, images.dtype)
    assert (found != images).any()
    with pytest.raises(ValueError, match=r"expected images of shape \(N, C, H, W\), got \(9, 7\)"):
        change(images[0, 0])


@pytest.mark.parametrize("strength", [-0.1, float("nan")])
def test_a_strength_below_0_is_refused(rng, strength):
    with pytest.raises(ValueError, match="strength must be at least 0"):
        augment.add_noise(some(rng), strength)


def test_a_square_of_negative_size_is_refused(rng):
    with pytest.raises(ValueError, match="size must be at least 0"):
        augment.occlude(some(rng), -1)

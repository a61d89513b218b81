"""Each fast loop against the slow, obvious one, over random shapes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course.kernels import activation, convolution, pooling, softmax
from course.kernels.blas import matmul, matmul_add
from course.kernels.threads import computing

few = settings(max_examples=15, deadline=None)
sizes = st.integers(1, 4)


def plain_convolution(data, weight, bias, stride, dilate, groups=1):
    """The formula at the head of course/kernels/convolution.py."""
    images, channels, height, width = data.shape
    filters, _, kernel_height, kernel_width = weight.shape
    rows = (height - dilate[0] * (kernel_height - 1) - 1) // stride[0] + 1
    columns = (width - dilate[1] * (kernel_width - 1) - 1) // stride[1] + 1
    out = np.zeros((images, filters, rows, columns))
    for n in range(images):
        for f in range(filters):
            first = f // (filters // groups) * (channels // groups)
            for p in range(rows):
                for q in range(columns):
                    out[n, f, p, q] = bias[f]
                    for c in range(channels // groups):
                        for i in range(kernel_height):
                            for j in range(kernel_width):
                                y, x = p * stride[0] + i * dilate[0], q * stride[1] + j * dilate[1]
                                out[n, f, p, q] += weight[f, c, i, j] * data[n, first + c, y, x]
    return out


@given(
    images=sizes, channels=sizes, filters=sizes, kernel=st.tuples(sizes, sizes),
    stride=st.tuples(sizes, sizes), dilate=st.tuples(sizes, sizes), extra=sizes,
    shares=st.integers(1, 3),
)  # fmt: skip
@few
def test_convolution_is_the_formula(
    images, channels, filters, kernel, stride, dilate, extra, shares
):  # fmt: skip
    rng = np.random.default_rng(0)
    size = [d * (k - 1) + 1 + extra for k, d in zip(kernel, dilate, strict=True)]
    data = rng.standard_normal((images, channels, *size))
    weight = rng.standard_normal((filters, channels, *kernel))
    bias = rng.standard_normal(filters)
    expected = plain_convolution(data, weight, bias, stride, dilate)
    positions = expected.shape[2:]
    out = np.empty((images, filters, math.prod(positions)))
    windows = np.empty((shares, channels, *kernel, *positions))
    cols = windows.reshape(shares, -1, math.prod(positions))

    with computing:
        weights = weight.reshape(1, filters, -1)
        convolution.forward(data, weights, bias[None], stride, dilate, windows, cols, out)

    np.testing.assert_allclose(out.reshape(expected.shape), expected, rtol=1e-12, atol=1e-12)


@given(kernel=st.tuples(sizes, sizes), stride=st.tuples(sizes, sizes), dilate=sizes)
@few
def test_col2im_is_the_transpose_of_im2col(kernel, stride, dilate):
    # <im2col(x), c> = <x, col2im(c)> for all x and c says just that.
    rng = np.random.default_rng(0)
    shape = (2, *(dilate * (k - 1) + 4 for k in kernel))
    positions = [3 // s + 1 for s in stride]
    image, cols = rng.standard_normal(shape), np.empty((2, *kernel, *positions))
    given_cols, back = rng.standard_normal(cols.shape), np.empty(shape)

    convolution.im2col(image, cols, stride, (dilate, dilate))
    convolution.col2im(given_cols, back, stride, (dilate, dilate))

    assert np.vdot(cols, given_cols) == pytest.approx(np.vdot(image, back), abs=1e-9)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (50, 500, 64), (37, 90, 800), (3, 700, 900)])
def test_a_product_in_pieces_is_the_product(m, k, n, kind):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k)).astype(kind), rng.standard_normal((k, n)).astype(kind)
    out, total = np.empty((m, n), kind), np.ones((m, n), kind)

    with computing:
        matmul(a, b, out)
        matmul_add(a, b, total, np.ones(1, kind))

    expected = a.astype(float) @ b.astype(float)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if kind == np.float32 else {"rtol": 1e-10}
    np.testing.assert_allclose(out, expected, **tolerance)
    np.testing.assert_allclose(total, 1 + expected, **tolerance)


def plain_max_pool(data, kernel, stride, out_shape):
    out, winner = np.empty(out_shape), np.empty(out_shape, int)
    for n, c, p, q in np.ndindex(*out_shape):
        top, left = p * stride[0], q * stride[1]
        window = data[n, c, top : top + kernel[0], left : left + kernel[1]]
        i, j = divmod(int(window.argmax()), kernel[1])
        out[n, c, p, q] = window.max()
        winner[n, c, p, q] = (top + i) * data.shape[3] + left + j
    return out, winner


@given(kernel=st.tuples(sizes, sizes), stride=st.tuples(sizes, sizes), extra=sizes)
@few
def test_max_pooling_finds_each_windows_largest_value_and_its_place(kernel, stride, extra):
    rng = np.random.default_rng(0)
    # Few different values, so that ties are common: the first one must win.
    size = [k + extra for k in kernel]
    data = rng.integers(0, 4, (2, 3, *size)).astype(float)
    shape = (2, 3, *(extra // s + 1 for s in stride))
    out, winner = np.empty(shape), np.empty(shape, np.int32)

    with computing:
        pooling.max_pool(data, kernel, stride, out, winner)

    expected, place = plain_max_pool(data, kernel, stride, shape)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(winner, place)


@given(height=st.integers(2, 9), width=st.integers(2, 20))
@few
def test_the_2x2_pooling_is_the_general_one(height, width):
    rng = np.random.default_rng(0)
    data = rng.integers(0, 4, (2, 3, height, width)).astype(np.float32)
    data[0, 0, 0, 0] = np.nan
    shape = (2, 3, height // 2, width // 2)
    plain = np.empty(shape, np.float32), np.empty(shape, np.int32)
    fast = np.empty(shape, np.float32), np.empty(shape, np.int32)

    with computing:
        pooling.max_pool(data, (2, 2), (2, 2), *plain)
        pooling.max_pool_2x2(data, *fast)

    np.testing.assert_array_equal(fast[0], plain[0])
    np.testing.assert_array_equal(fast[1], plain[1])
    assert np.isnan(fast[0][0, 0, 0, 0])


def test_the_approximated_tanh_is_within_3e_7():
    data = np.concatenate(
        [
            np.linspace(-20, 20, 2_000_001, dtype=np.float32),
            np.geomspace(1e-38, 1, 100_001, dtype=np.float32),
        ]
    )
    out = np.empty_like(data)

    with computing:
        activation.tanh_float32(data, out)

    assert np.abs(out - np.tanh(data.astype(float))).max() < 3e-7
    assert np.abs(out).max() <= 1


FUNCTIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softrelu": lambda x: np.logaddexp(0, x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanh_float64": np.tanh,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_activation_is_its_formula(name):
    data = np.linspace(-30, 30, 6001)
    out = np.empty_like(data)

    with computing:
        getattr(activation, name)(data, out)

    np.testing.assert_allclose(out, FUNCTIONS[name](data), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", [*FUNCTIONS, "tanh_float32"])
def test_an_activation_never_hides_nan_or_infinity(name):
    kind = np.float32 if name == "tanh_float32" else np.float64
    data = np.array([np.nan, np.inf, -np.inf, 1.0], kind)
    out, d_data = np.empty_like(data), np.empty_like(data)
    backward = getattr(activation, f"{name.split('_')[0]}_backward")

    with computing:
        getattr(activation, name)(data, out)
        backward(np.full_like(data, np.nan), out, d_data)

    limits = {"relu": (np.inf, 0), "sigmoid": (1, 0), "softrelu": (np.inf, 0)}
    assert np.isnan(out[0])
    np.testing.assert_allclose(out[1:3], limits.get(name, (1, -1)), atol=3e-7)
    assert np.isnan(d_data[3])


def test_softmax_neither_overflows_nor_hides_nan():
    data = np.array([[1000.0, 0.0], [-1000.0, -1000.0], [np.nan, 1.0], [np.inf, 1.0]])
    out = np.empty_like(data)

    softmax.softmax(data, out)

    np.testing.assert_allclose(out[:2], [[1, 0], [0.5, 0.5]])
    assert np.isnan(out[2:]).any(axis=1).all()

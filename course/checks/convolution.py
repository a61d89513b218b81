"""Checks of lesson 03: convolution and pooling as loops."""

import numpy as np

from course.checks.exercise import Wrong, call, exercise, expect_close, expect_shape


def _convolution(data, weight, stride, pad):
    padded = np.pad(data, pad)
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape)
    return np.einsum("pqij,ij->pq", windows[::stride, ::stride], weight)


@exercise("output size")
def output_size(function, seed=0):
    """output_size(size, kernel, stride, pad) -> how many windows fit."""
    generator = np.random.default_rng(seed)
    cases = [(28, 5, 1, 0), (28, 5, 2, 2), (7, 3, 2, 0), (8, 3, 2, 0)]
    cases += [
        tuple(map(int, case)) for case in generator.integers((8, 1, 1, 0), (30, 6, 4, 3), (4, 4))
    ]
    for size, kernel, stride, pad in cases:
        right = sum(start + kernel <= size + 2 * pad for start in range(0, size + 2 * pad, stride))
        mistakes = {
            "one is missing: the first window counts too": right - 1,
            "the zeros stand on both sides: 2 · pad": (size + pad - kernel) // stride + 1,
            "only whole windows count: divide with //": (size + 2 * pad - kernel) / stride + 1,
        }
        what = f"the size for size={size}, kernel={kernel}, stride={stride}, pad={pad}"
        expect_close(call(function, size, kernel, stride, pad), right, what, mistakes)


@exercise("convolution")
def convolution(function, seed=0):
    """convolution(data (H, W), weight (I, J), stride, pad) -> (P, Q)."""
    generator = np.random.default_rng(seed)
    for stride, pad in ((1, 0), (1, 1), (2, 0), (2, 2)):
        data, weight = generator.normal(0, 1, (7, 8)), generator.normal(0, 1, (3, 2))
        right = _convolution(data, weight, stride, pad)
        got = call(function, data, weight, stride, pad)
        if (np.ndim(got) == 2) and np.shape(got) != right.shape:
            less = tuple(size - 1 for size in right.shape)
            if np.shape(got) == less:
                raise Wrong("the last row and column of windows are missing: add 1 to the size")
            if pad and np.shape(got) == _convolution(data, weight, stride, 0).shape:
                raise Wrong("the padding is missing: put zeros around the picture first")
        expect_shape(got, right.shape, f"the output for stride {stride}, pad {pad}")
        turned = _convolution(data, weight[::-1, ::-1], stride, pad)
        mistakes = {
            "the filter is turned by 180°; networks do not turn it": turned,
            "each window starts at p, q; with a stride it starts at p · stride": _unstrided(
                data, weight, stride, pad
            ),
        }
        what = f"the output for stride {stride}, pad {pad}"
        expect_close(got, right, what, mistakes if stride > 1 else dict([*mistakes.items()][:1]))


def _unstrided(data, weight, stride, pad):
    rows, columns = _convolution(data, weight, stride, pad).shape
    return _convolution(data, weight, 1, pad)[:rows, :columns]


@exercise("max pool backward")
def max_pool_backward(function, seed=0):
    """max_pool_backward(data (H, W), d_out (H/2, W/2)) -> d_data (H, W)."""
    generator = np.random.default_rng(seed)
    data, d_out = generator.normal(0, 1, (6, 4)), generator.normal(0, 1, (3, 2))
    wide = d_out.repeat(2, axis=0).repeat(2, axis=1)
    largest = data.reshape(3, 2, 2, 2).max(axis=(1, 3)).repeat(2, axis=0).repeat(2, axis=1)
    mistakes = {
        "all four pixels get the gradient; only the largest one mattered": wide,
        "this is a quarter for each pixel, as for the mean; only the largest mattered": wide / 4,
        "this is the largest number; its place should get d_out": np.where(
            data == largest, data, 0
        ),
    }
    expect_close(
        call(function, data, d_out), np.where(data == largest, wide, 0), "d_data", mistakes
    )


@exercise("convolution parameters")
def convolution_parameters(function, seed=0):
    """convolution_parameters(channels, filters, (I, J)) -> weights and biases."""
    generator = np.random.default_rng(seed)
    for channels, filters, rows, columns in generator.integers(2, 9, (4, 4)).tolist():
        weights = channels * filters * rows * columns
        mistakes = {
            "the biases are missing: one for each filter": weights,
            "there is one bias for each filter, not for each channel": weights + channels,
            "each filter has weights for every channel": filters * (rows * columns + 1),
        }
        got = call(function, channels, filters, (rows, columns))
        expect_close(got, weights + filters, "the number of parameters", mistakes)

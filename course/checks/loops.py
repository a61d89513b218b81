"""Checks of assignment 3: convolution and pooling as loops, then compiled."""

import time

import numpy as np

from course.checks.exercise import (
    Wrong,
    call,
    exercise,
    expect_close,
    expect_parts,
    numeric_gradient,
)

FASTER = 20  # times; compiled loops are 100 and more times as fast, so a busy machine passes


def _convolved(data, weight, bias, stride=1, pad=0):
    data = np.pad(data, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(data, weight.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    return np.einsum("ncpqij,fcij->nfpq", windows, weight) + bias[:, None, None]


def _pooled(data, size, stride):
    windows = np.lib.stride_tricks.sliding_window_view(data, (size, size), axis=(2, 3))
    return windows[:, :, ::stride, ::stride].max(axis=(4, 5))


def _example(generator, images=2, channels=2, height=6, width=7, filters=3, kernel=(3, 2)):
    data = generator.normal(0, 1, (images, channels, height, width))
    weight = generator.normal(0, 1, (filters, channels, *kernel))
    return data, weight, generator.normal(0, 1, filters)


def _expect_convolution(got, data, weight, bias, stride=1, pad=0):
    right = _convolved(data, weight, bias, stride, pad)
    rows, columns = np.shape(got)[2:4] if np.ndim(got) == 4 else (0, 0)
    if np.ndim(got) == 4 and (rows, columns) == (right.shape[2] - 1, right.shape[3] - 1):
        raise Wrong(
            "the last row and column of windows are missing: along H pixels with windows of I "
            "there are (H + 2 pad - I) // stride + 1 places"
        )
    mistakes = {
        "the bias is missing": right - bias[:, None, None],
        "the filter is upside down: pixel [p + i, q + j] meets weight [i, j]": _convolved(
            data, weight[:, :, ::-1, ::-1], bias, stride, pad
        ),
        "only the last channel counts: begin the sum before the loop over channels": _convolved(
            data[:, -1:], weight[:, -1:], bias, stride, pad
        ),
        "the bias is added once for each channel": right
        + (data.shape[1] - 1) * bias[:, None, None],
    }
    if stride > 1:
        each = _convolved(data, weight, bias, 1, pad)[:, :, : right.shape[2], : right.shape[3]]
        mistakes["the window begins at pixel p; with a stride it begins at p * stride"] = each
    expect_close(got, right, "the outputs", mistakes, 1e-5)


@exercise("convolution")
def convolution(function, seed=0):
    """convolution(data (N, C, H, W), weight (F, C, I, J), bias (F,), 1, 0) -> (N, F, P, Q)."""
    example = _example(np.random.default_rng(seed))
    _expect_convolution(call(function, *example, 1, 0), *example)


@exercise("the first window of a convolution")
def first_window(function, seed=0):
    """The outputs at p = q = 0 alone, whatever the shape of the rest."""
    data, weight, bias = _example(np.random.default_rng(seed))
    got = np.asarray(call(function, data, weight, bias, 1, 0))
    if got.ndim != 4 or 0 in got.shape:
        raise Wrong(f"the outputs should have four axes (N, F, P, Q), got {got.shape}")
    right = _convolved(data, weight, bias)[:, :, 0, 0]
    expect_close(got[:, :, 0, 0], right, "the outputs of the first window", tolerance=1e-5)


@exercise("convolution with stride")
def convolution_stride(function, seed=0):
    """The window moves by `stride` pixels; what does not fill a window is left out."""
    generator = np.random.default_rng(seed)
    for stride, height, width in ((2, 7, 8), (3, 8, 9)):  # the second leaves pixels out
        example = _example(generator, height=height, width=width)
        _expect_convolution(call(function, *example, stride, 0), *example, stride)


@exercise("convolution with pad")
def convolution_pad(function, seed=0):
    """`pad` zeros on each side of the image."""
    generator = np.random.default_rng(seed)
    for pad in (1, 2):
        example = _example(generator, height=5, width=4)
        _expect_convolution(call(function, *example, 1, pad), *example, 1, pad)


@exercise("max-pooling")
def max_pool(function, seed=0):
    """max_pool(data (N, C, H, W), size, stride) -> the largest value of each window."""
    _expect_pooling(function, np.random.default_rng(seed).uniform(1, 9, (2, 2, 6, 7)))


@exercise("max-pooling of negative pixels")
def max_pool_negative(function, seed=0):
    """The same, where a search that begins at 0 is found out."""
    _expect_pooling(function, -np.random.default_rng(seed).uniform(1, 9, (2, 2, 6, 7)))


def _expect_pooling(function, data):
    for size, stride in ((2, 2), (3, 2), (2, 1)):
        right = _pooled(data, size, stride)
        got = call(function, data, size, stride)
        shape = np.shape(got)
        if len(shape) == 4 and shape[2:] == (right.shape[2] - 1, right.shape[3] - 1):
            raise Wrong(
                "the last row and column of windows are missing: there are "
                "(H - size) // stride + 1 places"
            )
        mistakes = {
            "the largest value begins at 0, so negative pixels are lost": np.zeros_like(right),
            "this is the smallest value": -_pooled(-data, size, stride),
        }
        expect_close(got, right, f"the outputs for size {size}, stride {stride}", mistakes)


@exercise("convolution backward")
def convolution_backward(function, seed=0):
    """convolution_backward(data, weight, d_out) -> (d_data, d_weight, d_bias), stride 1, pad 0."""
    generator = np.random.default_rng(seed)
    data, weight, bias = _example(generator, height=5, width=4, filters=2)
    d_out = generator.normal(0, 1, _convolved(data, weight, bias).shape)

    def total(data=data, weight=weight, bias=bias):
        return (_convolved(data, weight, bias) * d_out).sum()

    got = expect_parts(call(function, data, weight, d_out), ("d_data", "d_weight", "d_bias"))
    right = {
        "d_bias": (got[2], numeric_gradient(lambda value: total(bias=value), bias)),
        "d_weight": (got[1], numeric_gradient(lambda value: total(weight=value), weight)),
        "d_data": (got[0], numeric_gradient(lambda value: total(data=value), data)),
    }
    for name, (given, value) in right.items():
        mistakes = {f"{name} is the sum over the images, not the mean": value / len(data)}
        expect_close(given, value, name, mistakes, 1e-6, hint=_HINTS[name])


_HINTS = {
    "d_bias": "Each output [n, f, p, q] adds its d_out to d_bias[f].",
    "d_weight": "Each output adds d_out [n, f, p, q] times data [n, c, p + i, q + j].",
    "d_data": "Each output adds d_out [n, f, p, q] times weight [f, c, i, j] at [p + i, q + j].",
}


def _uncompiled(function):
    """The Python function that numba compiled."""
    if not hasattr(function, "py_func"):
        raise Wrong("it is not compiled; write @njit in the line above `def`")
    return function.py_func


@exercise("compiled convolution")
def compiled_convolution(function, seed=0):
    """The same numbers as before, with numba."""
    example = _example(np.random.default_rng(seed), height=8, width=9)
    # Uncompiled first: a compiled loop that does not end cannot be interrupted.
    for version in (_uncompiled(function), function):
        for stride, pad in ((1, 0), (2, 1)):
            got = call(version, *example, stride, pad)
            _expect_convolution(got, *example, stride, pad)


@exercise("compiled max-pooling")
def compiled_max_pool(function, seed=0):
    """The same numbers as before, with numba."""
    data = np.random.default_rng(seed).normal(-9, 1, (2, 3, 6, 7))
    for version in (_uncompiled(function), function):
        for size, stride in ((2, 2), (3, 1)):
            got = call(version, data, size, stride)
            expect_close(got, _pooled(data, size, stride), "the outputs")


@exercise(f"at least {FASTER} times as fast as Python")
def faster(function, seed=0):
    """The compiled convolution against the same loops uncompiled, on the same digits."""
    plain = _uncompiled(function)
    generator = np.random.default_rng(seed)
    example = _example(generator, images=2, height=16, width=16, filters=4, kernel=(5, 5))
    expected = _convolved(*example)
    for version in (plain, function):  # the compiler's own time is not counted
        expect_close(call(version, *example, 1, 0), expected, "the outputs")
    python = call(_seconds, plain, example, 1)
    compiled = call(_seconds, function, example, 20)
    if python < FASTER * compiled:
        raise Wrong(
            f"compiled it is {python / compiled:.0f} times as fast as in Python; with plain loops "
            f"over numbers it is {FASTER} times and more. Does it make arrays inside the loops?"
        )


def _seconds(function, example, times):
    """The best of some runs: what else the machine does can only lengthen one."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        function(*example, 1, 0)
        best = min(best, time.perf_counter() - start)
    return best

"""Checks of lesson 06: counting work, and doing it fast."""

import time

import numpy as np

from course.checks.exercise import Wrong, call, exercise, expect_close

_FASTER = 10  # what the exercise asks for


@exercise("multiplications")
def multiplications(function, seed=0):
    """multiplications(channels, height, width, filters, (I, J)) -> how many."""
    generator = np.random.default_rng(seed)
    for channels, filters, rows, columns in generator.integers(2, 6, (4, 4)).tolist():
        places = (12 - rows + 1) * (10 - columns + 1)
        right = channels * filters * rows * columns * places
        mistakes = {
            "this is the number of weights; each is used at every place of the window": (
                channels * filters * rows * columns
            ),
            "the window does not fit at every pixel: there are H - I + 1 rows of windows": (
                channels * filters * rows * columns * 120
            ),
            "each filter looks at all channels": right / channels,
        }
        got = call(function, channels, 12, 10, filters, (rows, columns))
        expect_close(got, right, "the number of multiplications", mistakes)


@exercise("im2col")
def im2col(function, seed=0):
    """im2col(picture (H, W), k) -> (k · k, P · Q)."""
    picture = np.random.default_rng(seed).normal(0, 1, (6, 7))
    windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 3))
    right = windows.reshape(-1, 9).T
    got = call(function, picture, 3)
    if getattr(got, "shape", None) == right.T.shape:
        raise Wrong("it is transposed: a window is a column, not a row")
    mistakes = {
        "the windows are in the wrong order: row by row": (
            windows.transpose(1, 0, 2, 3).reshape(-1, 9).T
        ),
        "within a window the numbers are in the wrong order: row by row": (
            windows.transpose(0, 1, 3, 2).reshape(-1, 9).T
        ),
    }
    expect_close(got, right, "the columns", mistakes)


@exercise("distances")
def distances(function, seed=0):
    """distances(points (N, D), centre (D,)) -> (N,), ten times faster than Python loops."""
    generator = np.random.default_rng(seed)
    points, centre = generator.normal(0, 1, (50, 4)), generator.normal(0, 1, 4)
    right = _in_python(points, centre)
    mistakes = {
        "this is the distance; its square is wanted": np.sqrt(right),
        "this is the mean of the squares; their sum is wanted": right / 4,
    }
    expect_close(call(function, points, centre), right, "the squared distances", mistakes)
    many = generator.normal(0, 1, (20_000, 4))
    call(function, many, centre)  # compiles, if it is compiled
    ratio = _seconds(_in_python, many, centre) / _seconds(function, many, centre)
    if ratio < _FASTER:
        raise Wrong(
            f"right, but only {ratio:.1f} times faster than Python loops; let numpy compute with "
            "whole arrays, or put @njit before a function of plain loops"
        )


def _in_python(points, centre):
    return np.array([sum((x - y) ** 2 for x, y in zip(row, centre, strict=True)) for row in points])


def _seconds(function, *arguments):
    """The fastest of five: what disturbs only makes it slower."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)

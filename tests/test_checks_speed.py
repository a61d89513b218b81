"""Hints for usual wrong answers to the exercises of lesson 06."""

import re

import numpy as np
import pytest
from numba import njit

from course import checks


def counted(channels, height, width, filters, kernel):
    places = (height - kernel[0] + 1) * (width - kernel[1] + 1)
    return filters * places * channels * kernel[0] * kernel[1]


def columns(picture, k):
    windows = np.lib.stride_tricks.sliding_window_view(picture, (k, k))
    return windows.reshape(-1, k * k).T


def by_numpy(points, centre):
    return ((points - centre) ** 2).sum(axis=1)


@njit
def by_numba(points, centre):
    out = np.zeros(len(points))
    for n in range(len(points)):
        for d in range(len(centre)):
            out[n] += (points[n, d] - centre[d]) ** 2
    return out


def by_python(points, centre):
    return np.array([sum((x - y) ** 2 for x, y in zip(row, centre, strict=True)) for row in points])


RIGHT = [
    (checks.multiplications, counted),
    (checks.im2col, columns),
    (checks.distances, by_numpy),
    (checks.distances, by_numba),
    (checks.distances, lambda points, centre: np.einsum("nd,nd->n", *[points - centre] * 2)),
]

WRONG = [
    (checks.multiplications, lambda c, h, w, f, k: c * f * k[0] * k[1], "number of weights"),
    (checks.multiplications, lambda c, h, w, f, k: c * f * k[0] * k[1] * h * w, "does not fit"),
    (checks.multiplications, lambda c, *rest: counted(c, *rest) / c, "looks at all channels"),
    (checks.multiplications, lambda *a: 2 * counted(*a), "number of multiplications should be"),
    (checks.im2col, lambda picture, k: columns(picture, k).T, "it is transposed"),
    (
        checks.im2col,
        lambda picture, k: columns(picture, k).reshape(k, k, -1).swapaxes(0, 1).reshape(k * k, -1),
        "within a window the numbers are in the wrong order",
    ),
    (
        checks.im2col,
        lambda picture, k: columns(picture, k).reshape(9, 4, 5).swapaxes(1, 2).reshape(9, -1),
        "the windows are in the wrong order",
    ),
    (checks.im2col, lambda picture, k: [[1, 2], [3]], "array of numbers, got list"),
    (checks.distances, by_python, r"only \d\.\d times faster"),
    (checks.distances, lambda *arrays: np.sqrt(by_numpy(*arrays)), "its square is wanted"),
    (checks.distances, lambda *arrays: by_numpy(*arrays) / 4, "their sum is wanted"),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
@pytest.mark.parametrize("seed", [0, 1])
def test_right_answers_are_right(check, answer, seed):
    assert check(answer, seed=seed) is True


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_a_wrong_answer_gets_the_hint_that_fits(check, answer, hint, capsys):
    assert check(answer) is False
    line = capsys.readouterr().out
    assert re.fullmatch(f"✗ [a-z0-9 ]+: .*{hint}.*\n", line), line

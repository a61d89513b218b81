"""Checks of lesson 00: the first steps with arrays."""

import numpy as np

from course.checks.exercise import Wrong, call, exercise, expect_close, expect_shape


@exercise("ink")
def ink(function, seed=0):
    """ink(picture (H, W)) -> how many of its numbers are not 0."""
    generator = np.random.default_rng(seed)
    picture = np.round(generator.uniform(0, 1, (28, 28)) ** 4, 1)
    expect_close(
        call(function, picture),
        (picture != 0).sum(),
        "the number of pixels",
        {
            "this is the sum of the numbers; count those that are not 0": picture.sum(),
            "this counts the pixels that are 0; count the others": (picture == 0).sum(),
            "this counts all pixels; only those that are not 0 are ink": picture.size,
        },
    )


@exercise("read")
def read(function, seed=0):
    """read(probabilities (10,)) -> the position of the largest."""
    generator = np.random.default_rng(seed)
    for digit in generator.permutation(10):
        probabilities = generator.dirichlet(np.ones(10))
        order = np.argsort(probabilities)
        probabilities[[digit, order[-1]]] = probabilities[[order[-1], digit]]
        mistakes = {}
        if digit:
            mistakes["this is the largest probability; its position is wanted"] = (
                probabilities.max()
            )
        if probabilities.argmin() != digit:
            mistakes["this is the position of the smallest"] = probabilities.argmin()
        expect_close(call(function, probabilities), digit, "the digit", mistakes)


@exercise("read if sure")
def read_if_sure(function, seed=0):
    """read_if_sure(probabilities (10,)) -> the digit if its probability is at least 0.9, or -1."""
    generator = np.random.default_rng(seed)
    for sure in (0.9, 0.5, 0.95, 0.89):
        digit = int(generator.integers(10))
        probabilities = np.full(10, (1 - sure) / 9)
        probabilities[digit] = sure
        what = f"the answer for a digit with {sure:.0%}"
        got = expect_shape(call(function, probabilities), (), what)
        right = digit if sure >= 0.9 else -1
        if sure == 0.9 and got == -1:
            raise Wrong("exactly 90 % is sure enough: compare with >=")
        if right == -1 and got == digit:
            raise Wrong(f"with {sure:.0%} it is not sure enough: return -1")
        expect_close(got, right, what)

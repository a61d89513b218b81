"""Checks of lesson 04: what to do with probabilities."""

import numpy as np

from course.checks.exercise import Wrong, call, exercise, expect_close, expect_shape


def _probabilities(seed, count):
    return np.random.default_rng(seed).dirichlet(np.full(10, 0.5), count)


@exercise("top digits")
def top_digits(function, seed=0):
    """top_digits(probabilities (N, 10), k) -> (N, k), the most probable first."""
    probabilities = _probabilities(seed, 6)
    ascending = np.argsort(probabilities, axis=1)
    mistakes = {
        "these are the least probable; sort the other way round": ascending[:, :3],
        "the order is reversed: the most probable first": ascending[:, -3:],
    }
    right = ascending[:, ::-1][:, :3]
    expect_close(call(function, probabilities, 3), right, "the digits", mistakes)


@exercise("surest mistakes")
def surest_mistakes(function, seed=0):
    """surest_mistakes(probabilities (N, 10), labels (N,)) -> indices, the surest first."""
    probabilities = _probabilities(seed, 20)
    labels = np.random.default_rng(seed + 1).integers(0, 10, 20)
    labels[:8] = probabilities[:8].argmax(axis=1)
    wrong = [k for k in range(20) if probabilities[k].argmax() != labels[k]]
    right = sorted(wrong, key=lambda k: -probabilities[k].max())
    got = call(function, probabilities, labels)
    if np.ndim(got) == 1 and len(got) == 20 - len(wrong) != len(wrong):
        raise Wrong("these are the right answers; the mistakes are wanted")
    mistakes = {
        "these are the mistakes, but not sorted": wrong,
        "the least sure come first; the other way round": right[::-1],
        "sorted by the probability of the true digit; take that of the guess": sorted(
            wrong, key=lambda k: -probabilities[k, labels[k]]
        ),
    }
    expect_close(got, right, "the indices", mistakes)


@exercise("centre of mass")
def centre_of_mass(function, seed=0):
    """centre_of_mass(picture (H, W)) -> (row, column)."""
    picture = np.random.default_rng(seed).uniform(0, 1, (6, 9)) ** 3
    rows, columns = np.indices(picture.shape)
    right = [(rows * picture).sum() / picture.sum(), (columns * picture).sum() / picture.sum()]
    got = call(function, picture)
    expect_shape(got, (2,), "the centre")
    mistakes = {
        "row and column are exchanged": right[::-1],
        "this is the middle of the picture; weigh each position with its ink": [2.5, 4.0],
        "divide by the sum of the ink, not by the number of pixels": [
            (rows * picture).mean(), (columns * picture).mean(),
        ],
    }  # fmt: skip
    expect_close(got, right, "the centre", mistakes)


@exercise("vote")
def vote(function, seed=0):
    """vote(probabilities (N, 10), probabilities (N, 10)) -> digits (N,)."""
    first, second = _probabilities(seed, 30), _probabilities(seed + 1, 30)
    mistakes = {
        "this is the first network alone": first.argmax(axis=1),
        "this is the second network alone": second.argmax(axis=1),
        "this takes the surer of the two; take the mean of the probabilities": np.where(
            first.max(axis=1) > second.max(axis=1), first.argmax(axis=1), second.argmax(axis=1)
        ),
    }
    right = (first + second).argmax(axis=1)
    expect_close(call(function, first, second), right, "the digits", mistakes)

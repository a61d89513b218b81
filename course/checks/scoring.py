"""Checks of lesson 05: scores and what they are worth."""

import numpy as np

from course.checks.exercise import Wrong, call, exercise, expect_close, expect_parts


def _answers(seed, count=60, classes=4):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    guesses = np.where(generator.random(count) < 0.6, labels, generator.integers(0, classes, count))
    return labels, guesses


def _matrix(labels, guesses, classes=4):
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (labels, guesses), 1)
    return matrix


@exercise("accuracy with error")
def accuracy_with_error(function, seed=0):
    """accuracy_with_error(guesses (N,), labels (N,)) -> (p, √(p (1 - p) / N))."""
    labels, guesses = _answers(seed)
    p = (labels == guesses).mean()
    got = expect_parts(call(function, guesses, labels), ("the accuracy", "its standard error"))
    expect_close(got[0], p, "the accuracy", {"this is the share of mistakes": 1 - p})
    mistakes = {
        "the square root is missing": p * (1 - p) / 60,
        "this is that of one answer; divide by N below the root": np.sqrt(p * (1 - p)),
        "N stands below the root, too": np.sqrt(p * (1 - p)) / 60,
    }
    expect_close(got[1], np.sqrt(p * (1 - p) / 60), "the standard deviation", mistakes)


@exercise("confusion")
def confusion(function, seed=0):
    """confusion(labels (N,), guesses (N,), classes) -> (classes, classes), row = truth."""
    labels, guesses = _answers(seed)
    right = _matrix(labels, guesses)
    mistakes = {
        "rows and columns are exchanged: row = truth": right.T,
        "each pair counts once only; with repeated indices use += in a loop, or np.add.at": (
            right > 0
        ),
        "these are shares; counts are wanted": right / 60,
    }
    expect_close(call(function, labels, guesses, 4), right, "the matrix", mistakes)


@exercise("precision and recall")
def precision_and_recall(function, seed=0):
    """precision_and_recall(matrix (K, K), k) -> (precision, recall) of class k."""
    labels, guesses = _answers(seed)
    matrix = _matrix(labels, guesses)
    for k in range(4):
        right = [matrix[k, k] / matrix[:, k].sum(), matrix[k, k] / matrix[k].sum()]
        mistakes = {
            "they are exchanged: precision is over the column, recall over the row": right[::-1],
            "divide by the sum of the column or the row, not of all": [matrix[k, k] / matrix.sum()]
            * 2,
        }
        got = expect_parts(call(function, matrix, k), ("the precision", "the recall"))
        expect_close(got, right, f"the pair for class {k}", mistakes)


@exercise("split")
def split(function, seed=0):
    """split(count, validation_share, test_share, generator) -> three arrays of indices."""
    got = call(function, 50, 0.2, 0.1, np.random.default_rng(seed))
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise Wrong("expected three arrays: training, validation and test indices")
    parts = [np.asarray(part) for part in got]
    sizes = [len(part) for part in parts]
    together = np.concatenate(parts)
    if len(np.unique(together)) < len(together):
        raise Wrong("an index occurs twice: the sets must not overlap")
    if len(together) != 50 or set(together.tolist()) != set(range(50)):
        raise Wrong("each index from 0 to count - 1 must occur in one of the sets")
    if sorted(sizes) == [5, 10, 35] and sizes != [35, 10, 5]:
        raise Wrong("the sizes are right, in another order: training, validation, test")
    if sizes != [35, 10, 5]:
        raise Wrong(f"for 50 samples the sizes should be 35, 10 and 5, got {sizes}")
    if np.array_equal(together, np.arange(50)) or np.array_equal(np.sort(parts[0]), parts[0]):
        raise Wrong("the samples are not shuffled: use generator.permutation")

"""Checks of assignment 1: from a file's bytes to batches, and a first classifier."""

import struct

import numpy as np

from course.checks.data import batches, class_shares, to_network
from course.checks.exercise import (
    Wrong,
    call,
    exercise,
    expect_close,
    expect_parts,
    expect_shape,
)

__all__ = [
    "batches",
    "class_shares",
    "damaged_idx",
    "nearest",
    "nearest_on_digits",
    "padded_batches",
    "read_idx",
    "split",
    "split_keeps_classes",
    "standardise",
    "to_network",
]


def _idx(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


@exercise("read an IDX file")
def read_idx(function, seed=0, dimensions=3):
    """read_idx(content: bytes) -> an array of uint8 with the shape that the header states."""
    generator = np.random.default_rng(seed)
    shape = tuple(int(size) for size in generator.permutation([3, 4, 5, 300])[:dimensions])
    right = generator.integers(0, 256, shape).astype(np.uint8)
    got = call(function, _idx(right))
    if np.shape(got) == right.shape[::-1] != right.shape:
        raise Wrong(f"the sizes are in the wrong order: expected {shape}, got {np.shape(got)}")
    too_early = np.frombuffer(_idx(right), np.uint8)[4 : 4 + right.size].reshape(shape)
    mistakes = {"the numbers begin too early: the header has 4 bytes for each size": too_early}
    expect_close(got, right, "the array", mistakes, hint="Where does the header end?")
    if np.asarray(got).dtype != np.uint8:
        raise Wrong(f"the numbers should be uint8, got {np.asarray(got).dtype}")


@exercise("refuse a damaged IDX file")
def damaged_idx(function, seed=0):
    """read_idx raises ValueError for another magic number, and for missing or extra bytes."""
    array = np.random.default_rng(seed).integers(0, 256, (3, 4)).astype(np.uint8)
    whole = _idx(array)
    damaged = {
        "the first bytes are not 0, 0, 8": b"\x01" + whole[1:],
        "the last byte is missing": whole[:-1],
        "there is a byte too many": whole + b"\x00",
    }
    for fault, content in damaged.items():
        if _raises_value_error(function, content):
            continue
        raise Wrong(f"{fault}, and it did not raise ValueError")


def _raises_value_error(function, content):
    def attempt(given):
        try:
            function(given)
        except ValueError:
            return True
        return False

    return call(attempt, content) is True


@exercise("standardise")
def standardise(function, seed=0):
    """standardise(train, test) -> both with the mean and the deviation of train taken out."""
    generator = np.random.default_rng(seed)
    train = generator.normal(3, 2, (40, 1, 4, 4))
    test = generator.normal(5, 1, (15, 1, 4, 4))
    got = expect_parts(call(function, train, test), ("train", "test"))
    mean, deviation = train.mean(), train.std()
    expect_close(
        got[0],
        (train - mean) / deviation,
        "the training data",
        {
            "the mean is taken out; now divide by the standard deviation": train - mean,
            "divide by the standard deviation, not by the variance": (train - mean) / deviation**2,
            "take one mean over all pixels, not one for each pixel": (train - train.mean(axis=0))
            / train.std(axis=0),
        },
    )
    expect_close(
        got[1],
        (test - mean) / deviation,
        "the test data",
        {
            "these are the test data's own mean and deviation; when the network meets one new "
            "digit, it has none: use those of the training data": (test - test.mean()) / test.std(),
        },
    )


@exercise("split")
def split(function, seed=0):
    """split(labels, held_back, generator) -> (train, test): rows, each sample in one of them."""
    generator = np.random.default_rng(seed)
    count = int(generator.integers(60, 90))
    labels = generator.integers(0, 3, count)
    train, test = _split(function, labels, 0.25, seed)
    together = np.concatenate([train, test])
    if len(np.intersect1d(train, test)):
        raise Wrong("some samples are in both parts; then the test says too much good")
    if not np.array_equal(np.sort(together), np.arange(count)):
        raise Wrong("each sample must be in one of the two parts, exactly once")
    if abs(len(test) - 0.25 * count) > 3:
        raise Wrong(f"a quarter of {count} should be held back, got {len(test)} samples")
    if np.array_equal(np.sort(test), np.arange(count - len(test), count)) or np.array_equal(
        np.sort(test), np.arange(len(test))
    ):
        raise Wrong("the samples are taken from one end; draw them with the generator")


@exercise("split each class alike")
def split_keeps_classes(function, seed=0):
    """The share held back is the same in each class, also in a rare one."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat([0, 1, 2], [200, 40, 8]))
    _, test = _split(function, labels, 0.25, seed)
    for label, expected in ((0, 50), (1, 10), (2, 2)):
        count = int((labels[test] == label).sum())
        if count != expected:
            raise Wrong(
                f"of class {label}, {expected} samples should be held back, got {count}; draw "
                "from each class by itself"
            )


def _split(function, labels, share, seed):
    got = call(function, labels, share, np.random.default_rng(seed))
    train, test = expect_parts(got, ("train", "test"))
    for rows in (train, test):
        rows = np.asarray(rows)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise Wrong("each part should be an array of row numbers (whole numbers)")
    return np.asarray(train), np.asarray(test)


@exercise("padded batches")
def padded_batches(function, seed=0):
    """padded_batches(images, labels, batch_size) -> [(images, labels, pad)], all of one size."""
    generator = np.random.default_rng(seed)
    size = int(generator.integers(4, 7))
    count = 2 * size + int(generator.integers(1, size))
    images = np.arange(count, dtype=np.float64)[:, None] * 3
    labels = np.arange(count)
    got = call(lambda *given: list(function(*given)), images, labels, size)
    batches = [expect_parts(batch, ("images", "labels", "pad")) for batch in got]
    if len(batches) != 3:
        raise Wrong(f"{count} samples in batches of {size} are 3 batches, got {len(batches)}")
    wrapped = np.arange(3 * size) % count
    for number, (data, label, pad) in enumerate(batches):
        rows = wrapped[number * size : (number + 1) * size]
        expect_shape(data, (size, 1), f"the images of batch {number}")
        expect_close(label, rows, f"the labels of batch {number}", hint="Fill up from the front.")
        expect_close(data, images[rows], f"the images of batch {number}")
        expected = 3 * size - count if number == 2 else 0
        if not np.isscalar(pad) or pad != expected:
            raise Wrong(f"the pad of batch {number} should be {expected}, got {pad!r}")


@exercise("nearest neighbour")
def nearest(function, seed=0):
    """nearest(train, train_label, test) -> the label of the nearest training image, each."""
    generator = np.random.default_rng(seed)
    train = generator.normal(0, 1, (30, 1, 3, 3))
    labels = generator.integers(0, 10, 30)
    test = generator.normal(0, 1, (12, 1, 3, 3))
    flat, asked = train.reshape(30, -1), test.reshape(12, -1)
    squares = ((asked[:, None] - flat[None]) ** 2).sum(axis=2)
    expect_close(
        call(function, train, labels, test),
        labels[squares.argmin(axis=1)],
        "the labels",
        {
            "this is the number of the nearest image; look up its label": squares.argmin(axis=1),
            "this is the label of the farthest image": labels[squares.argmax(axis=1)],
            "add up the squares of the differences, not the differences": labels[
                (asked[:, None] - flat[None]).sum(axis=2).argmin(axis=1)
            ],
        },
    )


@exercise("nearest neighbour on digits")
def nearest_on_digits(function, seed=0):
    """At least 85 % of 100 digits, in seconds."""
    from course.test_utils import get_mnist

    mnist = get_mnist("sample")
    rows = np.random.default_rng(seed).permutation(4000)[:1500]
    asked = np.random.default_rng(seed + 1).permutation(1000)[:100]
    got = call(
        function, mnist["train_data"][rows], mnist["train_label"][rows], mnist["test_data"][asked]
    )
    right = mnist["test_label"][asked]
    accuracy = float((expect_shape(got, right.shape, "the labels") == right).mean())
    if accuracy < 0.85:
        raise Wrong(f"{accuracy:.0%} of 100 digits are read rightly; 85 % should be")

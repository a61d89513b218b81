"""Many epochs of the tutorial's MLP: whether memory and speed stay as they were.

    python -m tests.benchmarks.long_run --epochs 200

trains on MNIST (all of it if COURSE_DATA_DIR has it, else the package's sample) with validation
after each epoch, and prints exact figures as one line of JSON.
"""

import argparse
import gc
import json
import statistics
import threading
import time

import numpy as np
import psutil

import course as mx

WARM_UP = 5  # epochs: kernels loaded, every array allocated, the allocator's pools filled


def measure(epochs: int, source: str = "auto", batch_size: int = 100) -> dict:
    """Train for so many epochs; bytes of memory, seconds and threads, after each."""
    mx.random.seed(42)
    digits = mx.test_utils.get_mnist(source)
    train = mx.io.NDArrayIter(digits["train_data"], digits["train_label"], batch_size, shuffle=True)
    test = mx.io.NDArrayIter(digits["test_data"], digits["test_label"], batch_size)
    process = psutil.Process()
    memory, seconds, ends = [], [], [time.perf_counter()]

    def note(epoch, symbol, arg_params, aux_params):
        gc.collect()
        memory.append(process.memory_info().rss)
        ends.append(time.perf_counter())
        seconds.append(ends[-1] - ends[-2])

    module = mx.mod.Module(mx.networks.mlp())
    module.fit(
        train, eval_data=test, optimizer_params={"learning_rate": 0.1}, num_epoch=epochs,
        epoch_end_callback=note, initializer=mx.init.Xavier(),
    )  # fmt: skip
    accuracy = module.score(test, "acc")[0][1]
    return {
        "epochs": epochs,
        "digits": train.num_data,
        "accuracy": accuracy,
        "threads": threading.active_count(),
        "memory": memory,
        "seconds": seconds,
    }


def summary(found: dict) -> dict:
    """The figures of `measure` in short; what comes in the warm-up is left out."""
    memory, seconds = found["memory"][WARM_UP:], found["seconds"][WARM_UP:]
    third = max(1, len(seconds) // 3)
    slope = np.polyfit(range(len(memory)), memory, 1)[0]
    return {
        **{key: found[key] for key in ("epochs", "digits", "accuracy", "threads")},
        "memory after the warm-up, MB": round(memory[0] / 1e6, 2),
        "memory at the end, MB": round(memory[-1] / 1e6, 2),
        "most memory, MB": round(max(memory) / 1e6, 2),
        "growth, bytes an epoch": round(float(slope)),
        "first third, median s an epoch": round(statistics.median(seconds[:third]), 4),
        "last third, median s an epoch": round(statistics.median(seconds[-third:]), 4),
        "fastest epoch, s": round(min(seconds), 4),
        "slowest epoch, s": round(max(seconds), 4),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--source", choices=("auto", "full", "sample"), default="auto")
    arguments = parser.parse_args()
    print(json.dumps(summary(measure(arguments.epochs, arguments.source)), ensure_ascii=False))

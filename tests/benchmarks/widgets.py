"""What live curves cost: python tests/benchmarks/widgets.py [rounds]

Trains the tutorial's two networks in a notebook's kernel, in turns with and without a LivePlot,
and prints a Markdown table of medians. The plot should cost less than 5 %. All of MNIST if
COURSE_DATA_DIR says where it is, else the 4,000 digits of the package three times over.
"""

import logging
import os
import sys
import time
from pathlib import Path
from statistics import median

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
EPOCHS = {"mlp": 6, "lenet": 1}  # of 60,000 digits


def digits():
    """(images, labels) to train on."""
    import numpy as np

    import course as mx

    if os.environ.get("COURSE_DATA_DIR"):
        mnist = mx.test_utils.get_mnist("full")
        return mnist["train_data"], mnist["train_label"]
    mnist = mx.test_utils.get_mnist("sample")
    return tuple(np.concatenate([mnist[name]] * 3) for name in ("train_data", "train_label"))


def seconds(network: str, data, with_plot: bool) -> tuple[float, int]:
    """(of one fit, pictures drawn)."""
    import course as mx
    from course import widgets

    logging.getLogger().setLevel(logging.WARNING)
    mx.random.seed(0)
    train = mx.io.NDArrayIter(*data, 100, shuffle=True)
    module = mx.mod.Module(getattr(mx.networks, network)())
    callbacks, drawn = {}, []
    if with_plot:
        live = widgets.LivePlot()
        live.children[0].observe(drawn.append, "png")
        callbacks = live.callbacks(network)
    start = time.perf_counter()
    module.fit(
        train, num_epoch=EPOCHS[network], optimizer_params={"learning_rate": 0.1},
        initializer=mx.init.Xavier(), **callbacks,
    )  # fmt: skip
    return time.perf_counter() - start, len(drawn)


def measure(rounds: int) -> None:
    """Print the table; in a kernel."""
    data = digits()
    print(f"{len(data[0]):,} digits, {rounds} rounds, seconds: median (smallest to largest)\n")
    print("| network | epochs | without | with LivePlot | pictures | cost |")
    print("| --- | --- | --- | --- | --- | --- |")
    for network, epochs in EPOCHS.items():
        seconds(network, data, True)  # compiles, fills caches
        times, pictures = {False: [], True: []}, 0
        for turn in range(rounds):
            # Who comes first changes, so that a slow moment of the machine meets both.
            for with_plot in (False, True) if turn % 2 else (True, False):
                took, drawn = seconds(network, data, with_plot)
                times[with_plot].append(took)
                pictures = max(pictures, drawn)
        columns = [
            f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})"
            for found in times.values()
        ]
        cost = median(times[True]) / median(times[False]) - 1
        print(f"| {network} | {epochs} | {' | '.join(columns)} | {pictures} | {cost:+.1%} |")


def main(rounds: int) -> None:
    """Measure in a kernel, and print what it prints."""
    source = f"from tests.benchmarks.widgets import measure\nmeasure({rounds})"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(book, timeout=3600, resources={"metadata": {"path": str(ROOT)}}).execute()
    for output in book.cells[0].outputs:
        if output.output_type == "stream":
            print(output.text, end="")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)

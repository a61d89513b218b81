"""How far each layer is from what the processor can do, and how the cost grows.

    python tests/benchmarks/limits.py

Prints a Markdown table of the GFLOP/s that each layer of LeNet and MLP reaches, forward and
backward, beside the speed of a large matrix product, the machine's practical limit. Then the cost
of LeNet's training for several numbers of threads, batch sizes and numbers of images. Writes
limits.md, limits.png and scaling.png to --out.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from statistics import median

from environments import ROOT
from protocol import SLOWING

if any(name in os.environ for name in SLOWING):  # BLAS reads them when it is loaded: start anew
    for name in SLOWING:
        os.environ.pop(name, None)
    os.execv(sys.executable, [sys.executable, *sys.argv])

import numpy as np
import report

import course as mx
from course.executor import Executor
from course.kernels.threads import computing

LEARNED = ("Convolution", "FullyConnected")


def seconds(function, turns=30):
    """The median time of a call, after one to warm up."""
    function()
    times = []
    for _ in range(turns):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times)


def peak():
    """FLOP/s of numpy's product of two 2048² float32 matrices, BLAS on all its threads."""
    a = np.random.default_rng(0).random((2048, 2048), np.float32)
    return 2 * 2048**3 / seconds(lambda: a @ a, 10)


def bound(network, batch_size):
    """An executor with random weights and inputs, ready to train."""
    shapes = {"data": (batch_size, 1, 28, 28)}
    unwanted = {"data": "null", "softmax_label": "null"}
    executor = Executor(getattr(mx.networks, network)(), shapes, grad_req=unwanted)
    draw = np.random.default_rng(0)
    for name, array in executor.arg_dict.items():
        spread = 1.0 if name == "data" else 0.05
        array[...] = draw.uniform(-spread, spread, array.shape)
    executor.arg_dict["softmax_label"][...] = np.arange(batch_size) % 10
    return executor


def train_once(executor):
    executor.forward(is_train=True)
    executor.backward()


def layer_rows(network, batch_size=100):
    """(layer, MFLOP an image, forward GFLOP/s, backward GFLOP/s) of the layers that multiply.

    A multiplication with its addition counts as two operations; backward as twice the forward,
    or once where no gradient for the data is wanted. Times are a layer's alone.
    """
    executor = bound(network, batch_size)
    train_once(executor)
    rows = []
    for step in executor.steps:
        kind = type(step.layer).__name__
        if kind not in LEARNED:
            continue
        weight = step.layer.params["weight"]
        positions = np.prod(executor.value(step.output).shape[2:])
        flop = 2 * weight.size * positions * batch_size
        back = flop * (2 if step.d_inputs[0] is not None else 1)
        with computing:
            forward = seconds(lambda s=step: executor.run_step(s, is_train=True))
            backward = seconds(lambda s=step: executor.run_step_backward(s))
        rows.append(
            (
                f"{network} {step.layer.name}",
                flop / batch_size / 1e6,
                flop / forward,
                back / backward,
            )
        )
    return rows


def epoch_like(images, batch_size):
    """Seconds to train LeNet on so many images, taken from one batch of random ones."""
    executor = bound("lenet", batch_size)

    def train():
        for _ in range(images // batch_size):
            train_once(executor)

    return seconds(train, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    limit = peak()
    rows = [row for network in ("mlp", "lenet") for row in layer_rows(network)]
    lines = [
        f"Limit: {limit / 1e9:.0f} GFLOP/s (a product of two 2048² matrices).",
        "",
        "| layer | MFLOP an image | forward, GFLOP/s | of the limit | backward | of the limit |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, flop, forward, backward in rows:
        lines.append(
            f"| {name} | {flop:.3f} | {forward / 1e9:.0f} | {forward / limit:.0%} "
            f"| {backward / 1e9:.0f} | {backward / limit:.0%} |"
        )
    text = "\n".join(lines)
    print(text)
    (out / "limits.md").write_text(text + "\n", encoding="utf-8")
    draw_layers(rows, limit, out / "limits.png")

    most = mx.get_num_threads()
    by_threads = {}
    for threads in range(1, most + 1):
        mx.set_num_threads(threads)
        by_threads[threads] = 2000 / epoch_like(2000, 100)
    sizes, counts = (8, 16, 32, 64, 100, 256, 500, 1000), (1000, 2000, 4000, 8000)
    by_size = {size: 2000 / epoch_like(2000, size) for size in sizes}
    by_images = {count: epoch_like(count, 100) for count in counts}
    panels = [
        ("threads, batch 100", "threads", "images a second", by_threads),
        ("batch size", "images in a batch", "images a second", by_size),
        ("number of images, batch 100", "images", "seconds", by_images),
    ]
    for title, _, unit, points in panels:
        print(f"\n{title}: " + ", ".join(f"{x}: {y:.3g}" for x, y in points.items()) + f" ({unit})")
    lined = [(title, x, y, {"LeNet": (list(p), list(p.values()))}) for title, x, y, p in panels]
    report.lines_chart(lined, out / "scaling.png")


def draw_layers(rows, limit, path):
    """Bars of the share of the limit, forward and backward, a pair for each layer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.1 * len(rows) + 1.5, 3.6), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(rows))
    axes.bar(
        places - 0.2, [r[2] / 1e9 for r in rows], 0.4, label="forward", color=report.COLOURS[0]
    )
    axes.bar(
        places + 0.2, [r[3] / 1e9 for r in rows], 0.4, label="backward", color=report.COLOURS[1]
    )
    axes.axhline(limit / 1e9, color="black", linestyle="--", label="large matrix product")
    axes.set(
        ylim=(0, 1.25 * limit / 1e9),
        ylabel="GFLOP/s",
        title="Speed of each layer, batch of 100 images",
    )
    axes.set_xticks(places, [r[0].replace(" ", "\n") for r in rows])
    axes.legend(fontsize=8, ncols=3, loc="upper left")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()

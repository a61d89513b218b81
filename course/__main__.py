"""The command `python -m course`: the tutorial from data to table, and three small helpers."""

import argparse
import logging
import math
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import course as mx
from course.datasets import mnist

NETWORKS = {"mlp": ("MLP", mx.networks.mlp), "lenet": ("LeNet", mx.networks.lenet)}
BATCH_SIZE = 100
# The tutorial's ten epochs are 6,000 steps. The sample has a fifteenth of the images, and with as
# few steps the networks would still be where the small first weights keep them.
EPOCHS = {"full": 10, "sample": 60}
# All that the lessons use.
OPTIMIZERS = [("sgd", {"momentum": 0.0}), ("sgd", {"momentum": 0.9}), ("nag", {"momentum": 0.9})]
OPTIMIZERS += [("adam", {}), ("rmsprop", {}), ("adagrad", {})]


@dataclass
class Result:
    """What is told of a network in the end."""

    name: str
    parameters: int
    accuracy: float
    seconds: float
    probabilities: np.ndarray


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.threads is not None:
        try:
            mx.set_num_threads(options.threads)
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    try:
        if options.command == "doctor":
            return examine()
        if options.command == "prefetch":
            prefetch()
        elif options.command == "warmup":
            warm_up()
        else:
            tutorial(options)
    except KeyboardInterrupt as interrupt:
        print(f"\n{interrupt or 'stopped'}", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m course",
        description="Get the digits, train MLP and LeNet as the tutorial does, predict and score.",
    )
    parser.add_argument(
        "command", nargs="?", default="train", choices=("train", "warmup", "prefetch", "doctor"),
        help="train (the default); warmup: only compile the kernels, ahead of time; prefetch: only "
        "download MNIST; doctor: say what is installed and what is wrong",
    )  # fmt: skip
    parser.add_argument("--network", choices=(*NETWORKS, "both"), default="both")
    parser.add_argument("--epochs", type=_positive, help="default: 10, or 60 with the sample")
    parser.add_argument(
        "--data", choices=("auto", "full", "sample"), default="auto",
        help="all of MNIST, the 5,000 digits of the package, or what can be had (auto)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=42, help="the same seed, the same result")
    parser.add_argument("--threads", type=_positive, help="default: what the machine gives")
    parser.add_argument(
        "--picture", type=Path, default=Path("predictions.png"),
        help="where to save the picture of test digits (default: %(default)s)",
    )  # fmt: skip
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {value}")
    return value


def tutorial(options) -> list[Result]:
    """Train and score the networks, print the table, save the picture."""
    mx.random.seed(options.seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        digits = mx.test_utils.get_mnist(options.data)
    for warning in caught:
        print(f"Note: {warning.message}", file=sys.stderr)
    train, test = len(digits["train_data"]), len(digits["test_data"])
    print(f"{train:,} digits to train with, {test:,} to test with; {mx.get_num_threads()} threads")
    epochs = options.epochs or EPOCHS["full" if train == 60_000 else "sample"]
    keys = list(NETWORKS) if options.network == "both" else [options.network]
    results = [_train(key, digits, epochs) for key in keys]
    _print_table(results)
    shown = _some_digits(results[-1].probabilities, digits["test_label"])
    figure = mx.viz.plot_predictions(
        digits["test_data"][shown], results[-1].probabilities[shown], digits["test_label"][shown]
    )
    figure.savefig(options.picture, dpi=110)
    print(f"Test digits as {results[-1].name} reads them: {options.picture}")
    return results


def _train(key, digits, epochs):
    from tqdm import tqdm

    name, make = NETWORKS[key]
    train = mx.io.NDArrayIter(digits["train_data"], digits["train_label"], BATCH_SIZE, shuffle=True)
    test = mx.io.NDArrayIter(digits["test_data"], digits["test_label"], BATCH_SIZE)
    quiet = logging.getLogger("course.main")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    module = mx.mod.Module(make(), logger=quiet)
    times = []
    with tqdm(total=epochs * len(train), desc=name, unit="batch", file=sys.stderr) as bar:

        def after_batch(param):
            bar.update()
            if param.nbatch == len(train) - 1:
                times.append(time.perf_counter() - start[0])
                accuracy = param.eval_metric.get_global()[1]
                bar.set_postfix_str(f"epoch {param.epoch + 1}, training accuracy {accuracy:.3f}")

        def after_epoch(*_):
            start[0] = time.perf_counter()

        start = [time.perf_counter()]
        module.fit(
            train,
            optimizer_params={"learning_rate": 0.1},
            batch_end_callback=after_batch,
            epoch_end_callback=after_epoch,
            num_epoch=epochs,
        )
    # The first epoch compiles; it counts only if there is no other.
    seconds = float(np.median(times[1:] or times))
    accuracy = module.score(test, "acc")[0][1]
    parameters = sum(value.size for value in module.get_params()[0].values())
    return Result(name, parameters, accuracy, seconds, module.predict(test))


def _print_table(results):
    print(f"\n{'network':10}{'parameters':>12}{'accuracy':>10}{'seconds an epoch':>18}")
    for result in results:
        line = f"{result.name:10}{result.parameters:12,}{result.accuracy:10.4f}"
        print(f"{line}{result.seconds:18.2f}")
    print()


def _some_digits(probabilities, labels, count=32):
    """The first digits, and among them at most six that are read wrongly."""
    right = probabilities.argmax(axis=1) == labels
    wrong = np.flatnonzero(~right)[:6]
    return np.sort(np.concatenate([np.flatnonzero(right)[: count - len(wrong)], wrong]))


def warm_up() -> None:
    """Compile what MLP, LeNet and the optimizers need, so that training starts at once."""
    start = time.perf_counter()
    for _, make in NETWORKS.values():
        module = mx.mod.Module(make(), logger=logging.getLogger("course.main"))
        module.bind([("data", (2, 1, 28, 28))], [("softmax_label", (2,))])
        module.init_params()
        images = np.zeros((2, 1, 28, 28), np.float32)
        batch = next(mx.io.NDArrayIter(images, np.zeros(2), 2, shuffle=True))
        for name, settings in OPTIMIZERS:
            module.init_optimizer(optimizer=name, optimizer_params=settings, force_init=True)
            module.forward_backward(batch)
            module.update()
    seconds = time.perf_counter() - start
    print(f"The kernels are ready ({math.ceil(seconds)} s).")


def prefetch() -> None:
    """Download MNIST, if it is not there yet. Raises DownloadError if it cannot be had."""
    folders = sorted({str(path.parent) for path in mnist.find(mnist.FILES).values()})
    print(f"MNIST is in {', '.join(folders)}.")


def examine() -> int:
    """Print what `course.doctor` finds; returns 1 if there is a fault, else 0."""
    from course import doctor

    findings = doctor.examine()
    print(doctor.report(findings))
    return int(any(finding.state == doctor.FAULT for finding in findings))


if __name__ == "__main__":
    sys.exit(main())

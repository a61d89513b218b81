"""The checks of the assignments: the solution passes with any seed, mistakes get their hints."""

import importlib
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from numba import njit

import course as mx

SOURCE = Path(__file__).parents[1] / "lessons" / "assignments" / "source"
NOTEBOOKS = {
    "pipeline": "1_data/data",
    "network": "2_dense/dense",
    "loops": "3_loops/loops",
    "contest": "4_contest/contest",
}
pytestmark = pytest.mark.skipif(
    not SOURCE.is_dir(), reason="needs the solutions, which are in the repository only"
)


@pytest.fixture(scope="module")
def solutions():
    """By module of checks: the names that the teacher's notebook defines."""
    found = {}
    for module, path in NOTEBOOKS.items():
        notebook = nbformat.read(SOURCE / f"{path}.ipynb", 4)
        names = {"__name__": "assignment"}
        for cell in notebook.cells:
            about = cell.metadata.get("nbgrader", {})
            if cell.cell_type == "code" and (cell.id == "imports" or about.get("solution")):
                exec(cell.source, names)
        found[module] = names
    return found


def checks(module):
    return importlib.import_module(f"course.checks.{module}")


RIGHT = [
    ("pipeline", "read_idx", "read_idx", {}),
    ("pipeline", "read_idx", "read_idx", {"dimensions": 1}),
    ("pipeline", "read_idx", "read_idx", {"dimensions": 4}),
    ("pipeline", "damaged_idx", "read_idx", {}),
    ("pipeline", "to_network", "to_network", {}),
    ("pipeline", "standardise", "standardise", {}),
    ("pipeline", "split", "split", {}),
    ("pipeline", "split_keeps_classes", "split", {}),
    ("pipeline", "batches", "batches", {}),
    ("pipeline", "padded_batches", "padded_batches", {}),
    ("pipeline", "nearest", "nearest", {}),
    ("pipeline", "nearest_on_digits", "nearest", {}),
    ("network", "dense", "dense", {}),
    ("network", "relu", "relu", {}),
    ("network", "softmax_of_small", "softmax", {}),
    ("network", "softmax", "softmax", {}),
    ("network", "cross_entropy_of_one", "cross_entropy", {}),
    ("network", "cross_entropy", "cross_entropy", {}),
    ("network", "d_logits_of_one", "d_logits", {}),
    ("network", "d_logits", "d_logits", {}),
    ("network", "relu_backward", "relu_backward", {}),
    ("network", "dense_backward", "dense_backward", {}),
    ("network", "network_gradients", "network_gradients", {}),
    ("network", "sgd_step", "sgd_step", {}),
    ("loops", "first_window", "convolution", {}),
    ("loops", "convolution", "convolution", {}),
    ("loops", "convolution_stride", "convolution", {}),
    ("loops", "convolution_pad", "convolution", {}),
    ("loops", "max_pool", "max_pool", {}),
    ("loops", "max_pool_negative", "max_pool", {}),
    ("loops", "convolution_backward", "convolution_backward", {}),
    ("loops", "compiled_convolution", "fast_convolution", {}),
    ("loops", "compiled_max_pool", "fast_max_pool", {}),
    ("contest", "network", "build", {}),
    ("contest", "within_parameters", "build", {}),
]


@pytest.mark.parametrize(("module", "check", "answer", "settings"), RIGHT)
def test_the_solution_is_right_for_any_seed(solutions, module, check, answer, settings):
    for seed in range(6):
        assert getattr(checks(module), check)(solutions[module][answer], seed=seed, **settings)


def test_the_solution_learns_for_any_seed(solutions):
    names = solutions["network"]
    for seed in range(3):
        assert checks("network").learns(names["train"], names["predict"], seed=seed)


def transposed_idx(content):
    return np.frombuffer(content[16:], np.uint8).reshape(
        np.frombuffer(content[4:16], ">u4")[::-1].astype(int)
    )


def headless_idx(content):
    shape = np.frombuffer(content[4:16], ">u4").astype(int)
    return np.frombuffer(content[4:], np.uint8)[: np.prod(shape)].reshape(shape)


def own_mean(train, test):
    return (train - train.mean()) / train.std(), (test - test.mean()) / test.std()


def overlapping(labels, share, generator):
    return np.arange(len(labels)), np.arange(round(share * len(labels)))


def from_the_end(labels, share, generator):
    count = round(share * len(labels))
    return np.arange(len(labels) - count), np.arange(len(labels) - count, len(labels))


def unpadded(images, labels, size):
    starts = range(0, len(images), size)
    return [(images[s : s + size], labels[s : s + size], 0) for s in starts]


def number_of_nearest(train, labels, test):
    squares = ((test[:, None] - train[None]) ** 2).sum(axis=(2, 3, 4))
    return squares.argmin(axis=1)


def convolve(data, weight, bias, stride, pad, flip=False, place=True):
    weight = weight[:, :, ::-1, ::-1] if flip else weight
    data = np.pad(data, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows, columns = weight.shape[2:]
    shape = ((data.shape[k + 2] - weight.shape[k + 2]) // stride + 1 for k in (0, 1))
    out = np.zeros((len(data), len(weight), *shape))
    for n, f, p, q in np.ndindex(out.shape):
        y, x = (p * stride, q * stride) if place else (p, q)
        out[n, f, p, q] = bias[f] + (weight[f] * data[n, :, y : y + rows, x : x + columns]).sum()
    return out


def mean_over_images(data, weight, d_out):
    right = convolution_gradients(data, weight, d_out)
    return right[0], right[1] / len(data), right[2]


def convolution_gradients(data, weight, d_out):
    d_data, d_weight = np.zeros(data.shape), np.zeros(weight.shape)
    rows, columns = weight.shape[2:]
    for n, f, p, q in np.ndindex(d_out.shape):
        d_weight[f] += d_out[n, f, p, q] * data[n, :, p : p + rows, q : q + columns]
        d_data[n, :, p : p + rows, q : q + columns] += d_out[n, f, p, q] * weight[f]
    return d_data, d_weight, d_out.sum(axis=(0, 2, 3))


@njit
def slow_in_any_way(data, weight, bias, stride, pad):
    out = np.zeros((1, 1, 1, 1))
    return out + data[:1, :1, :1, :1]


WRONG = [
    ("pipeline", "read_idx", transposed_idx, "the sizes are in the wrong order"),
    ("pipeline", "read_idx", lambda content: np.zeros(3), "should have the shape"),
    ("pipeline", "read_idx", headless_idx, "the numbers begin too early"),
    ("pipeline", "damaged_idx", lambda content: np.zeros(3), "the first bytes are not 0, 0, 8"),
    ("pipeline", "standardise", own_mean, "use those of the training data"),
    ("pipeline", "standardise", lambda train, test: train, "it should return train, test"),
    ("pipeline", "split", overlapping, "some samples are in both parts"),
    ("pipeline", "split", from_the_end, "draw them with the generator"),
    ("pipeline", "split_keeps_classes", from_the_end, "draw from each class by itself"),
    ("pipeline", "padded_batches", unpadded, "the images of batch 2 should have the shape"),
    ("pipeline", "nearest", number_of_nearest, "look up its label"),
    ("pipeline", "nearest_on_digits", lambda a, b, c: np.zeros(len(c)), "85 % should be"),
    ("network", "dense", lambda x, w, b: x @ w + b, "use its transpose"),
    ("network", "dense", lambda x, w, b: x @ w.T, "the bias is missing"),
    ("network", "relu", np.abs, "this is the absolute value"),
    ("network", "softmax_of_small", np.exp, "Does each row add up to 1?"),
    (
        "network",
        "cross_entropy",
        lambda p, t: -np.log(p[np.arange(len(t)), t]).sum(),
        "the mean over the batch (the 1/N)",
    ),
    ("network", "cross_entropy", lambda p, t: -np.log(p).sum() / len(t), "only the right class"),
    ("network", "d_logits_of_one", lambda p, t: np.eye(5)[t] - p, "the sign is wrong"),
    (
        "network",
        "dense_backward",
        lambda x, w, d: (d @ w, x.T @ d, d.sum(axis=0)),
        "d_weight is transposed",
    ),
    (
        "network",
        "dense_backward",
        lambda x, w, d: (d @ w, d.T @ x, d.mean(axis=0)),
        "N times too small",
    ),
    ("loops", "first_window", lambda *_: np.zeros(3), "four axes"),
    ("loops", "convolution", lambda *a: convolve(*a, flip=True), "the filter is upside down"),
    ("loops", "convolution", lambda *a: convolve(*a)[:, :, :-1, :-1], "windows are missing"),
    (
        "loops",
        "convolution",
        lambda d, w, b, s, p: convolve(d, w, 0 * b, s, p),
        "the bias is missing",
    ),
    (
        "loops",
        "convolution",
        lambda d, w, b, s, p: convolve(d[:, -1:], w[:, -1:], b, s, p),
        "only the last channel counts",
    ),
    ("loops", "convolution_stride", lambda *a: convolve(*a, place=False), "begins at p * stride"),
    ("loops", "max_pool_negative", lambda d, z, s: 0 * _pool(d, z, s), "negative pixels are lost"),
    ("loops", "max_pool", lambda d, z, s: -_pool(-d, z, s), "this is the smallest value"),
    ("loops", "convolution_backward", mean_over_images, "the sum over the images, not the mean"),
    ("loops", "compiled_convolution", convolve, "write @njit"),
    ("loops", "faster", convolve, "write @njit"),
    ("loops", "faster", slow_in_any_way, "should have the shape"),
    ("contest", "network", lambda: mx.sym.flatten(mx.sym.var("data")), "should have the shape"),
    ("contest", "network", lambda: 3, "should return a symbol, got int"),
    ("contest", "within_parameters", mx.networks.lenet, "431,080 parameters"),
]


def _pool(data, size, stride):
    windows = np.lib.stride_tricks.sliding_window_view(data, (size, size), axis=(2, 3))
    return windows[:, :, ::stride, ::stride].max(axis=(4, 5))


@pytest.mark.parametrize(("module", "check", "answer", "hint"), WRONG)
def test_a_mistake_gets_the_hint_that_fits(capsys, module, check, answer, hint):
    assert getattr(checks(module), check)(answer, seed=1) is False
    assert hint in capsys.readouterr().out


def test_compiled_loops_are_fast_and_uncompiled_ones_are_not(solutions, capsys):
    fast = solutions["loops"]["fast_convolution"]
    assert checks("loops").faster(fast)

    class AsSlow:  # calls itself compiled, and is not
        py_func = staticmethod(fast.py_func)

        def __call__(self, *args):
            return fast.py_func(*args)

    assert checks("loops").faster(AsSlow()) is False
    assert re.search("compiled it is [0-9] times as fast", capsys.readouterr().out)


# ---- the contest ---------------------------------------------------------------------------


def trained(data, labels, seed):
    """A small dense network after one epoch."""
    model = mx.mod.Module(mx.networks.mlp())
    model.fit(mx.io.NDArrayIter(data, labels, batch_size=100), num_epoch=1)
    return model


def test_the_contest_measures_accuracy_time_and_parameters(monkeypatch):
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    result = checks("contest").score(trained)
    assert result["parameters"] == 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
    assert 0 < result["seconds"] < result["lenet"]
    assert 0 < result["accuracy"] < 0.6
    assert result["hint"] == ""


def test_the_contest_gives_other_digits_for_grading(monkeypatch):
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    seen = []
    for seed in (0, 1, 2):
        checks("contest").score(lambda data, labels, seed: seen.append(data), seed=seed)
    assert {data.shape for data in seen} == {(4000, 1, 28, 28)}
    assert not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[1], seen[2])


def test_the_contest_grades_with_mnists_test_digits_where_they_are(full_mnist, capsys):
    checks("contest").score(trained, seed=5)
    assert "on 10,000 digits held back" in capsys.readouterr().out


def test_a_training_that_is_wrong_has_no_share_and_a_hint(capsys):
    result = checks("contest").score(lambda data, labels, seed: "a network")
    assert checks("contest").time_share(result) == checks("contest").accuracy_share(result) == 0
    assert "train should return a Module, got str" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "accuracy", "parameters", "time_share", "accuracy_share"),
    [
        (5, 0.98, 40_000, 1, 1),
        (10, 0.97, 50_000, 1, 1),
        (15, 0.945, 50_000, 0.5, 0.5),
        (25, 0.90, 50_000, 0, 0),
        (5, 0.98, 100_000, 1, 0.5),
        (5, 0.945, 100_000, 1, 0.25),
    ],
)
def test_the_contests_shares(seconds, accuracy, parameters, time_share, accuracy_share):
    result = {
        "seconds": seconds, "accuracy": accuracy, "parameters": parameters, "lenet": 10, "hint": "",
    }  # fmt: skip
    assert checks("contest").time_share(result) == pytest.approx(time_share, abs=1e-3)
    assert checks("contest").accuracy_share(result) == pytest.approx(accuracy_share, abs=1e-3)

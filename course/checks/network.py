"""Checks of assignment 2: a dense network by hand."""

import numpy as np
from threadpoolctl import threadpool_limits

from course.checks.dense import d_logits, network_gradients, relu_backward, sgd_step, softmax
from course.checks.exercise import (
    Wrong,
    call,
    exercise,
    expect_close,
    expect_parts,
    expect_shape,
    numeric_gradient,
)

__all__ = [
    "cross_entropy",
    "cross_entropy_of_one",
    "d_logits",
    "d_logits_of_one",
    "dense",
    "dense_backward",
    "learns",
    "network_gradients",
    "relu",
    "relu_backward",
    "sgd_step",
    "softmax",
    "softmax_of_small",
]


@exercise("dense layer")
def dense(function, seed=0):
    """dense(data (N, D), weight (H, D), bias (H,)) -> (N, H)."""
    generator = np.random.default_rng(seed)
    for inputs, outputs in ((5, 3), (4, 4)):
        data = generator.normal(0, 1, (6, inputs))
        weight, bias = generator.normal(0, 1, (outputs, inputs)), generator.normal(0, 1, outputs)
        right = np.einsum("nd,hd->nh", data, weight) + bias
        transposed = "weight has one row for each output; use its transpose, weight.T"
        if inputs != outputs and _accepts(function, data, weight.T, bias):
            raise Wrong(transposed)
        mistakes = {
            "the bias is missing": right - bias,
            "the bias is added twice": right + bias,
        }
        if inputs == outputs:
            mistakes[transposed] = np.einsum("nd,dh->nh", data, weight) + bias
        expect_close(call(function, data, weight, bias), right, "the outputs", mistakes, 1e-6)


def _accepts(function, *args):
    try:
        call(function, *args)
    except Wrong:
        return False
    return True


@exercise("relu")
def relu(function, seed=0):
    """relu(data) -> data where it is positive, else 0."""
    data = np.random.default_rng(seed).normal(0, 1, (4, 5))
    mistakes = {
        "this is the absolute value; negative numbers become 0": np.abs(data),
        "this is 1 or 0; positive numbers stay as they are": (data > 0) * 1.0,
        "this keeps the negative numbers; keep the positive ones": np.minimum(data, 0),
    }
    expect_close(call(function, data), data * (data > 0), "the outputs", mistakes)


@exercise("softmax of small logits")
def softmax_of_small(function, seed=0):
    """The values alone; `softmax` asks for large logits too."""
    logits = np.random.default_rng(seed).normal(0, 2, (4, 6))
    powers = np.exp(logits)
    right = powers / powers.sum(axis=1, keepdims=True)
    expect_close(
        call(function, logits), right, "the probabilities", hint="Does each row add up to 1?"
    )


def _probabilities(generator, count, classes):
    raw = generator.uniform(0.1, 1, (count, classes))
    return raw / raw.sum(axis=1, keepdims=True), generator.integers(0, classes, count)


@exercise("cross-entropy of one sample")
def cross_entropy_of_one(function, seed=0):
    """cross_entropy for N = 1: minus the logarithm of the right class's probability."""
    generator = np.random.default_rng(seed)
    probabilities, labels = _probabilities(generator, 1, 5)
    right = -np.log(probabilities[0, labels[0]])
    _expect_loss(call(function, probabilities, labels), right, probabilities, labels)


@exercise("cross-entropy of a batch")
def cross_entropy(function, seed=0):
    """cross_entropy(probabilities (N, K), labels (N,)) -> the mean over the batch."""
    generator = np.random.default_rng(seed)
    probabilities, labels = _probabilities(generator, 7, 4)
    right = -np.mean([np.log(probabilities[n, label]) for n, label in enumerate(labels)])
    _expect_loss(call(function, probabilities, labels), right, probabilities, labels)


def _expect_loss(got, right, probabilities, labels):
    count = len(labels)
    mistakes = {"the sign is wrong: a loss is positive": -right}
    if count > 1:
        mistakes["this is the sum; the loss is the mean over the batch (the 1/N)"] = right * count
    mistakes["this takes the logarithm of all probabilities; only the right class counts"] = (
        -np.log(probabilities).sum() / count
    )
    mistakes["the logarithm is missing"] = -np.mean(
        [probabilities[n, label] for n, label in enumerate(labels)]
    )
    mistakes["this is the logarithm to base 2; use np.log"] = right / np.log(2)
    expect_close(got, right, "the loss", mistakes, 1e-6)


@exercise("d_logits of one sample")
def d_logits_of_one(function, seed=0):
    """d_logits for N = 1, where the mean over the batch does not show."""
    probabilities, labels = _probabilities(np.random.default_rng(seed), 1, 5)
    right = probabilities.copy()
    right[0, labels[0]] -= 1
    expect_close(
        call(function, probabilities, labels),
        right,
        "d_logits",
        {"the sign is wrong: probability minus truth": -right},
        1e-6,
    )


@exercise("dense layer backward")
def dense_backward(function, seed=0):
    """dense_backward(data, weight, d_out) -> (d_data, d_weight, d_bias); gradient-checked."""
    generator = np.random.default_rng(seed)
    data = generator.normal(0, 1, (6, 5))
    weight, bias = generator.normal(0, 1, (3, 5)), generator.normal(0, 1, 3)
    d_out = generator.normal(0, 1, (6, 3))

    def total(data=data, weight=weight, bias=bias):
        return ((np.einsum("nd,hd->nh", data, weight) + bias) * d_out).sum()

    right = {
        "d_data": numeric_gradient(lambda value: total(data=value), data),
        "d_weight": numeric_gradient(lambda value: total(weight=value), weight),
        "d_bias": numeric_gradient(lambda value: total(bias=value), bias),
    }
    parts = expect_parts(call(function, data, weight, d_out), tuple(right))
    for (name, value), got in zip(right.items(), parts, strict=True):
        if np.shape(got) == value.T.shape != value.shape:
            raise Wrong(f"{name} is transposed: its shape should be {value.shape}, as {name[2:]}")
        mistakes = {
            f"{name} is N times too small: the 1/N is in d_out already": value / 6,
            f"the sign of {name} is wrong": -value,
        }
        if name == "d_bias":
            mistakes["d_bias is the sum over the batch, not the mean"] = value / 6
        expect_close(got, value, name, mistakes, 1e-6)


@exercise("training")
def learns(train, predict, seed=0):
    """train(data, labels, generator) -> parameters; predict(data, parameters) -> labels.

    At least 80 % of 500 digits that were not trained on, 784 pixels each.
    """
    from course.test_utils import get_mnist

    mnist = get_mnist("sample")
    order = np.random.default_rng(seed).permutation(4000)
    data = mnist["train_data"].reshape(4000, 784)[order]
    labels = mnist["train_label"][order].astype(np.int64)
    # On a busy machine, BLAS threads that wait for each other make small products 50 times slower.
    with threadpool_limits(1):
        parameters = call(train, data[:2000], labels[:2000], np.random.default_rng(seed))
        got = call(predict, data[2000:2500], parameters)
    right = labels[2000:2500]
    accuracy = float((expect_shape(got, (500,), "the labels") == right).mean())
    if accuracy < 0.8:
        raise Wrong(
            f"{accuracy:.0%} of 500 new digits are read rightly; 80 % should be. Does the loss "
            "fall? If not, try another learning rate, or more epochs"
        )

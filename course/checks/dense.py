"""Checks of lesson 02: a dense network by hand."""

import numpy as np

from course.checks.exercise import (
    Wrong,
    call,
    exercise,
    expect_close,
    expect_shape,
    numeric_gradient,
)


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _loss(logits, labels):
    return -np.log(_softmax(logits)[np.arange(len(labels)), labels]).mean()


@exercise("softmax")
def softmax(function, seed=0):
    """softmax(logits (N, K)) -> (N, K); also for logits of a thousand."""
    logits = np.random.default_rng(seed).normal(0, 2, (4, 6))
    powers = np.exp(logits)
    mistakes = {
        "you divided by the sum over the batch; sum over the classes, axis=1": powers
        / powers.sum(axis=0, keepdims=True),
        "you divided by the sum of the whole batch; sum over the classes, axis=1": powers
        / powers.sum(),
        "the division by the sum is missing": powers,
    }
    expect_close(call(function, logits), _softmax(logits), "the probabilities", mistakes)
    with np.errstate(all="ignore"):
        large = np.asarray(call(function, logits + 1000), dtype=float)
    if not np.isfinite(large).all():
        raise Wrong(
            "for logits of 1000, exp overflows: subtract the largest logit of each row first"
        )
    expect_close(large, _softmax(logits), "the probabilities for logits of 1000", mistakes)


@exercise("d_logits")
def d_logits(function, seed=0):
    """d_logits(probabilities (N, K), labels (N,)) -> dL/d logits of the mean cross-entropy."""
    generator = np.random.default_rng(seed)
    logits, labels = generator.normal(0, 1, (5, 4)), generator.integers(0, 4, 5)
    right = numeric_gradient(lambda z: _loss(z, labels), logits)
    probabilities = _softmax(logits)
    truth = np.eye(4)[labels]
    mistakes = {
        "the loss is the mean over the batch: divide by N": right * 5,
        "you divided by the number of classes; divide by the number of samples, N": right * 5 / 4,
        "the sign is wrong: probability minus truth": -right,
        "the 1 of the right class is not yet subtracted": probabilities / 5,
        "only the right class has a gradient here; the others have p": truth * right,
    }
    expect_close(call(function, probabilities, labels), right, "d_logits", mistakes, 1e-6)


@exercise("relu backward")
def relu_backward(function, seed=0):
    """relu_backward(data, d_out) -> d_data, all of one shape."""
    generator = np.random.default_rng(seed)
    data, d_out = generator.normal(0, 1, (4, 5)), generator.normal(0, 1, (4, 5))
    mistakes = {
        "this lets everything through; where data is negative the gradient is 0": d_out,
        "this is relu of d_out; it depends on the sign of data": np.maximum(d_out, 0),
        "this is the way forward; multiply d_out by 1 or 0": np.maximum(data, 0),
        "this is only 1 or 0; multiply it by d_out": (data > 0).astype(float),
    }
    expect_close(call(function, data, d_out), d_out * (data > 0), "d_data", mistakes)


@exercise("network gradients")
def network_gradients(function, seed=0):
    """network_gradients(data, labels, w1, b1, w2, b2) -> (d_w1, d_b1, d_w2, d_b2).

    data (N, D), w1 (H, D), b1 (H,), w2 (K, H), b2 (K,); relu between the layers, mean
    cross-entropy behind them.
    """
    generator = np.random.default_rng(seed)
    data, labels = generator.normal(0, 1, (6, 5)), generator.integers(0, 3, 6)
    parameters = [generator.normal(0, 0.7, shape) for shape in ((4, 5), (4,), (3, 4), (3,))]

    def loss_with(k):
        def loss(value):
            w1, b1, w2, b2 = (*parameters[:k], value, *parameters[k + 1 :])
            return _loss(np.maximum(data @ w1.T + b1, 0) @ w2.T + b2, labels)

        return loss

    got = call(function, data, labels, *parameters)
    if not isinstance(got, tuple | list) or len(got) != 4:
        raise Wrong("expected four gradients: return d_w1, d_b1, d_w2, d_b2")
    names = ("d_w1", "d_b1", "d_w2", "d_b2")
    # From the output backwards: what is wrong at the end is wrong before it, too.
    for k in (3, 2, 1, 0):
        right = numeric_gradient(loss_with(k), parameters[k])
        too_large = f"{names[k]} is N times too large: the loss is a mean over the batch"
        if np.shape(got[k]) == right.T.shape != right.shape:
            raise Wrong(f"{names[k]} is transposed: its shape should be {right.shape}")
        expect_close(got[k], right, names[k], {too_large: right * 6}, 1e-6, _HINTS[k])


_HINTS = {
    3: "d_b2 is the sum of d_logits over the batch.",
    2: "d_w2 is d_logits transposed times the hidden outputs after relu.",
    1: "Does the gradient pass relu only where its input was positive?",
    0: "d_w1 is the gradient before relu, transposed, times data.",
}


@exercise("SGD step")
def sgd_step(function, seed=0):
    """sgd_step(weight, d_weight, learning_rate) -> the new weight."""
    generator = np.random.default_rng(seed)
    weight, d_weight = generator.normal(0, 1, (3, 4)), generator.normal(0, 1, (3, 4))
    mistakes = {
        "this step goes uphill: subtract": weight + 0.1 * d_weight,
        "the learning rate is missing": weight - d_weight,
        "this is only the step; return the new weight": 0.1 * d_weight,
    }
    got = call(function, weight, d_weight, 0.1)
    expect_shape(got, weight.shape, "the new weight")
    expect_close(got, weight - 0.1 * d_weight, "the new weight", mistakes)

"""Checks of lesson 07: how weights move, and where they begin."""

import numpy as np

from course.checks.exercise import Wrong, call, exercise, expect_close, expect_parts, expect_shape


@exercise("momentum step")
def momentum_step(function, seed=0):
    """momentum_step(weight, d_weight, velocity, learning_rate, momentum) -> (weight, velocity)."""
    generator = np.random.default_rng(seed)
    weight, d_weight, velocity = generator.normal(0, 1, (3, 4, 2))
    got = call(function, weight, d_weight, velocity, 0.1, 0.9)
    got = expect_parts(got, ("the new weight", "the new velocity"))
    after = 0.9 * velocity - 0.1 * d_weight
    mistakes = {
        "the sign of the gradient is wrong: go against it": 0.9 * velocity + 0.1 * d_weight,
        "the old velocity is missing": -0.1 * d_weight,
        "momentum is the factor of the old velocity, the learning rate that of the gradient": (
            0.1 * velocity - 0.9 * d_weight
        ),
        "these are exchanged: return the weight first": weight + after,
    }
    expect_close(got[1], after, "the velocity", mistakes)
    old = {"the weight moves by the new velocity, not the old one": weight + velocity}
    old["the weight moves by the velocity: add it"] = weight - after
    expect_close(got[0], weight + after, "the weight", old)


@exercise("halving")
def halving(function, seed=0):
    """halving(update, base_lr, step) -> the learning rate."""
    step = int(np.random.default_rng(seed).integers(3, 9))
    for update in (0, 1, step - 1, step, 2 * step, 5 * step + 1):
        right = 0.4 / 2 ** sum(k % step == 0 for k in range(1, update + 1))
        mistakes = {
            "it falls a little with each update; it should fall in steps: use //": 0.4
            * 0.5 ** (update / step),
            "it is halved once only": 0.4 if update < step else 0.2,
            "this is for updates that count from 1": 0.4 * 0.5 ** ((update - 1) // step),
        }
        what = f"the rate at update {update} with step {step}"
        expect_close(call(function, update, 0.4, step), right, what, mistakes)


@exercise("dropout")
def dropout(function, seed=0):
    """dropout(data, kept, p) -> data with some dropped, the others larger."""
    generator = np.random.default_rng(seed)
    data, kept = generator.normal(0, 1, (5, 6)), generator.random((5, 6)) > 0.3
    mistakes = {
        "the kept numbers are not yet larger: divide by 1 - p": data * kept,
        "divide by the probability to be kept, 1 - p, not by p": data * kept / 0.3,
        "multiply by kept: these are the dropped ones": data * ~kept / 0.7,
        "make them larger, not smaller: divide by 1 - p": data * kept * 0.7,
    }
    expect_close(call(function, data, kept, 0.3), data * kept / 0.7, "the result", mistakes)


@exercise("Xavier")
def xavier(function, seed=0):
    """xavier(n_in, n_out, generator) -> (n_out, n_in) uniform in ±√(6 / (n_in + n_out))."""
    for n_in, n_out in ((300, 40), (20, 500)):
        got = call(function, n_in, n_out, np.random.default_rng(seed))
        if np.shape(got) == (n_in, n_out):
            raise Wrong("it is transposed: the shape should be (n_out, n_in)")
        weight = expect_shape(got, (n_out, n_in), "the weights")
        limit = np.sqrt(6 / (n_in + n_out))
        largest = np.abs(weight).max()
        if largest > limit * (1 + 1e-9):
            raise Wrong(f"for {n_in} and {n_out} nothing should be above {limit:.3f} in size, but "
                        f"{largest:.3f} is")  # fmt: skip
        if weight.min() >= 0:
            raise Wrong("all weights are positive: draw from -limit to limit")
        # A uniform distribution in ±limit has the standard deviation limit / √3.
        if abs(weight.std() - limit / np.sqrt(3)) > 0.05 * limit:
            raise Wrong(
                "the weights are not uniform in ±√(6 / (n_in + n_out)): is it n_in + n_out?"
            )
